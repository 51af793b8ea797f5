package cycle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// CorrectionEntry is what the board says of a result that was corrected: the
// corrected bundle is the one whose files have these hashes; the one before
// stays where it was published.
type CorrectionEntry struct {
	DrawID  string                  `json:"draw_id"`
	Sample  bool                    `json:"sample"`
	Number  int                     `json:"number"` // from 1
	Reason  string                  `json:"reason"`
	Files   map[string]lottery.Hash `json:"files"`  // H of each file of the corrected bundle
	Before  map[string]lottery.Hash `json:"before"` // H of those that it replaces, as they were
	Root    lottery.Hash            `json:"outcome_root"`
	Counts  *lottery.Counts         `json:"counts"`
	Tickets int                     `json:"tickets"` // that the corrected result gives something else
	Seated  int                     `json:"seated"`  // of them, those that were given a place by the correction
	First   int                     `json:"first"`   // those that are owed one, and first in line
	Kept    int                     `json:"kept"`    // those that keep a place which the corrected result does not give
}

// Correct puts the result of a draw right that was allocated wrongly, on the
// same leaves, supply, seed and order, by the rules of the campaign file that
// the manifest names: an act of two. Both results stay public. Before
// publication the places are those of the corrected result; after it nobody
// loses a place that she was told of, and who should have had one gets one, or
// is first in line. It refuses where there is nothing to correct, and where
// leaves, seed or order are not those of the draw: what is wrong then was done
// to the database, and jebi draw verify --database names it.
func (r *Runner) Correct(ctx context.Context, tx *data.Tx, campaignID int, key, reason string, by data.Actor) (CorrectionEntry, error) {
	var e CorrectionEntry
	if reason == "" {
		return e, refuse("a correction needs a reason: it is public")
	}
	if by.Kind != "official" {
		return e, refuse("correcting a result takes two officials")
	}
	row, err := tx.CohortByKey(ctx, campaignID, key)
	if err != nil {
		return e, err
	}
	if err := tx.Lock(ctx, data.LockOffers, row.ID); err != nil {
		return e, err
	}
	if row, err = tx.LockCohort(ctx, row.ID); err != nil {
		return e, err
	}
	if !row.State.Since(cohort.Drawn) {
		return e, refuse("cohort %s is %s: there is no result to correct", key, row.State)
	}
	c, o, err := announcedRules(ctx, tx, row)
	if err != nil {
		return e, err
	}
	d, err := compute(ctx, tx, o, row.ID)
	if err != nil {
		return e, err
	}
	if err := d.finish(); err != nil {
		return e, err
	}
	before, err := d.recorded(ctx, tx)
	if err != nil {
		return e, err
	}
	if err := r.verifyOwn(d, c, o); err != nil {
		return e, err
	}
	f, err := d.compare(ctx, tx, before)
	if err != nil {
		return e, err
	}
	if len(f.tickets) == 0 && f.sameCuts && bytes.Equal(before.claims, d.bundle.Claims) && bytes.Equal(before.cutoffs, d.bundle.CutOffs) {
		return e, refuse("draw %s: its result is what the frozen ballots, the seed and the announced rules give; there is nothing to correct", d.draw.DrawID)
	}
	number := before.number + 1
	if err := tx.AddCorrection(ctx, row.ID, data.CorrectionRow{
		Number: number, Claims: d.bundle.Claims, CutOffs: d.bundle.CutOffs, OutcomeRoot: d.claims.OutcomeRoot, Reason: reason,
	}, f.corrected(), d.cutOffRows(), by); err != nil {
		return e, err
	}
	e = CorrectionEntry{
		DrawID: d.draw.DrawID, Sample: d.manifest.Sample, Number: number, Reason: reason, Files: map[string]lottery.Hash{},
		Before: map[string]lottery.Hash{lottery.FileClaims: lottery.FileHash(before.claims), lottery.FileCutOffs: lottery.FileHash(before.cutoffs)},
		Root:   d.claims.OutcomeRoot, Counts: d.claims.Counts, Tickets: len(f.tickets),
	}
	for name, file := range d.bundle.Files() {
		e.Files[name] = lottery.FileHash(file)
	}
	if row.State == cohort.Drawn {
		err = f.replace(ctx, tx, row)
	} else {
		err = f.giveAndKeep(ctx, tx, c, o, row, &e)
	}
	if err != nil {
		return e, err
	}
	return e, f.tell(ctx, tx, row, e, d.claims.CutOffs, by)
}

// announcedRules reads the campaign file that a draw's manifest names, which
// stands, whatever was applied since.
func announcedRules(ctx context.Context, tx *data.Tx, row data.CohortRow) (*cohort.Campaign, *cohort.Cohort, error) {
	d, err := tx.Draw(ctx, row.ID)
	if err != nil {
		return nil, nil, err
	}
	m, err := lottery.ParseManifest(d.Manifest)
	if err != nil {
		return nil, nil, fmt.Errorf("draw %s: %w", d.DrawID, err)
	}
	file, err := tx.CampaignFile(ctx, m.Campaign)
	if err != nil {
		return nil, nil, err
	}
	c, err := Parse(data.CampaignRow{Key: row.Key, File: file})
	if err != nil {
		return nil, nil, err
	}
	o := c.CohortByKey(m.Cohort)
	if o == nil {
		return nil, nil, fmt.Errorf("draw %s: the announced campaign file has no cohort %q", d.DrawID, m.Cohort)
	}
	return c, o, nil
}

// earlier is the result that a correction replaces.
type earlier struct {
	number          int // of the last correction; 0: as it was drawn
	claims, cutoffs []byte
}

// recorded reads the result as it stands, and refuses where seed, entropy or
// order are not what the sources and the leaves give.
func (d *computed) recorded(ctx context.Context, tx *data.Tx) (earlier, error) {
	b := earlier{claims: d.draw.Claims, cutoffs: d.draw.CutOffs}
	list, err := tx.Corrections(ctx, d.row.ID)
	if err != nil {
		return b, err
	}
	if n := len(list); n > 0 {
		b.number, b.claims, b.cutoffs = list[n-1].Number, list[n-1].Claims, list[n-1].CutOffs
	}
	switch {
	case lottery.Hash(d.draw.Seed) != d.claims.Seed:
		return b, refuse("draw %s: its seed %x is not that of its sources, %s: a draw is corrected on the same seed; find out who changed it: jebi draw verify --database", d.draw.DrawID, d.draw.Seed, d.claims.Seed)
	case !bytes.Equal(d.draw.Entropy, d.bundle.Entropy):
		return b, refuse("draw %s: entropy.json is not what its sources give: find out who changed it: jebi draw verify --database", d.draw.DrawID)
	}
	return b, nil
}

// fix is what a corrected result gives that the one before it did not.
type fix struct {
	d        *computed
	tickets  []fixed // by rank
	sameCuts bool
}

// fixed is one ticket's part of it.
type fixed struct {
	was, is data.OutcomeRow
}

func (f *fix) corrected() []data.OutcomeRow {
	out := make([]data.OutcomeRow, len(f.tickets))
	for i, t := range f.tickets {
		out[i] = t.is
	}
	return out
}

// compare holds the computed places and cut-offs against the recorded ones.
func (d *computed) compare(ctx context.Context, tx *data.Tx, b earlier) (*fix, error) {
	f := &fix{d: d}
	slot := func(x int32) int64 {
		if x == lottery.None {
			return 0
		}
		return d.shelf.rowIDs[x]
	}
	i := 0
	err := tx.EachOutcome(ctx, d.row.ID, b.number, func(was data.OutcomeRow, entity [16]byte) error {
		if i == len(d.order) || was.Rank != i+1 || d.order[i].ID != entity {
			return refuse("draw %s: rank %d is not the ticket that leaves and seed give: a draw is corrected in the same order; find out who changed it: jebi draw verify --database", d.draw.DrawID, was.Rank)
		}
		is := data.OutcomeRow{Rank: was.Rank, Choice: int(d.places.Choice[i]), Slot: slot(d.places.Slot[i]), Second: slot(d.places.Second[i])}
		if is != was {
			f.tickets = append(f.tickets, fixed{was, is})
		}
		i++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if i != len(d.order) {
		return nil, refuse("draw %s: %d tickets are recorded, leaves and seed give %d: find out who changed it: jebi draw verify --database", d.draw.DrawID, i, len(d.order))
	}
	recorded, err := tx.CutOffs(ctx, d.row.ID, b.number)
	if err != nil {
		return nil, err
	}
	computed := d.cutOffRows()
	known := make(map[data.CutOffRow]bool, len(recorded))
	for _, c := range recorded {
		known[c] = true
	}
	f.sameCuts = len(recorded) == len(computed) && !slices.ContainsFunc(computed, func(c data.CutOffRow) bool { return !known[c] })
	return f, nil
}

// replace gives the places of a result that nobody was told of yet.
func (f *fix) replace(ctx context.Context, tx *data.Tx, row data.CohortRow) error {
	ranks := make([]int, len(f.tickets))
	var seated []int
	for i, t := range f.tickets {
		ranks[i] = t.is.Rank
		if t.is.Choice > 0 {
			seated = append(seated, t.is.Rank)
		}
	}
	states, err := tx.TicketStates(ctx, row.ID, ranks)
	if err != nil {
		return err
	}
	var ends []int64
	for _, s := range states {
		for _, p := range s.Places {
			ends = append(ends, p.ID)
		}
	}
	if err := tx.EndPlaces(ctx, ends); err != nil {
		return err
	}
	if err := tx.NotWaiting(ctx, row.ID, seated); err != nil {
		return err
	}
	for _, t := range f.tickets {
		if t.is.Choice == 0 {
			if err := tx.Wait(ctx, row.ID, t.is.Rank, false); err != nil {
				return err
			}
			continue
		}
		for _, person := range f.members(t.is.Rank) {
			if err := tx.GivePlace(ctx, data.GivenPlace{
				Campaign: row.Campaign, Cohort: row.ID, Person: person, Rank: t.is.Rank, Slot: t.is.Slot, Second: t.is.Second, Choice: t.is.Choice,
				Origin: "correction", State: "assigned",
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// members are the people of a ticket, eligible or not: the draw gives each a
// place, and publication drops who may not have it.
func (f *fix) members(rank int) []int64 {
	e := &f.d.order[rank-1]
	people := make([]int64, e.Size)
	for i, m := range e.Members[:e.Size] {
		people[i] = f.d.people[m]
	}
	return people
}

// giveAndKeep gives those who should have had a place, or a better one, one
// that is free or of the reserve, in ticket order; who finds none and has none
// is first in line. Nobody loses what she has.
func (f *fix) giveAndKeep(ctx context.Context, tx *data.Tx, c *cohort.Campaign, o *cohort.Cohort, row data.CohortRow, e *CorrectionEntry) error {
	ranks := make([]int, len(f.tickets))
	for i, t := range f.tickets {
		ranks[i] = t.is.Rank
	}
	states, err := tx.TicketStates(ctx, row.ID, ranks)
	if err != nil {
		return err
	}
	seats, err := readSeats(ctx, tx, c, o, row.ID)
	if err != nil {
		return err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	told := map[string][]int64{}
	for _, t := range f.tickets {
		s := states[t.is.Rank]
		if s == nil || len(s.People) == 0 {
			continue
		}
		held := 0
		if len(s.Places) > 0 { // who gave her own place of a party's back stays without
			held = s.Places[0].Choice
			s.People = slices.DeleteFunc(s.People, func(person int64) bool {
				return !slices.ContainsFunc(s.Places, func(a data.AssignmentRow) bool { return a.Person == person })
			})
		}
		switch {
		case held > 0 && (t.is.Choice == 0 || t.is.Choice > held):
			e.Kept++
			told["kept"] = append(told["kept"], s.People...)
			continue
		case t.is.Choice == 0, held > 0 && t.is.Choice == held, held == 0 && s.Ended != "" && t.was.Choice > 0 && t.is.Choice >= t.was.Choice, gaveUp(s):
			continue // equally good, or what she was given and gave back, or left of her own
		}
		list, err := f.choice(ctx, tx, seats, row, s.People[0], t.is.Choice)
		if err != nil {
			return err
		}
		p, ok := seats.find(list, t.is.Choice, len(s.People), freeSeats, keptSeats)
		switch {
		case ok:
			e.Seated++
			told["gained"] = append(told["gained"], s.People...)
			if err = f.give(ctx, tx, seats, row, s, p, now.Add(c.Rules.MinAnswer).Before(row.ConfirmBy)); err == nil && row.State == cohort.Settled {
				err = tx.DropWeights(ctx, row.Campaign, row.ID, s.People)
			}
		case held > 0:
			e.Kept++
			told["kept"] = append(told["kept"], s.People...)
		case row.State == cohort.Published:
			e.First++
			told["first"] = append(told["first"], s.People...)
			err = tx.Wait(ctx, row.ID, t.is.Rank, true)
		}
		if err != nil {
			return err
		}
	}
	for _, change := range []string{"gained", "first", "kept"} {
		if err := tx.TellPeople(ctx, data.Message{
			Campaign: row.Campaign, Event: fmt.Sprintf("correction/%d/%d", row.ID, e.Number), Kind: "correction",
			Params: map[string]any{"cohort": row.ID, "change": change},
		}, told[change]); err != nil {
			return err
		}
	}
	return nil
}

// gaveUp says whether a ticket has left the waitlist of its own.
func gaveUp(s *data.TicketState) bool {
	return s.Waiting == "off" && slices.Contains([]string{"asked", "ineligible", "vaccinated"}, s.Why)
}

// choice lists the slots of a ticket's choice, by its position in the shelf.
func (f *fix) choice(ctx context.Context, tx *data.Tx, seats *seatsFor, row data.CohortRow, person int64, n int) ([]int32, error) {
	b, err := tx.Ballot(ctx, row.Campaign, person)
	if err != nil {
		return nil, err
	}
	choices, err := seats.shelf.choices(b.Bytes)
	if err != nil || n > len(choices) {
		return nil, fmt.Errorf("ballot of person %d: choice %d: %w", person, n, err)
	}
	return choices[n-1], nil
}

// give seats a ticket in a place that was found. Who had accepted another need
// not accept again, nor does who has no time left for it.
func (f *fix) give(ctx context.Context, tx *data.Tx, seats *seatsFor, row data.CohortRow, s *data.TicketState, p found, mayAccept bool) error {
	state := "confirmed"
	var ends []int64
	for _, a := range s.Places {
		ends = append(ends, a.ID)
	}
	if mayAccept && !slices.ContainsFunc(s.Places, func(a data.AssignmentRow) bool { return a.State == "confirmed" }) {
		state = "assigned"
	}
	if err := tx.EndPlaces(ctx, ends); err != nil {
		return err
	}
	if err := seats.take(ctx, tx, p, len(s.People)); err != nil {
		return err
	}
	for _, person := range s.People {
		if err := tx.GivePlace(ctx, data.GivenPlace{
			Campaign: row.Campaign, Cohort: row.ID, Person: person, Rank: s.Rank, Slot: p.slot, Second: p.second, Choice: p.choice, Origin: "correction", State: state,
		}); err != nil {
			return err
		}
	}
	return tx.Seated(ctx, row.ID, s.Rank)
}

// tell puts the correction on the board and the audit trail, and mails it.
func (f *fix) tell(ctx context.Context, tx *data.Tx, row data.CohortRow, e CorrectionEntry, cutoffs lottery.Hash, by data.Actor) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, row.Campaign, row.ID, "correction", body); err != nil {
		return err
	}
	if err := tellStep(ctx, tx, row, e.DrawID, "correction", fmt.Sprintf("correction/%d/%d", row.ID, e.Number), map[string]any{
		"number": e.Number, "reason": e.Reason, "cutoffs": cutoffs.String(),
	}); err != nil {
		return err
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: row.Campaign, Actor: by, Act: "draw.correct", Subject: fmt.Sprintf("cohort:%d", row.ID), Reason: e.Reason,
		Before: e.Before, After: map[string]any{
			"number": e.Number, "files": e.Files, "outcome_root": e.Root, "tickets": e.Tickets, "seated": e.Seated, "first": e.First, "kept": e.Kept,
		},
	})
}
