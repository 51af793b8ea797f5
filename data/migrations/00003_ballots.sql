-- Sign-in, ballots, parties. Run as role jebi_owner in schema jebi.
-- +goose Up

-- A one-time code that was asked for. person_id is null where nobody matched: the asker sees no difference.
CREATE TABLE sign_in (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  handle_hash bytea NOT NULL UNIQUE CHECK (octet_length(handle_hash) = 32), -- of the browser's half
  person_id   bigint REFERENCES person,
  way         text NOT NULL CHECK (way IN ('sms', 'email', 'link', 'letter')),
  code_hash   bytea NOT NULL CHECK (octet_length(code_hash) = 32),   -- keyed
  phone_hash  bytea CHECK (octet_length(phone_hash) = 32),           -- keyed, for the caps
  address_hash bytea CHECK (octet_length(address_hash) = 32),        -- keyed, of the network address
  attempts    smallint NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 5),
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz
);
CREATE INDEX sign_in_phone ON sign_in (phone_hash, created_at);
CREATE INDEX sign_in_address ON sign_in (address_hash, created_at);
CREATE INDEX sign_in_created ON sign_in (created_at);

CREATE TABLE session (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  token_hash  bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  campaign_id int NOT NULL REFERENCES campaign,
  person_id   bigint NOT NULL REFERENCES person,
  sign_in_id  bigint REFERENCES sign_in,
  way         text NOT NULL CHECK (way IN ('sms', 'email', 'link', 'letter')),
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  seen_at     timestamptz NOT NULL DEFAULT jebi_now(),
  expires_at  timestamptz NOT NULL,
  ended_at    timestamptz,
  consented_at timestamptz                                            -- notice read and agreed to
);
CREATE INDEX session_person ON session (person_id);

-- What a person has put together and not yet submitted; survives a lost line.
CREATE TABLE draft (
  campaign_id int NOT NULL REFERENCES campaign,
  person_id   bigint NOT NULL REFERENCES person,
  body        jsonb NOT NULL,
  saved_at    timestamptz NOT NULL DEFAULT jebi_now(),
  PRIMARY KEY (campaign_id, person_id)
);

CREATE TABLE party (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  cohort_id   int NOT NULL REFERENCES cohort,
  key         text NOT NULL CHECK (key ~ '^[a-z0-9-]{1,40}$'),
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  UNIQUE (campaign_id, key),
  UNIQUE (id, cohort_id)
);
-- A person is in at most one party of a campaign.
CREATE TABLE party_member (
  campaign_id int NOT NULL REFERENCES campaign,
  person_id   bigint NOT NULL REFERENCES person,
  party_id    bigint NOT NULL REFERENCES party,
  joined_at   timestamptz NOT NULL DEFAULT jebi_now(),
  PRIMARY KEY (campaign_id, person_id)
);
CREATE INDEX party_member_party ON party_member (party_id);

-- The ballot as it counts. Salt and bytes open its commitment.
CREATE TABLE ballot (
  campaign_id int NOT NULL,
  person_id   bigint NOT NULL,
  cohort_id   int NOT NULL,
  revision    int NOT NULL CHECK (revision >= 1),
  bytes       bytea NOT NULL CHECK (octet_length(bytes) BETWEEN 2 AND 60000),
  salt        bytea NOT NULL CHECK (octet_length(salt) = 32),
  commit      bytea NOT NULL CHECK (octet_length(commit) = 32),
  party_id    bigint,
  withdrawn   boolean NOT NULL DEFAULT false,
  channel     text NOT NULL CHECK (channel IN ('web', 'proxy', 'call_centre', 'paper', 'sample')),
  official_id int,
  session_id  bigint,
  saved_at    timestamptz NOT NULL,
  PRIMARY KEY (campaign_id, person_id),
  CHECK ((channel IN ('call_centre', 'paper')) = (official_id IS NOT NULL)),
  CHECK (channel <> 'web' OR session_id IS NOT NULL)
) PARTITION BY HASH (person_id);
-- +goose StatementBegin
DO $$ BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE ballot_%s PARTITION OF ballot FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
  END LOOP;
END $$;
-- +goose StatementEnd
CREATE INDEX ballot_cohort ON ballot (cohort_id);

-- Every save and withdrawal, in the order of their commits as far as the seal knows; no personal values.
CREATE TABLE ballot_history (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL,
  cohort_id   int NOT NULL,
  person_id   bigint NOT NULL,
  revision    int NOT NULL CHECK (revision >= 1),
  act         text NOT NULL CHECK (act IN ('save', 'withdraw')),
  commit      bytea NOT NULL CHECK (octet_length(commit) = 32),
  channel     text NOT NULL,
  official_id int,
  session_id  bigint,
  saved_at    timestamptz NOT NULL,
  UNIQUE (person_id, revision)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ballot_history FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Ballots change only while their window is open (by time too: a scheduler that is late does not keep an
-- announced window shut). The saving transaction holds the window's shared lock (see intake); this trigger
-- holds everyone else.
-- +goose StatementBegin
CREATE FUNCTION ballots_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad int;
BEGIN
  IF TG_OP = 'DELETE' THEN
    SELECT c.id INTO bad FROM cohort c WHERE c.id IN (SELECT DISTINCT cohort_id FROM old_rows) AND c.state <> 'settled' AND c.state <> 'void' LIMIT 1;
    IF bad IS NOT NULL THEN
      RAISE EXCEPTION 'cohort %: ballots are deleted only by the purge, after it is settled', bad USING ERRCODE = 'restrict_violation';
    END IF;
  ELSE
    SELECT c.id INTO bad FROM cohort c WHERE c.id IN (SELECT DISTINCT cohort_id FROM new_rows) AND (NOT (c.state = 'open' OR c.state = 'announced' AND c.opens_at <= jebi_now()) OR c.paused_at IS NOT NULL) LIMIT 1;
    IF bad IS NOT NULL THEN
      RAISE EXCEPTION 'cohort %: its window is not open', bad USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ballot_window_open';
    END IF;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER window_open_insert AFTER INSERT ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_open();
CREATE TRIGGER window_open_update AFTER UPDATE ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_open();
CREATE TRIGGER window_open_delete AFTER DELETE ON ballot REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION ballots_open();

-- Ballots stored without a sign-in of the same person are found by this view before the freeze.
CREATE VIEW ballot_without_sign_in AS
  SELECT b.campaign_id, b.cohort_id, b.person_id, b.revision, b.channel
  FROM ballot b LEFT JOIN session s ON s.id = b.session_id
  WHERE (b.channel = 'web' AND (s.id IS NULL OR s.person_id <> b.person_id AND NOT EXISTS (
           SELECT FROM party_member m JOIN party_member n USING (party_id) WHERE m.person_id = b.person_id AND n.person_id = s.person_id)))
     OR (b.channel = 'sample' AND NOT (SELECT sample FROM campaign c WHERE c.id = b.campaign_id));
