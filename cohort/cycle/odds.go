package cycle

import (
	"context"
	"fmt"
	"io"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Trial makes trial draws on a cohort's ballots so far, with fresh seeds from
// random. mine, where it is not nil, is a single's ballot whose chance is
// asked for.
func Trial(ctx context.Context, db *data.DB, c *cohort.Campaign, key string, trials int, mine []byte, random io.Reader) (cohort.Odds, error) {
	t, err := newTrials(ctx, db, c, key)
	if err != nil {
		return cohort.Odds{}, err
	}
	out, err := t.run(ctx, trials, random)
	if err != nil || mine == nil {
		return out, err
	}
	_, codes, err := newWishes(t.shelf, t.in.Layout).read(mine)
	if err != nil {
		return out, err
	}
	chance, err := lottery.ChanceByTrial(t.in, 1, doses(t.cohort), 0, 1, codes...)
	if err != nil {
		return out, err
	}
	for i, p := range chance {
		out.Chance = append(out.Chance, cohort.OddsChance{Choices: i + 1, Chance: p})
	}
	return out, nil
}

// trials are a cohort's ballots so far, laid out for trial draws.
type trials struct {
	campaign *cohort.Campaign
	cohort   *cohort.Cohort
	names    []string // of the pools
	slots    []data.SlotRow
	shelf    *shelf
	in       lottery.OddsInput
	odds     *lottery.Odds
}

// newTrials reads the ballots in one snapshot.
func newTrials(ctx context.Context, db *data.DB, c *cohort.Campaign, key string) (*trials, error) {
	t := &trials{campaign: c, cohort: c.CohortByKey(key)}
	if t.cohort == nil {
		return nil, refuse("campaign %s has no cohort %s", c.Key, key)
	}
	t.names = poolNames(t.cohort)
	t.in = lottery.OddsInput{Seating: seating(t.cohort.Seating), Stop: ctx.Err}
	return t, db.ReadTx(ctx, func(tx *data.Tx) error {
		campaign, err := tx.Campaign(ctx, c.Key)
		if err != nil {
			return err
		}
		row, err := tx.CohortByKey(ctx, campaign.ID, key)
		if err != nil {
			return err
		}
		if t.slots, err = tx.Slots(ctx, row.ID); err != nil {
			return err
		}
		if t.shelf, err = newShelf(t.slots); err != nil {
			return err
		}
		t.shelf.foresee(t.cohort)
		if t.in.Layout, err = lottery.NewLayout(t.shelf.slots, t.names); err != nil {
			return err
		}
		return t.shelf.trialBallots(ctx, tx, row, t.names, doses(t.cohort), &t.in)
	})
}

// run makes the trial draws.
func (t *trials) run(ctx context.Context, n int, random io.Reader) (cohort.Odds, error) {
	out := cohort.Odds{
		Cohort: t.cohort.Key, Sample: t.campaign.Sample,
		Clinics: map[string]cohort.OddsShare{}, Parts: map[string]cohort.OddsShare{}, Groups: map[string]cohort.OddsShare{},
	}
	t.in.Seeds = make([][32]byte, n)
	for i := range t.in.Seeds {
		if _, err := io.ReadFull(random, t.in.Seeds[i][:]); err != nil {
			return out, fmt.Errorf("odds: randomness: %w", err)
		}
	}
	clinicSeats, partSeats := map[int32]int64{}, map[int32]int64{}
	t.in.Part = make([]int32, len(t.slots))
	for x := range t.slots {
		t.in.Part[x] = int32(t.shelf.part[x])
		if s := t.shelf.slots[x]; !s.Second {
			clinicSeats[s.Clinic] += int64(s.Seats)
			partSeats[t.in.Part[x]] += int64(s.Seats)
		}
	}
	var err error
	if t.odds, err = lottery.NewOdds(t.in); err != nil {
		return out, err
	}
	odds := t.odds
	out.Trials, out.Tickets, out.Served, out.First = odds.Trials, t.in.Layout.Len(), odds.Cohort.Of(), odds.First.Of()
	tell := func(to map[string]cohort.OddsShare, name string, s lottery.Share, seats int64) {
		if asked := s.Asked / int64(max(1, n)); asked >= cohort.OddsLeast {
			to[name] = cohort.OddsShare{Asked: asked, Seats: seats, Served: s.Of()}
		}
	}
	for name, i := range t.shelf.clinicOf {
		tell(out.Clinics, name, odds.Clinic[i], clinicSeats[i])
	}
	for name, i := range t.shelf.parts {
		tell(out.Parts, name, odds.Part[int32(i)], partSeats[int32(i)])
	}
	for p, name := range t.names {
		tell(out.Groups, name, odds.Group[int32(p)], 0)
	}
	return out, nil
}

// doses is how many doses a cohort's tickets are for.
func doses(o *cohort.Cohort) uint8 { return uint8(max(1, o.Doses)) }

// foresee fixes pairs, and the pools' and the parties' seats, as the freeze
// would.
func (h *shelf) foresee(o *cohort.Cohort) {
	if seating(o.Seating) != lottery.Fixed {
		return
	}
	if doses(o) == 2 {
		for x, y := range pairsOf(h.slots) {
			h.slots[x].Pair = y
		}
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
func (h *shelf) trialBallots(ctx context.Context, tx *data.Tx, row data.CohortRow, names []string, doses uint8, in *lottery.OddsInput) error {
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
		return in.Layout.Add(size, doses, v.pool, 0, codes...)
	})
}
