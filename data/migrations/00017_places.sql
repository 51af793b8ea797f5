-- A person's place is found by her. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Everybody looks at her result on the day of the publication; each look read all places.
CREATE INDEX assignment_person ON assignment (person_id);
