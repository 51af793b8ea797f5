-- Deletion of personal data. Run as role jebi_owner in schema jebi.
-- +goose Up

-- Deletes everything personal of a campaign whose cohorts have all ended: the only way for these rows to go. It
-- writes its own audit row, with counts. Who calls it stands there as official and second; null: the program.
-- +goose StatementBegin
CREATE FUNCTION purge_campaign(campaign int, official int, second int, why text) RETURNS jsonb
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
   WHERE m.campaign_id = purge_campaign.campaign AND m.person_id IS NOT NULL AND m.state = 'queued';
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('message', n);
  DELETE FROM session s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('session', n);
  DELETE FROM sign_in s WHERE s.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('sign_in', n);
  DELETE FROM draft d WHERE d.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('draft', n);
  DELETE FROM ballot b WHERE b.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('ballot', n);
  DELETE FROM person_detail d USING person p WHERE p.id = d.person_id AND p.campaign_id = purge_campaign.campaign;
  GET DIAGNOSTICS n = ROW_COUNT;
  counts := counts || jsonb_build_object('person_detail', n);
  INSERT INTO audit (campaign_id, actor, official_id, second_id, act, subject, reason, after)
  VALUES (purge_campaign.campaign, CASE WHEN official IS NULL THEN 'system' ELSE 'official' END, official, second,
          'people.purge', 'campaign:' || purge_campaign.campaign, why, counts);
  RETURN counts;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION purge_campaign(int, int, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION purge_campaign(int, int, int, text) TO jebi_app;

-- A session refers to its sign-in, so both go without a search.
CREATE INDEX session_sign_in ON session (sign_in_id);

REVOKE DELETE ON person, person_detail, ballot FROM jebi_app;
