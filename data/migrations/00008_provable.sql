-- What makes a draw provable: cosignatures, contributions, the log of saves. Run as role jebi_owner in schema jebi.
-- +goose Up

-- What was written once is never written again; to a checkpoint only cosignatures are added, and before the
-- first source of randomness.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION draw_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'a draw is never deleted' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (OLD.cohort_id, OLD.draw_id, OLD.k_commit, OLD.manifest, OLD.announced_at) IS DISTINCT FROM (NEW.cohort_id, NEW.draw_id, NEW.k_commit, NEW.manifest, NEW.announced_at)
     OR OLD.frozen_at IS NOT NULL AND (OLD.supply, OLD.excluded, OLD.leaf_count, OLD.root, OLD.frozen_at) IS DISTINCT FROM (NEW.supply, NEW.excluded, NEW.leaf_count, NEW.root, NEW.frozen_at)
     OR OLD.drawn_at IS NOT NULL AND (OLD.entropy, OLD.seed, OLD.outcome_root, OLD.claims, OLD.cutoffs, OLD.drawn_at) IS DISTINCT FROM (NEW.entropy, NEW.seed, NEW.outcome_root, NEW.claims, NEW.cutoffs, NEW.drawn_at)
     OR OLD.published_at IS NOT NULL AND OLD.published_at IS DISTINCT FROM NEW.published_at THEN
    RAISE EXCEPTION 'draw %: what is written stands', OLD.draw_id USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.frozen_at IS NOT NULL AND OLD.checkpoint IS DISTINCT FROM NEW.checkpoint THEN
    IF NEW.checkpoint IS NULL OR substring(NEW.checkpoint FROM 1 FOR octet_length(OLD.checkpoint)) <> OLD.checkpoint THEN
      RAISE EXCEPTION 'draw %: a checkpoint stands; cosignatures are added to it', OLD.draw_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_checkpoint';
    ELSIF EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = OLD.cohort_id) THEN
      RAISE EXCEPTION 'draw %: randomness is recorded; the checkpoint has its cosignatures', OLD.draw_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_checkpoint';
    END IF;
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd

-- The files of public contributions, by their source's position; their hashes are the sources' values.
CREATE TABLE draw_public (
  cohort_id int NOT NULL REFERENCES draw,
  position  smallint NOT NULL CHECK (position >= 0),
  file      bytea NOT NULL,
  PRIMARY KEY (cohort_id, position)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON draw_public FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON draw_public TO jebi_app;

-- The salt of each save, so that its entry in the log of saves can be made again after a later revision: it goes
-- with the ballots in the purge. A withdrawal has none, and no entry.
ALTER TABLE ballot_history ADD COLUMN salt bytea CHECK (octet_length(salt) = 32);
-- +goose StatementBegin
CREATE FUNCTION ballot_history_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.salt IS NULL AND (SELECT c.state IN ('settled', 'void') FROM cohort c WHERE c.id = OLD.cohort_id) THEN
    RETURN NEW; -- the purge
  END IF;
  RAISE EXCEPTION 'table ballot_history is append-only' USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
DROP TRIGGER append_only ON ballot_history;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OF id, campaign_id, cohort_id, person_id, revision, act, commit, channel, official_id, session_id, saved_at
  ON ballot_history FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER salt_stands BEFORE UPDATE OF salt ON ballot_history FOR EACH ROW EXECUTE FUNCTION ballot_history_stands();
CREATE INDEX ballot_history_cohort ON ballot_history (cohort_id, id);

-- The pool of each frozen ballot's person, as it was at the freeze: the first of the manifest's that she is of.
ALTER TABLE draw_leaf ADD COLUMN pool text NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION purge_campaign(campaign int, official int, second int, why text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
DECLARE
  live text;
  counts jsonb := '{}';
  n bigint;
BEGIN
  PERFORM 1 FROM cohort c WHERE c.campaign_id = purge_campaign.campaign ORDER BY c.id FOR SHARE;
  SELECT string_agg(c.key || ' is ' || c.state, ', ' ORDER BY c.ordinal) INTO live
    FROM cohort c WHERE c.campaign_id = purge_campaign.campaign AND c.state NOT IN ('settled', 'void');
  IF live IS NOT NULL THEN
    RAISE EXCEPTION 'not every cohort of the campaign has ended: %', live USING ERRCODE = 'restrict_violation', CONSTRAINT = 'purge_after_end';
  END IF;
  IF NOT EXISTS (SELECT FROM campaign c WHERE c.id = purge_campaign.campaign) THEN
    RAISE EXCEPTION 'there is no campaign %', campaign USING ERRCODE = 'foreign_key_violation';
  END IF;
  -- What has not been sent cannot be sent any more: there is no address.
  UPDATE message m SET state = 'cancelled', ended_at = jebi_now()
   WHERE m.campaign_id = purge_campaign.campaign AND m.person_id IS NOT NULL AND m.state = 'queued';
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('message', n);
  DELETE FROM session s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('session', n);
  DELETE FROM sign_in s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('sign_in', n);
  DELETE FROM draft d WHERE d.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('draft', n);
  DELETE FROM ballot b WHERE b.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('ballot', n);
  UPDATE ballot_history h SET salt = NULL WHERE h.campaign_id = purge_campaign.campaign AND h.salt IS NOT NULL;
  DELETE FROM person_detail d USING person p WHERE p.id = d.person_id AND p.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('person_detail', n);
  INSERT INTO audit (campaign_id, actor, official_id, second_id, act, subject, reason, after)
  VALUES (purge_campaign.campaign, CASE WHEN official IS NULL THEN 'system' ELSE 'official' END, official, second,
          'people.purge', 'campaign:' || purge_campaign.campaign, why, counts);
  RETURN counts;
END $$;
-- +goose StatementEnd

-- Who is absent is recorded before the first die, drand's round or opened envelope; a signed reveal does not hinder it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION draw_envelope_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT c.state FROM cohort c WHERE c.id = NEW.cohort_id) IS DISTINCT FROM 'frozen' THEN
    RAISE EXCEPTION 'cohort %: envelopes are recorded only while it is frozen', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF (SELECT a.kind FROM draw_announced(NEW.cohort_id) a WHERE a.place = NEW.position) IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'cohort %: source % is no trustee', NEW.cohort_id, NEW.position USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  ELSIF EXISTS (SELECT FROM draw_source s WHERE s.cohort_id = NEW.cohort_id
                 AND (s.type IN (3, 4) OR s.type = 1 AND (s.present AND s.note IS NULL OR s.envelope IS NOT NULL))) THEN
    RAISE EXCEPTION 'cohort %: envelopes are recorded before the first die', NEW.cohort_id USING ERRCODE = 'restrict_violation', CONSTRAINT = 'draw_source_order';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
