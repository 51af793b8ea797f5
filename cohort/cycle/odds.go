package cycle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// TrialBallot is one more ballot whose chance is asked for.
type TrialBallot struct {
	Ballot []byte
	Size   int    // people who answer together; 0: 1
	Weight int    // tickets in the drum; 0: 1
	Pool   string // that the ticket is of; "": none
}

// Trial makes trial draws on a cohort's ballots so far, with fresh seeds from
// random. mine, where it is not nil, is a ballot whose chance is asked for; an
// error says what of it the campaign does not have.
func Trial(ctx context.Context, db *data.DB, c *cohort.Campaign, key string, trials int, mine *TrialBallot, random io.Reader) (cohort.Odds, error) {
	t, err := newTrials(ctx, db, c, key)
	if err != nil {
		return cohort.Odds{}, err
	}
	var codes []lottery.Code
	var one TrialBallot
	pool := 0
	if mine != nil {
		one = *mine
		one.Size, one.Weight = max(1, one.Size), max(1, one.Weight)
		switch pool = slices.Index(t.names, one.Pool); {
		case pool < 0:
			return cohort.Odds{}, refuse("cohort %s has no pool %q; it has %q", key, one.Pool, t.names[1:])
		case one.Size > min(lottery.MaxParty, c.Rules.MaxParty):
			return cohort.Odds{}, refuse("%d people answer together; the campaign allows %d", one.Size, min(lottery.MaxParty, c.Rules.MaxParty))
		case one.Weight > t.maxWeight():
			return cohort.Odds{}, refuse("a weight of %d; the campaign's greatest is %d", one.Weight, t.maxWeight())
		}
		if _, codes, err = newWishes(t.shelf, t.in.Layout).read(one.Ballot); err != nil {
			return cohort.Odds{}, refuse("the ballot cannot be read: %v", err)
		}
	}
	out, err := t.run(ctx, trials, random)
	if err != nil || mine == nil {
		return out, err
	}
	chance, err := lottery.ChanceByTrial(t.in, uint8(one.Size), doses(t.cohort), uint16(pool), uint16(one.Weight), codes...)
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
		if row.State != cohort.Draft { // what came after the announcement is a later release
			t.slots = slices.DeleteFunc(t.slots, func(s data.SlotRow) bool { return s.Position == nil })
		}
		if t.shelf, err = newShelf(t.slots); err != nil {
			return err
		}
		t.foresee(row)
		if t.in.Layout, err = lottery.NewLayout(t.shelf.slots, t.names); err != nil {
			return err
		}
		return t.readBallots(ctx, tx, row)
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

// maxWeight is the greatest weight of a ticket.
func (t *trials) maxWeight() int { return max(1, min(t.campaign.Rules.MaxWeight, lottery.MaxWeight)) }

// foresee fixes pairs, the reserve, and the pools' and the parties' seats, as
// the freeze would.
func (t *trials) foresee(row data.CohortRow) {
	h, o := t.shelf, t.cohort
	fixed := seating(o.Seating) == lottery.Fixed
	rows := slices.Clone(t.slots)
	for x := range rows {
		rows[x].Position = &x // of a draft, whose order is not fixed yet
	}
	if fixed && doses(o) == 2 {
		for x, y := range pairsOf(h.slots) {
			h.slots[x].Pair, rows[x].Pair = y, 0
			if y != lottery.None {
				rows[x].Pair = rows[y].ID
			}
		}
	}
	if !row.State.Since(cohort.Frozen) {
		for x, kept := range reserveOf(rows, t.campaign.Rules.Reserve) {
			h.slots[x].Seats -= int32(kept)
		}
	}
	if !fixed {
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

// readBallots puts the ballots so far into the layout: those of people who are
// eligible and have not withdrawn, parties as one where the freeze would.
func (t *trials) readBallots(ctx context.Context, tx *data.Tx, row data.CohortRow) error {
	pool := map[string]uint16{}
	for p, name := range t.names {
		pool[name] = uint16(p)
	}
	type voter struct {
		party  int64
		weight uint16
		pool   uint16
	}
	type ticket struct {
		voter
		size    int
		choices []byte
		split   bool // its members do not ask for the same
		seen    bool
	}
	voters, parties := map[int64]voter{}, map[int64]*ticket{}
	err := tx.EachClosedBallot(ctx, row.ID, t.names[1:], func(b *data.ClosedBallot) error {
		if b.Withdrawn || b.Status != "eligible" {
			return nil
		}
		v := voter{b.Party, uint16(max(1, min(b.Weight, t.maxWeight()))), pool[b.Pool]}
		voters[b.Person] = v
		if v.party == 0 {
			return nil
		}
		choices, err := choicesOf(b.Bytes)
		if err != nil {
			return fmt.Errorf("ballot of person %d: %w", b.Person, err)
		}
		p := parties[v.party]
		if p == nil {
			parties[v.party] = &ticket{voter: v, size: 1, choices: choices}
			return nil
		}
		p.size++
		p.weight = min(p.weight, v.weight)
		if p.pool != v.pool {
			p.pool = 0
		}
		p.split = p.split || p.size > lottery.MaxParty || !bytes.Equal(choices, p.choices)
		return nil
	})
	if err != nil {
		return err
	}
	wishes := newWishes(t.shelf, t.in.Layout)
	return tx.EachFrozenBallot(ctx, row, func(b *data.FrozenBallot) error {
		v, ok := voters[b.Person]
		if !ok {
			return nil
		}
		size := uint8(1)
		if p := parties[v.party]; p != nil && !p.split {
			if p.seen {
				return nil
			}
			p.seen, size, v = true, uint8(p.size), p.voter
		}
		_, codes, err := wishes.read(b.Bytes)
		if err != nil {
			return err
		}
		t.in.Weight, t.in.Group = append(t.in.Weight, v.weight), append(t.in.Group, int32(v.pool))
		return t.in.Layout.Add(size, doses(t.cohort), v.pool, 0, codes...)
	})
}
