-- The history of saves is only written to while a window is open. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Who asks for one person's history asks when her answer replaced another; that stands with the ballot now. An index of
-- people, each save in another place of it, was a sixth of what the server did for a batch of saves. That a person has each
-- revision once comes from her ballot's row, locked and counted on.
LOCK TABLE ballot, ballot_history IN ACCESS EXCLUSIVE MODE;
ALTER TABLE ballot ADD COLUMN replaced_at timestamptz;
ALTER TABLE ballot DISABLE TRIGGER USER; -- nothing of the answers changes, and most windows are closed
UPDATE ballot b SET replaced_at = h.saved_at FROM ballot_history h
 WHERE h.person_id = b.person_id AND h.revision = b.revision - 1 AND h.act = 'save';
ALTER TABLE ballot ENABLE TRIGGER USER;
ALTER TABLE ballot_history DROP CONSTRAINT ballot_history_person_id_revision_key;

-- A cohort's saves are read all at once, and lie together.
DROP INDEX ballot_history_cohort;
CREATE INDEX ballot_history_cohort ON ballot_history USING brin (cohort_id);
