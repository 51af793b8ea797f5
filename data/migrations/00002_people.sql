-- People, clinics, slots. Run as role jebi_owner in schema jebi.
-- +goose Up

CREATE TABLE person (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  key         text NOT NULL CHECK (key ~ '^[A-Za-z0-9._-]{1,40}$'), -- person_id of the protocol
  cohort_id   int REFERENCES cohort,                                -- null: on the list, in no cohort
  status      text NOT NULL DEFAULT 'eligible' CHECK (status IN ('eligible', 'dead', 'vaccinated', 'moved', 'removed')),
  weight      smallint NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
  row_hash    bytea NOT NULL CHECK (octet_length(row_hash) = 32),   -- of the imported row: same file twice changes nothing
  corrected   text[] NOT NULL DEFAULT '{}',                         -- columns that an official has set: later files leave them alone
  created_at  timestamptz NOT NULL DEFAULT jebi_now(),
  UNIQUE (campaign_id, key)
);
CREATE INDEX person_cohort ON person (cohort_id) WHERE status = 'eligible';

-- Everything personal about a person, and nothing else: a purge deletes these rows.
CREATE TABLE person_detail (
  person_id  bigint PRIMARY KEY REFERENCES person,
  name       text NOT NULL CHECK (name <> '' AND octet_length(name) <= 400),
  birth_date date NOT NULL,
  phone      text CHECK (phone ~ '^\+[0-9]{7,15}$'),                -- E.164
  email      text CHECK (octet_length(email) <= 254),
  address    text NOT NULL DEFAULT '',
  district   text NOT NULL DEFAULT '',                              -- district code
  lat        double precision,
  lon        double precision,
  groups     text[] NOT NULL DEFAULT '{}',
  language   text NOT NULL DEFAULT 'ko',
  letter_hash bytea CHECK (octet_length(letter_hash) = 32),         -- keyed hash of the code in her letter
  CHECK ((lat IS NULL) = (lon IS NULL))
);
CREATE INDEX person_detail_phone ON person_detail (phone, birth_date);

CREATE TABLE clinic (
  id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  key         text NOT NULL CHECK (key ~ '^[A-Za-z0-9._-]{1,40}$'),
  name        text NOT NULL,
  name_en     text NOT NULL DEFAULT '',
  kind        text NOT NULL CHECK (kind IN ('clinic', 'hospital', 'centre')),
  address     text NOT NULL DEFAULT '',
  district    text NOT NULL,
  lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
  lon         double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
  phone       text NOT NULL DEFAULT '',
  email       text NOT NULL DEFAULT '',
  hours       text NOT NULL DEFAULT '',                             -- "0900-1800;sat 0900-1300", for people to read
  bring       text NOT NULL DEFAULT '',                             -- what to bring, when it differs
  row_hash    bytea NOT NULL CHECK (octet_length(row_hash) = 32),
  UNIQUE (campaign_id, key)
);

-- What was imported as supply, before it is shared out to draws.
CREATE TABLE supply (
  campaign_id int NOT NULL REFERENCES campaign,
  clinic_id   int NOT NULL REFERENCES clinic,
  date        date NOT NULL,
  block       text NOT NULL CHECK (block ~ '^([01][0-9]|2[0-3])[0-5][0-9]$'),
  vaccine     text NOT NULL CHECK (vaccine ~ '^[A-Za-z0-9._-]{1,20}$'),
  seats       int NOT NULL CHECK (seats BETWEEN 0 AND 10000),
  imported    int NOT NULL CHECK (imported BETWEEN 0 AND 10000),     -- as the last file had it; seats differ where an official added or closed some
  given       int NOT NULL DEFAULT 0 CHECK (given >= 0 AND given <= seats), -- of the seats, given to one cohort by name: not shared out
  PRIMARY KEY (campaign_id, clinic_id, date, block, vaccine)
);

-- A slot of one cohort's draw. Position: supply order, fixed when the window is announced.
CREATE TABLE slot (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  campaign_id int NOT NULL REFERENCES campaign,
  cohort_id   int NOT NULL REFERENCES cohort,
  clinic_id   int NOT NULL REFERENCES clinic,
  date        date NOT NULL,
  block       text NOT NULL CHECK (block ~ '^([01][0-9]|2[0-3])[0-5][0-9]$'),
  part        text NOT NULL CHECK (part <> ''),                     -- day part of the block
  vaccine     text NOT NULL,
  starts_at   timestamptz NOT NULL,
  seats       int NOT NULL CHECK (seats >= 0),
  drawn_seats int CHECK (drawn_seats >= 0),                         -- seats that the draw had; null before the freeze and for later slots
  used        int NOT NULL DEFAULT 0 CHECK (used >= 0),
  held        int NOT NULL DEFAULT 0 CHECK (held >= 0),
  reserve     jsonb NOT NULL DEFAULT '{}',                          -- pool -> seats
  party_seats int NOT NULL DEFAULT 0,
  second      boolean NOT NULL DEFAULT false,
  pair_id     bigint REFERENCES slot,
  position    int,                                                  -- in supply.json, from 0; null: came later
  released_at timestamptz,                                          -- null: not yet released to offers or draw
  UNIQUE (cohort_id, clinic_id, date, block, vaccine, second),
  UNIQUE (cohort_id, position),
  CONSTRAINT slot_within_seats CHECK (used + held <= seats)
);
CREATE INDEX slot_clinic ON slot (clinic_id, date);

-- A draw's supply stands still from the freeze until its result is published.
-- +goose StatementBegin
CREATE FUNCTION slot_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  c int := CASE WHEN TG_OP = 'DELETE' THEN OLD.cohort_id ELSE NEW.cohort_id END;
  s text;
BEGIN
  SELECT state INTO s FROM cohort WHERE id = c;
  IF s IN ('frozen', 'drawn') AND (TG_OP <> 'UPDATE' OR
     (OLD.seats, OLD.clinic_id, OLD.date, OLD.block, OLD.vaccine, OLD.part, OLD.position, OLD.reserve, OLD.party_seats, OLD.second, OLD.pair_id, OLD.drawn_seats, OLD.cohort_id)
     IS DISTINCT FROM
     (NEW.seats, NEW.clinic_id, NEW.date, NEW.block, NEW.vaccine, NEW.part, NEW.position, NEW.reserve, NEW.party_seats, NEW.second, NEW.pair_id, NEW.drawn_seats, NEW.cohort_id)) THEN
    RAISE EXCEPTION 'cohort %: its supply is frozen until the result is published', c USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- +goose StatementEnd
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON slot FOR EACH ROW EXECUTE FUNCTION slot_frozen();
