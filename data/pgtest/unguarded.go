package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// unguard takes the triggers off the tables of a schema and drops their foreign keys; guard puts the triggers back.
const (
	unguard = `DO $$ DECLARE t regclass; c record; BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
			EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', t);
		END LOOP;
		FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
		END LOOP;
	END $$`
	guard = `DO $$ DECLARE t regclass; BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition LOOP
			EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', t);
		END LOOP;
	END $$`
)

// Unguarded runs statements as the owner of a schema with its triggers off: what somebody does who has the whole
// database in his hands. Any login that may take the owner's role can play him, a superuser or not. The schema's
// foreign keys are gone afterwards, its triggers are back.
func Unguarded(t testing.TB, url, owner, schema, sql string) {
	t.Helper()
	with(t, url, func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range []string{
			`SET ROLE ` + pgx.Identifier{owner}.Sanitize(), `SET search_path = ` + pgx.Identifier{schema}.Sanitize(), unguard, sql, guard,
		} {
			if _, err := conn.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}
