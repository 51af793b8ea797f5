package data

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"jebi/data/pgtest"
)

// What the audit trail names stays, whoever deletes it.
func TestAuditedStay(t *testing.T) {
	ctx := t.Context()
	url := pgtest.Template(t, "migrated", func(url string) error { return Migrate(context.Background(), url) })
	pgtest.Exec(t, url, `SET search_path = jebi;
		INSERT INTO campaign (key, version, sample) VALUES ('kept', 1, true), ('free', 1, true);
		INSERT INTO official (name, role, secret_hash) VALUES ('ann', 'operator', 'x'), ('bob', 'approver', 'x'), ('cid', 'operator', 'x');
		INSERT INTO audit (campaign_id, actor, official_id, second_id, act, subject) VALUES (1, 'official', 1, 2, 'a.b', 'c')`)
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	for sql, stays := range map[string]bool{
		`DELETE FROM jebi.campaign WHERE key = 'kept'`: true, `DELETE FROM jebi.campaign WHERE key = 'free'`: false,
		`DELETE FROM jebi.official WHERE name = 'ann'`: true, `DELETE FROM jebi.official WHERE name = 'bob'`: true, `DELETE FROM jebi.official WHERE name = 'cid'`: false,
	} {
		_, err := c.Exec(ctx, sql)
		if stays != violated(err, "audit_refers") || !stays && err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
