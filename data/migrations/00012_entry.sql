-- Ways in for everyone: links, letters, proxies, parties that form themselves. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Links and letters are rows of sign_in: handle_hash finds them, code_hash is compared, attempts are consumed first.
CREATE INDEX sign_in_entry ON sign_in (person_id) WHERE way IN ('link', 'letter');

-- Each use of a link, a letter's code or a party's code, for the limits and the alarm. It names nobody who failed.
CREATE TABLE entry_try (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id  int NOT NULL REFERENCES campaign,
  way          text NOT NULL CHECK (way IN ('link', 'letter', 'party')),
  person_id    bigint REFERENCES person,                               -- who tries a party's code
  address_hash bytea CHECK (octet_length(address_hash) = 32),          -- keyed, of the network address
  failed       boolean NOT NULL DEFAULT true,
  at           timestamptz NOT NULL DEFAULT jebi_now()
);
CREATE INDEX entry_try_at ON entry_try (campaign_id, at);
CREATE INDEX entry_try_address ON entry_try (address_hash, at) WHERE failed;
CREATE INDEX entry_try_person ON entry_try (person_id, at) WHERE failed AND person_id IS NOT NULL;

-- Who answers for a person, as she named herself. The phone is kept until its code came back; its keyed hash says
-- for how many people she answers.
CREATE TABLE proxy (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  person_id   bigint NOT NULL REFERENCES person,                       -- for whom
  name        text NOT NULL CHECK (name <> '' AND octet_length(name) <= 400),
  relation    text NOT NULL CHECK (relation IN ('child', 'spouse', 'parent', 'sibling', 'relative', 'carer', 'other')),
  phone       text CHECK (phone ~ '^\+[0-9]{7,15}$'),
  phone_hash  bytea NOT NULL CHECK (octet_length(phone_hash) = 32),
  language    text NOT NULL,
  former      bytea CHECK (octet_length(former) BETWEEN 2 AND 60000),  -- the person's own ballot before hers; null: none
  former_at   timestamptz,                                             -- when she first replaced it
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  verified_at timestamptz,
  ended_at    timestamptz,
  UNIQUE (campaign_id, person_id, phone_hash)
);
CREATE INDEX proxy_phone ON proxy (campaign_id, phone_hash);
ALTER TABLE sign_in ADD COLUMN proxy_id bigint REFERENCES proxy;       -- a code to a proxy's phone: it opens no session
CREATE INDEX sign_in_proxy ON sign_in (proxy_id) WHERE proxy_id IS NOT NULL;
ALTER TABLE session ADD COLUMN proxy_id bigint REFERENCES proxy;       -- who acts in it, where it is not the person
CREATE INDEX session_proxy ON session (proxy_id) WHERE proxy_id IS NOT NULL;

-- The codes by which others join a party: one for each free place, each for one person. The code is derived from the
-- nonce under the server's key; the hash finds it.
CREATE TABLE party_code (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  party_id    bigint NOT NULL REFERENCES party,
  nonce       bytea NOT NULL CHECK (octet_length(nonce) = 32),
  code_hash   bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  used_at     timestamptz,
  person_id   bigint REFERENCES person                                 -- who joined by it
);
CREATE INDEX party_code_party ON party_code (party_id);

GRANT SELECT, INSERT, UPDATE ON entry_try, proxy, party_code TO jebi_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jebi TO jebi_app;

-- The members of a party have one list: a ballot of the party is written for all who are members at the moment of its
-- commit, in one transaction. Who joins or leaves holds the party's row last of all, so one of the two sees the other.
-- Synthetic citizens are left out: their parties are written by the program that makes them.
-- +goose StatementBegin
CREATE FUNCTION ballot_of_party() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  PERFORM FROM party y WHERE y.id = NEW.party_id FOR SHARE;
  IF NOT EXISTS (SELECT FROM party_member m WHERE m.campaign_id = NEW.campaign_id AND m.person_id = NEW.person_id AND m.party_id = NEW.party_id)
     OR EXISTS (SELECT FROM party_member m LEFT JOIN ballot b ON b.campaign_id = m.campaign_id AND b.person_id = m.person_id
                 WHERE m.party_id = NEW.party_id
                   AND (b.person_id IS NULL OR b.withdrawn OR b.party_id IS DISTINCT FROM m.party_id OR b.xmin <> pg_current_xact_id()::xid)) THEN
    RAISE EXCEPTION 'the members of party % have changed', NEW.party_id USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ballot_party_members';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER of_party_insert AFTER INSERT ON ballot FOR EACH ROW
  WHEN (NEW.party_id IS NOT NULL AND NOT NEW.withdrawn AND NEW.channel <> 'sample') EXECUTE FUNCTION ballot_of_party();
CREATE TRIGGER of_party_update AFTER UPDATE ON ballot FOR EACH ROW
  WHEN (NEW.party_id IS NOT NULL AND NOT NEW.withdrawn AND NEW.channel <> 'sample') EXECUTE FUNCTION ballot_of_party();

-- The ballot that a proxy replaces is kept, so that the person can go back to it.
-- +goose StatementBegin
CREATE FUNCTION keep_former() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  UPDATE proxy x SET former = CASE WHEN OLD.withdrawn THEN NULL ELSE OLD.bytes END, former_at = NEW.saved_at
    FROM session s WHERE s.id = NEW.session_id AND x.id = s.proxy_id AND x.person_id = NEW.person_id;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_former AFTER UPDATE ON ballot FOR EACH ROW
  WHEN (NEW.channel = 'proxy' AND OLD.channel <> 'proxy') EXECUTE FUNCTION keep_former();

-- What others save for a person she is told, in the same transaction, by every channel that is hers.
-- +goose StatementBegin
CREATE FUNCTION saved_for_her() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  IF NEW.channel = 'proxy' AND NOT EXISTS (
       SELECT FROM session s JOIN proxy x ON x.id = s.proxy_id WHERE s.id = NEW.session_id AND x.person_id = NEW.person_id) THEN
    RETURN NULL; -- of her party: she knows its members
  END IF;
  INSERT INTO message (campaign_id, person_id, event, channel, kind, params)
  SELECT NEW.campaign_id, NEW.person_id, 'saved/' || NEW.person_id || '/' || NEW.revision, c.channel,
         CASE NEW.channel WHEN 'proxy' THEN 'proxy_' ELSE 'entered_' END || CASE NEW.act WHEN 'save' THEN 'saved' ELSE 'withdrawn' END,
         jsonb_build_object('cohort', NEW.cohort_id, 'session', NEW.session_id)
    FROM person_detail d JOIN LATERAL (VALUES ('email', d.email), ('sms', d.phone)) c (channel, address) ON c.address IS NOT NULL
   WHERE d.person_id = NEW.person_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER saved_for_her AFTER INSERT ON ballot_history FOR EACH ROW
  WHEN (NEW.channel IN ('proxy', 'call_centre', 'paper')) EXECUTE FUNCTION saved_for_her();

-- A proxy's ballot needs her session as well.
CREATE OR REPLACE VIEW ballot_without_sign_in AS
  SELECT b.campaign_id, b.cohort_id, b.person_id, b.revision, b.channel
  FROM ballot b LEFT JOIN session s ON s.id = b.session_id
  WHERE (b.channel IN ('web', 'proxy') AND (s.id IS NULL OR s.person_id <> b.person_id AND NOT EXISTS (
           SELECT FROM party_member m JOIN party_member n USING (party_id) WHERE m.person_id = b.person_id AND n.person_id = s.person_id)))
     OR (b.channel = 'proxy' AND s.proxy_id IS NULL)
     OR (b.channel = 'sample' AND NOT (SELECT sample FROM campaign c WHERE c.id = b.campaign_id));

-- The purge takes the new personal rows as well.
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
   WHERE m.campaign_id = purge_campaign.campaign AND (m.person_id IS NOT NULL OR m.recipient LIKE 'proxy:%') AND m.state = 'queued';
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('message', n);
  DELETE FROM session s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('session', n);
  DELETE FROM sign_in s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('sign_in', n);
  DELETE FROM proxy x WHERE x.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('proxy', n);
  DELETE FROM party_code x WHERE x.campaign_id = purge_campaign.campaign;
  DELETE FROM entry_try x WHERE x.campaign_id = purge_campaign.campaign;
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
