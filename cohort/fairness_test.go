package cohort

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"jebi/lottery"
)

func TestWilson(t *testing.T) {
	// Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I.
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {29, 29, 0.8830, 1},
	} {
		s := NewShare(c.k, c.n)
		if math.Abs(s.Low-c.low) > 6e-5 || math.Abs(s.High-c.high) > 6e-5 || math.Abs(s.Of-float64(c.k)/float64(c.n)) > 1e-6 {
			t.Errorf("%d of %d: %+v, want %v – %v", c.k, c.n, s, c.low, c.high)
		}
	}
}

func TestChiSquare(t *testing.T) {
	for _, c := range []struct {
		x    float64
		df   int
		want float64
	}{ // of the printed tables
		{3.841459, 1, 0.05}, {6.634897, 1, 0.01}, {18.307038, 10, 0.05}, {3.940299, 10, 0.95}, {124.342113, 100, 0.05}, {0, 3, 1},
	} {
		if got := chiSquareAbove(c.x, c.df); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("above %v with %d: %v, want %v", c.x, c.df, got, c.want)
		}
	}
	// Agresti (2013), "Categorical data analysis", table of malformations by the mother's drinking, with middle ranks as
	// scores: z² = 0.35 (p = 0.55).
	if p := trend([][2]int{{48, 17066}, {38, 14464}, {5, 788}, {1, 126}, {1, 37}}); p == nil || math.Abs(*p-0.55) > 0.01 {
		t.Errorf("trend: p = %v", p)
	}
	// 2 × 2: (12, 5), (3, 10): χ² = 6.652.
	if p := independence([][2]int{{12, 5}, {3, 10}}); p == nil || math.Abs(*p-0.009905) > 1e-5 {
		t.Errorf("p = %v", p)
	}
	for _, rows := range [][][2]int{nil, {{3, 4}}, {{3, 0}, {4, 0}}, {{0, 3}, {0, 4}}} {
		if p := independence(rows); p != nil {
			t.Errorf("%v: p = %v", rows, *p)
		}
	}
}

// No cell is small, none can be found by taking the others from the total, and nobody is lost.
func TestFairnessCellsPointAtNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cut := FairnessCounts{By: "x", Ordered: rapid.Bool().Draw(t, "ordered")}
		total := FairnessCount{}
		for i := range rapid.IntRange(0, 12).Draw(t, "values") {
			n := rapid.SampledFrom([]int{1, 2, 5, 9, 10, 11, 30}).Draw(t, "people")
			c := FairnessCount{Value: fmt.Sprintf("v%02d", i), People: n, Served: rapid.IntRange(0, n).Draw(t, "served"), Singles: rapid.IntRange(0, n).Draw(t, "singles")}
			c.Lucky = rapid.IntRange(0, c.Singles).Draw(t, "lucky")
			total = total.plus(c)
			cut.Counts = append(cut.Counts, c)
		}
		f := NewFairness([]FairnessCounts{cut})
		cells := f.Dimensions[0].Cells
		if total.People < FairnessLeast {
			if len(cells) != 0 || f.People != 0 || f.Served != 0 {
				t.Fatalf("%d people: %+v", total.People, f)
			}
			return
		}
		people, served := 0, 0
		seen := map[string]bool{}
		for _, c := range cells {
			if c.People < FairnessLeast || seen[c.Cell] {
				t.Fatalf("%+v", cells)
			}
			seen[c.Cell] = true
			people, served = people+c.People, served+c.Served
			if c.Share.Low > c.Share.Of || c.Share.High < c.Share.Of {
				t.Fatalf("%+v", c)
			}
		}
		if people != total.People || served != total.Served || f.People != people || f.Served != served {
			t.Fatalf("%d of %d people in cells, %d of %d served", people, total.People, served, total.Served)
		}
	})
}

func TestFairnessMerges(t *testing.T) {
	count := func(value string, people int) FairnessCount { return FairnessCount{Value: value, People: people} }
	for _, c := range []struct {
		ordered bool
		counts  []FairnessCount
		want    string
	}{
		{true, []FairnessCount{count("1962", 4), count("1963", 7), count("1964", 12), count("1965", 3)}, "1962 … 1963:11 1964 … 1965:15 "},
		{true, []FairnessCount{count("1962", 10), count("1963", 10)}, "1962:10 1963:10 "},
		{false, []FairnessCount{count("a", 20), count("b", 3), count("c", 15)}, "a:20 (others):18 "}, // b alone would be seen by the difference
		{false, []FairnessCount{count("a", 20), count("b", 6), count("c", 4), count("d", 30)}, "a:20 d:30 (others):10 "},
		{false, []FairnessCount{count("a", 5), count("b", 4)}, ""},
		{false, nil, ""},
	} {
		got := ""
		for _, m := range (FairnessCounts{Ordered: c.ordered, Counts: c.counts}).merge() {
			got += fmt.Sprintf("%s:%d ", m.Value, m.People)
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.counts, got, c.want)
		}
	}
}

// hourly is a draw of people who answered in the hours of a window, most of them early: what they want and how many
// tickets they have is told by their numbers, and not by the hour.
type hourly struct {
	leaves []byte
	hour   []int // by leaf
	layout func(order []lottery.Entity) *lottery.Layout
}

const hourlyPeople, hourlyHours = 1500, 48

func newHourly(t *testing.T) hourly {
	t.Helper()
	r := rand.New(rand.NewPCG(9, 9))
	list := make([]lottery.Leaf, hourlyPeople)
	for i := range list {
		list[i] = lottery.Leaf{PID: lottery.ID{byte(i >> 8), byte(i), 1}, Weight: uint16(1 + r.IntN(2))}
	}
	leaves, err := lottery.Leaves(lottery.Hash{}, lottery.Hash{}, list)
	if err != nil {
		t.Fatal(err)
	}
	h := hourly{leaves: leaves, hour: make([]int, hourlyPeople+1)}
	wish := make([][2]int32, hourlyPeople+1) // two clinics
	for i := range h.hour {
		h.hour[i] = min(hourlyHours-1, int(r.ExpFloat64()*12))
		wish[i] = [2]int32{r.Int32N(20), r.Int32N(20)}
	}
	var slots []lottery.Slot
	for clinic := range int32(20) {
		slots = append(slots, lottery.Slot{Clinic: clinic, Seats: 20 + 3*clinic, Pair: lottery.None})
	}
	h.layout = func(order []lottery.Entity) *lottery.Layout {
		l, err := lottery.NewLayout(slots, []string{""})
		if err != nil {
			t.Fatal(err)
		}
		any := l.Times(func(int32, int32) bool { return true })
		for i := range order {
			w := wish[order[i].Members[0]]
			if err := l.Add(1, 1, 0, 0, l.Choice(l.Target(w[:1]), any), l.Choice(l.Target(w[1:]), any)); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	return h
}

// by is the statistics of one order, by the hour of the answer.
func (h hourly) by(t *testing.T, order []lottery.Entity) FairnessBy {
	t.Helper()
	places, err := h.layout(order).Serve(lottery.Serial)
	if err != nil {
		t.Fatal(err)
	}
	total, before := map[uint16]int{}, map[uint16]int{}
	for i := range order {
		total[order[i].Weight]++
	}
	counts := make([]FairnessCount, hourlyHours)
	for i := range order {
		e := &order[i]
		c := &counts[h.hour[e.Members[0]]]
		c.People, c.Singles = c.People+1, c.Singles+1
		if places.Choice[i] > 0 {
			c.Served++
		}
		if before[e.Weight]++; 2*before[e.Weight] <= total[e.Weight] {
			c.Lucky++
		}
	}
	cut := FairnessCounts{By: "hour", Ordered: true}
	for hour, c := range counts {
		if c.Value = fmt.Sprintf("%02dh", hour); c.People > 0 {
			cut.Counts = append(cut.Counts, c)
		}
	}
	return NewFairness([]FairnessCounts{cut}).Dimensions[0]
}

func (h hourly) order(t *testing.T, seed int) []lottery.Entity {
	t.Helper()
	order, err := lottery.Order(h.leaves, lottery.TicketKey(lottery.Hash{byte(seed), byte(seed >> 8)}, lottery.Stream))
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// When somebody answered has no effect: over 400 draws of the same ballots the test by hours says "uneven" as seldom as
// it must, one draw in twenty at its level of 5 %, and its values are spread evenly.
func TestHourOfTheAnswerHasNoEffect(t *testing.T) {
	h := newHourly(t)
	const draws = 400
	var luck, share, along []float64
	for seed := range draws {
		by := h.by(t, h.order(t, seed))
		if len(by.Cells) < 20 {
			t.Fatalf("%d cells only", len(by.Cells))
		}
		luck, share, along = append(luck, *by.LuckPValue), append(share, *by.SharePValue), append(along, *by.TrendPValue)
	}
	below := func(ps []float64, level float64) int {
		n := 0
		for _, p := range ps {
			if p < level {
				n++
			}
		}
		return n
	}
	// 20 are expected below 5 %, with a standard deviation of 4.4; 200 below a half, with one of 10.
	for name, ps := range map[string][]float64{"luck": luck, "trend": along} {
		if n := below(ps, 0.05); n < 7 || n > 33 {
			t.Errorf("%s by hour is called uneven in %d of %d fair draws", name, n, draws)
		}
		if n := below(ps, 0.5); n < 160 || n > 240 {
			t.Errorf("%s by hour: %d of %d values are below a half", name, n, draws)
		}
	}
	// Shares are evener than coins, because seats are fixed: the test calls them uneven more seldom, if anything.
	if n := below(share, 0.05); n > 33 {
		t.Errorf("shares by hour are called uneven in %d of %d fair draws", n, draws)
	}
}

// favoured is an order in which some who answered in the first hours were put in front.
func (h hourly) favoured(t *testing.T, seed, hours, oneIn int) []lottery.Entity {
	t.Helper()
	order := h.order(t, seed)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	front := map[lottery.ID]bool{}
	for i := range order {
		front[order[i].ID] = h.hour[order[i].Members[0]] < hours && r.IntN(oneIn) == 0
	}
	slices.SortStableFunc(order, func(a, b lottery.Entity) int {
		switch {
		case front[a.ID] == front[b.ID]:
			return 0
		case front[a.ID]:
			return -1
		}
		return 1
	})
	return order
}

// A draw in which the hour did matter is seen.
func TestBiasByHourIsSeen(t *testing.T) {
	h := newHourly(t)
	weakly := 0
	for seed := range 20 {
		// Who answered in the first two hours was put in front: about one in eight.
		strong := h.by(t, h.favoured(t, seed, 2, 1))
		if *strong.LuckPValue > 1e-6 || *strong.SharePValue > 1e-3 || *strong.TrendPValue > 1e-6 {
			t.Errorf("seed %d: luck %v, shares %v, trend %v", seed, *strong.LuckPValue, *strong.SharePValue, *strong.TrendPValue)
		}
		if first := strong.Cells[0]; *first.Luck != 1 {
			t.Errorf("seed %d: luck of the first hour is %v", seed, *first.Luck)
		}
		// One in four of the first half day was: too little for one hour to show it, not for their row.
		if weak := h.by(t, h.favoured(t, seed, 12, 4)); *weak.TrendPValue < 0.05 {
			weakly++
		}
	}
	if weakly < 18 {
		t.Errorf("a weak bias is seen in %d of 20 draws", weakly)
	}
}
