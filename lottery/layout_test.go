package lottery

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shape says how large random problems are, and what is in them.
type shape struct {
	clinics, days, blocks, vaccines int
	tickets, choices, seats         int
	parties, doses, pools           bool
	shuffled                        bool // supply order of no kind
}

// randomLayout draws a layout: choices are products, lists and empty, tickets of all kinds.
func randomLayout(r *rand.Rand, s shape) *Layout {
	upTo := func(n int) int { return 1 + r.IntN(n) }
	pools := []string{""}
	if s.pools {
		pools = append(pools, "p", "h", "g")[:2+r.IntN(3)]
	}
	var slots []Slot
	clinics, days, blocks := upTo(s.clinics), upTo(s.days), upTo(s.blocks)
	for clinic := range clinics {
		for day := range days {
			for block := range blocks {
				for vaccine := range s.vaccines {
					if r.IntN(4) == 0 {
						continue
					}
					slots = append(slots, Slot{
						Clinic: int32(clinic), Day: int32(day), Block: int32(block), Vaccine: int32(vaccine),
						Seats: int32(r.IntN(s.seats + 1)), Pair: None,
					})
				}
			}
		}
		for vaccine := range s.vaccines {
			for range r.IntN(4) {
				slots = append(slots, Slot{
					Clinic: int32(clinic), Day: int32(45 + r.IntN(25)), Vaccine: int32(vaccine), Seats: int32(r.IntN(2 * s.seats)),
					Second: true, Pair: None,
				})
			}
		}
	}
	if s.shuffled {
		r.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	}
	paired := map[int32]bool{}
	for x := range slots {
		s := &slots[x]
		if s.Second {
			continue
		}
		left := s.Seats
		if len(pools) > 1 {
			s.Reserve = make([]int32, len(pools))
			for p := 1; p < len(pools); p++ {
				s.Reserve[p] = r.Int32N(left + 1)
				left -= s.Reserve[p]
			}
			s.Party = r.Int32N(s.Seats + 1)
		}
		for y := range slots {
			if t := &slots[y]; t.Second && t.Clinic == s.Clinic && t.Vaccine == s.Vaccine && secondDoseInterval(s, t) &&
				t.Seats >= s.Seats && !paired[int32(y)] && r.IntN(3) > 0 {
				s.Pair = int32(y)
				paired[int32(y)] = true
				break
			}
		}
	}
	l, err := NewLayout(slots, pools)
	if err != nil {
		panic(err)
	}
	firsts := []int32{}
	for x := range slots {
		if !slots[x].Second {
			firsts = append(firsts, int32(x))
		}
	}
	for range r.IntN(s.tickets + 1) {
		var codes []Code
		for range r.IntN(min(s.choices, MaxChoices) + 1) {
			if r.IntN(4) == 0 {
				var list []int32
				for _, x := range firsts {
					if r.IntN(3) == 0 {
						list = append(list, x)
					}
				}
				code, err := l.List(list)
				if err != nil {
					panic(err)
				}
				codes = append(codes, code)
				continue
			}
			var target []int32
			for range upTo(2) {
				target = append(target, r.Int32N(int32(clinics)+1))
			}
			from, length, part := r.Int32N(int32(days)), r.Int32N(3), r.Uint32()|1
			codes = append(codes, l.Choice(l.Target(target), l.Times(func(day, block int32) bool {
				return day >= from && day <= from+length && part>>block&1 == 1
			})))
		}
		size, doses, pool := 1, 1, 0
		if s.parties && r.IntN(4) == 0 {
			size = upTo(MaxParty)
		}
		if s.doses && r.IntN(4) == 0 {
			doses = 2
		}
		if len(pools) > 1 && r.IntN(2) == 0 {
			pool = r.IntN(len(pools))
		}
		last8 := uint64(0)
		if r.IntN(10) > 0 {
			last8 = r.Uint64()
		}
		if err := l.Add(uint8(size), uint8(doses), uint16(pool), last8, codes...); err != nil {
			panic(err)
		}
	}
	return l
}

// shapes are the kinds of random problems that the tests use, and how many of each.
func shapes() map[string]shape {
	return map[string]shape{
		"tiny":          {1, 2, 2, 1, 8, 3, 2, true, true, true, false},
		"singles":       {3, 3, 3, 1, 40, 4, 3, false, false, false, false},
		"parties":       {3, 3, 3, 1, 40, 4, 5, true, false, true, false},
		"all":           {3, 4, 4, 2, 60, 5, 4, true, true, true, false},
		"shuffled":      {3, 4, 3, 2, 60, 5, 4, true, true, true, true},
		"several pages": {2, 12, 16, 2, 150, 5, 2, true, true, true, false},
		"pages mixed":   {3, 12, 16, 1, 150, 5, 2, true, false, true, true},
	}
}

func TestFastLayoutEqualsReference(t *testing.T) {
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(800) {
				l := randomLayout(rand.New(rand.NewPCG(seed, 1)), s)
				for _, seating := range []Seating{Serial, Flexible, Fixed} {
					want, err := Serve(l.Problem(seating), seating)
					if err != nil {
						t.Fatalf("seed %d, %s: %v", seed, seating, err)
					}
					got, err := l.Serve(seating)
					if err != nil {
						t.Fatalf("seed %d, %s: %v", seed, seating, err)
					}
					if !reflect.DeepEqual(want, got) {
						t.Fatalf("seed %d, %s: reference (-) and fast layout (+) differ\n%s", seed, seating, cmp.Diff(want, got))
					}
				}
			}
		})
	}
}
