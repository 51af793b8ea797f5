-- Triggers find the schema's tables whatever the search path of the login that sets them off. Run as role jebi_owner
-- in schema jebi.
-- +goose Up

-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN
    SELECT p.oid FROM pg_proc p
     WHERE p.pronamespace = 'jebi'::regnamespace AND p.proconfig IS NULL
       AND (p.prorettype = 'trigger'::regtype OR p.proname = 'seats_add') ORDER BY p.oid::regprocedure::text
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = jebi, pg_temp', f);
  END LOOP;
END $$;
-- +goose StatementEnd
