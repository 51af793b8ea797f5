-- Seats that a clinic takes away, and what citizens handed in. Run as role jebi_owner in schema jebi.
-- +goose Up

-- +goose StatementBegin
-- A slot that loses seats loses free ones first, those of the reserve last. Seats that come back later are a release of
-- their own, on the board before they are used.
CREATE OR REPLACE FUNCTION slot_shrinks() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  NEW.kept_seats := GREATEST(0, LEAST(NEW.kept_seats, NEW.seats - NEW.used - NEW.held));
  NEW.released_seats := GREATEST(0, LEAST(NEW.released_seats, NEW.seats - NEW.kept_seats));
  RETURN NEW;
END $$;
-- +goose StatementEnd

-- What was handed in belongs to one draw, and goes with the data of its people only.
ALTER TABLE left_out_file ADD COLUMN cohort_id int REFERENCES cohort;
DELETE FROM left_out_file;
ALTER TABLE left_out_file ALTER COLUMN cohort_id SET NOT NULL;
ALTER TABLE left_out_file DROP COLUMN campaign_id;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION forget_left_out_files() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
BEGIN
  DELETE FROM left_out_file f WHERE f.cohort_id IN (SELECT DISTINCT p.cohort_id FROM old_rows o JOIN person p ON p.id = o.person_id);
  RETURN NULL;
END $$;
-- +goose StatementEnd
