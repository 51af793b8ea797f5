-- After the draw: the reserve, ballots that were left out, corrections. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Seats of the reserve: the draw did not have them and no batch offers them. They are given to ballots that were left
-- out, or released.
ALTER TABLE slot ADD COLUMN kept_seats int NOT NULL DEFAULT 0 CHECK (kept_seats >= 0);
ALTER TABLE slot DROP CONSTRAINT slot_within_seats;
ALTER TABLE slot ADD CONSTRAINT slot_within_seats CHECK (used + held + kept_seats <= seats);

-- +goose StatementBegin
-- A slot that loses seats loses free ones first, those of the reserve among them.
CREATE FUNCTION slot_shrinks() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  NEW.kept_seats := GREATEST(0, LEAST(NEW.kept_seats, NEW.seats - NEW.used - NEW.held));
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION slot_frozen() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE
  c int := CASE WHEN TG_OP = 'DELETE' THEN OLD.cohort_id ELSE NEW.cohort_id END;
  s text;
BEGIN
  SELECT state INTO s FROM cohort WHERE id = c;
  IF s IN ('frozen', 'drawn') AND (TG_OP <> 'UPDATE' OR
     (OLD.seats, OLD.clinic_id, OLD.date, OLD.block, OLD.vaccine, OLD.part, OLD.position, OLD.reserve, OLD.party_seats, OLD.second, OLD.pair_id, OLD.drawn_seats, OLD.kept_seats, OLD.cohort_id)
     IS DISTINCT FROM
     (NEW.seats, NEW.clinic_id, NEW.date, NEW.block, NEW.vaccine, NEW.part, NEW.position, NEW.reserve, NEW.party_seats, NEW.second, NEW.pair_id, NEW.drawn_seats, NEW.kept_seats, NEW.cohort_id)) THEN
    RAISE EXCEPTION 'cohort %: its supply is frozen until the result is published', c USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- +goose StatementEnd
CREATE TRIGGER shrinks BEFORE UPDATE OF seats ON slot FOR EACH ROW WHEN (NEW.seats < OLD.seats) EXECUTE FUNCTION slot_shrinks();

-- A ballot that was left out of a published draw, by two officials: its ticket and the rank it would have had. ticket
-- is the rank by which the tables know it, after all of the draw's.
CREATE TABLE left_out (
  cohort_id    int NOT NULL REFERENCES draw,
  ticket       int NOT NULL CHECK (ticket >= 1),
  person_id    bigint NOT NULL REFERENCES person,
  pid          bytea NOT NULL CHECK (octet_length(pid) = 16),
  revision     int NOT NULL CHECK (revision >= 1),
  commit       bytea NOT NULL CHECK (octet_length(commit) = 32),
  save_index   bigint NOT NULL CHECK (save_index >= 0),        -- of its receipt in the log of saves
  rank         int NOT NULL CHECK (rank >= 1),                 -- one more than the tickets before it
  choice       smallint NOT NULL CHECK (choice BETWEEN 0 AND 5), -- that the cut-offs grant; 0: none
  at           timestamptz NOT NULL DEFAULT jebi_now(),
  proposed_by  int REFERENCES official,
  confirmed_by int REFERENCES official,
  PRIMARY KEY (cohort_id, ticket),
  UNIQUE (cohort_id, person_id),
  UNIQUE (cohort_id, pid),
  CHECK (proposed_by IS DISTINCT FROM confirmed_by OR proposed_by IS NULL)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON left_out FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER in_state AFTER INSERT ON left_out REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('published');

-- What a citizen handed in, from the proposal of the act until it is done or given up: receipts and ballots tell what
-- somebody asked for, so they are in no proposal, on no trail, and go with the person's data.
CREATE TABLE left_out_file (
  digest      bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  campaign_id int NOT NULL REFERENCES campaign,
  receipt     bytea NOT NULL,
  ballot      bytea,
  kept_at     timestamptz NOT NULL DEFAULT jebi_now()
);
GRANT SELECT, INSERT, DELETE ON left_out_file TO jebi_app;

-- Its ticket stands behind the draw's and in no order.bin.
ALTER TABLE ticket ADD COLUMN late boolean NOT NULL DEFAULT false;

-- A result that was corrected on the same leaves, seed and order. What was published before stays as it is.
CREATE TABLE correction (
  cohort_id    int NOT NULL REFERENCES draw,
  number       smallint NOT NULL CHECK (number >= 1),
  claims       bytea NOT NULL,                                 -- file bytes, as in the corrected bundle
  cutoffs      bytea NOT NULL,
  outcome_root bytea NOT NULL CHECK (octet_length(outcome_root) = 32),
  reason       text NOT NULL CHECK (reason <> ''),
  at           timestamptz NOT NULL DEFAULT jebi_now(),
  proposed_by  int REFERENCES official,
  confirmed_by int REFERENCES official,
  PRIMARY KEY (cohort_id, number),
  CHECK (proposed_by IS DISTINCT FROM confirmed_by OR proposed_by IS NULL)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON correction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER in_state AFTER INSERT ON correction REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('drawn', 'published', 'settled');

-- The tickets to which a correction gives something else than the result before it.
CREATE TABLE corrected_ticket (
  cohort_id int NOT NULL,
  number    smallint NOT NULL,
  rank      int NOT NULL,
  choice    smallint NOT NULL CHECK (choice BETWEEN 0 AND 5),
  slot_id   bigint,
  second_id bigint,
  PRIMARY KEY (cohort_id, rank, number),
  FOREIGN KEY (cohort_id, number) REFERENCES correction,
  CHECK ((choice = 0) = (slot_id IS NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON corrected_ticket FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- All cut-offs of a corrected result.
CREATE TABLE corrected_cut_off (
  cohort_id int NOT NULL,
  number    smallint NOT NULL,
  slot_id   bigint NOT NULL,
  size      smallint NOT NULL,
  doses     smallint NOT NULL,
  pool      text NOT NULL,
  rank      int NOT NULL CHECK (rank >= 1),
  PRIMARY KEY (cohort_id, number, slot_id, size, doses, pool),
  FOREIGN KEY (cohort_id, number) REFERENCES correction
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON corrected_cut_off FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON left_out, correction, corrected_ticket, corrected_cut_off TO jebi_app;

-- +goose StatementBegin
CREATE FUNCTION forget_left_out_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
BEGIN
  DELETE FROM left_out_file f WHERE f.campaign_id IN (SELECT DISTINCT p.campaign_id FROM old_rows o JOIN person p ON p.id = o.person_id);
  RETURN NULL;
END $$;

-- Tickets are written while the cohort is frozen; later only those of ballots that were left out, marked late.
CREATE FUNCTION ticket_in_state() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad text;
BEGIN
  SELECT c.key || ' is ' || c.state INTO bad FROM cohort c
   WHERE c.id IN (SELECT DISTINCT cohort_id FROM new_rows) AND c.state <> 'frozen'
     AND (c.state <> 'published' OR EXISTS (
       SELECT FROM new_rows n WHERE n.cohort_id = c.id
          AND (NOT n.late OR NOT EXISTS (SELECT FROM left_out l WHERE l.cohort_id = n.cohort_id AND l.ticket = n.rank)))) LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: % takes no rows now', bad, TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'written_in_state';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION ticket_member_in_state() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad text;
BEGIN
  SELECT c.key || ' is ' || c.state INTO bad FROM cohort c
   WHERE c.id IN (SELECT DISTINCT cohort_id FROM new_rows) AND c.state <> 'frozen'
     AND (c.state <> 'published' OR EXISTS (
       SELECT FROM new_rows n WHERE n.cohort_id = c.id
          AND NOT EXISTS (SELECT FROM left_out l WHERE l.cohort_id = n.cohort_id AND l.ticket = n.rank AND l.person_id = n.person_id))) LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: % takes no rows now', bad, TG_TABLE_NAME USING ERRCODE = 'restrict_violation', CONSTRAINT = 'written_in_state';
  END IF;
  RETURN NULL;
END $$;

-- Ballots change only while their window is open; one that was left out comes back as its receipt has it.
CREATE OR REPLACE FUNCTION ballots_open() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad int;
BEGIN
  IF TG_OP = 'DELETE' THEN
    SELECT c.id INTO bad FROM cohort c WHERE c.id IN (SELECT DISTINCT cohort_id FROM old_rows) AND c.state <> 'settled' AND c.state <> 'void' LIMIT 1;
    IF bad IS NOT NULL THEN
      RAISE EXCEPTION 'cohort %: ballots are deleted only by the purge, after it is settled', bad USING ERRCODE = 'restrict_violation';
    END IF;
  ELSE
    SELECT c.id INTO bad FROM cohort c
     WHERE c.id IN (SELECT DISTINCT cohort_id FROM new_rows)
       AND (NOT (c.state = 'open' OR c.state = 'announced' AND c.opens_at <= jebi_now()) OR c.paused_at IS NOT NULL)
       AND (c.state <> 'published' OR EXISTS (
         SELECT FROM new_rows n WHERE n.cohort_id = c.id AND (n.withdrawn OR NOT EXISTS (
           SELECT FROM left_out l WHERE l.cohort_id = n.cohort_id AND l.person_id = n.person_id AND l.commit = n.commit)))) LIMIT 1;
    IF bad IS NOT NULL THEN
      RAISE EXCEPTION 'cohort %: its window is not open', bad USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ballot_window_open';
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION assignment_in_state() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE bad text;
BEGIN
  SELECT c.key || ' is ' || c.state INTO bad FROM (SELECT DISTINCT cohort_id, origin FROM new_rows) n JOIN cohort c ON c.id = n.cohort_id
   WHERE NOT CASE n.origin
     WHEN 'draw' THEN c.state = 'frozen'
     WHEN 'offer' THEN c.state = 'published'
     WHEN 'reserve' THEN c.state = 'published'
     WHEN 'correction' THEN c.state IN ('drawn', 'published', 'settled') AND EXISTS (SELECT FROM correction k WHERE k.cohort_id = c.id)
     ELSE c.state IN ('published', 'settled') END LIMIT 1;
  IF bad IS NULL THEN
    SELECT c.key || ' is ' || c.state INTO bad FROM new_rows n JOIN cohort c ON c.id = n.cohort_id
     WHERE n.origin = 'reserve' AND NOT EXISTS (SELECT FROM left_out l WHERE l.cohort_id = n.cohort_id AND l.ticket = n.rank AND l.person_id = n.person_id) LIMIT 1;
  END IF;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION 'cohort %: no such assignment now', bad USING ERRCODE = 'restrict_violation', CONSTRAINT = 'written_in_state';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
ALTER TABLE assignment DROP CONSTRAINT assignment_origin_check;
ALTER TABLE assignment ADD CONSTRAINT assignment_origin_check CHECK (origin IN ('draw', 'offer', 'move', 'reserve', 'correction'));
DROP TRIGGER in_state ON ticket;
DROP TRIGGER in_state ON ticket_member;
DROP TRIGGER in_state ON waiting;
CREATE TRIGGER in_state AFTER INSERT ON ticket REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ticket_in_state();
CREATE TRIGGER in_state AFTER INSERT ON ticket_member REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ticket_member_in_state();
CREATE TRIGGER in_state AFTER INSERT ON waiting REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION written_in_state('frozen', 'drawn', 'published');
CREATE TRIGGER forget_left_out_files AFTER DELETE ON person_detail REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION forget_left_out_files();
