package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// known is an answer whose person's key is known.
func known(person int64, clinic string) Request {
	r := answer(person, clinic)
	r.Key = fmt.Sprintf("P%d", person)
	return r
}

// A plain save stores and answers what a careful one does.
func TestPlainSave(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if _, err := s.Save(ctx, known(1, "C1")); err != nil { // careful: the window was not read yet
		t.Fatal(err)
	}
	if got := s.windows[1].draw; got != "t-a" {
		t.Fatalf("the window's draw is %q", got)
	}
	s.between = func(context.Context) { t.Error("a plain save goes the careful way") }
	web := known(7, "C1")
	web.Channel, web.Session = data.ChannelWeb, 99
	proxy := known(7, "C2")
	proxy.Channel, proxy.Session = data.ChannelProxy, 98
	for i, r := range []Request{web, proxy} {
		got, err := s.Save(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		row, err := p.db.Ballot(ctx, 1, 7)
		if err != nil {
			t.Fatal(err)
		}
		if got.Revision != i+1 || got.Person != "P7" || got.Draw != "t-a" || got.Number != cohort.ReceiptNumber(row.Commit) || got.Commit != lottery.BallotCommit(got.Salt, got.Ballot) ||
			row.Salt != got.Salt || row.Commit != got.Commit || !bytes.Equal(row.Bytes, got.Ballot) || !row.SavedAt.Equal(got.SavedAt) || row.Channel != r.Channel {
			t.Errorf("receipt %+v of row %+v", got, row)
		}
	}
	got := pgtest.Values[string](t, p.url, `SELECT h.revision || ' ' || h.act || ' ' || h.channel || ' ' || a.actor || ' ' || a.act || ' ' || a.reason || ' ' || (h.salt IS NOT NULL) FROM jebi.ballot_history h
		JOIN jebi.audit a ON a.subject = 'person:7' AND (a.after->>'revision')::int = h.revision AND a.after->>'commit' = encode(h.commit, 'hex') ORDER BY h.revision`)
	if want := []string{"1 save web person ballot.save  true", "2 save proxy proxy ballot.save  true"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
}

// Whatever the state of window and person, a save of somebody whose key is
// known ends as one of somebody whose key is not.
func TestPlainIsNoLaxer(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	if err := p.db.Tx(ctx, func(tx *data.Tx) error {
		_, err := tx.MakeParty(ctx, 1, 1, "p1", []int64{20, 21}, data.System, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	move := func(state string) {
		p.exec(t, `ALTER TABLE @cohort DISABLE TRIGGER moves`)
		p.exec(t, `UPDATE @cohort SET state = $1, paused_at = NULL WHERE id = 1`, state)
		p.exec(t, `ALTER TABLE @cohort ENABLE TRIGGER moves`)
	}
	saved, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		move(rapid.SampledFrom([]string{"announced", "open", "open", "open", "closed", "frozen"}).Draw(rt, "state"))
		if rapid.IntRange(0, 3).Draw(rt, "paused") == 0 {
			p.exec(t, `UPDATE @cohort SET paused_at = @jebi_now() WHERE id = 1`)
		}
		p.at(t, opens.Add(rapid.SampledFrom([]time.Duration{-time.Hour, -time.Second, 0, time.Hour, time.Hour, closesAfter - time.Minute, closesAfter, closesAfter + time.Hour}).Draw(rt, "at")))
		person := rapid.SampledFrom([]int64{2, 3, 20, 1001}).Draw(rt, "person")
		p.exec(t, `UPDATE @person SET status = $2 WHERE id = $1`, person, rapid.SampledFrom([]string{"eligible", "eligible", "eligible", "dead"}).Draw(rt, "status"))
		r := answer(person, "C1")
		r.Cohort = 1
		outcome := func(r Request) string {
			got, err := s.Save(ctx, r)
			var closed *Closed
			var not *NotEligible
			switch {
			case errors.As(err, &closed):
				return "closed"
			case errors.As(err, &not):
				return "not eligible: " + not.Status
			case err != nil:
				rt.Fatal(err)
			}
			return fmt.Sprintf("saved: %s %s %s", got.Person, got.Party, got.Draw)
		}
		careful := outcome(r)
		r.Key = fmt.Sprintf("P%d", person)
		if plain := outcome(r); plain != careful {
			rt.Fatalf("key known: %s; not: %s", plain, careful)
		}
		if careful[0] == 's' {
			saved++
		} else {
			refused++
		}
		r.Key = "P999" // somebody else's: nothing is stored under it
		outcome(r)
		if n := p.count(t, `SELECT count(*) FROM @ballot WHERE convert_from(bytes, 'UTF8')::jsonb ->> 'person' <> (SELECT key FROM @person p WHERE p.id = person_id)`); n != 0 {
			rt.Fatalf("%d ballots under another's key", n)
		}
	})
	if saved == 0 || refused == 0 {
		t.Errorf("%d saved, %d refused", saved, refused)
	}
}

// Plain and careful saves at once, of lone people and of parties: no revision is
// lost and no party is parted.
func TestPlainAndCarefulTogether(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	services := []*Service{p.service(), p.service()}
	if err := p.db.Tx(ctx, func(tx *data.Tx) error {
		_, err := tx.MakeParty(ctx, 1, 1, "p1", []int64{1, 2, 3}, data.System, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			r := known(int64(1+i%40), []string{"C1", "C2"}[i/40%2])
			if i%3 == 0 {
				r.Key = ""
			}
			if _, err := services[i%2].Save(ctx, r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.count(t, `SELECT count(*) FROM @ballot_history`); n != 37*10+30*3 {
		t.Errorf("%d rows of history", n)
	}
	if n := p.count(t, `SELECT count(DISTINCT convert_from(bytes, 'UTF8')::jsonb -> 'choices') FROM @ballot WHERE person_id <= 3`); n != 1 {
		t.Errorf("the party has %d different ballots", n)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot b WHERE revision <> (SELECT count(DISTINCT h.revision) FROM @ballot_history h WHERE h.person_id = b.person_id)`); n != 0 {
		t.Errorf("%d ballots have lost a revision", n)
	}
}

// A row that a rule refuses fails alone, among plain saves as well.
func TestPlainBadNeighbour(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	p.exec(t, `ALTER TABLE @ballot ADD CONSTRAINT no_42 CHECK (person_id <> 42)`)
	batch := make([]*item, 50)
	for i := range batch {
		batch[i] = &item{person: int64(20 + i), choices: choice("C1"), request: known(int64(20+i), "C1"), done: make(chan struct{})}
	}
	for _, it := range batch {
		if err := s.prepare(1, it); err != nil || !it.plain {
			t.Fatal(it.plain, err)
		}
	}
	s.commit(ctx, 1, batch)
	for _, it := range batch {
		<-it.done
		if bad := it.person == 42; (it.err != nil) != bad {
			t.Errorf("person %d: %v", it.person, it.err)
		}
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot WHERE person_id >= 20`); n != 49 {
		t.Errorf("%d ballots, want 49", n)
	}
}

// A connection that breaks leaves nobody with an acknowledgement.
func TestPlainInDoubt(t *testing.T) {
	p := newPlace(t)
	s := p.service()
	if _, err := s.Save(t.Context(), answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	it := &item{person: 2, choices: choice("C1"), request: known(2, "C1"), done: make(chan struct{})}
	if err := s.prepare(1, it); err != nil || !it.plain {
		t.Fatal(it.plain, err)
	}
	s.commit(ctx, 1, []*item{it})
	<-it.done
	if it.err == nil || it.receipt.Number != "" {
		t.Errorf("acknowledged: %+v %v", it.receipt, it.err)
	}
}

// Receipts of one commit have one signature, which holds for each by itself; a
// refused save and a withdrawal have none.
func TestSignedTogether(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	key, err := lottery.NewKey("gov.example", false, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	public, err := lottery.OperatorPublic(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{DB: p.db, Random: rand.Reader, Operator: &key})
	s.draws[1] = draw{id: "t-a", k: [32]byte{7}, manifest: lottery.Hash{8}, signs: true}
	alone, err := s.Save(ctx, answer(1, "C1"))
	if err != nil || alone.Signed == nil || alone.Signed.Batch != nil || alone.Signed.Check(public) != nil {
		t.Fatalf("a lone save: %+v, %v", alone.Signed, err)
	}
	batch := make([]*item, 20)
	for i := range batch {
		batch[i] = &item{person: int64(20 + i), choices: choice("C1"), request: known(int64(20+i), "C1"), done: make(chan struct{})}
		if i == 3 {
			batch[i].request.Key = "P999" // refused the plain way, saved by its own number the careful way
		}
		if err := s.prepare(1, batch[i]); err != nil {
			t.Fatal(err)
		}
	}
	p.exec(t, `UPDATE @person SET status = 'dead' WHERE id = 25`)
	s.commit(ctx, 1, batch)
	roots := map[lottery.Hash]int{}
	for i, it := range batch {
		r := it.receipt
		if i == 5 {
			if it.err == nil || r.Signed != nil {
				t.Errorf("refused: %v, %+v", it.err, r.Signed)
			}
			continue
		}
		if it.err != nil || r.Signed == nil || r.Signed.Check(public) != nil {
			t.Fatalf("person %d: %v, %+v", it.person, it.err, r.Signed)
		}
		if b := r.Signed.Batch; b != nil {
			roots[b.Root]++
		}
		row, err := p.db.Ballot(ctx, 1, it.person)
		if err != nil {
			t.Fatal(err)
		}
		later, err := s.Signed(ctx, row)
		if err != nil || later.Save != r.Signed.Save || later.Check(public) != nil {
			t.Errorf("signed with others %+v, and later %+v, %v", r.Signed.Save, later, err)
		}
	}
	if len(roots) != 1 {
		t.Errorf("signatures of so many receipts: %v", roots)
	}
	request := known(20, "C1")
	if r, err := s.Withdraw(ctx, request); err != nil || r.Signed != nil {
		t.Errorf("withdrawn: %v, %+v", err, r.Signed)
	}
}

// A batch that breaks down leaves nobody waiting, and the next save goes on.
func TestBrokenBatch(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	s.between = func(context.Context) { panic("broken on purpose") }
	if r, err := s.Save(ctx, answer(1, "C1")); err == nil || r.Number != "" {
		t.Errorf("%+v, %v", r, err)
	}
	s.between = nil
	if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
		t.Error(err)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot_history`); n != 1 {
		t.Errorf("%d saves", n)
	}
}
