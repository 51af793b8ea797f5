package cycle

import (
	"context"
	"fmt"
	"io"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Odds are shares served in trial draws on the ballots so far. They say how
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

// OddsShare is how many asked, on average over the trials, and the share that
// was served.
type OddsShare struct {
	Asked  int64   `json:"asked"`
	Served float64 `json:"served"` // 0–1
}

// OddsChance is a given ballot's chance to get one of its first choices.
type OddsChance struct {
	Choices int     `json:"choices"` // the first so many
	Chance  float64 `json:"chance"`  // 0–1
}

// minAsked is under how many people no share is told: it could point at one.
const minAsked = 10

// Trial makes trial draws on a cohort's ballots so far, with fresh seeds from
// random. mine, where it is not nil, is a single's ballot whose chance is
// asked for.
func Trial(ctx context.Context, db *data.DB, c *cohort.Campaign, key string, trials int, mine []byte, random io.Reader) (Odds, error) {
	out := Odds{Cohort: key, Sample: c.Sample, Clinics: map[string]OddsShare{}, Parts: map[string]OddsShare{}, Groups: map[string]OddsShare{}}
	o := c.CohortByKey(key)
	if o == nil {
		return out, refuse("campaign %s has no cohort %s", c.Key, key)
	}
	in := lottery.OddsInput{Seating: seating(o.Seating), Seeds: make([][32]byte, trials)}
	for i := range in.Seeds {
		if _, err := io.ReadFull(random, in.Seeds[i][:]); err != nil {
			return out, fmt.Errorf("odds: randomness: %w", err)
		}
	}
	names := poolNames(o)
	var h *shelf
	var slots []data.SlotRow
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		campaign, err := tx.Campaign(ctx, c.Key)
		if err != nil {
			return err
		}
		row, err := tx.CohortByKey(ctx, campaign.ID, key)
		if err != nil {
			return err
		}
		if slots, err = tx.Slots(ctx, row.ID); err != nil {
			return err
		}
		if h, err = newShelf(slots); err != nil {
			return err
		}
		h.foresee(o)
		if in.Layout, err = lottery.NewLayout(h.slots, names); err != nil {
			return err
		}
		return h.trialBallots(ctx, tx, row, names, &in)
	})
	if err != nil {
		return out, err
	}
	in.Part = make([]int32, len(slots))
	for x := range slots {
		in.Part[x] = int32(h.part[x])
	}
	odds, err := lottery.NewOdds(in)
	if err != nil {
		return out, err
	}
	out.Trials, out.Tickets, out.Served, out.First = odds.Trials, in.Layout.Len(), odds.Cohort.Of(), odds.First.Of()
	tell := func(to map[string]OddsShare, name string, s lottery.Share) {
		if asked := s.Asked / int64(max(1, trials)); asked >= minAsked {
			to[name] = OddsShare{asked, s.Of()}
		}
	}
	for name, n := range h.clinicOf {
		tell(out.Clinics, name, odds.Clinic[n])
	}
	for name, n := range h.parts {
		tell(out.Parts, name, odds.Part[int32(n)])
	}
	for p, name := range names {
		tell(out.Groups, name, odds.Group[int32(p)])
	}
	if mine == nil {
		return out, nil
	}
	_, codes, err := newWishes(h, in.Layout).read(mine)
	if err != nil {
		return out, err
	}
	chance, err := lottery.ChanceByTrial(in, 1, 1, 0, 1, codes...)
	if err != nil {
		return out, err
	}
	for i, p := range chance {
		out.Chance = append(out.Chance, OddsChance{i + 1, p})
	}
	return out, nil
}

// foresee fixes the pools' and the parties' seats as the freeze would.
func (h *shelf) foresee(o *cohort.Cohort) {
	if seating(o.Seating) != lottery.Fixed {
		return
	}
	percent := []int32{0}
	for _, p := range o.Pools {
		percent = append(percent, int32(p.Percent))
	}
	for x, reserve := range lottery.PoolReserves(h.slots, percent) {
		s := &h.slots[x]
		s.Reserve, s.Party = nil, 0
		free := s.Seats
		for _, n := range reserve {
			free -= n
		}
		if len(percent) > 1 {
			s.Reserve = reserve
		}
		if !s.Second {
			s.Party = free * int32(o.PartyPercent) / 100
		}
	}
}

// trialBallots puts the ballots so far into the layout: those of people who
// are eligible and have not withdrawn, parties as one.
func (h *shelf) trialBallots(ctx context.Context, tx *data.Tx, row data.CohortRow, names []string, in *lottery.OddsInput) error {
	pool := map[string]uint16{}
	for p, name := range names {
		pool[name] = uint16(p)
	}
	type voter struct {
		party  int64
		weight uint16
		pool   uint16
	}
	type ticket struct {
		size   uint8
		weight uint16
		pool   uint16
		seen   bool
	}
	voters, parties := map[int64]voter{}, map[int64]*ticket{}
	err := tx.EachClosedBallot(ctx, row.ID, names[1:], func(b *data.ClosedBallot) error {
		if b.Withdrawn || b.Status != "eligible" {
			return nil
		}
		v := voter{b.Party, uint16(max(1, min(b.Weight, lottery.MaxWeight))), pool[b.Pool]}
		voters[b.Person] = v
		if v.party == 0 {
			return nil
		}
		p := parties[v.party]
		if p == nil {
			parties[v.party] = &ticket{1, v.weight, v.pool, false}
			return nil
		}
		p.size++
		p.weight = min(p.weight, v.weight)
		if p.pool != v.pool {
			p.pool = 0
		}
		return nil
	})
	if err != nil {
		return err
	}
	wishes := newWishes(h, in.Layout)
	return tx.EachFrozenBallot(ctx, row, func(b *data.FrozenBallot) error {
		v, ok := voters[b.Person]
		if !ok {
			return nil
		}
		size := uint8(1)
		if p := parties[v.party]; p != nil {
			if p.seen || p.size > lottery.MaxParty {
				return nil
			}
			p.seen, size, v.weight, v.pool = true, p.size, p.weight, p.pool
		}
		_, codes, err := wishes.read(b.Bytes)
		if err != nil {
			return err
		}
		in.Weight, in.Group = append(in.Weight, v.weight), append(in.Group, int32(v.pool))
		return in.Layout.Add(size, 1, v.pool, 0, codes...)
	})
}
