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

-- Deletes everything personal of the people of one cohort that has ended; the campaign's function does it for all.
-- Ranks, places, hashes and codes stay, and so do the people's ids. It writes its own audit row, with counts.
-- +goose StatementBegin
CREATE FUNCTION purge_cohort(cohort int, why text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
DECLARE
  owner int;
  live text;
  counts jsonb := '{}';
  n bigint;
BEGIN
  SELECT c.campaign_id, CASE WHEN c.state NOT IN ('settled', 'void') THEN c.key || ' is ' || c.state END INTO owner, live
    FROM jebi.cohort c WHERE c.id = purge_cohort.cohort FOR SHARE;
  IF owner IS NULL THEN
    RAISE EXCEPTION 'there is no cohort %', cohort USING ERRCODE = 'foreign_key_violation';
  ELSIF live IS NOT NULL THEN
    RAISE EXCEPTION 'the cohort has not ended: %', live USING ERRCODE = 'restrict_violation', CONSTRAINT = 'purge_after_end';
  END IF;
  CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT p.id FROM person p WHERE p.cohort_id = purge_cohort.cohort;
  ANALYZE gone;
  UPDATE message m SET state = 'cancelled', ended_at = jebi_now()
   WHERE m.campaign_id = owner AND m.state = 'queued'
     AND (m.person_id IN (SELECT g.id FROM gone g)
          OR m.recipient IN (SELECT 'proxy:' || x.id FROM proxy x JOIN gone g ON g.id = x.person_id));
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('message', n);
  -- Tables of the migration after this one: who answered for them, the codes of parties, tries of codes.
  DELETE FROM session s USING gone g WHERE s.person_id = g.id;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('session', n);
  DELETE FROM sign_in s WHERE s.person_id IN (SELECT g.id FROM gone g)
      OR s.proxy_id IN (SELECT x.id FROM proxy x JOIN gone g ON g.id = x.person_id);
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('sign_in', n);
  DELETE FROM proxy x USING gone g WHERE x.person_id = g.id;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('proxy', n);
  DELETE FROM party_code x USING party y WHERE y.id = x.party_id AND y.cohort_id = purge_cohort.cohort;
  DELETE FROM entry_try x USING gone g WHERE x.person_id = g.id;
  DELETE FROM draft d USING gone g WHERE d.person_id = g.id;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('draft', n);
  DELETE FROM ballot b WHERE b.cohort_id = purge_cohort.cohort;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('ballot', n);
  UPDATE ballot_history h SET salt = NULL WHERE h.cohort_id = purge_cohort.cohort AND h.salt IS NOT NULL;
  DELETE FROM odds o WHERE o.cohort_id = purge_cohort.cohort;
  DELETE FROM person_detail d USING gone g WHERE d.person_id = g.id;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('person_detail', n);
  DROP TABLE gone;
  INSERT INTO audit (campaign_id, actor, act, subject, reason, after)
  VALUES (owner, 'system', 'people.purge', 'cohort:' || cohort, why, counts);
  RETURN counts;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION purge_cohort(int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_cohort(int, text) TO jebi_app;

-- Tries of codes are for the limits of days: they go by a function, for the program may not delete them otherwise.
-- +goose StatementBegin
CREATE FUNCTION sweep_tries(campaign int, before timestamptz) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
DECLARE n int;
BEGIN
  IF before > jebi_now() - interval '7 days' THEN
    RAISE EXCEPTION 'tries of the last seven days are kept' USING ERRCODE = 'restrict_violation';
  END IF;
  DELETE FROM entry_try x WHERE x.campaign_id = sweep_tries.campaign AND x.at < sweep_tries.before;
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION sweep_tries(int, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sweep_tries(int, timestamptz) TO jebi_app;
