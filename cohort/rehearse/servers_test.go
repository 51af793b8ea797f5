package rehearse

import (
	"context"
	"fmt"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

// Two `jebi serve` at once, both with the scheduler and the dispatcher on,
// carry both cohorts through their whole course: each step is done once, and
// each message sent once.
func TestTwoServersDoEverythingOnce(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	url := pgtest.URL(t)
	r := scene(t, dir, url, 300)
	for range 2 {
		startServer(t, dir, url, "--send") // to the receivers of this test
	}
	p := &pair{t: t, r: r, url: url}
	for _, g := range r.cohorts {
		if _, err := r.announceOne(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range r.cohorts {
		p.course(ctx, g)
	}
	p.at(r.cohorts[1].rule.ConfirmBy.Add(15 * time.Hour)) // past both, and in the morning
	for _, g := range r.cohorts {
		eventually(t, "places that were not accepted have lapsed and are offered", func() bool {
			return pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.offer WHERE cohort_id = $1`, g.id) > 0
		})
	}
	p.quiet()
	p.at(r.cohorts[1].rule.SettleAt) // the same for both
	for _, g := range r.cohorts {
		p.reach(g, cohort.Settled)
	}
	p.quiet()

	for _, c := range []struct {
		what, sql string
		want      int
	}{
		{"draws", `SELECT count(*)::int FROM jebi.draw WHERE published_at IS NOT NULL`, 2},
		{"draws on the board", `SELECT count(*)::int FROM jebi.board WHERE kind = 'draw'`, 2},
		{"checkpoints on the board", `SELECT count(*)::int FROM jebi.board WHERE kind = 'checkpoint'`, 2},
		{"states that were reached twice", `SELECT count(*)::int FROM (SELECT 1 FROM jebi.audit WHERE act LIKE 'cohort.%' GROUP BY subject, act HAVING count(*) > 1) x`, 0},
		{"people with two places at once", `SELECT count(*)::int FROM (SELECT 1 FROM jebi.assignment WHERE state IN ('assigned', 'confirmed') GROUP BY person_id HAVING count(*) > 1) x`, 0},
		{"seats above capacity", `SELECT count(*)::int FROM jebi.slot WHERE used + held > seats`, 0},
		{"messages tried more than once", `SELECT count(*)::int FROM jebi.message WHERE attempts > 1`, 0},
		{"messages that ended badly", `SELECT count(*)::int FROM jebi.message WHERE state IN ('queued', 'undelivered')`, 0},
	} {
		if got := pgtest.Value[int](t, url, c.sql); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.offer`); n == 0 {
		t.Error("no place was offered: the course was not whole")
	}
	got := r.receivers.Counts()
	if sent := pgtest.Value[int](t, url, `SELECT count(*)::int FROM jebi.message WHERE state = 'sent'`); got.Again != 0 || got.Mail+got.SMS != sent || sent < 1000 {
		t.Errorf("%d messages are sent; %d came in, %d of them again", sent, got.Mail+got.SMS, got.Again)
	}
}

// pair is the two servers seen from outside: through the database only.
type pair struct {
	t   *testing.T
	r   *Rehearsal
	url string
}

func (p *pair) at(to time.Time) {
	p.t.Helper()
	if err := p.r.DB.MoveClock(context.Background(), to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) reach(g *group, want cohort.State) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("cohort %s is %s", g.rule.Key, want), func() bool {
		row, err := p.r.DB.CohortByKey(context.Background(), p.r.row.ID, g.rule.Key)
		if err != nil {
			p.t.Fatal(err)
		}
		return row.State == want
	})
}

// quiet waits until no message is due or under way.
func (p *pair) quiet() {
	p.t.Helper()
	eventually(p.t, "all messages are sent", func() bool {
		n, err := p.r.DB.DueMessages(context.Background(), p.r.row.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		return n == 0
	})
}

// course brings one cohort from its opening to the answers of those who were
// drawn.
func (p *pair) course(ctx context.Context, g *group) {
	p.t.Helper()
	r := p.r
	p.at(g.rule.Opens)
	p.reach(g, cohort.Open)
	r.planAnswers(g)
	for i := range g.answers {
		g.answers[i].form = false
	}
	if err := r.makeParties(ctx, g); err != nil {
		p.t.Fatal(err)
	}
	if err := r.saveAll(ctx, g, g.answers); err != nil {
		p.t.Fatal(err)
	}
	p.at(g.rule.Closes)
	p.reach(g, cohort.Frozen)
	if err := r.cosign(ctx, g); err != nil {
		p.t.Fatal(err)
	}
	if err := r.randomness(ctx, g); err != nil {
		p.t.Fatal(err)
	}
	p.at(g.rule.DrawAt)
	p.reach(g, cohort.Drawn)
	p.at(g.rule.PublishAt)
	p.reach(g, cohort.Published)
	p.quiet()
	// Half of the drawn accept; the places of the others fall to those who wait.
	var drawn []int64
	err := r.DB.ReadTx(ctx, func(tx *data.Tx) (err error) {
		drawn, err = tx.Unconfirmed(ctx, g.id)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for i, who := range drawn {
		if i%2 == 0 {
			continue
		}
		if err := r.DB.Tx(ctx, func(tx *data.Tx) error { _, err := tx.ConfirmAssignment(ctx, who, person, ""); return err }); err != nil {
			p.t.Fatal(err)
		}
	}
}
