package lottery

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func clonePlaces(p *Places) *Places {
	return &Places{slices.Clone(p.Choice), slices.Clone(p.Slot), slices.Clone(p.Second), slices.Clone(p.CutOffs)}
}

// What was found by the rules passes; what breaks a rule on purpose is named.
func TestLayoutCheck(t *testing.T) {
	broken := map[string]int{}
	for name, s := range shapes() {
		for seed := range uint64(150) {
			r := rand.New(rand.NewPCG(seed, 2))
			l := randomLayout(r, s)
			for _, seating := range []Seating{Serial, Flexible, Fixed} {
				places, err := l.Serve(seating)
				if err != nil {
					t.Fatalf("%s, seed %d: %v", name, seed, err)
				}
				if err := l.Check(places, seating); err != nil {
					t.Fatalf("%s, seed %d, %s: %v", name, seed, seating, err)
				}
				for kind, wrong := range wrongPlaces(l, places, r) {
					broken[kind]++
					if l.Check(wrong, seating) == nil {
						t.Fatalf("%s, seed %d, %s: %s was not seen", name, seed, seating, kind)
					}
				}
				if x := slices.IndexFunc(l.slots, func(s Slot) bool { return !s.Second && s.Seats > 0 }); x >= 0 {
					if full(l, places, int32(x)) {
						l.slots[x].Seats--
						err := l.Check(places, seating)
						l.slots[x].Seats++
						broken["seats"]++
						if err == nil {
							t.Fatalf("%s, seed %d, %s: slot %d has more people than seats, and was not seen", name, seed, seating, x)
						}
					}
				}
			}
		}
	}
	for _, kind := range []string{"choice", "slot", "second", "cut-off", "cut-off twice", "length", "seats"} {
		if broken[kind] < 50 {
			t.Errorf("%s was broken %d times only", kind, broken[kind])
		}
	}
}

func full(l *Layout, p *Places, x int32) bool {
	used := int32(0)
	for i := range p.Slot {
		if p.Slot[i] == x {
			used += int32(l.ballots[i].size())
		}
	}
	return used == l.slots[x].Seats
}

// wrongPlaces are places that break one rule each.
func wrongPlaces(l *Layout, p *Places, r *rand.Rand) map[string]*Places {
	wrong := map[string]*Places{}
	with := func(kind string, change func(p *Places)) {
		wrong[kind] = clonePlaces(p)
		change(wrong[kind])
	}
	with("length", func(p *Places) { p.Slot = append(p.Slot, None) })
	with("cut-off", func(p *Places) { p.CutOffs = append(p.CutOffs, CutOff{Slot: int32(len(l.slots)), Rank: 1}) })
	if len(p.CutOffs) > 0 {
		with("cut-off twice", func(p *Places) { p.CutOffs = append(p.CutOffs, p.CutOffs[0]) })
	}
	if len(l.ballots) == 0 {
		return wrong
	}
	i := r.IntN(len(l.ballots))
	b := &l.ballots[i]
	with("choice", func(p *Places) { p.Choice[i] = (p.Choice[i] + 1) % (MaxChoices + 1) })
	if c := p.Choice[i]; c > 0 {
		inside := l.slotsOf(b.target[c-1], b.pattern[c-1])
		for x := range l.slots {
			if !slices.Contains(inside, int32(x)) {
				with("slot", func(p *Places) { p.Slot[i] = int32(x) })
			}
		}
	}
	with("second", func(p *Places) {
		if p.Second[i] == None {
			p.Second[i] = 0
		} else {
			p.Second[i] = None
		}
	})
	return wrong
}

// Cut-offs that nobody was refused by give people choices that they do not have.
func TestLayoutCheckNeedsTheCutOffs(t *testing.T) {
	seen := 0
	for seed := range uint64(200) {
		l := randomLayout(rand.New(rand.NewPCG(seed, 3)), shapes()["singles"])
		places, err := l.Serve(Serial)
		if err != nil {
			t.Fatal(err)
		}
		without := clonePlaces(places)
		without.CutOffs = nil
		refused := false
		for i := range l.ballots {
			first := 0
			for c := range l.ballots[i].choices() {
				if len(l.slotsOf(l.ballots[i].target[c], l.ballots[i].pattern[c])) > 0 {
					first = c + 1
					break
				}
			}
			refused = refused || int(places.Choice[i]) != first
		}
		if err := l.Check(without, Serial); (err != nil) != refused {
			t.Fatalf("seed %d: %v, somebody refused: %v", seed, err, refused)
		}
		if refused {
			seen++
		}
	}
	if seen < 50 {
		t.Errorf("in %d draws only was anybody refused", seen)
	}
}

// Tickets that come in any order make the same layout as in rank order.
func TestSetInAnyOrder(t *testing.T) {
	for name, s := range shapes() {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 4))
			want := randomLayout(r, s)
			got := *want
			got.ballots, got.last8, got.levels = nil, nil, [levels]bool{}
			got.Extend(want.Len())
			for _, i := range r.Perm(want.Len()) {
				b := &want.ballots[i]
				var codes []Code
				for c := range b.choices() {
					codes = append(codes, Code{b.target[c], b.pattern[c]})
				}
				if err := got.Set(i, uint8(b.size()), b.doses(), b.pool(), want.rotation(i), codes...); err != nil {
					t.Fatal(err)
				}
			}
			for _, seating := range []Seating{Serial, Flexible, Fixed} {
				a, err := want.Serve(seating)
				if err != nil {
					t.Fatal(err)
				}
				b, err := got.Serve(seating)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(a, b) {
					t.Fatalf("%s, seed %d, %s: another outcome", name, seed, seating)
				}
			}
		}
	}
}

func TestAddAndSetRefuse(t *testing.T) {
	l, err := NewLayout([]Slot{{Seats: 1, Pair: None}}, []string{""})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(1, 1, 0, 7); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []func() error{
		func() error { return l.Add(0, 1, 0, 9) },
		func() error { return l.Add(1, 3, 0, 9) },
		func() error { return l.Add(1, 1, 1, 9) },
		func() error { return l.Set(0, 5, 1, 0, 9) },
	} {
		if wrong() == nil {
			t.Error("a wrong ticket was taken")
		}
	}
	if err := l.Set(0, 1, 1, 0, 9, make([]Code, MaxChoices+1)...); !errors.Is(err, ErrLayout) {
		t.Errorf("too many choices: %v", err)
	}
	if l.Len() != 1 || len(l.last8) != 1 || l.last8[0] != 7 {
		t.Errorf("%d tickets, %v", l.Len(), l.last8)
	}
	l.Extend(2)
	if l.Len() != 3 || len(l.last8) != 3 {
		t.Errorf("%d tickets, %v", l.Len(), l.last8)
	}
}
