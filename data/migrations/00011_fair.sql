-- Fair to everyone: what is kept of trial draws. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Odds from trial draws on a cohort's ballots so far: the newest only, coarse, and no record of anything.
CREATE TABLE odds (
  cohort_id int PRIMARY KEY REFERENCES cohort,
  made_at   timestamptz NOT NULL,
  body      jsonb NOT NULL,
  reach     bytea NOT NULL   -- how far down the order a seat could be had, by trial, class and place
);
GRANT SELECT, INSERT, UPDATE, DELETE ON odds TO jebi_app;
