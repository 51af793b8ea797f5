package rehearse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// country is made up as lottery.NewBench makes up its own, but with the rows
// and ballots of a database: 0.53 seats a person; clinics that open on about
// 40 % of 12 days and in about 40 % of 8 blocks, with 6–14 seats each; 40
// clinics a district. A person ranks 1–5 choices, mostly a near and popular
// clinic of her district; the last is "anywhere in my district" for three in
// ten of those who rank two or more.
type country struct {
	seed      uint64
	people    int
	clinics   []data.BenchClinic
	open      []openness // by clinic
	popular   [][]float64
	districts []float64 // sums of sizes
}

const (
	countrySeats         = 0.53
	countrySeatsAClinic  = 15.5 * 10
	clinicsADistrict     = 40
	countryDays          = 12
	countryFirst         = "2021-07-26" // a Monday
	countryBorn          = 1962
	countryYears         = 5
	countryWithoutEmail  = 40 // of a hundred
	countryWithoutPhone  = 5
	countryCohort        = "a"
	countryKey           = "bench"
	countryPartyKeyWidth = 8
)

// openness says when a clinic has slots: days by bit, parts by day part.
type openness struct{ days, parts uint16 }

// blocks are the times of a day at which slots begin, with their day parts.
func countryBlocks() []struct{ block, part string } {
	return []struct{ block, part string }{
		{"0900", "am"}, {"1000", "am"}, {"1100", "am"}, {"1300", "pm"}, {"1400", "pm"}, {"1500", "pm"}, {"1800", "evening"}, {"1900", "evening"},
	}
}

func countryParts() []string { return []string{"am", "pm", "evening"} }

func newCountry(people int, seed uint64) *country {
	c := &country{seed: seed, people: people}
	r := rand.New(rand.NewChaCha8(benchSeed(seed, "country")))
	n := max(1, int(float64(people)*countrySeats/countrySeatsAClinic+0.5))
	total := 0.0
	for from := 0; from < n; from += clinicsADistrict {
		var sums []float64
		sum := 0.0
		for at := from; at < min(n, from+clinicsADistrict); at++ {
			sum += math.Exp(r.NormFloat64())
			sums = append(sums, sum)
			c.addClinic(r, at, from/clinicsADistrict)
		}
		total += math.Exp(0.3 * r.NormFloat64())
		c.popular, c.districts = append(c.popular, sums), append(c.districts, total)
	}
	return c
}

func districtCode(d int) string { return fmt.Sprintf("d%03d", d) }

func (c *country) addClinic(r *rand.Rand, at, district int) {
	some := func(n int, share float64) uint16 {
		for {
			set := uint16(0)
			for i := range n {
				if r.Float64() < share {
					set |= 1 << i
				}
			}
			if set != 0 {
				return set
			}
		}
	}
	blocks := countryBlocks()
	days, hours := some(countryDays, 0.4), some(len(blocks), 0.395)
	o := openness{days: days}
	clinic := data.BenchClinic{Key: fmt.Sprintf("k%05d", at), District: districtCode(district)}
	for day := range countryDays {
		for b, k := range blocks {
			if days>>day&1 == 0 || hours>>b&1 == 0 {
				continue
			}
			o.parts |= 1 << slices.Index(countryParts(), k.part)
			clinic.Supply = append(clinic.Supply, data.BenchSupply{Date: countryDate(day), Block: k.block, Seats: 6 + r.IntN(9)})
		}
	}
	c.clinics, c.open = append(c.clinics, clinic), append(c.open, o)
}

// countryDate is the date of a day of the supply; Sundays are left out.
func countryDate(day int) time.Time {
	first, err := time.Parse(time.DateOnly, countryFirst)
	if err != nil {
		panic(err) // a constant
	}
	return first.AddDate(0, 0, day+day/6)
}

// person makes up the i-th person; the same number gives the same person. One
// in benchParties of a hundred pairs of neighbours answers together.
func (c *country) person(i int) data.BenchPerson {
	p := data.BenchPerson{
		ID: int64(i + 1), Key: fmt.Sprintf("b%07d", i), Name: fmt.Sprintf("Person %d", i),
		Birth: time.Date(countryBorn+i%countryYears, time.Month(1+i/7%12), 1+i/3%28, 0, 0, 0, 0, time.UTC), Carried: 1,
	}
	own := rand.New(rand.NewPCG(c.seed, uint64(i)<<1))
	if own.IntN(100) >= countryWithoutEmail {
		p.Email = fmt.Sprintf("b%d@bench.sample.invalid", i)
	}
	if p.Email == "" || own.IntN(100) >= countryWithoutPhone {
		p.Phone = fmt.Sprintf("+8210%08d", i)
	}
	if own.IntN(100) < benchCarried {
		p.Carried = 2
	}
	wish := own // what she wants; a pair wants the same
	pair := rand.New(rand.NewPCG(c.seed, uint64(i/2)<<1|1))
	if together := pair.IntN(100) < benchParties; together && i/2*2+1 < c.people {
		p.Party, wish = int64(i/2+1), pair
	}
	b := cohort.Ballot{Draw: countryKey + "-" + countryCohort, Person: p.Key, Choices: c.wishes(wish)}
	if p.Party != 0 {
		b.Party = fmt.Sprintf("p-%d", p.Party)
	}
	p.Ballot = b.Encode()
	for at := 0; at < len(p.Salt); at += 8 {
		for k, v := 0, own.Uint64(); k < 8; k, v = k+1, v>>8 {
			p.Salt[at+k] = byte(v)
		}
	}
	p.Commit = lottery.BallotCommit(p.Salt, p.Ballot)
	return p
}

// wishes makes up ranked choices.
func (c *country) wishes(r *rand.Rand) []cohort.Choice {
	home := sort.SearchFloat64s(c.districts, r.Float64()*c.districts[len(c.districts)-1])
	n := 1 + sort.SearchFloat64s([]float64{0.15, 0.35, 0.65, 0.85}, r.Float64())
	var choices []cohort.Choice
	for len(choices) < n {
		district := home
		anywhere := n > 1 && len(choices) == n-1 && r.Float64() < 0.3
		if !anywhere && r.Float64() < 0.1 {
			district = (home + 1) % len(c.districts)
		}
		choices = append(choices, c.wish(r, district, anywhere))
	}
	return choices
}

// wish makes up a choice that has a slot.
func (c *country) wish(r *rand.Rand, district int, anywhere bool) cohort.Choice {
	first := district * clinicsADistrict
	for {
		days, parts := uint16(1<<countryDays-1), uint16(7)
		if r.Float64() < 0.6 {
			length := 3 + r.IntN(5)
			days = (1<<length - 1) << r.IntN(countryDays-length+1)
		}
		switch sort.SearchFloat64s([]float64{0.25, 0.5, 0.75, 0.9}, r.Float64()) {
		case 1:
			parts = 1
		case 2:
			parts = 2
		case 3:
			parts = 4
		case 4: // Saturdays
			days = 1<<5 | 1<<11
		}
		sums := c.popular[district]
		clinic := first + sort.SearchFloat64s(sums, r.Float64()*sums[len(sums)-1])
		if o := c.open[clinic]; o.days&days == 0 || o.parts&parts == 0 {
			continue
		}
		w := cohort.Choice{Target: "clinics", Clinics: []string{c.clinics[clinic].Key}}
		if anywhere {
			w.Target, w.Clinics = "district:"+districtCode(district), nil
			for at := first; at < min(len(c.clinics), first+clinicsADistrict); at++ {
				w.Clinics = append(w.Clinics, c.clinics[at].Key)
			}
		}
		for day := range countryDays {
			if days>>day&1 == 1 {
				w.Dates = append(w.Dates, countryDate(day).Format(time.DateOnly))
			}
		}
		for i, p := range countryParts() {
			if parts>>i&1 == 1 {
				w.Parts = append(w.Parts, p)
			}
		}
		return w
	}
}

// file is the campaign file: one cohort, and dice as the only source.
func (c *country) file(seating string) []byte {
	var districts strings.Builder
	for d := range c.districts {
		fmt.Fprintf(&districts, "[[districts]]\ncode = %q\nname = { ko = %q, en = %q }\n\n", districtCode(d), districtCode(d), districtCode(d))
	}
	return fmt.Appendf(nil, countryFile, districts.String(), countryBorn, countryBorn+countryYears-1, seating)
}

const countryFile = `key = "bench"
name = { ko = "시험", en = "bench" }
authority = "bench.sample.invalid"
sample = true
zone = "Asia/Seoul"
languages = ["ko", "en"]

[contact]
phone = "+82 2 0000 0000"
hours = { ko = "평일", en = "weekdays" }
url = "https://bench.sample.invalid/"

[rules]
max_choices = 5
max_party = 4
max_weight = 3
min_slots = 1
min_answer = "3h"
offer_hold = "12h"
offer_lead = "12h"
cancel_lead = "24h"
max_lapses = 2
audit_sample = 300
reserve = 0
quiet_from = "2100"
quiet_to = "0800"

[recurring]
refill = "0 3 1 1 *"
reminders = "0 3 1 1 *"
odds = "0 3 1 1 *"
retention = "0 3 1 1 *"
seal = "0 3 1 1 *"

[senders.email]
from = "jebi@bench.sample.invalid"
host = "127.0.0.1:2525"
tls = "none"

[senders.sms]
from = "0200000000"
url = "http://127.0.0.1:2580/messages"
daily_cap = 100000

[[day_parts]]
key = "am"
name = { ko = "오전", en = "morning" }
from = "0000"
to = "1200"

[[day_parts]]
key = "pm"
name = { ko = "오후", en = "afternoon" }
from = "1200"
to = "1800"

[[day_parts]]
key = "evening"
name = { ko = "저녁", en = "evening" }
from = "1800"
to = "2400"

%s[[cohorts]]
key = "a"
name = { ko = "가", en = "a" }
birth_from = %d
birth_to = %d
opens = "2021-07-05 09:00"
closes = "2021-07-16 18:00"
draw_at = "2021-07-17 10:00"
publish_at = "2021-07-17 14:00"
confirm_by = "2021-07-21 18:00"
settle_at = "2021-08-06 18:00"
seating = %q
supply = { percent = 100, from = "2021-07-26", to = "2021-08-07" }

[[cohorts.sources]]
type = "dice"
name = "hall"
digits = 40
`
