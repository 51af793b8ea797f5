package rehearse

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The supply of the sample: how much, of what, when.
const (
	sampleSeats   = 14500
	sampleVaccine = "Pfizer"
	centreSeats   = 25 // an hour at a vaccination centre
	seatLot       = 5  // every slot has a multiple of it, so that 60 and 40 per cent leave no seat over
)

var (
	sampleFirst = time.Date(2021, 7, 26, 0, 0, 0, 0, time.UTC)
	sampleLast  = time.Date(2021, 8, 7, 0, 0, 0, 0, time.UTC)
)

// seats is one line of supply.csv.
type seats struct {
	clinic, date, block string
	n                   int
}

// sampleSupply shares the seats out: centres each day and hour, clinics on
// some of their days, morning and afternoon, in the evening and on Saturdays
// where they are open; the sum is sampleSeats to the seat.
func sampleSupply(ps []place, seed uint64) []seats {
	r := rand.New(rand.NewPCG(seed, 1))
	var fixed, free []seats
	var weights []float64
	left := sampleSeats
	for _, p := range ps {
		if p.kind == "centre" {
			fixed = append(fixed, centreDays(p)...)
			continue
		}
		for _, s := range clinicDays(p, r) {
			w := 0.7 + 0.6*r.Float64()
			if p.kind == "hospital" {
				w *= 2
			}
			free, weights = append(free, s), append(weights, w)
		}
	}
	for _, s := range fixed {
		left -= s.n
	}
	for i, lots := range shares(weights, left/seatLot) {
		free[i].n = lots * seatLot
	}
	return slices.DeleteFunc(slices.Concat(fixed, free), func(s seats) bool { return s.n == 0 })
}

func sampleDates() []time.Time {
	var ds []time.Time
	for d := sampleFirst; !d.After(sampleLast); d = d.AddDate(0, 0, 1) {
		if d.Weekday() != time.Sunday {
			ds = append(ds, d)
		}
	}
	return ds
}

func centreDays(p place) []seats {
	var out []seats
	for _, d := range sampleDates() {
		for _, b := range []string{"0900", "1000", "1100", "1300", "1400", "1500", "1600", "1700"} {
			if p.opens(b, d.Weekday() == time.Saturday) {
				out = append(out, seats{p.key, d.Format(time.DateOnly), b, centreSeats})
			}
		}
	}
	return out
}

// clinicDays picks a clinic's sessions: about two days in five, on each an
// hour of the morning and one of the afternoon, and three evenings in four.
func clinicDays(p place, r *rand.Rand) []seats {
	var out []seats
	pick := func(d time.Time, chance float64, blocks ...string) {
		blocks = slices.DeleteFunc(blocks, func(b string) bool { return !p.opens(b, d.Weekday() == time.Saturday) })
		lucky, n := r.Float64() < chance, r.IntN(max(1, len(blocks)))
		if lucky && len(blocks) > 0 {
			out = append(out, seats{p.key, d.Format(time.DateOnly), blocks[n], 0})
		}
	}
	for _, d := range sampleDates() {
		if r.Float64() >= 0.42 {
			continue
		}
		pick(d, 1, "0900", "1000", "1100")
		pick(d, 1, "1400", "1500", "1600")
		pick(d, 0.75, "1800", "1900")
	}
	if len(out) == 0 { // a clinic that chance left out
		pick(sampleDates()[0], 1, "0900", "1000", "1100")
		pick(sampleDates()[0], 1, "1400", "1500", "1600")
	}
	return out
}

// shares splits total in proportion to the weights, rounded cumulatively, so
// that the parts add up.
func shares(weights []float64, total int) []int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	out, at, given := make([]int, len(weights)), 0.0, 0
	for i, w := range weights {
		at += w
		upto := int(math.Round(at / sum * float64(total)))
		out[i], given = upto-given, upto
	}
	return out
}
