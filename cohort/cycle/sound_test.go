package cycle

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// super does something to the database past all triggers and rights.
func (w *town) super(sql string, args ...any) {
	w.t.Helper()
	pgtest.Unguarded(w.t, w.url, "jebi_owner", "jebi", fmt.Sprintf(sql, args...))
}

// unsound wants the tick to refuse what is due, with words that name what was
// done, once on the trail and in the officials' mail; and what holds the
// database against a copy to name it too.
func (w *town) unsound(act, part, says string) {
	w.t.Helper()
	before := w.state().State
	for range 2 {
		err := w.runner.Tick(w.ctx)
		var u *Unsound
		if !errors.As(err, &u) || !strings.Contains(u.Text, says) {
			w.t.Fatalf("got %v, want %q", err, says)
		}
	}
	w.is(before)
	if n := w.count(`SELECT count(*)::int FROM jebi.audit WHERE act = $1 AND strpos(after ->> 'why', $2) > 0`, act, says); n != 1 {
		w.t.Errorf("%s is on the trail %d times", act, n)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.message WHERE params ->> 'about' = 'unsound' AND strpos(params ->> 'why', $1) > 0 AND params ->> 'board' <> ''`, says); n != 1 {
		w.t.Errorf("%d mails tell of it", n)
	}
	p := w.against().Find(part)
	if p.State != lottery.Fails {
		w.t.Errorf("against the copy: %+v", p)
	}
}

// against holds the database against the checkpoint that was mailed.
func (w *town) against() (r lottery.Report) {
	w.t.Helper()
	checkpoint := pgtest.Value[[]byte](w.t, w.url, `SELECT body FROM jebi.board WHERE kind = 'checkpoint'`)
	w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) {
		r, err = Against(w.ctx, tx, w.cohort.ID, Outside{Checkpoint: checkpoint})
		return err
	}))
	return r
}

// TestUnsoundDrawsStop lets a superuser change what a frozen draw is made of,
// one thing a town, before the draw is carried out.
func TestUnsoundDrawsStop(t *testing.T) {
	other := held(2)
	for name, x := range map[string]struct{ sql, part, says string }{
		"the dice are swapped":             {`UPDATE draw_source SET value = '111111' WHERE type = 3`, "sources", "source 3 is recorded as 111111; the board has dice 471123"},
		"a trustee's value is swapped":     {fmt.Sprintf(`UPDATE draw_source SET value = '\x%x' WHERE position = 0`, other[:]), "sources", "source 0"},
		"a trustee is made absent":         {`UPDATE draw_source SET present = false, value = '' WHERE position = 0`, "sources", "source 0 is recorded as ; the board has opened"},
		"a source is gone and another put": {`DELETE FROM draw_source WHERE position = 3; INSERT INTO draw_source (cohort_id, position, type, present, value) VALUES (1, 3, 3, true, '222222')`, "sources", "471123"},
		"a leaf is deleted":                {`DELETE FROM draw_leaf WHERE position = 2`, "leaves", "leaf 2 is missing"},
		"a leaf is changed":                {`UPDATE draw_leaf SET weight = 3 WHERE position = 2`, "leaves", "the leaves are not those that were frozen"},
		"a ballot is deleted":              {`DELETE FROM ballot WHERE person_id = (SELECT person_id FROM draw_leaf WHERE position = 2)`, "ballots", "the ballot of leaf 2 is gone"},
		"a ballot is changed":              {`UPDATE ballot SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), 'c1', 'c2'), 'UTF8') WHERE person_id = (SELECT person_id FROM draw_leaf WHERE position = 3)`, "ballots", "the ballot of leaf 3 is not the one that was frozen"},
		"the root follows the leaves":      {`UPDATE draw SET root = sha256('x')`, "checkpoint", "the leaves are not those that were frozen"},
		"seats are added to the supply":    {`UPDATE slot SET seats = seats + 1, drawn_seats = drawn_seats + 1 WHERE position = 1`, "supply", "slot 1 of the supply"},
		"another manifest":                 {`UPDATE draw SET manifest = convert_to(replace(convert_from(manifest, 'UTF8'), '"max_weight":3', '"max_weight":4'), 'UTF8')`, "leaves", "the leaves are not those that were frozen"},
		"another key":                      {`UPDATE draw_secret SET k = sha256('x')`, "manifest", "secret key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, 6, 1)
			w.frozen()
			w.randomness()
			if r := w.against(); !r.OK(false) {
				t.Fatalf("untouched: %+v", r.Parts)
			}
			w.super("%s", strings.ReplaceAll(x.sql, "VALUES (1,", fmt.Sprintf("VALUES (%d,", w.cohort.ID)))
			w.at("2021-07-17 10:00")
			w.unsound("draw.run.refused", x.part, x.says)
		})
	}
}

// TestUnsoundResultsAreNotPublished lets a superuser change a draw that was
// carried out and verified, before it is published.
func TestUnsoundResultsAreNotPublished(t *testing.T) {
	for name, x := range map[string]struct{ sql, part, says string }{
		"the seed and its claims": {`UPDATE draw SET seed = sha256('x'), claims = convert_to(replace(convert_from(claims, 'UTF8'), encode(seed, 'hex'), encode(sha256('x'), 'hex')), 'UTF8')`, "seed", "seed"},
		"the recorded dice":       {`UPDATE draw_source SET value = '111111' WHERE type = 3`, "sources", "source 3"},
		"the order":               {`UPDATE ticket SET entity = substr(sha256('x'), 1, 16) WHERE rank = 3`, "order", "order"},
		"what a ticket was given": {`UPDATE ticket SET choice = 0, slot_id = NULL WHERE rank = 1`, "result", "outcome_root"},
		"a place behind its back": {`UPDATE assignment SET slot_id = (SELECT max(id) FROM slot) WHERE id = (SELECT min(id) FROM assignment)`, "result", "is not what the draw gave"},
		"a place for a friend":    {`UPDATE assignment SET person_id = (SELECT m.person_id FROM ticket_member m JOIN waiting w USING (cohort_id, rank) LIMIT 1) WHERE id = (SELECT min(id) FROM assignment)`, "result", "is not what the draw gave"},
		"the cut-offs":            {`UPDATE draw SET cutoffs = convert_to('{"cutoffs":[]}', 'UTF8')`, "result", "cut"},
		"a leaf":                  {`DELETE FROM draw_leaf WHERE position = 2`, "leaves", "leaf 2 is missing"},
		"the supply":              {`UPDATE slot SET drawn_seats = drawn_seats + 1, seats = seats + 1 WHERE position = 1`, "supply", "slot 1 of the supply"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, 20, 1)
			w.frozen()
			w.randomness()
			w.at("2021-07-17 10:00")
			w.tick()
			w.is(cohort.Drawn)
			if r := w.against(); !r.OK(false) {
				t.Fatalf("untouched: %+v", r.Parts)
			}
			w.super("%s", x.sql)
			w.at("2021-07-17 14:00")
			w.unsound("draw.publish.refused", x.part, x.says)
			if _, err := Bundle(w.ctx, w.db, w.cohort.ID); !errors.Is(err, ErrNotPublished) {
				t.Errorf("the bundle is public: %v", err)
			}
		})
	}
}

// TestPublishedBundlesAreHeldAgainstTheBoard changes a published draw, and
// wants the static files refused.
func TestPublishedBundlesAreHeldAgainstTheBoard(t *testing.T) {
	w := newTown(t, 20, 1)
	w.frozen()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	w.super(`UPDATE draw SET claims = convert_to(convert_from(claims, 'UTF8') || ' ', 'UTF8')`)
	dir := filepath.Join(t.TempDir(), "public")
	_, err := Publish(w.ctx, w.db, w.campaign, w.row.ID, dir, nil)
	refused(t, err, "claims.json is not the file that the board tells of")
	if p := w.against().Find("result"); p.State != lottery.Fails {
		t.Errorf("against the copy: %+v", p)
	}
	w.super(`UPDATE draw SET claims = convert_to(replace(convert_from(claims, 'UTF8'), '"size":', '"size":1'), 'UTF8')`)
	_, err = Publish(w.ctx, w.db, w.campaign, w.row.ID, dir, nil)
	refused(t, err, "is not published")
}

// TestEachStepIsMailed wants a mail with the head of the board of each step,
// and each head to be that of the board as it then stood.
func TestEachStepIsMailed(t *testing.T) {
	w := newTown(t, 20, 1)
	w.frozen()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	_, err := w.db.SealAll(w.ctx)
	w.must(err)
	got := strings.Join(pgtest.Values[string](t, w.url, `SELECT params ->> 'about' || COALESCE(':' || (params ->> 'event'), '') FROM jebi.message WHERE recipient = 'officials' ORDER BY id`), " ")
	if want := "announced frozen source:handed_in source:handed_in source:absent source:dice source:opened source:opened drawn published"; got != want {
		t.Errorf("mailed: %s\nwant    %s", got, want)
	}
	var kept []data.BoardHead
	for _, s := range pgtest.Values[string](t, w.url, `SELECT params ->> 'board' FROM jebi.message WHERE recipient = 'officials' ORDER BY id`) {
		h, err := data.ParseBoardHead(s)
		w.must(err)
		kept = append(kept, h)
	}
	fault, err := w.db.CheckBoard(w.ctx, kept)
	w.must(err)
	if fault != "" || len(kept) != 10 {
		t.Errorf("%d heads: %s", len(kept), fault)
	}
	w.super(`UPDATE board SET body = 'x', body_hash = sha256('x') WHERE id = (SELECT min(id) FROM board WHERE kind = 'source')`)
	if fault, err = w.db.CheckBoard(w.ctx, kept); err != nil || !strings.Contains(fault, "is another than when its head was kept") {
		t.Errorf("a changed record: %q, %v", fault, err)
	}
	w.super(`DELETE FROM board WHERE id = (SELECT max(id) FROM board)`)
	if fault, err = w.db.CheckBoard(w.ctx, kept[len(kept)-1:]); err != nil || !strings.Contains(fault, "is not in the database") {
		t.Errorf("a record that is gone: %q, %v", fault, err)
	}
}
