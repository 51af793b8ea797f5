package intake

import (
	"errors"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// What is asked beforehand is answered as the save itself would, and saves
// nothing.
func TestAskedBeforehand(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if err := s.Allowed(ctx, answer(1, "C1")); err != nil {
		t.Errorf("a good ballot: %v", err)
	}
	if cs, err := s.Check(ctx, answer(1, "C1")); err != nil || len(cs) != 1 {
		t.Errorf("good choices: %v %v", cs, err)
	}
	var flawed *Flawed
	if err := s.Allowed(ctx, answer(1, "C9")); !errors.As(err, &flawed) {
		t.Errorf("no such clinic: %v", err)
	}
	if _, err := s.Check(ctx, answer(1, "C9")); !errors.As(err, &flawed) {
		t.Errorf("no such clinic: %v", err)
	}
	if err := s.MayWithdraw(ctx, answer(1, "")); !errors.Is(err, ErrNoBallot) {
		t.Errorf("nothing to withdraw: %v", err)
	}
	for name, f := range map[string]func(Request) error{
		"Allowed":     func(r Request) error { return s.Allowed(ctx, r) },
		"MayWithdraw": func(r Request) error { return s.MayWithdraw(ctx, r) },
		"Withdraw":    func(r Request) error { _, err := s.Withdraw(ctx, r); return err },
	} {
		if err := f(Request{Person: 1}); !errors.Is(err, ErrRequest) {
			t.Errorf("%s without a campaign: %v", name, err)
		}
		var not *NotEligible
		if err := f(answer(99999, "")); !errors.As(err, &not) || not.Status != "unknown" {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	if _, err := s.Check(ctx, answer(99999, "C1")); err == nil {
		t.Error("the choices of nobody were checked")
	}
	p.at(t, opens.Add(-time.Hour))
	var closed *Closed
	if err := s.Allowed(ctx, answer(1, "C1")); !errors.As(err, &closed) {
		t.Errorf("before the window: %v", err)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot_history`); n != 0 {
		t.Errorf("%d saves by asking", n)
	}
}

// A ballot that lies in another cohort's draw is not touched from this one.
func TestBallotOfAnotherCohort(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
		t.Fatal(err)
	}
	p.exec(t, `UPDATE @person SET cohort_id = 2 WHERE id = 1`)
	var not *NotEligible
	if _, err := s.Save(ctx, answer(1, "C2")); !errors.As(err, &not) || not.Status != "other_cohort" {
		t.Errorf("after a move: %v", err)
	}
	if n := p.count(t, `SELECT count(*) FROM @ballot WHERE cohort_id = 1 AND revision = 1`); n != 1 {
		t.Error("the ballot was changed")
	}
}

func TestErrorsSayWhen(t *testing.T) {
	c := &Closed{State: cohort.Open, Opens: opens, Closes: opens.Add(closesAfter), Now: opens.Add(-1)}
	for _, e := range []struct {
		err  error
		says []string
	}{
		{c, []string{"not open", "2021-07-14 00:00:00Z", "2021-07-16 09:00:00Z"}},
		{&Closed{Paused: true, Opens: opens, Closes: opens.Add(closesAfter)}, []string{"paused", "2021-07-16 09:00:00Z"}},
		{&Flawed{}, []string{"flawed"}},
		{&Flawed{[]cohort.Flaw{{Choice: 2, Code: "no_date"}}}, []string{"choice 2", "no_date"}},
		{&NotEligible{"dead"}, []string{"not eligible: dead"}},
	} {
		for _, s := range e.says {
			if !strings.Contains(e.err.Error(), s) {
				t.Errorf("%q does not say %q", e.err, s)
			}
		}
	}
}

// A database that is gone is an error for everyone who waits, at once.
func TestDatabaseGone(t *testing.T) {
	p := newPlace(t)
	db, err := data.Open(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{DB: db})
	db.Close()
	if _, err := s.Save(t.Context(), answer(1, "C1")); err == nil {
		t.Error("saved without a database")
	}
	r := answer(1, "C1")
	r.Cohort = 1
	if _, err := s.Withdraw(t.Context(), r); err == nil {
		t.Error("withdrawn without a database")
	}
}
