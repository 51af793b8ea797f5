package rehearse

import (
	"cmp"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// The preference model: how much a person likes a place and a time.
const (
	walkKm        = 1.5  // a place this far away is liked e times less
	popularity    = 0.8  // sigma of the log-normal popularity of places
	hospitalLiked = 3.0  // times as much as a clinic
	centreLiked   = 1.5  //
	earlierLiked  = 0.05 // a day, in the exponent
	saturdayLiked = 0.6
	eveningLiked  = 0.4
	strictShare   = 0.30 // can come on a Saturday or in the evening only
)

// How many choices people give: 1 to 5, 3 in the mean.
var choiceCounts = [...]float64{0.15, 0.20, 0.30, 0.20, 0.15}

// market is what the people of a cohort choose from.
type market struct {
	places []venue
	dates  []string
	parts  []string
}

// venue is a clinic with the cells (date × day part) that it has seats in.
type venue struct {
	key, district string
	lat, lon      float64
	liked         float64 // popularity and kind
	cells         []timeCell
	special       bool // some cell is on a Saturday or in the evening
}

type timeCell struct {
	date, part string
	liked      float64
	special    bool
}

// newMarket makes the market of a cohort's slots. The seed decides how popular
// each place is, the same for all cohorts.
func newMarket(c *cohort.Campaign, clinics []data.ClinicRow, slots []data.SlotRow, seed uint64) market {
	m := market{}
	for _, p := range c.DayParts {
		m.parts = append(m.parts, p.Key)
	}
	byClinic := map[string][]data.SlotRow{}
	for _, s := range slots {
		if s.Seats > 0 {
			byClinic[s.ClinicKey] = append(byClinic[s.ClinicKey], s)
			m.dates = append(m.dates, s.Date)
		}
	}
	slices.Sort(m.dates)
	m.dates = slices.Compact(m.dates)
	evening := m.parts[len(m.parts)-1]
	for _, k := range clinics {
		if len(byClinic[k.Key]) == 0 {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(k.Key)) // takes everything
		p := venue{key: k.Key, district: k.District, lat: k.Lat, lon: k.Lon}
		p.liked = math.Exp(popularity * rand.New(rand.NewPCG(seed, h.Sum64())).NormFloat64())
		switch k.Kind {
		case "hospital":
			p.liked *= hospitalLiked
		case "centre":
			p.liked *= centreLiked
		}
		for _, s := range byClinic[k.Key] {
			day, err := time.Parse(time.DateOnly, s.Date)
			saturday := err == nil && day.Weekday() == time.Saturday
			t := timeCell{date: s.Date, part: s.Part, special: saturday || s.Part == evening}
			u := earlierLiked * float64(len(m.dates)-slices.Index(m.dates, s.Date))
			if saturday {
				u += saturdayLiked
			}
			if s.Part == evening {
				u += eveningLiked
			}
			t.liked = math.Exp(u)
			p.special = p.special || t.special
			if !slices.ContainsFunc(p.cells, func(x timeCell) bool { return x.date == t.date && x.part == t.part }) {
				p.cells = append(p.cells, t)
			}
		}
		m.places = append(m.places, p)
	}
	slices.SortFunc(m.places, func(a, b venue) int { return cmp.Compare(a.key, b.key) })
	return m
}

// choose makes the ranked choices of a person who lives at lat, lon. Each
// lists at least one cell that has seats.
func (m market) choose(r *rand.Rand, lat, lon float64) []cohort.Choice {
	strict := r.Float64() < strictShare
	weights := make([]float64, len(m.places))
	sum := 0.0
	for i, p := range m.places {
		if !strict || p.special {
			weights[i] = p.liked * math.Exp(-kilometres(lat, lon, p.lat, p.lon)/walkKm)
			sum += weights[i]
		}
	}
	if sum == 0 { // no place has what she needs: she takes what there is
		strict = false
		for i, p := range m.places {
			weights[i] = p.liked * math.Exp(-kilometres(lat, lon, p.lat, p.lon)/walkKm)
		}
	}
	// How many days and parts suit her is about the same in all her choices.
	days, allParts := len(m.dates), r.Float64() < 0.5
	if r.Float64() < 0.4 {
		days = min(days, 4+r.IntN(5))
	}
	var cs []cohort.Choice
	for range pickIndex(r, choiceCounts[:]) + 1 {
		i := pickIndex(r, weights)
		if i < 0 {
			break
		}
		weights[i] = 0 // another place each time
		c := m.choice(r, m.places[i], strict, days, allParts)
		// Two or three places may be as good as each other to her.
		for range r.IntN(3) {
			if j := pickIndex(r, weights); j >= 0 {
				weights[j] = 0
				c.Clinics = append(c.Clinics, m.places[j].key)
			}
		}
		slices.Sort(c.Clinics)
		cs = append(cs, c)
	}
	// Who gave several choices may end with "anywhere around here".
	if n := len(cs); n >= 2 && r.Float64() < 0.5 {
		cs[n-1] = m.district(cs[n-1], cs[0].Clinics[0])
		// Where there are few places, the district may be what she has named already.
		if slices.ContainsFunc(cs[:n-1], func(c cohort.Choice) bool { return sameWish(c, cs[n-1]) }) {
			cs = cs[:n-1]
		}
	}
	return cs
}

func sameWish(a, b cohort.Choice) bool {
	return slices.Equal(a.Clinics, b.Clinics) && slices.Equal(a.Dates, b.Dates) && slices.Equal(a.Parts, b.Parts)
}

// choice is one place, on some days around one that she likes.
func (m market) choice(r *rand.Rand, p venue, strict bool, days int, allParts bool) cohort.Choice {
	liked := make([]float64, len(p.cells))
	for i, c := range p.cells {
		if !strict || c.special || !p.special {
			liked[i] = c.liked
		}
	}
	at := p.cells[pickIndex(r, liked)]
	c := cohort.Choice{Target: "clinics", Clinics: []string{p.key}}
	middle := slices.Index(m.dates, at.date)
	from := max(0, min(middle-r.IntN(days), len(m.dates)-days))
	for _, d := range m.dates[from:min(len(m.dates), from+days)] {
		// Who is strict lists the Saturdays only, or evenings on any day.
		if !strict || at.part == m.parts[len(m.parts)-1] || d == at.date || sameWeekday(d, at.date) {
			c.Dates = append(c.Dates, d)
		}
	}
	if !slices.Contains(c.Dates, at.date) {
		c.Dates = append(c.Dates, at.date)
		slices.Sort(c.Dates)
	}
	c.Parts = []string{at.part}
	if allParts && (!strict || at.part != m.parts[len(m.parts)-1]) {
		c.Parts = slices.Clone(m.parts)
	}
	return c
}

// district widens a choice to all places of the district that a place lies in.
func (m market) district(c cohort.Choice, place string) cohort.Choice {
	i := slices.IndexFunc(m.places, func(p venue) bool { return p.key == place })
	wide := cohort.Choice{Target: "district:" + m.places[i].district, Dates: c.Dates, Parts: c.Parts}
	some := false
	for _, p := range m.places {
		if p.district == m.places[i].district {
			wide.Clinics = append(wide.Clinics, p.key)
			some = some || slices.ContainsFunc(p.cells, func(t timeCell) bool {
				return slices.Contains(c.Dates, t.date) && slices.Contains(c.Parts, t.part)
			})
		}
	}
	if !some {
		return c
	}
	return wide
}

func sameWeekday(a, b string) bool {
	x, err := time.Parse(time.DateOnly, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.DateOnly, b)
	return err == nil && x.Weekday() == y.Weekday()
}

// pickIndex draws an index in proportion to the weights, -1 where all are 0.
func pickIndex(r *rand.Rand, weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if sum <= 0 {
		return -1
	}
	x := r.Float64() * sum
	last := -1
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		last = i
		if x -= w; x < 0 {
			return i
		}
	}
	return last
}

// kilometres between two points of a city: the earth is flat there.
func kilometres(lat1, lon1, lat2, lon2 float64) float64 {
	const degree = 111.32
	dy := (lat1 - lat2) * degree
	dx := (lon1 - lon2) * degree * math.Cos((lat1+lat2)/2*math.Pi/180)
	return math.Hypot(dx, dy)
}
