//go:build unix

package pgtest_test

import (
	"testing"

	"jebi/data/pgtest"
)

func TestURL(t *testing.T) {
	url := pgtest.URL(t)
	pgtest.Exec(t, url, "CREATE TABLE a (b int)")
	if got := pgtest.Value[string](t, url, "SHOW server_encoding"); got != "UTF8" {
		t.Errorf("server_encoding is %s", got)
	}
}
