-- What officials may not do, hash chains. Run as role jebi_owner in schema jebi.
-- +goose Up

-- One key is one identity: an act of two with two names and one key would be an act of one.
CREATE UNIQUE INDEX official_key ON official (public_key);

-- A proposal is confirmed as it was made, and ends once.
-- +goose StatementBegin
CREATE FUNCTION proposal_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.campaign_id, OLD.act, OLD.params, OLD.reason, OLD.proposed_by, OLD.proposed_at, OLD.expires_at)
     IS DISTINCT FROM (NEW.campaign_id, NEW.act, NEW.params, NEW.reason, NEW.proposed_by, NEW.proposed_at, NEW.expires_at)
     OR OLD.outcome IS NOT NULL THEN
    RAISE EXCEPTION 'proposal %: what was proposed stands', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- A cohort can be dropped as long as nothing was promised to anybody.
CREATE FUNCTION cohort_drafts_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'draft' THEN
    RAISE EXCEPTION 'cohort %: it is %, and only drafts are dropped', OLD.key, OLD.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER once BEFORE UPDATE ON proposal FOR EACH ROW EXECUTE FUNCTION proposal_once();
CREATE TRIGGER drafts_only BEFORE DELETE ON cohort FOR EACH ROW EXECUTE FUNCTION cohort_drafts_only();
GRANT DELETE ON cohort TO jebi_app;

-- Hash chains. A row's line is its columns in a fixed order, each as "length:text," with the length in bytes of
-- its UTF-8 text, null as "-,"; times in UTC with microseconds, bytes in lower-case hex. Then
--   head(0) = SHA-256("jebi/chain/v1/" || chain),   head(n) = SHA-256(head(n - 1) || line(n))
-- over the rows by ascending id. A seal keeps the head after its last row. See docs/data-model.md.
-- +goose StatementBegin
CREATE FUNCTION chain_field(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  $$ SELECT CASE WHEN v IS NULL THEN '-,' ELSE octet_length(convert_to(v, 'UTF8'))::text || ':' || v || ',' END $$;

CREATE FUNCTION chain_time(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

CREATE FUNCTION chain_line(a audit) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT chain_field(a.id::text) || chain_field(chain_time(a.at)) || chain_field(a.campaign_id::text) || chain_field(a.actor)
         || chain_field(a.official_id::text) || chain_field(a.second_id::text) || chain_field(a.act) || chain_field(a.subject)
         || chain_field(a.reason) || chain_field(a.before::text) || chain_field(a.after::text) $$;

CREATE FUNCTION chain_line(b board) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT chain_field(b.id::text) || chain_field(b.campaign_id::text) || chain_field(b.cohort_id::text) || chain_field(b.kind)
         || chain_field(encode(b.body_hash, 'hex')) || chain_field(chain_time(b.at)) $$;

CREATE FUNCTION chain_line(h ballot_history) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT chain_field(h.id::text) || chain_field(h.campaign_id::text) || chain_field(h.cohort_id::text) || chain_field(h.person_id::text)
         || chain_field(h.revision::text) || chain_field(h.act) || chain_field(encode(h.commit, 'hex')) || chain_field(h.channel)
         || chain_field(h.official_id::text) || chain_field(h.session_id::text) || chain_field(chain_time(h.saved_at)) $$;

-- Adds at most "most" rows to a chain and seals it there; answers the rows it added. The SHARE lock waits for
-- transactions that have inserted and not committed, so that no row comes in below the seal later.
CREATE FUNCTION seal_chain(which text, most int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = jebi, pg_temp AS $$
DECLARE
  last seal%ROWTYPE;
  h bytea;
  upto bigint;
  n bigint := 0;
  r record;
BEGIN
  IF which NOT IN ('audit', 'board', 'ballot_history') OR most < 1 THEN
    RAISE EXCEPTION 'no chain %', which USING ERRCODE = 'invalid_parameter_value';
  END IF;
  LOCK TABLE seal IN SHARE ROW EXCLUSIVE MODE; -- one sealer at a time
  EXECUTE format('LOCK TABLE %I IN SHARE MODE', which);
  SELECT * INTO last FROM seal WHERE chain = which ORDER BY seq DESC LIMIT 1;
  h := COALESCE(last.head, sha256(convert_to('jebi/chain/v1/' || which, 'UTF8')));
  upto := COALESCE(last.upto, 0);
  FOR r IN EXECUTE format('SELECT t.id, chain_line(t) AS line FROM %I t WHERE t.id > $1 ORDER BY t.id LIMIT $2', which) USING upto, most LOOP
    h := sha256(h || convert_to(r.line, 'UTF8'));
    upto := r.id;
    n := n + 1;
  END LOOP;
  IF n > 0 THEN
    INSERT INTO seal (chain, seq, upto, rows, head) VALUES (which, COALESCE(last.seq, 0) + 1, upto, n, h);
  END IF;
  RETURN n;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION seal_chain(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seal_chain(text, int) TO jebi_app;

-- Nobody but the function seals, nobody but the owner migrates.
REVOKE INSERT, UPDATE, DELETE ON seal, migration FROM jebi_app;
