package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// place is a database with two cohorts, people 1… in the first and 1001… in
// the second, three clinics, and a clock inside the windows.
type place struct {
	url string
	db  *data.DB
}

var opens = time.Date(2021, 7, 14, 0, 0, 0, 0, time.UTC) // 9:00 in Seoul

const closesAfter = 57 * time.Hour

var theCampaign = &cohort.Campaign{
	Key: "t", Sample: true, Languages: []string{"ko"},
	DayParts: []cohort.DayPart{{Key: "am", From: "0000", To: "1200"}, {Key: "pm", From: "1200", To: "2400"}},
	Rules:    cohort.Rules{MaxChoices: 5},
}

func prepare(url string) error {
	ctx := context.Background()
	if err := data.Migrate(ctx, url); err != nil {
		return err
	}
	return data.MakeClockMovable(ctx, url)
}

func newPlace(t testing.TB) *place {
	t.Helper()
	url := pgtest.Template(t, "intake", prepare)
	exec := func(sql string) { pgtest.Exec(t, url, `DO $do$ BEGIN SET LOCAL search_path = jebi; `+sql+` END $do$`) }
	exec(`
	INSERT INTO campaign (key, version, sample) VALUES ('t', 1, true);
	INSERT INTO cohort (campaign_id, key, ordinal, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
	  SELECT 1, k, n, '2021-07-14 00:00Z', '2021-07-16 09:00Z', '2021-07-17Z', '2021-07-18Z', '2021-07-20Z', '2021-08-01Z'
	    FROM (VALUES ('a', 0), ('b', 1)) v (k, n);
	INSERT INTO person (campaign_id, key, cohort_id, row_hash)
	  SELECT 1, 'P' || g, CASE WHEN g <= 1000 THEN 1 ELSE 2 END, sha256('') FROM generate_series(1, 1010) g;
	INSERT INTO clinic (campaign_id, key, name, kind, district, lat, lon, row_hash)
	  SELECT 1, 'C' || g, 'Clinic ' || g, 'clinic', '11620', 37, 127, sha256('') FROM generate_series(1, 3) g;
	INSERT INTO slot (campaign_id, cohort_id, clinic_id, date, block, part, vaccine, starts_at, seats, position)
	  SELECT 1, w, c, d::date, b, CASE WHEN b < '1200' THEN 'am' ELSE 'pm' END, 'X', d, 10, row_number() OVER (PARTITION BY w ORDER BY c, d, b) - 1
	    FROM generate_series(1, 2) w, generate_series(1, 2) c, generate_series('2021-07-26'::timestamptz, '2021-07-28', '1 day') d, (VALUES ('0900'), ('1400')) v (b);
	INSERT INTO official (name, role, public_key) VALUES ('caller', 'call_centre', sha256(''));
	UPDATE cohort SET state = 'announced';
	UPDATE cohort SET state = 'open';`)
	db, err := data.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	p := &place{url, db}
	p.at(t, opens.Add(time.Hour))
	return p
}

func (p *place) at(t testing.TB, now time.Time) {
	t.Helper()
	if err := p.db.MoveClock(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

func (p *place) count(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	return pgtest.Value[int64](t, p.url, strings.ReplaceAll(sql, "@", "jebi."), args...)
}

func (p *place) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	pgtest.Exec(t, p.url, strings.ReplaceAll(sql, "@", "jebi."), args...)
}

func (p *place) service() *Service { return New(Config{DB: p.db, Random: rand.Reader}) }

func choice(clinic string) []cohort.Choice {
	return []cohort.Choice{{Target: "clinics", Clinics: []string{clinic}, Dates: []string{"2021-07-26", "2021-07-27"}, Parts: []string{"am", "pm"}}}
}

func answer(person int64, clinic string) Request {
	return Request{Campaign: theCampaign, Person: person, Choices: choice(clinic), Channel: data.ChannelSample}
}

func TestSave(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	r, err := s.Save(ctx, Request{Campaign: theCampaign, Person: 7, Channel: data.ChannelWeb, Session: 99, Choices: []cohort.Choice{
		{Target: "district:11620", Clinics: []string{"C2", "C1", "C2"}, Dates: []string{"2021-07-27", "2021-07-26"}, Parts: []string{"pm", "am"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"draw":"t-a","person":"P7","choices":[{"target":"district:11620","clinics":["C1","C2"],"dates":["2021-07-26","2021-07-27"],"parts":["am","pm"]}]}`
	if string(r.Ballot) != want {
		t.Errorf("bytes %s", r.Ballot)
	}
	if r.Commit != lottery.BallotCommit(r.Salt, r.Ballot) || r.Revision != 1 || r.Person != "P7" || r.Draw != "t-a" || r.Number == "" {
		t.Errorf("receipt %+v", r)
	}
	row, err := p.db.Ballot(ctx, 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	if row.Salt != r.Salt || row.Commit != r.Commit || !bytes.Equal(row.Bytes, r.Ballot) || !row.SavedAt.Equal(r.SavedAt) {
		t.Errorf("stored %+v", row)
	}

	r2, err := s.Save(ctx, answer(7, "C1"))
	if err != nil {
		t.Fatal(err)
	}
	if r2.Revision != 2 || r2.Salt == r.Salt {
		t.Errorf("second receipt %+v", r2)
	}
	w, err := s.Withdraw(ctx, Request{Campaign: theCampaign, Person: 7, Channel: data.ChannelCallCentre, Official: 1, Reason: "asked by telephone"})
	if err != nil {
		t.Fatal(err)
	}
	if w.Revision != 3 || !w.Withdrawn || w.Commit != r2.Commit {
		t.Errorf("withdrawal %+v", w)
	}
	if _, err := s.Withdraw(ctx, answer(7, "C1")); !errors.Is(err, ErrNoBallot) {
		t.Errorf("withdrawn twice: %v", err)
	}
	if r, err := s.Save(ctx, answer(7, "C2")); err != nil || r.Revision != 4 {
		t.Errorf("after the withdrawal: %+v %v", r, err)
	}
	got := pgtest.Values[string](t, p.url, `SELECT h.revision || ' ' || h.act || ' ' || h.channel || ' ' || a.actor || ' ' || a.act || ' ' || a.reason FROM jebi.ballot_history h
		JOIN jebi.audit a ON a.subject = 'person:7' AND (a.after->>'revision')::int = h.revision AND a.after->>'commit' = encode(h.commit, 'hex') ORDER BY h.revision`)
	if diff := cmp.Diff([]string{
		"1 save web person ballot.save ", "2 save sample system ballot.save ",
		"3 withdraw call_centre official ballot.withdraw asked by telephone", "4 save sample system ballot.save ",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	p.exec(t, `UPDATE @person SET status = 'vaccinated' WHERE id = 2`)
	p.exec(t, `UPDATE @person SET cohort_id = NULL WHERE id = 3`)
	with := func(r Request, f func(*Request)) Request { f(&r); return r }
	real := *theCampaign
	real.Sample = false
	other := *theCampaign
	other.Key = "u"
	for name, c := range map[string]struct {
		request Request
		want    error
	}{
		"vaccinated":     {answer(2, "C1"), &NotEligible{"vaccinated"}},
		"no cohort":      {answer(3, "C1"), &NotEligible{"no_cohort"}},
		"unknown":        {answer(99999, "C1"), &NotEligible{"unknown"}},
		"other cohort":   {with(answer(1, "C1"), func(r *Request) { r.Cohort = 2 }), &NotEligible{"other_cohort"}},
		"other campaign": {with(answer(1, "C1"), func(r *Request) { r.Campaign = &other }), &NotEligible{"other_campaign"}},
		"nothing chosen": {with(answer(1, "C1"), func(r *Request) { r.Choices = nil }), &Flawed{[]cohort.Flaw{{Code: "none"}}}},
		"no such clinic": {answer(1, "C9"), &Flawed{[]cohort.Flaw{{Choice: 1, Code: "unknown_clinic", Value: "C9"}}}},
		"no slots there": {answer(1, "C3"), &Flawed{[]cohort.Flaw{{Choice: 1, Code: "unknown_clinic", Value: "C3"}}}},
		"no session":     {with(answer(1, "C1"), func(r *Request) { r.Channel = data.ChannelWeb }), ErrRequest},
		"no reason":      {with(answer(1, "C1"), func(r *Request) { r.Channel, r.Official = data.ChannelPaper, 1 }), ErrRequest},
		"no official":    {with(answer(1, "C1"), func(r *Request) { r.Channel, r.Reason = data.ChannelPaper, "x" }), ErrRequest},
		"a hidden one":   {with(answer(1, "C1"), func(r *Request) { r.Official = 1 }), ErrRequest},
		"no channel":     {with(answer(1, "C1"), func(r *Request) { r.Channel = "" }), ErrRequest},
		"no sample":      {with(answer(1, "C1"), func(r *Request) { r.Campaign = &real }), ErrRequest},
		"no campaign":    {with(answer(1, "C1"), func(r *Request) { r.Campaign = nil }), ErrRequest},
	} {
		_, err := s.Save(ctx, c.request)
		same := errors.Is(err, c.want)
		var ne *NotEligible
		var fl *Flawed
		switch want := c.want.(type) {
		case *NotEligible:
			same = errors.As(err, &ne) && *ne == *want
		case *Flawed:
			same = errors.As(err, &fl) && cmp.Equal(fl, want)
		}
		if !same {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if n := p.count(t, `SELECT (SELECT count(*) FROM @ballot) + (SELECT count(*) FROM @ballot_history) + (SELECT count(*) FROM @audit WHERE act LIKE 'ballot.%')`); n != 0 {
		t.Errorf("%d rows of refused ballots", n)
	}
}

func TestWindowByTheClock(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	closes := opens.Add(closesAfter)
	refused := func(what string, paused bool) {
		t.Helper()
		for name, f := range map[string]func() error{
			"save":     func() error { _, err := s.Save(ctx, answer(5, "C1")); return err },
			"flawed":   func() error { _, err := s.Save(ctx, answer(5, "C9")); return err },
			"withdraw": func() error { _, err := s.Withdraw(ctx, answer(1, "C1")); return err },
		} {
			var c *Closed
			if err := f(); !errors.As(err, &c) || !c.Opens.Equal(opens) || !c.Closes.Equal(closes) || c.Paused != paused {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
	if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	p.at(t, opens.Add(-time.Second))
	refused("a second before it opens", false)
	p.at(t, closes)
	refused("as it closes", false)
	p.at(t, closes.Add(time.Second))
	refused("a second after", false)
	p.at(t, closes.Add(-time.Hour))
	p.exec(t, `UPDATE @cohort SET paused_at = @jebi_now()`)
	refused("paused", true)
	p.exec(t, `UPDATE @cohort SET paused_at = NULL`)
	if _, err := s.Save(ctx, answer(5, "C1")); err != nil {
		t.Errorf("resumed: %v", err)
	}
	p.exec(t, `UPDATE @cohort SET state = 'closed'`)
	p.exec(t, `UPDATE @cohort SET state = 'frozen'`)
	refused("frozen early", false)
	if n := p.count(t, `SELECT count(*) FROM @ballot_history`); n != 2 {
		t.Errorf("%d saves in history, want 2", n)
	}
}

// A scheduler that is late keeps no announced window shut, except where
// acknowledged would not mean durable.
func TestLateScheduler(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	p.exec(t, `ALTER TABLE @cohort DISABLE TRIGGER moves`)
	p.exec(t, `UPDATE @cohort SET state = 'announced'`)
	p.exec(t, `ALTER TABLE @cohort ENABLE TRIGGER moves`)
	if _, err := p.service().Save(ctx, answer(1, "C1")); err != nil {
		t.Errorf("an announced window whose time has come: %v", err)
	}
	loose := p.url + "&synchronous_commit=off"
	if !strings.Contains(p.url, "?") {
		loose = p.url + "?synchronous_commit=off"
	}
	db, err := data.Open(ctx, loose)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var c *Closed
	if _, err := New(Config{DB: db, Random: rand.Reader}).Save(ctx, answer(2, "C1")); !errors.As(err, &c) {
		t.Errorf("on a database that is not durable: %v", err)
	}
}

func TestParty(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	by := data.System
	if err := p.db.Tx(ctx, func(tx *data.Tx) error {
		_, err := tx.MakeParty(ctx, 1, 1, "p1", []int64{10, 11, 12}, by, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, people := range map[string][]int64{"in another party": {12, 13}, "of another cohort": {14, 1005}, "one": {15}, "five": {15, 16, 17, 18, 19}} {
		err := p.db.Tx(ctx, func(tx *data.Tx) error {
			_, err := tx.MakeParty(ctx, 1, 1, "p2", people, by, "test")
			return err
		})
		if !errors.Is(err, data.ErrParty) {
			t.Errorf("party of people %s: %v", name, err)
		}
	}
	r, err := s.Save(ctx, answer(11, "C1"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Person != "P11" || r.Party != "p1" {
		t.Errorf("receipt %+v", r)
	}
	salts := map[[32]byte]bool{}
	for _, id := range []int64{10, 11, 12} {
		row, err := p.db.Ballot(ctx, 1, id)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cohort.ParseBallot(row.Bytes)
		if err != nil || b.Person != fmt.Sprintf("P%d", id) || b.Party != "p1" || row.Commit != lottery.BallotCommit(row.Salt, row.Bytes) {
			t.Errorf("ballot of %d: %+v %v", id, b, err)
		}
		salts[row.Salt] = true
	}
	if len(salts) != 3 {
		t.Error("members share a salt")
	}
	p.exec(t, `UPDATE @person SET status = 'dead' WHERE id = 12`)
	var ne *NotEligible
	if _, err := s.Save(ctx, answer(10, "C2")); !errors.As(err, &ne) || ne.Status != "party" {
		t.Errorf("with a member who may not answer: %v", err)
	}
	p.exec(t, `UPDATE @person SET status = 'eligible' WHERE id = 12`)
	if _, err := s.Withdraw(ctx, answer(12, "")); err != nil {
		t.Fatal(err)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot WHERE withdrawn AND revision = 2`); n != 3 {
		t.Errorf("%d of 3 withdrawn", n)
	}
}

// All at once: single people, members of one party, the same person many
// times. Revisions count up without a gap, and history holds each.
func TestTogether(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := New(Config{DB: p.db, Random: rand.Reader, Batch: 7})
	if err := p.db.Tx(ctx, func(tx *data.Tx) error {
		_, err := tx.MakeParty(ctx, 1, 1, "p1", []int64{1, 2, 3, 4}, data.System, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	revisions := map[int64][]int{}
	for i := range 200 {
		wg.Go(func() {
			person := int64(1 + i%20)
			r, err := s.Save(ctx, answer(person, "C1"))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			revisions[person] = append(revisions[person], r.Revision)
			mu.Unlock()
		})
	}
	wg.Wait()
	for person, got := range revisions {
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != 10 {
			t.Errorf("person %d: revisions %v", person, got)
		}
		if person > 4 && (got[0] != 1 || got[9] != 10) {
			t.Errorf("person %d: revisions %v", person, got)
		}
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot_history`); n != 16*10+40*4 {
		t.Errorf("%d rows of history", n)
	}
	for left := 1; left > 0; time.Sleep(time.Millisecond) { // a batch tells its callers before it ends
		s.mu.Lock()
		left = len(s.windows[1].queue) + s.windows[1].batches + s.windows[1].under
		s.mu.Unlock()
	}
}

// A row that the database refuses fails alone.
func TestBadNeighbour(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	p.exec(t, `ALTER TABLE @ballot ADD CONSTRAINT no_42 CHECK (person_id <> 42)`)
	s := p.service()
	batch := make([]*item, 50)
	for i := range batch {
		batch[i] = &item{person: int64(20 + i), choices: choice("C1"), request: answer(int64(20+i), "C1"), done: make(chan struct{})}
	}
	s.commit(ctx, 1, batch)
	for _, it := range batch {
		<-it.done
		if bad := it.person == 42; (it.err != nil) != bad {
			t.Errorf("person %d: %v", it.person, it.err)
		}
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot`); n != 49 {
		t.Errorf("%d ballots, want 49", n)
	}
}

func TestBusyAndGone(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	hold, held := make(chan struct{}), make(chan struct{}, 8)
	s := New(Config{DB: p.db, Random: rand.Reader, Queue: 2, Lanes: 1})
	s.between = func(context.Context) { held <- struct{}{}; <-hold }
	var wg sync.WaitGroup
	errs := make([]error, 4)
	save := func(ctx context.Context, i int) {
		wg.Go(func() { _, errs[i] = s.Save(ctx, answer(int64(1+i), "C1")) })
	}
	queued := func(n int) {
		for {
			s.mu.Lock()
			got := len(s.windows[1].queue)
			s.mu.Unlock()
			if got == n {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	leader, leave := context.WithCancel(ctx)
	save(leader, 0)
	select {
	case <-held: // the first is between its rows and its commit
	case <-time.After(time.Minute):
		t.Fatal("the first save does not get to its commit")
	}
	waiting, giveUp := context.WithCancel(ctx)
	save(waiting, 1)
	queued(1)
	save(ctx, 2)
	queued(2)
	if _, err := s.Save(ctx, answer(4, "C1")); !errors.Is(err, ErrBusy) {
		t.Errorf("a full queue: %v", err)
	}
	giveUp()
	queued(1)
	leave()
	close(hold)
	wg.Wait()
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("acknowledged: %v, %v", errs[0], errs[2])
	}
	if !errors.Is(errs[1], context.Canceled) {
		t.Errorf("one who gave up: %v", errs[1])
	}
	if got := pgtest.Values[int64](t, p.url, `SELECT person_id FROM jebi.ballot ORDER BY 1`); !slices.Equal(got, []int64{1, 3}) {
		t.Errorf("saved: %v", got)
	}
}

// Few who come during a commit wait for it, as their own would cost as much; but
// not for one that hangs.
func TestABatchThatHangsKeepsNobodyWaiting(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	hold, held := make(chan struct{}), make(chan struct{})
	s := p.service()
	var hangs atomic.Bool
	s.between = func(context.Context) {
		if hangs.CompareAndSwap(false, true) {
			close(held)
			<-hold
		}
	}
	hung := make(chan error, 1)
	go func() {
		_, err := s.Save(ctx, answer(1, "C1"))
		hung <- err
	}()
	<-held
	for person := int64(2); person <= 4; person++ {
		if _, err := s.Save(ctx, answer(person, "C1")); err != nil {
			t.Errorf("person %d: %v", person, err)
		}
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot`); n != 3 {
		t.Errorf("%d ballots beside the one that hangs, want 3", n)
	}
	close(hold)
	if err := <-hung; err != nil {
		t.Errorf("the one that hung: %v", err)
	}
}

func TestNoSaltNoBallot(t *testing.T) {
	p := newPlace(t)
	s := New(Config{DB: p.db, Random: io.LimitReader(rand.Reader, 40)})
	if _, err := s.Save(t.Context(), answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), answer(2, "C1")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("with half a salt: %v", err)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot`); n != 1 {
		t.Errorf("%d ballots", n)
	}
}

// Whatever is chosen, what is stored reads back as what it is.
func TestBytesAreCanonical(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	rapid.Check(t, func(rt *rapid.T) {
		some := func(label string, from ...string) []string {
			return rapid.SliceOfN(rapid.SampledFrom(from), 1, 4).Draw(rt, label)
		}
		var cs []cohort.Choice
		for i := range rapid.IntRange(1, 5).Draw(rt, "choices") {
			cs = append(cs, cohort.Choice{
				Target:  rapid.SampledFrom([]string{"clinics", "district:11620", "near:2000", "<&>\u2028"}).Draw(rt, "target"),
				Clinics: some(fmt.Sprint("clinics", i), "C1", "C2"),
				Dates:   some(fmt.Sprint("dates", i), "2021-07-26", "2021-07-27", "2021-07-28"), Parts: some(fmt.Sprint("parts", i), "am", "pm"),
			})
		}
		r, err := s.Save(ctx, Request{Campaign: theCampaign, Person: 9, Cohort: 1, Choices: cs, Channel: data.ChannelSample})
		var f *Flawed
		if errors.As(err, &f) {
			for _, flaw := range f.Flaws {
				if flaw.Code != "same_twice" {
					rt.Fatalf("flaw %v of %v", flaw, cs)
				}
			}
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		row, err := p.db.Ballot(ctx, 1, 9)
		if err != nil {
			rt.Fatal(err)
		}
		b, err := cohort.ParseBallot(row.Bytes)
		if err != nil || b.Draw != "t-a" || b.Person != "P9" || len(b.Choices) != len(cs) {
			rt.Fatalf("%s: %v", row.Bytes, err)
		}
		if row.Commit != lottery.BallotCommit(row.Salt, row.Bytes) || row.Commit != r.Commit {
			rt.Fatal("the commitment is of other bytes")
		}
	})
}

// The draft that a ballot came from goes with the save, in one transaction; one
// that was changed since stays, and so do those of others.
func TestDraftGoesWithTheSave(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	keep := func(person int64, before, body []byte) time.Time {
		if err := p.db.KeepDraft(ctx, 1, person, before, body); err != nil {
			t.Fatal(err)
		}
		draft, err := p.db.Draft(ctx, 1, person)
		if err != nil {
			t.Fatal(err)
		}
		return draft.Kept
	}
	first, changed := []byte(`{"choices": []}`), []byte(`{"choices": [], "x": 1}`)
	for person := int64(1); person <= 4; person++ {
		r := answer(person, "C1")
		r.Draft = keep(person, nil, first)
		switch person {
		case 2:
			keep(2, first, changed)
		case 3:
			r.Draft = time.Time{}
		case 4:
			p.exec(t, `UPDATE @person SET status = 'dead' WHERE id = 4`)
		}
		if _, err := s.Save(ctx, r); (err != nil) != (person == 4) {
			t.Fatalf("person %d: %v", person, err)
		}
	}
	if got := pgtest.Values[int64](t, p.url, `SELECT person_id FROM jebi.draft ORDER BY 1`); !slices.Equal(got, []int64{2, 3, 4}) {
		t.Errorf("drafts of %v stay, want those of 2 (changed), 3 (not told of) and 4 (not saved)", got)
	}
}

// So does one that is being changed while the save waits for it.
func TestDraftThatChangesDuringTheSave(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if err := p.db.KeepDraft(ctx, 1, 1, nil, []byte(`{"choices": []}`)); err != nil {
		t.Fatal(err)
	}
	draft, err := p.db.Draft(ctx, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	release := pgtest.Hold(t, p.url, `SELECT pg_advisory_lock(1)`)
	var tabs sync.WaitGroup
	tabs.Go(func() { // changes the draft, and commits when it is released
		pgtest.Exec(t, p.url, `BEGIN;
			UPDATE jebi.draft SET body = '{"choices": [], "x": 1}', saved_at = saved_at + interval '1 s' WHERE person_id = 1;
			SELECT pg_advisory_lock(1);
			COMMIT`)
	})
	pgtest.Waiting(t, p.url, 1)
	var saved error
	tabs.Go(func() {
		r := answer(1, "C1")
		r.Draft = draft.Kept
		_, saved = s.Save(ctx, r)
	})
	pgtest.Waiting(t, p.url, 2)
	release()
	if tabs.Wait(); saved != nil {
		t.Fatal(saved)
	}
	if got, err := p.db.Draft(ctx, 1, 1); err != nil || !strings.Contains(string(got.Body), `"x"`) {
		t.Errorf("the draft is %q (%v), want what the other tab kept", got.Body, err)
	}
}
