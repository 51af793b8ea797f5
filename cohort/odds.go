package cohort

import "math"

// Odds are shares served in trial draws on a cohort's ballots so far, with
// fresh random seeds that have nothing to do with the draw's. They say how
// scarce places are, and nothing about who will be served.
type Odds struct {
	Cohort  string               `json:"cohort"`
	Sample  bool                 `json:"sample"`
	Trials  int                  `json:"trials"`
	Tickets int                  `json:"tickets"`
	Served  float64              `json:"served"`       // 0–1, of people
	First   float64              `json:"first_choice"` // with their first choice
	Clinics map[string]OddsShare `json:"clinics"`      // by key: of those who list it
	Parts   map[string]OddsShare `json:"parts"`        // of the day
	Groups  map[string]OddsShare `json:"groups"`       // pools; "" is everyone else
	Chance  []OddsChance         `json:"chance,omitempty"`
}

// OddsShare is how many people asked (each once, however many of her choices
// name it), for how many seats, and the share of them that was served there.
type OddsShare struct {
	Asked  int64   `json:"asked"`
	Seats  int64   `json:"seats,omitempty"` // of a clinic or a part of the day
	Served float64 `json:"served"`          // 0–1, on average over the trials
}

// PerSeat is the requests per seat; 0 where there are no seats.
func (s OddsShare) PerSeat() float64 {
	if s.Seats == 0 {
		return 0
	}
	return float64(s.Asked) / float64(s.Seats)
}

// OddsChance is a given ballot's chance to get one of its first choices.
type OddsChance struct {
	Choices int     `json:"choices"` // the first so many
	Chance  float64 `json:"chance"`  // 0–1
}

// OddsLeast is under how many people no share is told: it could point at one.
const OddsLeast = 10

// Coarse is what may be shown to everyone and kept: counts of people in tens,
// shares in twentieths, so that no single ballot can be seen in two of them
// that follow each other. It has no Chance.
func (o Odds) Coarse() Odds {
	tens := func(n int64) int64 { return (n + 5) / 10 * 10 }
	twentieths := func(p float64) float64 { return math.Round(20*p) / 20 }
	coarse := func(m map[string]OddsShare) map[string]OddsShare {
		out := make(map[string]OddsShare, len(m))
		for k, s := range m {
			if s.Asked >= OddsLeast {
				out[k] = OddsShare{tens(s.Asked), s.Seats, twentieths(s.Served)}
			}
		}
		return out
	}
	c := o
	c.Tickets = int(tens(int64(o.Tickets)))
	c.Served, c.First = twentieths(o.Served), twentieths(o.First)
	c.Clinics, c.Parts, c.Groups, c.Chance = coarse(o.Clinics), coarse(o.Parts), coarse(o.Groups), nil
	return c
}

// InTen is a chance as it is told: "about 7 in 10". It is 0 under one in
// twenty and 10 from nineteen in twenty on, to be told as "less than 1 in 10"
// and "more than 9 in 10": an estimate promises nothing.
func InTen(chance float64) int { return int(math.Round(10 * min(1, max(0, chance)))) }
