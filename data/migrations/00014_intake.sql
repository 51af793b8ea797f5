-- What many saves at once cost the database. Run as role jebi_owner in schema jebi.
-- +goose Up

-- The audit trail names campaigns and officials that exist, and they stay. Its foreign keys looked each row up for
-- itself and locked the campaign's row for it; a batch of ballots writes hundreds of rows of one campaign. The same
-- is now checked once a statement, under the same lock.
ALTER TABLE audit DROP CONSTRAINT audit_campaign_id_fkey, DROP CONSTRAINT audit_official_id_fkey, DROP CONSTRAINT audit_second_id_fkey;

-- +goose StatementBegin
CREATE FUNCTION audit_refers() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE
  campaigns int[];
  officials int[];
  found_n int;
BEGIN
  SELECT array_agg(DISTINCT n.campaign_id) FILTER (WHERE n.campaign_id IS NOT NULL) INTO campaigns FROM new_rows n;
  IF campaigns IS NOT NULL THEN
    PERFORM FROM campaign c WHERE c.id = ANY (campaigns) FOR KEY SHARE;
    GET DIAGNOSTICS found_n = ROW_COUNT;
    IF found_n <> cardinality(campaigns) THEN
      RAISE EXCEPTION 'the audit trail names a campaign that is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'audit_refers';
    END IF;
  END IF;
  SELECT array_agg(DISTINCT x.id) INTO officials
    FROM new_rows n, LATERAL (VALUES (n.official_id), (n.second_id)) x (id) WHERE x.id IS NOT NULL;
  IF officials IS NOT NULL THEN
    PERFORM FROM official o WHERE o.id = ANY (officials) FOR KEY SHARE;
    GET DIAGNOSTICS found_n = ROW_COUNT;
    IF found_n <> cardinality(officials) THEN
      RAISE EXCEPTION 'the audit trail names an official who is not there' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'audit_refers';
    END IF;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER refers AFTER INSERT ON audit REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION audit_refers();

-- +goose StatementBegin
CREATE FUNCTION audited_stay() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'campaign' AND EXISTS (SELECT FROM audit a WHERE a.campaign_id = OLD.id)
     OR TG_TABLE_NAME = 'official' AND EXISTS (SELECT FROM audit a WHERE OLD.id IN (a.official_id, a.second_id)) THEN
    RAISE EXCEPTION '% % is on the audit trail', TG_TABLE_NAME, OLD.id USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'audit_refers';
  END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audited_stay BEFORE DELETE ON campaign FOR EACH ROW EXECUTE FUNCTION audited_stay();
CREATE TRIGGER audited_stay BEFORE DELETE ON official FOR EACH ROW EXECUTE FUNCTION audited_stay();

-- A ballot is often changed: its next version finds room on the same page, and no index has to learn of it.
-- +goose StatementBegin
DO $$ BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('ALTER TABLE ballot_%s SET (fillfactor = 75)', i);
  END LOOP;
END $$;
-- +goose StatementEnd

-- The members of a party have one list, as before, and it is checked once a statement: a trigger a row is made ready
-- for each of the ballots' partitions, whether a party is among the rows or not.
DROP TRIGGER of_party_insert ON ballot;
DROP TRIGGER of_party_update ON ballot;
DROP FUNCTION ballot_of_party();
-- +goose StatementBegin
CREATE FUNCTION ballot_of_party() RETURNS trigger LANGUAGE plpgsql SET search_path = jebi, pg_temp AS $$
DECLARE parties bigint[];
BEGIN
  SELECT array_agg(DISTINCT n.party_id) INTO parties FROM new_rows n WHERE n.party_id IS NOT NULL AND NOT n.withdrawn AND n.channel <> 'sample';
  IF parties IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM FROM party y WHERE y.id = ANY (parties) ORDER BY y.id FOR SHARE;
  IF EXISTS (SELECT FROM new_rows n
              WHERE n.party_id IS NOT NULL AND NOT n.withdrawn AND n.channel <> 'sample'
                AND NOT EXISTS (SELECT FROM party_member m WHERE m.campaign_id = n.campaign_id AND m.person_id = n.person_id AND m.party_id = n.party_id))
     OR EXISTS (SELECT FROM party_member m LEFT JOIN ballot b ON b.campaign_id = m.campaign_id AND b.person_id = m.person_id
                 WHERE m.party_id = ANY (parties)
                   AND (b.person_id IS NULL OR b.withdrawn OR b.party_id IS DISTINCT FROM m.party_id OR b.xmin <> pg_current_xact_id()::xid)) THEN
    RAISE EXCEPTION 'the members of a party have changed (%)', parties USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ballot_party_members';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER of_party_insert AFTER INSERT ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballot_of_party();
CREATE TRIGGER of_party_update AFTER UPDATE ON ballot REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ballot_of_party();
