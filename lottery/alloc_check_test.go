package lottery

import (
	"errors"
	"strings"
	"testing"
)

func TestServeRefusesWrongProblems(t *testing.T) {
	slot := func(change func(*Slot)) Problem {
		s := Slot{Seats: 3, Pair: None}
		change(&s)
		return Problem{Pools: []string{"", "p"}, Slots: []Slot{s, {Day: 50, Seats: 1, Second: true, Pair: None}}}
	}
	ticket := func(a Applicant) Problem {
		p := slot(func(*Slot) {})
		p.Tickets = []Applicant{{Size: 1, Doses: 1}, a}
		return p
	}
	for _, test := range []struct {
		seating Seating
		p       Problem
		want    string
	}{
		{"other", Problem{}, `unknown seating "other"`},
		{Flexible, slot(func(s *Slot) { s.Seats = -1 }), "slot 0: negative seats"},
		{Flexible, slot(func(s *Slot) { s.Party = -1 }), "slot 0: negative party"},
		{Flexible, slot(func(s *Slot) { s.Reserve = []int32{0, -1} }), "slot 0: negative reserve"},
		{Flexible, slot(func(s *Slot) { s.Reserve = []int32{0, 4} }), "slot 0: 4 seats reserved of 3"},
		{Flexible, slot(func(s *Slot) { s.Reserve = []int32{0, 1, 1} }), "slot 0: reserve for an unknown pool"},
		{Flexible, slot(func(s *Slot) { s.Pair = 2 }), "slot 0: pair 2 is not in the supply"},
		{Flexible, slot(func(s *Slot) { s.Pair = -2 }), "slot 0: pair -2 is not in the supply"},
		{Flexible, slot(func(s *Slot) { s.Pair = 0 }), "slot 0: pair 0 is not marked"},
		{Fixed, slot(func(s *Slot) { s.Pair = 1 }), "slot 0: its pair has 1 seats"},
		{Fixed, slot(func(s *Slot) { s.Pair, s.Seats, s.Vaccine = 1, 1, 1 }), "slot 0: its pair has another clinic or vaccine"},
		{Serial, slot(func(s *Slot) { s.Pair, s.Seats, s.Day = 1, 1, -14 }), "slot 0: its pair is 64 days later"},
		{Flexible, ticket(Applicant{Doses: 1}), "rank 2: size 0"},
		{Flexible, ticket(Applicant{Size: 5, Doses: 1}), "rank 2: size 5"},
		{Flexible, ticket(Applicant{Size: 1}), "rank 2: doses 0"},
		{Flexible, ticket(Applicant{Size: 1, Doses: 1, Pool: 2}), "rank 2: unknown pool 2"},
		{Flexible, ticket(Applicant{Size: 1, Doses: 1, Choices: [][]int32{{0}, {2}}}), "rank 2: choice 2 names slot 2"},
		{Flexible, ticket(Applicant{Size: 1, Doses: 1, Choices: [][]int32{{-1}}}), "rank 2: choice 1 names slot -1"},
		{Flexible, ticket(Applicant{Size: 1, Doses: 1, Choices: [][]int32{{1}}}), "second doses only"},
		{Flexible, ticket(Applicant{Size: 1, Doses: 1, Choices: [][]int32{{0, 0}}}), "slot 0 twice"},
	} {
		if _, err := Serve(&test.p, test.seating); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
	ok := slot(func(s *Slot) { s.Pair = 1 })
	if _, err := Serve(&ok, Flexible); err != nil {
		t.Errorf("flexible seating does not use pairs: %v", err)
	}
}

func TestLayoutSaysWhatDoesNotFit(t *testing.T) {
	plain := []Slot{{Seats: 2, Pair: None}, {Day: 50, Seats: 1, Second: true, Pair: None}, {Day: 1, Seats: 2, Pair: None}}
	for name, test := range map[string]struct {
		slots []Slot
		pools []string
		fits  bool
	}{
		"seats":     {[]Slot{{Seats: 1 << 16, Pair: None}}, nil, true},
		"two slots": {[]Slot{{Pair: None}, {Pair: None}}, nil, true},
		"pools":     {plain, make([]string, 1<<10+1), true},
		"a slot":    {[]Slot{{Seats: -1}}, nil, false},
	} {
		if _, err := NewLayout(test.slots, test.pools); err == nil || errors.Is(err, ErrLayout) != test.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := NewLayout(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]int32{{3}, {-1}, {1}, {2, 0}, {0, 0}} {
		if _, err := l.List(list); err == nil {
			t.Errorf("list %v was taken", list)
		}
	}
	if err := l.Add(0, 1, 0, 0); err == nil {
		t.Error("a ticket of size 0 was taken")
	}
	if err := l.Add(1, 1, 0, 0, make([]Code, MaxChoices+1)...); !errors.Is(err, ErrLayout) {
		t.Errorf("six choices: %v", err)
	}
	if _, err := l.Serve("other"); err == nil {
		t.Error("an unknown seating was served")
	}
	if l.Len() != 0 {
		t.Errorf("%d tickets", l.Len())
	}
	same, err := l.List([]int32{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.List([]int32{0, 2}); err != nil || again != same {
		t.Error("a list became two codes")
	}
}
