package lottery

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func trialSeeds(n int) [][32]byte {
	seeds := make([][32]byte, n)
	for i := range seeds {
		binary.BigEndian.PutUint64(seeds[i][:], uint64(i)+1)
	}
	return seeds
}

// twoClinics: clinic 0 has one seat in the morning that all ten want, clinic 1 has three in the afternoon that four of
// them take instead.
func twoClinics(t *testing.T) (OddsInput, []Code) {
	l, err := NewLayout([]Slot{{Clinic: 0, Seats: 1, Pair: None}, {Clinic: 1, Block: 1, Seats: 3, Pair: None}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := l.Times(func(_, _ int32) bool { return true })
	codes := []Code{l.Choice(l.Target([]int32{0}), all), l.Choice(l.Target([]int32{1}), all)}
	groups := make([]int32, 10)
	for i := range groups {
		list := codes[:1]
		if i < 4 {
			list, groups[i] = codes, 1
		}
		if err := l.Add(1, 1, 0, 0, list...); err != nil {
			t.Fatal(err)
		}
	}
	return OddsInput{Layout: l, Seating: Flexible, Group: groups, Part: []int32{7, 8}, Seeds: trialSeeds(4000)}, codes
}

func near(got, want float64) bool { return math.Abs(got-want) < 0.03 }

func TestOddsOfTwoClinics(t *testing.T) {
	in, codes := twoClinics(t)
	o, err := NewOdds(in)
	if err != nil {
		t.Fatal(err)
	}
	// The clinic of one seat serves one of ten. The other serves three of the four, or of the three who are left.
	want := map[string][2]float64{
		"cohort":    {o.Cohort.Of(), 0.4},
		"first":     {o.First.Of(), 0.1},
		"clinic 0":  {o.Clinic[0].Of(), 0.1},
		"clinic 1":  {o.Clinic[1].Of(), 0.75},
		"morning":   {o.Part[7].Of(), 0.1},
		"afternoon": {o.Part[8].Of(), 0.75},
		"group 0":   {o.Group[0].Of(), 0.1},
		"group 1":   {o.Group[1].Of(), 0.85},
	}
	for name, w := range want {
		if !near(w[0], w[1]) {
			t.Errorf("%s: %.3f, not %.3f", name, w[0], w[1])
		}
	}
	if o.Trials != 4000 || (Share{}).Of() != 0 {
		t.Errorf("%d trials", o.Trials)
	}
	lists := [][]int32{{0}, {1}}
	class := Class{Size: 1, Doses: 1}
	for _, weight := range []uint16{1, 3} {
		quick, err := o.Chance(class, weight, lists)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := ChanceByTrial(in, 1, 1, 0, weight, codes...)
		if err != nil {
			t.Fatal(err)
		}
		first := 1 / 11.0
		if weight == 3 {
			first = 3 / 13.0 // the first of 13 tickets in the drum
		}
		between := func(c int) bool { return slow[c] > quick[c].Low-0.03 && slow[c] < quick[c].High+0.03 }
		if !near(slow[0], first) || !between(0) || !between(1) || quick[1].High-quick[1].Low > 0.35 {
			t.Errorf("weight %d: %v by cut-offs, %v by trial, first choice %.3f by counting", weight, quick, slow, first)
		}
		if quick[0].Low > quick[1].Low || quick[0].High > quick[1].High || slow[0] > slow[1] {
			t.Errorf("chances fall along the list: %v, %v", quick, slow)
		}
	}
	if _, err := o.Chance(Class{Size: 2, Doses: 1}, 1, lists); !errors.Is(err, ErrNoSuchClass) {
		t.Errorf("a class without ballots: %v", err)
	}
	pair, err := ChanceByTrial(in, 2, 1, 0, 1, codes...)
	if err != nil || pair[0] != 0 || pair[1] < 0.3 {
		t.Errorf("a party of two: %v, %v", pair, err)
	}
}

func TestOddsAreRepeatable(t *testing.T) {
	for seed := range uint64(20) {
		l := randomLayout(rand.New(rand.NewPCG(seed, 6)), shapes()["all"])
		for _, seating := range []Seating{Flexible, Fixed} {
			in := OddsInput{Layout: l, Seating: seating, Seeds: trialSeeds(5), Weight: make([]uint16, l.Len())}
			for i := range in.Weight {
				in.Weight[i] = uint16(i % 4)
			}
			a, err := NewOdds(in)
			if err != nil {
				t.Fatal(err)
			}
			b, err := NewOdds(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(a, b, cmp.AllowUnexported(Odds{}, trialCuts{}, CutOffTable{}, cutOffKey{})); diff != "" {
				t.Fatal(diff)
			}
			if a.Cohort.Served > a.Cohort.Asked || a.First.Served > a.Cohort.Served {
				t.Fatalf("%+v", a)
			}
			served := int64(0)
			for _, s := range a.Clinic {
				served += s.Served
			}
			if served != a.Cohort.Served {
				t.Fatalf("%d served at clinics, %d in all", served, a.Cohort.Served)
			}
		}
	}
}

// With weight w the first place is won w times as often.
func TestTrialOrderFollowsWeights(t *testing.T) {
	weights := []uint16{1, 2, 5}
	var first [3]int
	for _, seed := range trialSeeds(8000) {
		first[trialOrder(seed, 3, weights)[0]]++
	}
	for i, w := range weights {
		if !near(float64(first[i])/8000, float64(w)/8) {
			t.Errorf("weight %d came first %d times in 8000", w, first[i])
		}
	}
}

func TestOddsRefuse(t *testing.T) {
	in, codes := twoClinics(t)
	in.Seeds = in.Seeds[:1]
	short := in
	short.Group = short.Group[:3]
	if _, err := NewOdds(short); err == nil {
		t.Error("too few groups were taken")
	}
	in.Seating = "other"
	if _, err := NewOdds(in); err == nil {
		t.Error("an unknown seating was drawn")
	}
	if _, err := ChanceByTrial(in, 1, 1, 0, 1, codes...); err == nil {
		t.Error("an unknown seating was drawn")
	}
	if _, err := ChanceByTrial(in, 9, 1, 0, 1, codes...); err == nil {
		t.Error("a party of nine was drawn")
	}
}

// TestReach holds what the form reckons with against trial draws with the ballot in them: every seating, singles and
// pairs, a pool and none.
func TestReach(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, seating := range []Seating{Serial, Flexible, Fixed} {
		names := []string{""}
		slots := make([]Slot, 12)
		for x := range slots {
			slots[x] = Slot{Clinic: int32(x / 3), Day: int32(x % 3), Seats: 8, Pair: None}
		}
		if seating == Fixed {
			names = append(names, "g")
			for x := range slots {
				slots[x].Reserve, slots[x].Party = []int32{0, 2}, 2
			}
		}
		l, err := NewLayout(slots, names)
		if err != nil {
			t.Fatal(err)
		}
		choice := func(clinic int32, days int32) Code {
			return l.Choice(l.Target([]int32{clinic}), l.Times(func(day, _ int32) bool { return day < days }))
		}
		for range 160 {
			size, pool := uint8(1), uint16(0)
			if r.IntN(8) == 0 {
				size = 2
			}
			if seating == Fixed && r.IntN(5) == 0 {
				pool = 1
			}
			// Clinic 0 is wanted most, clinic 3 least.
			first := int32(r.IntN(4) * r.IntN(4) / 3)
			if err := l.Add(size, 1, pool, 0, choice(first, 1+int32(r.IntN(3))), choice(int32(r.IntN(3)), 3)); err != nil {
				t.Fatal(err)
			}
		}
		in := OddsInput{Layout: l, Seating: seating, Seeds: trialSeeds(600)}
		o, err := NewOdds(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range []Class{{1, 1, 0}, {2, 1, 0}, {1, 1, 1}, {3, 1, 0}} {
			if class.Pool > 0 && seating != Fixed {
				continue
			}
			for clinic := range int32(4) {
				for _, days := range []int32{1, 3} {
					want, err := ChanceByTrial(in, class.Size, 1, class.Pool, 1, choice(clinic, days))
					if err != nil {
						t.Fatal(err)
					}
					got := 0.0
					for trial := range in.Seeds {
						best := 0.0
						for day := range days {
							low, high := o.Reach(trial, class, clinic*3+day, seating)
							if low > high || high > uint32(l.Len())+1 {
								t.Fatalf("from %d to %d of %d", low, high, l.Len())
							}
							best = max(best, float64(low+high)/2)
						}
						got += best / float64(l.Len()+1) / float64(len(in.Seeds))
					}
					if math.Abs(got-want[0]) > 0.1 {
						t.Errorf("%s, class %v, clinic %d, %d days: %.3f, not %.3f", seating, class, clinic, days, got, want[0])
					}
				}
			}
		}
	}
	stopped := errors.New("stopped")
	in, _ := twoClinics(t)
	in.Stop = func() error { return stopped }
	if _, err := NewOdds(in); !errors.Is(err, stopped) {
		t.Errorf("trials go on: %v", err)
	}
}
