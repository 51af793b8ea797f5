package data_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"jebi/data"
	"jebi/data/pgtest"
)

// tryExec runs a statement, as a role of the schema where one is named.
func tryExec(ctx context.Context, url, role, sql string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close(ctx)
	if role != "" {
		if _, err := c.Exec(ctx, `SET ROLE `+role); err != nil {
			return nil // shows as a right that should not be there
		}
	}
	_, err = c.Exec(ctx, sql)
	return err
}

func (h *house) audit(n int) {
	h.Helper()
	for i := range n {
		h.must(h.db.Tx(h.ctx, func(tx *data.Tx) error {
			return tx.Audit(h.ctx, data.AuditRow{Actor: data.System, Act: "test.act", Subject: fmt.Sprint("person:", i), Reason: "한글, \"quotes\"\nand lines", After: map[string]any{"n": i, "text": "é"}})
		}))
	}
}

func (h *house) post(n int) {
	h.Helper()
	h.apply(h.file)
	id := pgtest.Value[int](h, h.url, `SELECT id FROM jebi.campaign`)
	for i := range n {
		h.must(h.db.Tx(h.ctx, func(tx *data.Tx) error {
			_, err := tx.Post(h.ctx, id, 0, "correction", []byte(fmt.Sprint("entry ", i)))
			return err
		}))
	}
}

func (h *house) seal() {
	h.Helper()
	_, err := h.db.SealAll(h.ctx)
	h.must(err)
}

// faults are the chains that do not hold, with what is wrong.
func (h *house) faults(kept []data.SealRow) string {
	h.Helper()
	rs, err := h.db.VerifyChains(h.ctx, kept)
	h.must(err)
	var fs []string
	for _, r := range rs {
		if r.Fault != "" {
			fs = append(fs, r.Chain+": "+r.Fault)
		}
	}
	return strings.Join(fs, "; ")
}

// asOwner does what only somebody can who owns the tables: it turns their
// triggers off.
func (h *house) asOwner(sql string) {
	h.Helper()
	off := ""
	for _, table := range []string{"audit", "board", "seal"} {
		off += `ALTER TABLE jebi.` + table + ` DISABLE TRIGGER USER; `
	}
	pgtest.Exec(h, h.url, `SET ROLE jebi_owner; `+off+sql+`; `+strings.ReplaceAll(off, "DISABLE", "ENABLE"))
}

func TestChainsHold(t *testing.T) {
	h := newHouse(t)
	h.post(3)
	h.audit(5)
	h.seal()
	h.audit(4)
	h.seal()
	h.audit(2)
	if f := h.faults(nil); f != "" {
		t.Fatal(f)
	}
	rs, err := h.db.VerifyChains(h.ctx, nil)
	h.must(err)
	rows := pgtest.Value[int64](t, h.url, `SELECT count(*) FROM jebi.audit`)
	if a := rs[0]; a.Chain != "audit" || a.Seals != 2 || a.Unsealed != 2 || a.Rows != rows-2 {
		t.Errorf("audit: %+v of %d rows", a, rows)
	}
	if b := rs[1]; b.Rows != 3 || b.Seals != 1 {
		t.Errorf("board: %+v", b)
	}
	heads, err := h.db.Heads(h.ctx)
	h.must(err)
	for i, r := range rs[:2] {
		if heads[i].Head.String() != r.Head.String() {
			t.Errorf("%s: head %s, recomputed %s", r.Chain, heads[i].Head, r.Head)
		}
	}
	before := len(heads)
	h.seal()
	h.seal() // nothing new: no seal
	heads, err = h.db.Heads(h.ctx)
	h.must(err)
	if len(heads) != before || heads[0].Seq != 3 {
		t.Errorf("heads %+v", heads)
	}
}

// An outsider's recomputation, from the description alone.
func TestBoardChainFromTheDescription(t *testing.T) {
	h := newHouse(t)
	h.post(3)
	h.seal()
	field := func(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }
	head := sha256.Sum256([]byte("jebi/chain/v1/board"))
	id := pgtest.Value[int](t, h.url, `SELECT id FROM jebi.campaign`)
	for i, at := range pgtest.Values[time.Time](t, h.url, `SELECT at FROM jebi.board ORDER BY id`) {
		line := field(fmt.Sprint(i+1)) + field(fmt.Sprint(id)) + "-," + field("correction") +
			field(fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint("entry ", i))))) + field(at.UTC().Format("2006-01-02T15:04:05.000000Z"))
		head = sha256.Sum256(append(head[:], line...))
	}
	if got := pgtest.Value[[]byte](t, h.url, `SELECT head FROM jebi.seal WHERE chain = 'board'`); string(got) != string(head[:]) {
		t.Errorf("head %x, recomputed %x", got, head)
	}
}

func TestTamperingIsFound(t *testing.T) {
	for name, sql := range map[string]string{
		"audit: a reason changed":  `UPDATE jebi.audit SET reason = 'another' WHERE id = (SELECT max(id) - 7 FROM jebi.audit)`,
		"audit: after changed":     `UPDATE jebi.audit SET after = '{}' WHERE id = (SELECT max(id) - 7 FROM jebi.audit)`,
		"audit: time changed":      `UPDATE jebi.audit SET at = at + interval '1 microsecond' WHERE id = (SELECT max(id) - 7 FROM jebi.audit)`,
		"audit: row deleted":       `DELETE FROM jebi.audit WHERE id = (SELECT max(id) - 7 FROM jebi.audit)`,
		"audit: first row deleted": `DELETE FROM jebi.audit WHERE id = (SELECT min(id) FROM jebi.audit)`,
		"audit: last sealed":       `DELETE FROM jebi.audit WHERE id = (SELECT upto FROM jebi.seal WHERE chain = 'audit' ORDER BY seq DESC LIMIT 1)`,
		"audit: row inserted":      `DELETE FROM jebi.audit WHERE id = 4; INSERT INTO jebi.audit (id, actor, act, subject) OVERRIDING SYSTEM VALUE VALUES (4, 'system', 'x.y', 'a')`,
		"audit: rows swapped":      `UPDATE jebi.audit a SET (at, subject, after) = (SELECT b.at, b.subject, b.after FROM jebi.audit b WHERE b.id = 9 - a.id) WHERE a.id IN (4, 5)`,
		"audit: seal deleted":      `DELETE FROM jebi.seal WHERE chain = 'audit' AND seq = 1`,
		"audit: seal changed":      `UPDATE jebi.seal SET head = sha256('x') WHERE chain = 'audit' AND seq = 1`,
		"board: body changed":      `UPDATE jebi.board SET body = 'x', body_hash = sha256('x') WHERE id = 2`,
		"board: kind changed":      `UPDATE jebi.board SET kind = 'release' WHERE id = 2`,
		"board: entry deleted":     `DELETE FROM jebi.board WHERE id = 1`,
		"board: the last deleted":  `DELETE FROM jebi.board WHERE id = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.post(3)
			h.audit(5)
			h.seal()
			h.audit(5)
			h.seal()
			h.asOwner(sql)
			chain, _, _ := strings.Cut(name, ":")
			if f := h.faults(nil); !strings.HasPrefix(f, chain+": ") {
				t.Errorf("found: %q", f)
			}
		})
	}
}

// One who makes rows and seals anew is found by a head that was kept outside.
func TestHeadsKeptOutside(t *testing.T) {
	h := newHouse(t)
	h.audit(5)
	h.seal()
	kept, err := h.db.Heads(h.ctx)
	h.must(err)
	h.audit(5)
	h.seal()
	if f := h.faults(kept); f != "" {
		t.Fatalf("the kept head does not fit: %s", f)
	}
	h.asOwner(`DELETE FROM jebi.audit WHERE id = 4; DELETE FROM jebi.seal`)
	h.seal()
	if f := h.faults(nil); f != "" {
		t.Fatalf("the forged chain holds in itself, and yet: %s", f)
	}
	if f := h.faults(kept); !strings.Contains(f, "kept outside") {
		t.Errorf("against the kept head: %q", f)
	}
}

// Rows that are committed in another order than that of their ids, while
// somebody seals all the time, are all in the chain.
func TestSealsWaitForOpenTransactions(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(h.ctx)
	var writers, sealer sync.WaitGroup
	sealer.Go(func() {
		for ctx.Err() == nil {
			if _, err := h.db.SealAll(h.ctx); err != nil && !errors.Is(err, data.ErrSealBusy) {
				t.Error(err)
				return
			}
		}
	})
	for range 6 {
		writers.Go(func() {
			for range 20 {
				err := h.db.Tx(h.ctx, func(tx *data.Tx) error {
					for i := range 3 {
						if err := tx.Audit(h.ctx, data.AuditRow{Actor: data.System, Act: "test.act", Subject: fmt.Sprint(i)}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	sealer.Wait()
	h.seal()
	if f := h.faults(nil); f != "" {
		t.Error(f)
	}
	rs, err := h.db.VerifyChains(h.ctx, nil)
	h.must(err)
	if n := pgtest.Value[int64](t, h.url, `SELECT count(*) FROM jebi.audit`); rs[0].Rows != n || n < 360 {
		t.Errorf("%d of %d rows are sealed", rs[0].Rows, n)
	}
}

func TestSealBusy(t *testing.T) {
	h := newHouse(t)
	h.must(h.db.Tx(h.ctx, func(tx *data.Tx) error {
		if err := tx.Audit(h.ctx, data.AuditRow{Actor: data.System, Act: "test.act", Subject: "a"}); err != nil {
			return err
		}
		if _, err := h.db.SealAll(h.ctx); !errors.Is(err, data.ErrSealBusy) {
			t.Errorf("sealed past an open transaction: %v", err)
		}
		return nil
	}))
}

func TestAuditTrail(t *testing.T) {
	h := newHouse(t)
	h.audit(3)
	list := func(f data.AuditFilter) []data.AuditEntry {
		t.Helper()
		es, err := h.db.AuditTrail(h.ctx, f)
		h.must(err)
		return es
	}
	if es := list(data.AuditFilter{Act: "test"}); len(es) != 3 || es[0].ID > es[1].ID {
		t.Errorf("all of test: %+v", es)
	}
	if es := list(data.AuditFilter{Act: "tes"}); len(es) != 0 {
		t.Errorf("a part of a word: %+v", es)
	}
	if es := list(data.AuditFilter{Subject: "person:1"}); len(es) != 1 || string(es[0].After) != `{"n": 1, "text": "é"}` {
		t.Errorf("of a subject: %+v", es)
	}
	if es := list(data.AuditFilter{Official: "ann"}); len(es) != 1 || es[0].Act != "official.add" {
		t.Errorf("of an official: %+v", es)
	}
	if es := list(data.AuditFilter{Newest: true, Limit: 1}); len(es) != 1 || es[0].Subject != "person:2" {
		t.Errorf("the newest: %+v", es)
	}
	if es := list(data.AuditFilter{Since: begin.Add(time.Hour)}); len(es) != 0 {
		t.Errorf("since later: %+v", es)
	}
	e, err := h.db.AuditLine(h.ctx, 1)
	h.must(err)
	if e.Act != "official.add" || e.Actor != "system" {
		t.Errorf("the first line: %+v", e)
	}
	if _, err := h.db.AuditLine(h.ctx, 999); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("no such line: %v", err)
	}
}
