package cohort

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReachTellsTheChanceOfABallot(t *testing.T) {
	t.Parallel()
	a, b := ReachCell{"a", "2021-07-26", "am"}, ReachCell{"b", "2021-07-27", "pm"}
	r := NewReach(2, []ReachClass{{1, ""}, {1, "care"}}, []ReachCell{b, a, a})
	r.Set(0, 0, a, 0.2)
	r.Set(0, 0, a, 0.1) // another slot of the same cell: the better one counts
	r.Set(1, 0, a, 0.4)
	r.Set(0, 0, b, 1)
	r.Set(0, 1, a, 1)
	r.Set(1, 1, a, 1)
	first := Choice{Clinics: []string{"a", "nowhere"}, Dates: []string{"2021-07-26", "2021-08-01"}, Parts: []string{"am", "night"}}
	second := Choice{Clinics: []string{"b"}, Dates: []string{"2021-07-27"}, Parts: []string{"am", "pm"}}
	for _, c := range []struct {
		what    string
		size    int
		pool    string
		weight  int
		choices []Choice
		want    []float64
	}{
		{"one choice", 1, "", 1, []Choice{first}, []float64{0.3}},
		{"two", 1, "", 1, []Choice{first, second}, []float64{0.3, 0.7}},
		{"the other way round", 1, "", 1, []Choice{second, first}, []float64{0.5, 0.7}},
		{"two tickets in the drum", 1, "", 2, []Choice{first}, []float64{0.5}}, // (1-0.8² + 1-0.6²)/2
		{"of the pool", 1, "care", 1, []Choice{first}, []float64{1}},
		{"of a pool that nobody knows", 1, "other", 1, []Choice{first}, []float64{0.3}},
		{"none", 1, "", 1, nil, []float64{}},
	} {
		got, known := r.Chance(c.size, c.pool, c.weight, c.choices)
		for i := range got {
			got[i] = math.Round(100*got[i]) / 100
		}
		if diff := cmp.Diff(c.want, got); diff != "" || !known {
			t.Errorf("%s: %v (-want +got):\n%s", c.what, known, diff)
		}
	}
	if _, known := r.Chance(2, "", 1, []Choice{first}); known {
		t.Error("a party's chance out of singles'")
	}
	if _, known := NewReach(0, []ReachClass{{1, ""}}, nil).Chance(1, "", 1, []Choice{first}); known {
		t.Error("a chance out of no trial")
	}
}

// What is stored answers as what was made, and what is damaged is refused.
func TestReachIsStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		cells := rapid.SliceOf(rapid.Custom(func(t *rapid.T) ReachCell {
			return ReachCell{name.Draw(t, "clinic"), name.Draw(t, "date"), name.Draw(t, "part")}
		})).Draw(t, "cells")
		classes := []ReachClass{{1, ""}, {2, ""}}
		r := NewReach(rapid.IntRange(0, 3).Draw(t, "trials"), classes, cells)
		for trial := range r.Trials() {
			for class := range classes {
				for _, c := range cells {
					r.Set(trial, class, c, rapid.Float64Range(0, 1).Draw(t, "depth"))
				}
			}
		}
		stored := r.Encode()
		back, err := ParseReach(stored)
		if err != nil {
			t.Fatal(err)
		}
		list := rapid.SliceOfNDistinct(name, 0, 5, rapid.ID)
		choice := Choice{Clinics: list.Draw(t, "clinics"), Dates: list.Draw(t, "dates"), Parts: list.Draw(t, "parts")}
		want, known := r.Chance(2, "", 1, []Choice{choice})
		got, still := back.Chance(2, "", 1, []Choice{choice})
		if diff := cmp.Diff(want, got); diff != "" || known != still {
			t.Errorf("(-want +got):\n%s", diff)
		}
		cut := rapid.IntRange(0, len(stored)-1).Draw(t, "cut")
		if _, err := ParseReach(stored[:cut]); err == nil {
			t.Errorf("%d of %d bytes are taken", cut, len(stored))
		}
	})
}

func TestOddsAreCoarse(t *testing.T) {
	t.Parallel()
	o := Odds{
		Trials: 40, Tickets: 1234, Served: 0.537, First: 0.012,
		Clinics: map[string]OddsShare{"a": {96, 28, 0.291}, "b": {9, 28, 1}, "c": {10, 0, 0.974}},
		Chance:  []OddsChance{{1, 0.5}},
	}
	want := Odds{
		Trials: 40, Tickets: 1230, Served: 0.55, First: 0,
		Clinics: map[string]OddsShare{"a": {100, 28, 0.3}, "c": {10, 0, 0.95}},
		Parts:   map[string]OddsShare{}, Groups: map[string]OddsShare{},
	}
	if diff := cmp.Diff(want, o.Coarse()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p := want.Clinics["a"].PerSeat(); math.Abs(p-100.0/28) > 1e-9 || (OddsShare{}).PerSeat() != 0 {
		t.Errorf("%v requests a seat", p)
	}
	for chance, want := range map[float64]int{-1: 0, 0: 0, 0.04: 0, 0.05: 1, 0.72: 7, 0.949: 9, 0.95: 10, 2: 10} {
		if got := InTen(chance); got != want {
			t.Errorf("%v: about %d in 10, want %d", chance, got, want)
		}
	}
}
