package data_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"jebi/data"
	"jebi/data/pgtest"
)

//go:generate go test -run TestSchemaIsTheDump -args -update

var update = flag.Bool("update", false, "write schema.txt anew")

// The parts of the dump, each a query of one column. What PostgreSQL 15 and
// later say in different words is left out or said in ours.
var schemaParts = []struct{ title, sql string }{
	{"Tables", `
		SELECT CASE WHEN c.relispartition THEN format('table %s partition of %s %s', c.relname, (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid), pg_get_expr(c.relpartbound, c.oid))
		       ELSE format(E'table %s%s\n%s', c.relname, CASE c.relkind WHEN 'p' THEN ' partition by ' || pg_get_partkeydef(c.oid) ELSE '' END,
		         (SELECT string_agg(format('  %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
		            CASE WHEN a.attidentity = 'a' THEN ' identity' WHEN d.adbin IS NOT NULL THEN ' default ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END), E'\n' ORDER BY a.attnum)
		            FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
		         || COALESCE((SELECT string_agg(format(E'\n  constraint %s %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.contype, k.conname COLLATE "C")
		            FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')), '')) END
		  FROM pg_class c WHERE c.relnamespace = 'jebi'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'migration' ORDER BY c.relispartition, c.relname COLLATE "C"`},
	{"Views", `
		SELECT format(E'view %s\n%s', c.relname, pg_get_viewdef(c.oid)) FROM pg_class c
		 WHERE c.relnamespace = 'jebi'::regnamespace AND c.relkind = 'v' ORDER BY c.relname COLLATE "C"`},
	{"Indexes that are no constraints", `
		SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
		 WHERE c.relnamespace = 'jebi'::regnamespace AND NOT c.relispartition AND t.relname <> 'migration'
		   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY c.relname COLLATE "C"`},
	{"Triggers", `
		SELECT pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
		 WHERE c.relnamespace = 'jebi'::regnamespace AND NOT g.tgisinternal ORDER BY c.relname COLLATE "C", g.tgname COLLATE "C"`},
	{"Functions", `
		SELECT format(E'function %s(%s) returns %s language %s %s%s%s\n%s', p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), l.lanname,
		         CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
		         CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END, COALESCE(' set ' || array_to_string(p.proconfig, ', '), ''), p.prosrc)
		  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'jebi'::regnamespace
		 ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C"`},
	{"Owners and rights", `
		SELECT format('%s %s: owner %s%s', x.kind, x.name, x.owner, COALESCE(', ' || (
		         SELECT string_agg(format('%s may %s', CASE a.grantee WHEN 0 THEN 'everybody' ELSE a.grantee::regrole::text END, a.what), ', ' ORDER BY a.grantee::regrole::text COLLATE "C")
		           FROM (SELECT e.grantee, lower(string_agg(e.privilege_type, ' ' ORDER BY e.privilege_type)) AS what FROM aclexplode(x.acl) e WHERE e.grantee <> x.owner GROUP BY e.grantee) a), ''))
		  FROM (
		    SELECT 'schema' AS kind, nspname::text AS name, nspowner::regrole AS owner, nspacl AS acl FROM pg_namespace WHERE nspname = 'jebi'
		    UNION ALL SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END, relname, relowner::regrole, relacl
		      FROM pg_class WHERE relnamespace = 'jebi'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
		    UNION ALL SELECT 'function', format('%s(%s)', proname, pg_get_function_identity_arguments(oid)), proowner::regrole, COALESCE(proacl, acldefault('f', proowner))
		      FROM pg_proc WHERE pronamespace = 'jebi'::regnamespace) x
		 ORDER BY x.kind, x.name COLLATE "C"`},
}

func dumpSchema(t *testing.T, url string) string {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, `SET search_path = jebi`); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("The schema of jebi as its migrations make it. Written by: go generate ./data\n")
	for _, p := range schemaParts {
		rows, err := c.Query(ctx, p.sql)
		if err != nil {
			t.Fatalf("%s: %v", p.title, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", p.title, err)
		}
		fmt.Fprintf(&b, "\n== %s ==\n\n", p.title)
		for _, l := range lines {
			b.WriteString(strings.TrimRight(l, " \n") + "\n")
			if strings.Contains(l, "\n") {
				b.WriteString("\n")
			}
		}
	}
	return b.String()
}

func TestSchemaIsTheDump(t *testing.T) {
	url := pgtest.URL(t)
	if err := data.Migrate(context.Background(), url); err != nil {
		t.Fatal(err)
	}
	got := dumpSchema(t, url)
	if *update {
		if err := os.WriteFile("schema.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("schema.txt is not the schema; go generate ./data writes it anew (-file +schema):\n%s", d)
	}
}

// What the program's role may not do, whoever writes its statements.
func TestRightsOfTheProgram(t *testing.T) {
	h := newHouse(t)
	h.post(1)
	h.audit(1)
	h.seal()
	h.apply(h.file)
	h.step("1962-66", "draft", "announced")
	var refusedAct []string
	for _, table := range pgtest.Values[string](t, h.url, `SELECT relname::text FROM pg_class WHERE relnamespace = 'jebi'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`) {
		refusedAct = append(refusedAct, `TRUNCATE jebi.`+table, `ALTER TABLE jebi.`+table+` DISABLE TRIGGER ALL`, `DROP TABLE jebi.`+table)
	}
	for _, table := range []string{"audit", "board", "seal", "campaign_version", "ballot_history", "draw_secret", "draw_source", "draw_leaf", "ticket", "ticket_member", "cut_off"} {
		refusedAct = append(refusedAct, `DELETE FROM jebi.`+table)
	}
	refusedAct = append(refusedAct,
		`DELETE FROM jebi.ballot`,
		`UPDATE jebi.audit SET reason = 'x'`,
		`UPDATE jebi.board SET kind = 'x'`,
		`UPDATE jebi.seal SET rows = 1`,
		`INSERT INTO jebi.seal (chain, seq, upto, rows, head) VALUES ('board', 9, 9, 1, sha256('x'))`,
		`UPDATE jebi.campaign_version SET file = 'x'`,
		`DELETE FROM jebi.campaign`,
		`DELETE FROM jebi.official`,
		`DELETE FROM jebi.proposal`,
		`DELETE FROM jebi.cohort WHERE state <> 'draft'`,
		`INSERT INTO jebi.migration (version_id, is_applied) VALUES (999, true)`,
		`CREATE TABLE jebi.mine (a int)`,
		`CREATE OR REPLACE FUNCTION jebi.jebi_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'`,
		`CREATE OR REPLACE FUNCTION jebi.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
		`SELECT jebi.seal_chain('official', 1)`,
		`SELECT jebi.seal_chain('audit; DROP TABLE jebi.audit', 1)`,
	)
	for _, sql := range refusedAct {
		if err := h.asProgram(sql); err == nil {
			t.Errorf("the program's role may: %s", sql)
		}
	}
	for _, sql := range []string{
		`SELECT count(*) FROM jebi.ballot`,
		`SELECT jebi.seal_chain('audit', 10)`,
		`DELETE FROM jebi.cohort WHERE state = 'draft'`,
		`INSERT INTO jebi.audit (actor, act, subject) VALUES ('system', 'x.y', 'a')`,
	} {
		if err := h.asProgram(sql); err != nil {
			t.Errorf("the program's role may not: %s: %v", sql, err)
		}
	}
}

// asProgram runs a statement as the program's role and takes it back.
func (h *house) asProgram(sql string) error {
	h.Helper()
	c, err := pgx.Connect(h.ctx, h.url)
	if err != nil {
		h.Fatal(err)
	}
	defer c.Close(h.ctx)
	if _, err := c.Exec(h.ctx, `SET ROLE jebi_app`); err != nil {
		h.Fatal(err)
	}
	tx, err := c.Begin(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	defer tx.Rollback(h.ctx)
	_, err = tx.Exec(h.ctx, sql)
	return err
}

// Append-only tables refuse their owner as well.
func TestAppendOnlyForTheOwner(t *testing.T) {
	h := newHouse(t)
	h.post(1)
	h.audit(1)
	h.seal()
	for _, table := range []string{"audit", "board", "seal", "campaign_version"} {
		for _, sql := range []string{`DELETE FROM jebi.` + table, `UPDATE jebi.` + table + ` SET at = now()`} {
			if table == "campaign_version" {
				sql = strings.Replace(sql, "SET at", "SET applied_at", 1)
			}
			if err := tryExec(h.ctx, h.url, "jebi_owner", sql); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}
