-- Time, campaign, officials, audit, board. Run as role jebi_owner in schema jebi.
-- +goose Up

-- The only clock. Databases of tests, demo and rehearsal have another body (see data.MakeClockMovable).
CREATE FUNCTION jebi_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT clock_timestamp()';

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd

CREATE TABLE official (
  id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{1,39}$'), -- a login, not a person's full name
  role        text NOT NULL CHECK (role IN ('operator', 'approver', 'call_centre', 'auditor')),
  secret_hash text,                      -- argon2id, PHC form
  public_key  bytea CHECK (octet_length(public_key) = 32), -- Ed25519 of a key file
  disabled_at timestamptz,
  failures    smallint NOT NULL DEFAULT 0 CHECK (failures >= 0),
  locked_until timestamptz,
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  CHECK (secret_hash IS NOT NULL OR public_key IS NOT NULL)
);

CREATE TABLE official_session (
  token_hash  bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
  official_id int NOT NULL REFERENCES official,
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  expires_at  timestamptz NOT NULL CHECK (expires_at > created_at),
  ended_at    timestamptz
);

CREATE TABLE campaign (
  id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key        text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  version    int NOT NULL CHECK (version >= 1),
  sample     boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT jebi_now()
);

CREATE TABLE campaign_version (
  campaign_id int NOT NULL REFERENCES campaign,
  version     int NOT NULL CHECK (version >= 1),
  file        text NOT NULL,
  file_hash   bytea NOT NULL CHECK (octet_length(file_hash) = 32),
  official_id int REFERENCES official,
  applied_at  timestamptz NOT NULL DEFAULT jebi_now(),
  PRIMARY KEY (campaign_id, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON campaign_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE cohort (
  id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id  int NOT NULL REFERENCES campaign,
  key          text NOT NULL CHECK (key ~ '^[a-z0-9][a-z0-9-]{0,19}$'),
  ordinal      int NOT NULL,
  state        text NOT NULL DEFAULT 'draft'
               CHECK (state IN ('draft', 'announced', 'open', 'closed', 'frozen', 'drawn', 'published', 'settled', 'void')),
  -- the window and the due times as they stand now: the file's, or as extended
  opens_at     timestamptz NOT NULL,
  closes_at    timestamptz NOT NULL,
  draw_at      timestamptz NOT NULL,
  publish_at   timestamptz NOT NULL,
  confirm_by   timestamptz NOT NULL,
  settle_at    timestamptz NOT NULL,
  paused_at    timestamptz,               -- a paused window takes no ballots; null: not paused
  state_at     timestamptz NOT NULL DEFAULT jebi_now(),
  UNIQUE (campaign_id, key),
  UNIQUE (campaign_id, ordinal),
  CHECK (opens_at < closes_at AND closes_at <= draw_at AND draw_at <= publish_at AND publish_at <= confirm_by AND confirm_by <= settle_at)
);

-- +goose StatementBegin
CREATE FUNCTION cohort_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  course text[] := ARRAY['draft', 'announced', 'open', 'closed', 'frozen', 'drawn', 'published', 'settled'];
BEGIN
  IF NEW.state <> OLD.state THEN
    NEW.state_at := jebi_now();
    IF NEW.state = 'void' THEN
      IF OLD.state NOT IN ('announced', 'open', 'closed', 'frozen') THEN
        RAISE EXCEPTION 'cohort %: % cannot be voided', OLD.key, OLD.state USING ERRCODE = 'check_violation';
      END IF;
    ELSIF OLD.state = 'void' OR array_position(course, NEW.state) <> array_position(course, OLD.state) + 1 THEN
      RAISE EXCEPTION 'cohort %: from % to % is not a step', OLD.key, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
  END IF;
  IF NEW.closes_at <> OLD.closes_at AND OLD.state NOT IN ('draft', 'announced', 'open')
     OR NEW.opens_at <> OLD.opens_at AND OLD.state NOT IN ('draft', 'announced') THEN
    RAISE EXCEPTION 'cohort %: its window is past (%)', OLD.key, OLD.state USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER moves BEFORE UPDATE ON cohort FOR EACH ROW EXECUTE FUNCTION cohort_moves();

-- Who did what, why; before and after hold ids, hashes and codes only, never personal values.
CREATE TABLE audit (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at           timestamptz NOT NULL DEFAULT jebi_now(),
  campaign_id  int REFERENCES campaign,
  actor        text NOT NULL CHECK (actor IN ('official', 'person', 'proxy', 'system')),
  official_id  int REFERENCES official,
  second_id    int REFERENCES official,   -- the one who confirmed an act of two
  act          text NOT NULL CHECK (act ~ '^[a-z_]+(\.[a-z_]+)+$'), -- "ballot.save", "window.extend"
  subject      text NOT NULL,             -- "person:17", "cohort:3"
  reason       text NOT NULL DEFAULT '',
  before       jsonb,
  after        jsonb,
  CHECK ((actor = 'official') = (official_id IS NOT NULL)),
  CHECK (second_id IS NULL OR second_id <> official_id)
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An act of two, from its proposal to its end.
CREATE TABLE proposal (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id  int REFERENCES campaign,
  act          text NOT NULL,
  params       jsonb NOT NULL,
  reason       text NOT NULL,
  proposed_by  int NOT NULL REFERENCES official,
  proposed_at  timestamptz NOT NULL DEFAULT jebi_now(),
  expires_at   timestamptz NOT NULL,
  ended_by     int REFERENCES official,
  ended_at     timestamptz,
  outcome      text CHECK (outcome IN ('confirmed', 'refused', 'expired')),
  CHECK (ended_by IS NULL OR ended_by <> proposed_by OR outcome <> 'confirmed'),
  CHECK ((outcome IS NULL) = (ended_at IS NULL))
);

-- The append-only public list of manifests, checkpoints, reveals, results, releases, corrections.
CREATE TABLE board (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  cohort_id   int REFERENCES cohort,
  kind        text NOT NULL CHECK (kind ~ '^[a-z_]+$'), -- manifest, supply, checkpoint, source, draw, result, release, void, window, correction
  body        bytea NOT NULL,            -- public bytes, as they are served; JSON unless the kind says otherwise
  body_hash   bytea NOT NULL CHECK (body_hash = sha256(body)),
  at          timestamptz NOT NULL DEFAULT jebi_now()
);
CREATE INDEX board_cohort ON board (cohort_id, id);
CREATE UNIQUE INDEX board_one_manifest ON board (cohort_id) WHERE kind = 'manifest';
CREATE UNIQUE INDEX board_one_checkpoint ON board (cohort_id) WHERE kind = 'checkpoint';
CREATE UNIQUE INDEX board_one_draw ON board (cohort_id) WHERE kind = 'draw';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON board FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Heads of the hash chains over audit, board and ballot_history, one row a sealing.
CREATE TABLE seal (
  chain text NOT NULL CHECK (chain IN ('audit', 'board', 'ballot_history')),
  seq   bigint NOT NULL CHECK (seq >= 1),
  upto  bigint NOT NULL,                 -- last row id that the head covers
  rows  bigint NOT NULL,                 -- rows that this sealing added
  head  bytea NOT NULL CHECK (octet_length(head) = 32),
  at    timestamptz NOT NULL DEFAULT jebi_now(),
  PRIMARY KEY (chain, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What recurring work ran last, by campaign and name (refill, reminders, odds, retention, seal).
CREATE TABLE recurring (
  campaign_id int NOT NULL REFERENCES campaign,
  name        text NOT NULL,
  last_at     timestamptz NOT NULL,
  PRIMARY KEY (campaign_id, name)
);

-- Fingerprint of the key that codes, links and sessions are hashed with: every server must have the same.
CREATE TABLE server_key (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32)
);
