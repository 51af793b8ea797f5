package lottery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// The made-up country of the benches: 0.53 seats a person; clinics that open on about 40 % of 12 days and in about
// 40 % of 8 blocks, with 6–14 seats each, about a vial of vaccine; 40 clinics a district. A person ranks 1–5 choices,
// mostly near and popular clinics of her district (popularity log-normal, σ 1), half of them with a daypart; the last
// choice is "anywhere in my district" for three in ten of those who rank two or more.
const (
	benchDays         = 12
	benchBlocks       = 8
	benchSeats        = 0.53
	benchSlotsAClinic = 15.5
	benchMeanSeats    = 10
	benchDistrict     = 40
	benchMembers      = 0.1
	benchPoolPercent  = 10
)

// Bench is a generated draw with the means to time its allocation. It holds no clock: the caller times Run.
type Bench struct {
	layout    *Layout
	districts [][]int32 // clinics
	district  []int32   // by clinic
	wants     []want    // by ticket, for the naive way
}

// want is a ballot as a first program would keep it.
type want struct {
	choices []naiveChoice
}

// naiveChoice is a clinic, or a district where clinic is None, with days and parts of the day.
type naiveChoice struct {
	clinic, district int32
	from, to         int32
	parts            dayParts
}

// dayParts is a set: 1 morning, 2 afternoon, 4 evening, 8 Saturday at any time.
type dayParts uint8

func (p dayParts) has(day, block int32) bool {
	return p&1 != 0 && block < 3 || p&2 != 0 && block >= 3 && block < 6 || p&4 != 0 && block >= 6 || p&8 != 0 && day%6 == 5
}

type benchClinic struct{ x, y, popularity float64 }

type benchMaker struct {
	r       *rand.Rand
	b       *Bench
	slots   []Slot
	clinics []benchClinic
	// Sums of popularity along the clinics of each district, and of the districts' sizes.
	popular [][]float64
	sizes   []float64
	times   map[[3]int32]Times
	whole   []Target // by district
	alone   []Target // by clinic
	keep    bool     // ballots for the naive way
}

// NewBench makes up a draw of that many people, all singles, one in ten of them in a pool; the seed decides
// everything. naive keeps the ballots in the plain form too, which the naive stage reads.
func NewBench(people int, seed uint64, naive bool) (*Bench, error) {
	m := &benchMaker{r: rand.New(rand.NewPCG(seed, 0)), b: &Bench{}, times: map[[3]int32]Times{}, keep: naive}
	m.makeClinics(max(1, int(float64(people)*benchSeats/(benchSlotsAClinic*benchMeanSeats)+0.5)))
	reserve := PoolReserves(m.slots, []int32{0, benchPoolPercent})
	for x := range m.slots {
		m.slots[x].Reserve = reserve[x]
	}
	var err error
	if m.b.layout, err = NewLayout(m.slots, []string{"", "pool"}); err != nil {
		return nil, fmt.Errorf("lay out %d generated slots: %w", len(m.slots), err)
	}
	for c := range m.clinics {
		m.alone = append(m.alone, m.b.layout.Target([]int32{int32(c)}))
	}
	for _, clinics := range m.b.districts {
		m.whole = append(m.whole, m.b.layout.Target(clinics))
	}
	m.b.layout.Grow(people)
	for range people {
		if err := m.makeBallot(); err != nil {
			return nil, err
		}
	}
	return m.b, nil
}

func (m *benchMaker) makeClinics(n int) {
	total := 0.0
	for d := range (n + benchDistrict - 1) / benchDistrict {
		var clinics []int32
		var sums []float64
		sum := 0.0
		for c := d * benchDistrict; c < min(n, (d+1)*benchDistrict); c++ {
			clinic := benchClinic{m.r.Float64(), m.r.Float64(), math.Exp(m.r.NormFloat64())}
			sum += clinic.popularity
			m.clinics, clinics, sums = append(m.clinics, clinic), append(clinics, int32(c)), append(sums, sum)
			m.b.district = append(m.b.district, int32(d))
			m.makeSlots(int32(c))
		}
		total += math.Exp(0.3 * m.r.NormFloat64())
		m.b.districts, m.popular, m.sizes = append(m.b.districts, clinics), append(m.popular, sums), append(m.sizes, total)
	}
}

// makeSlots opens a clinic on some of the days and in some of the blocks, at least one of each.
func (m *benchMaker) makeSlots(clinic int32) {
	some := func(n int, share float64) []int32 {
		for {
			var open []int32
			for i := range n {
				if m.r.Float64() < share {
					open = append(open, int32(i))
				}
			}
			if len(open) > 0 {
				return open
			}
		}
	}
	days, blocks := some(benchDays, 0.4), some(benchBlocks, 0.395)
	for _, day := range days {
		for _, block := range blocks {
			m.slots = append(m.slots, Slot{Clinic: clinic, Day: day, Block: block, Seats: 6 + m.r.Int32N(9), Pair: None})
		}
	}
}

func (m *benchMaker) makeBallot() error {
	home := pick(m.r, m.sizes)
	at := benchClinic{x: m.r.Float64(), y: m.r.Float64()}
	n := 1 + sort.SearchFloat64s([]float64{0.15, 0.35, 0.65, 0.85}, m.r.Float64())
	codes := make([]Code, n)
	var plain want
	for c := range codes {
		w, target := m.makeChoice(home, at, n > 1 && c == n-1 && m.r.Float64() < 0.3)
		codes[c] = m.b.layout.Choice(target, m.timesOf(w))
		if m.keep {
			plain.choices = append(plain.choices, w)
		}
	}
	if m.keep {
		m.b.wants = append(m.b.wants, plain)
	}
	pool := uint16(0)
	if m.r.Float64() < benchMembers {
		pool = 1
	}
	return m.b.layout.Add(1, 1, pool, m.r.Uint64(), codes...)
}

// makeChoice makes a choice that some slot is in: of a few popular clinics the nearest, or the whole district.
func (m *benchMaker) makeChoice(home int, at benchClinic, anywhere bool) (naiveChoice, Target) {
	for {
		w := naiveChoice{clinic: None, district: int32(home), to: benchDays - 1}
		if m.r.Float64() < 0.6 {
			days := 3 + m.r.Int32N(5)
			w.from = m.r.Int32N(benchDays - days + 1)
			w.to = w.from + days - 1
		}
		w.parts = []dayParts{15, 1, 2, 4, 8}[sort.SearchFloat64s([]float64{0.25, 0.5, 0.7, 0.85}, m.r.Float64())]
		if anywhere {
			if m.r.Float64() < 0.5 {
				w.from, w.to, w.parts = 0, benchDays-1, 15
			}
			return w, m.whole[home]
		}
		district := home
		if m.r.Float64() < 0.1 {
			district = (home + 1) % len(m.b.districts)
		}
		nearest := math.Inf(1)
		for range 3 {
			clinic := m.b.districts[district][pick(m.r, m.popular[district])]
			dx, dy := m.clinics[clinic].x-at.x, m.clinics[clinic].y-at.y
			if d := dx*dx + dy*dy; d < nearest {
				w.clinic, nearest = clinic, d
			}
		}
		if row := m.b.layout.rowsOf[w.clinic][0]; !m.b.layout.rows[row].offered.and(m.b.layout.interned.timesAt[m.timesOf(w)][0]).empty() {
			return w, m.alone[w.clinic]
		}
	}
}

// timesOf are the days and parts of the day of a choice.
func (m *benchMaker) timesOf(w naiveChoice) Times {
	key := [3]int32{w.from, w.to, int32(w.parts)}
	t, ok := m.times[key]
	if !ok {
		t = m.b.layout.Times(func(day, block int32) bool { return day >= w.from && day <= w.to && w.parts.has(day, block) })
		m.times[key] = t
	}
	return t
}

// pick draws an index by weight; sums are the weights added up.
func pick(r *rand.Rand, sums []float64) int {
	return min(sort.SearchFloat64s(sums, r.Float64()*sums[len(sums)-1]), len(sums)-1)
}
