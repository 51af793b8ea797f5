-- What a batch of saves costs the database, made less once more. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Ballots stand in one table. Every statement made each partition that it touched ready anew, a quarter of the time of a
-- batch of saves; the reason for partitions, to spread them over several machines, is better served by a plain table,
-- which such engines divide themselves.
-- A program of the version before may be taking saves: it waits, and finds the new table.
LOCK TABLE ballot, audit IN ACCESS EXCLUSIVE MODE;
CREATE TABLE ballot_whole (
  campaign_id int NOT NULL,
  person_id   bigint NOT NULL,
  cohort_id   int NOT NULL,
  revision    int NOT NULL,
  bytes       bytea NOT NULL,
  salt        bytea NOT NULL,
  commit      bytea NOT NULL,
  party_id    bigint,
  withdrawn   boolean NOT NULL DEFAULT false,
  channel     text NOT NULL,
  official_id int,
  session_id  bigint,
  saved_at    timestamptz NOT NULL
) WITH (fillfactor = 75);
INSERT INTO ballot_whole SELECT campaign_id, person_id, cohort_id, revision, bytes, salt, commit, party_id, withdrawn, channel, official_id, session_id, saved_at FROM ballot;
DROP VIEW ballot_without_sign_in;
DROP TABLE ballot;
ALTER TABLE ballot_whole RENAME TO ballot;
ALTER TABLE ballot ADD PRIMARY KEY (campaign_id, person_id);
CREATE INDEX ballot_cohort ON ballot (cohort_id);
ANALYZE ballot;
REVOKE ALL ON ballot FROM jebi_app;
GRANT SELECT, INSERT, UPDATE ON ballot TO jebi_app;

CREATE VIEW ballot_without_sign_in AS
  SELECT b.campaign_id, b.cohort_id, b.person_id, b.revision, b.channel
  FROM ballot b LEFT JOIN session s ON s.id = b.session_id
  WHERE (b.channel IN ('web', 'proxy') AND (s.id IS NULL OR s.person_id <> b.person_id AND NOT EXISTS (
           SELECT FROM party_member m JOIN party_member n USING (party_id) WHERE m.person_id = b.person_id AND n.person_id = s.person_id)))
     OR (b.channel = 'proxy' AND s.proxy_id IS NULL)
     OR (b.channel = 'sample' AND NOT (SELECT sample FROM campaign c WHERE c.id = b.campaign_id));
GRANT SELECT ON ballot_without_sign_in TO jebi_app;

-- What is asked of new ballots is asked once a statement, in as few queries as can be: checks of a table are made ready
-- anew for every statement, and so is each query of a trigger. Names are whole, so that no path has to be set.
-- Ballots change only while their window is open; one that was left out comes back as its receipt has it. A ballot of a
-- party is written for all who are members at the moment of its commit, in one transaction: who joins or leaves holds
-- the party's row last of all, so one of the two sees the other. Synthetic citizens are left out: their parties are
-- written by the program that makes them.
-- +goose StatementBegin
CREATE FUNCTION ballots_stand() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  low int;
  high int;
  sound boolean;
  together boolean;
  bad bigint;
  parties bigint[];
BEGIN
  SELECT min(n.cohort_id), max(n.cohort_id),
         bool_and((n.revision >= 1
           AND octet_length(n.bytes) BETWEEN 2 AND 60000
           AND octet_length(n.salt) = 32
           AND octet_length(n.commit) = 32
           AND n.channel IN ('web', 'proxy', 'call_centre', 'paper', 'sample')
           AND (n.channel IN ('call_centre', 'paper')) = (n.official_id IS NOT NULL)
           AND (n.channel <> 'web' OR n.session_id IS NOT NULL)) IS TRUE),
         bool_or(n.party_id IS NOT NULL AND NOT n.withdrawn AND n.channel <> 'sample')
    INTO low, high, sound, together FROM new_rows n;
  IF low IS NULL THEN
    RETURN NULL;
  END IF;
  IF NOT sound THEN
    RAISE EXCEPTION 'a ballot is not sound' USING ERRCODE = 'check_violation', CONSTRAINT = 'ballot_sound', TABLE = 'ballot';
  END IF;
  IF EXISTS (SELECT FROM jebi.cohort c WHERE c.id BETWEEN low AND high
                AND (NOT (c.state = 'open' OR c.state = 'announced' AND c.opens_at <= jebi.jebi_now()) OR c.paused_at IS NOT NULL)) THEN
    SELECT c.id INTO bad FROM jebi.cohort c
     WHERE (NOT (c.state = 'open' OR c.state = 'announced' AND c.opens_at <= jebi.jebi_now()) OR c.paused_at IS NOT NULL)
       AND EXISTS (SELECT FROM new_rows n WHERE n.cohort_id = c.id AND (c.state <> 'published' OR n.withdrawn OR NOT EXISTS (
             SELECT FROM jebi.left_out l WHERE l.cohort_id = n.cohort_id AND l.person_id = n.person_id AND l.commit = n.commit))) LIMIT 1;
    IF bad IS NOT NULL THEN
      RAISE EXCEPTION 'cohort %: its window is not open', bad USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ballot_window_open';
    END IF;
  END IF;
  IF NOT together THEN
    RETURN NULL;
  END IF;
  SELECT array_agg(DISTINCT n.party_id) INTO parties FROM new_rows n WHERE n.party_id IS NOT NULL AND NOT n.withdrawn AND n.channel <> 'sample';
  PERFORM FROM jebi.party y WHERE y.id = ANY (parties) ORDER BY y.id FOR SHARE;
  IF EXISTS (SELECT FROM new_rows n
              WHERE n.party_id IS NOT NULL AND NOT n.withdrawn AND n.channel <> 'sample'
                AND NOT EXISTS (SELECT FROM jebi.party_member m WHERE m.campaign_id = n.campaign_id AND m.person_id = n.person_id AND m.party_id = n.party_id))
     OR EXISTS (SELECT FROM jebi.party_member m LEFT JOIN jebi.ballot b ON b.campaign_id = m.campaign_id AND b.person_id = m.person_id
                 WHERE m.party_id = ANY (parties)
                   AND (b.person_id IS NULL OR b.withdrawn OR b.party_id IS DISTINCT FROM m.party_id OR b.xmin <> pg_current_xact_id()::xid)) THEN
    RAISE EXCEPTION 'the members of a party have changed (%)', parties USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ballot_party_members';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION ballots_go() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad int;
BEGIN
  SELECT c.id INTO bad FROM cohort c WHERE c.id IN (SELECT DISTINCT cohort_id FROM old_rows) AND c.state <> 'settled' AND c.state <> 'void' LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: ballots are deleted only by the purge, after it is settled', bad USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
DROP FUNCTION ballots_open();
DROP FUNCTION IF EXISTS ballot_of_party(); -- one of the two is there: 00014 was written anew once
DROP FUNCTION IF EXISTS ballots_sound();
CREATE TRIGGER stand_insert AFTER INSERT ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_stand();
CREATE TRIGGER stand_update AFTER UPDATE ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_stand();
CREATE TRIGGER go_delete AFTER DELETE ON ballot REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_go();
CREATE TRIGGER keep_former AFTER UPDATE ON ballot FOR EACH ROW
  WHEN (NEW.channel = 'proxy' AND OLD.channel <> 'proxy') EXECUTE FUNCTION keep_former();

-- The trail of one subject is looked for by the subject alone; an ordered index of texts was 6 of the 15 µs of a row.
DROP INDEX audit_subject;
CREATE INDEX audit_subject ON audit USING hash (subject);
ALTER TABLE audit DROP CONSTRAINT audit_act_check, ADD CONSTRAINT audit_act_check CHECK (act = 'ballot.save' OR act ~ '^[a-z_]+(\.[a-z_]+)+$');

-- Campaigns and officials that the trail names stay: the program's role may not delete them, and audited_stay holds the
-- owner. So they are looked for, and not locked: every batch of saves locked its campaign's row together with the
-- batches beside it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_refers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  low int;
  high int;
  officials boolean;
BEGIN
  SELECT min(n.campaign_id), max(n.campaign_id), bool_or(n.official_id IS NOT NULL OR n.second_id IS NOT NULL)
    INTO low, high, officials FROM new_rows n;
  IF low < high AND EXISTS (SELECT FROM new_rows n WHERE n.campaign_id IS NOT NULL AND NOT EXISTS (SELECT FROM jebi.campaign c WHERE c.id = n.campaign_id))
     OR low = high AND NOT EXISTS (SELECT FROM jebi.campaign c WHERE c.id = low) THEN
    RAISE EXCEPTION 'the audit trail names a campaign that is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'audit_refers';
  END IF;
  IF officials AND EXISTS (SELECT FROM new_rows n, LATERAL (VALUES (n.official_id), (n.second_id)) x (id)
                            WHERE x.id IS NOT NULL AND NOT EXISTS (SELECT FROM jebi.official o WHERE o.id = x.id)) THEN
    RAISE EXCEPTION 'the audit trail names an official who is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'audit_refers';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
