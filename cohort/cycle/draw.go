package cycle

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// computed is a draw in memory: everything that follows from the frozen
// ballots and the recorded randomness. The same inputs give the same bytes,
// whenever and wherever it is computed.
type computed struct {
	row      data.CohortRow
	draw     data.DrawRow
	manifest lottery.Manifest
	k        [32]byte
	slots    []data.SlotRow // of the draw, in supply order
	shelf    *shelf
	people   []int64           // by leaf index; 0 for leaf 0
	poolOf   map[int]string    // by leaf index, as it was frozen; only who is of one
	names    []string          // of the pools, "" first
	pools    []uint16          // by leaf index; nil without pools
	public   map[uint16][]byte // files of public contributions, by their sources' indices
	leaves   []byte
	revealed []lottery.Revealed
	order    []lottery.Entity
	layout   *lottery.Layout // the tickets
	places   *lottery.Places
	outcomes []lottery.Outcome
	ballots  []byte // ballots.bin, for auditors
	bundle   lottery.Bundle
	claims   lottery.Claims
}

// auditedLeaves is up to how many leaves the program audits its own draw as a
// sworn auditor does, by the reference allocation, before it publishes. A
// larger one is held against its ballots, commitments and cut-offs.
const auditedLeaves = 20_000

// draw computes a frozen cohort's draw outside a transaction, verifies its
// bundle, and writes it in one that looks at the state again. The caller holds
// the cohort's draw lock. Killed at any moment, it starts again from the frozen
// state.
func (r *Runner) draw(ctx context.Context, c *cohort.Campaign, row data.CohortRow) error {
	o := c.CohortByKey(row.Key)
	if o == nil {
		return fmt.Errorf("cohort %s is not in the campaign file", row.Key)
	}
	if err := Supported(c, o); err != nil {
		return err
	}
	var d *computed
	err := r.DB.ReadTx(ctx, func(tx *data.Tx) error {
		now, err := tx.Cohort(ctx, row.ID)
		if err != nil || now.State != cohort.Frozen { // drawn in the meantime
			return err
		}
		d, err = compute(ctx, tx, o, row.ID)
		return err
	})
	if err != nil || d == nil {
		return err
	}
	debug.FreeOSMemory()
	if err := d.finish(); err != nil {
		return err
	}
	debug.FreeOSMemory()
	if err := r.verifyOwn(d, c, o); err != nil {
		return err
	}
	// A nation's draw is a few large lists. What one part of the work leaves is given back before the next, so that
	// the most memory is that of one part, and not of what was left lying about.
	d.layout, d.outcomes, d.ballots, d.leaves, d.bundle.Leaves = nil, nil, nil, nil, nil
	debug.FreeOSMemory()
	return r.DB.Tx(ctx, func(tx *data.Tx) error { return r.write(ctx, tx, c, d) })
}

// compute reads the frozen draw, checks that it is what was frozen, and gives
// everyone her ticket and her place.
func compute(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID int) (*computed, error) {
	return computeFor(ctx, tx, o, cohortID, auditedLeaves)
}

// computeFor is compute that keeps the ballots of a draw of up to so many
// leaves.
func computeFor(ctx context.Context, tx *data.Tx, o *cohort.Cohort, cohortID, keep int) (*computed, error) {
	d, err := readFrozen(ctx, tx, cohortID)
	if err != nil {
		return nil, err
	}
	if err := d.readPools(poolNames(o)); err != nil {
		return nil, err
	}
	reveals, err := revealsOf(ctx, tx, cohortID, d.manifest)
	if err != nil {
		return nil, err
	}
	if !reveals.Complete() {
		return nil, refuse("draw %s: not all of its randomness is recorded", d.draw.DrawID)
	}
	d.revealed = reveals.Revealed()
	board, err := entriesOf(ctx, tx, d.row)
	if err != nil {
		return nil, err
	}
	if err := d.onRecord(board, reveals.Recorded); err != nil {
		return nil, err
	}
	if d.public, err = publicFiles(ctx, tx, cohortID, d.manifest); err != nil {
		return nil, err
	}
	for i, s := range d.manifest.Sources {
		if err := s.CheckRevealed(d.draw.DrawID, d.revealed[i], d.public[s.Index]); err != nil {
			return nil, unsound("draw %s: source %d: %v", d.draw.DrawID, i, err)
		}
	}
	root := lottery.Hash(d.draw.Root)
	seed := lottery.Seed(uint64(d.draw.Leaves), root, d.revealed)
	key := lottery.TicketKey(seed, d.manifest.Stream)
	d.claims = lottery.Claims{Size: uint64(d.draw.Leaves), Root: root, Seed: seed, TicketKey: key, Sample: d.manifest.Sample}
	if d.order, err = lottery.Order(d.leaves, key); err != nil {
		return nil, fmt.Errorf("draw %s: %w", d.draw.DrawID, err)
	}
	if err := d.readBallots(ctx, tx, o, len(d.people) <= keep); err != nil {
		return nil, err
	}
	return d, nil
}

// readFrozen reads leaves and supply, and holds them against the root and the
// hashes that were frozen: whoever changed a row since is found out here.
func readFrozen(ctx context.Context, tx *data.Tx, cohortID int) (*computed, error) {
	d := &computed{}
	var err error
	if d.row, err = tx.Cohort(ctx, cohortID); err != nil {
		return nil, err
	}
	if d.draw, err = tx.Draw(ctx, cohortID); err != nil {
		return nil, err
	}
	if d.draw.FrozenAt == nil {
		return nil, refuse("draw %s is not frozen yet", d.draw.DrawID)
	}
	if d.k, err = tx.DrawKey(ctx, cohortID); err != nil {
		return nil, err
	}
	if lottery.KCommit(d.draw.DrawID, d.k) != lottery.Hash(d.draw.KCommit) {
		return nil, unsound("draw %s: its secret key is not that of the announced k_commit", d.draw.DrawID)
	}
	if d.manifest, err = lottery.ParseManifest(d.draw.Manifest); err != nil {
		return nil, fmt.Errorf("draw %s: %w", d.draw.DrawID, err)
	}
	if d.slots, err = drawnSlots(ctx, tx, cohortID); err != nil {
		return nil, err
	}
	if d.shelf, err = newShelf(d.slots); err != nil {
		return nil, err
	}
	if err := d.sameSupply(); err != nil {
		return nil, err
	}
	// In the order that was frozen: the root then says that they are what was checked at the freeze.
	first := lottery.FirstLeaf(lottery.ManifestHash(d.draw.Manifest), lottery.SupplyHash(d.draw.Supply))
	d.leaves = append(make([]byte, 0, d.draw.Leaves*lottery.LeafSize), first[:]...)
	d.people = make([]int64, 1, d.draw.Leaves)
	err = tx.EachLeaf(ctx, cohortID, func(position int, l *data.LeafRow) error {
		if position != len(d.people) {
			return unsound("draw %s: leaf %d is missing", d.draw.DrawID, len(d.people))
		}
		d.people = append(d.people, l.Person)
		if l.Pool != "" {
			if d.poolOf == nil {
				d.poolOf = make(map[int]string)
			}
			d.poolOf[position] = l.Pool
		}
		leaf := lottery.Leaf{PID: l.PID, GID: l.GID, Weight: uint16(l.Weight), Commit: l.Commit}.Bytes()
		d.leaves = append(d.leaves, leaf[:]...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if root := lottery.Root(d.leaves); len(d.people) != d.draw.Leaves || root != lottery.Hash(d.draw.Root) {
		return nil, unsound("draw %s: the leaves are not those that were frozen: %d with root %s, frozen were %d with root %x",
			d.draw.DrawID, len(d.people), root, d.draw.Leaves, d.draw.Root)
	}
	return d, nil
}

// drawnSlots are the slots that a draw has, in supply order.
func drawnSlots(ctx context.Context, tx *data.Tx, cohortID int) (slots []data.SlotRow, err error) {
	all, err := tx.Slots(ctx, cohortID)
	for _, s := range all {
		if s.Position != nil && s.Drawn != nil {
			slots = append(slots, s)
		}
	}
	return slots, err
}

// sameSupply holds the slots of the database against supply.json. Where they
// do not give its bytes again, ids and seats decide: what else a slot says may
// have changed since the draw.
func (d *computed) sameSupply() error {
	if again, err := supplyBytes(d.slots, func(s *data.SlotRow) int { return *s.Drawn }); err == nil && bytes.Equal(again, d.draw.Supply) {
		return nil
	}
	file, err := lottery.ParseSupply(d.draw.Supply)
	if err != nil {
		return fmt.Errorf("draw %s: %w", d.draw.DrawID, err)
	}
	if len(file) != len(d.slots) {
		return unsound("draw %s: %d slots, supply.json has %d", d.draw.DrawID, len(d.slots), len(file))
	}
	for x, s := range file {
		if s.ID != d.shelf.ids[x] || s.Seats != d.shelf.slots[x].Seats {
			return unsound("draw %s: slot %d of the supply is %s with %d seats, supply.json has %s with %d",
				d.draw.DrawID, x, d.shelf.ids[x], d.shelf.slots[x].Seats, s.ID, s.Seats)
		}
	}
	return nil
}

// readBallots opens every frozen ballot, checks it against its commitment and
// its person's pid, puts its choices at its ticket, and gives places.
func (d *computed) readBallots(ctx context.Context, tx *data.Tx, o *cohort.Cohort, keep bool) error {
	rule := seating(o.Seating)
	var err error
	if d.layout, err = lottery.NewLayout(d.shelf.slots, d.names); err != nil {
		return fmt.Errorf("draw %s: %w", d.draw.DrawID, err)
	}
	d.layout.Extend(len(d.order))
	in := newWishes(d.shelf, d.layout)
	ranks := lottery.RankByLeaf(d.order, len(d.people))
	leafOf := newIndex(d.people)
	parties := map[uint32][]lottery.Code{} // by rank
	opened := make([]bool, len(d.people))
	var kept []openedBallot
	if keep {
		kept = make([]openedBallot, len(d.people))
	}
	read := 0
	err = tx.EachFrozenBallot(ctx, d.row, func(b *data.FrozenBallot) error {
		at := leafOf.find(b.Person)
		if at == 0 {
			return nil // not admitted
		}
		choices, err := d.open(in, at, b)
		if err != nil {
			return unsound("draw %s: the ballot of leaf %d %w", d.draw.DrawID, at, err)
		}
		opened[at] = true
		read++
		if keep {
			kept[at] = openedBallot{[32]byte(b.Salt), slices.Clone(b.Bytes)}
		}
		rank := ranks[at]
		e := &d.order[rank-1]
		if e.Size > 1 {
			if wish, ok := parties[rank]; ok {
				if !slices.Equal(wish, choices) {
					return unsound("draw %s: leaf %d: its party asked for something else", d.draw.DrawID, at)
				}
				return nil
			}
			parties[rank] = slices.Clone(choices)
		}
		start := uint64(0)
		if rule == lottery.Fixed {
			start = binary.BigEndian.Uint64(e.Ticket[24:])
		}
		return d.layout.Set(int(rank-1), e.Size, doses(o), poolOf(e, d.pools), start, choices...)
	})
	if err != nil {
		return err
	}
	if read != len(d.people)-1 {
		return unsound("draw %s: the ballot of leaf %d is gone", d.draw.DrawID, 1+slices.Index(opened[1:], false))
	}
	if keep {
		d.ballots = []byte{}
		for _, b := range kept[1:] {
			d.ballots = lottery.AppendBallot(d.ballots, b.salt, b.bytes)
		}
	}
	if d.places, err = d.layout.Serve(rule); err != nil {
		return fmt.Errorf("draw %s: %w", d.draw.DrawID, err)
	}
	return nil
}

// openedBallot is a record of ballots.bin.
type openedBallot struct {
	salt  [32]byte
	bytes []byte
}

// errOther is wrapped where a ballot is not the one that was frozen.
var errOther = errors.New("is not the one that was frozen")

// open checks a ballot against its leaf and gives its choices.
func (d *computed) open(in *wishes, at uint32, b *data.FrozenBallot) ([]lottery.Code, error) {
	leaf, err := lottery.ParseLeaf(d.leaves[int(at)*lottery.LeafSize:][:lottery.LeafSize])
	if err != nil {
		return nil, err
	}
	if len(b.Salt) != 32 || lottery.BallotCommit([32]byte(b.Salt), b.Bytes) != leaf.Commit {
		return nil, errOther
	}
	person, choices, err := in.read(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if lottery.PID(d.k, d.draw.DrawID, string(person)) != leaf.PID {
		return nil, errors.New("names another person")
	}
	return choices, nil
}

// finish makes the files of the bundle.
func (d *computed) finish() error {
	d.outcomes = make([]lottery.Outcome, len(d.order))
	for i := range d.outcomes {
		d.outcomes[i] = lottery.Outcome{
			Choice: uint8(d.places.Choice[i]), Slot: uint32(d.places.Slot[i] + 1), Second: uint32(d.places.Second[i] + 1),
		}
	}
	root, err := lottery.OutcomeRoot(d.k, d.order, d.outcomes)
	if err != nil {
		return err
	}
	entropy, err := lottery.MarshalEntropy(d.revealed)
	if err != nil {
		return err
	}
	cutoffs, err := lottery.MarshalCutOffs(d.publicCutOffs(d.places.CutOffs))
	if err != nil {
		return err
	}
	d.claims.OutcomeRoot = root
	d.claims.CutOffs, d.claims.Excluded = lottery.FileHash(cutoffs), lottery.FileHash(d.draw.Excluded)
	d.claims.Counts = lottery.Count(d.order, d.outcomes)
	claims, err := d.claims.Marshal()
	if err != nil {
		return err
	}
	d.bundle = lottery.Bundle{
		Manifest: d.draw.Manifest, Supply: d.draw.Supply, Leaves: d.leaves, Checkpoint: signedOnly(d.manifest, d.draw.Checkpoint),
		Entropy: entropy, Order: lottery.OrderBytes(d.order), CutOffs: cutoffs, Excluded: d.draw.Excluded, Claims: claims, Public: d.public,
	}
	return nil
}

// signedOnly leaves a checkpoint without a signature out of the bundle: it is
// no note, and stands on the board.
func signedOnly(m lottery.Manifest, checkpoint []byte) []byte {
	if m.OperatorKey == "" {
		return nil
	}
	return checkpoint
}

func (d *computed) publicCutOffs(list []lottery.CutOff) []lottery.PublicCutOff {
	out := make([]lottery.PublicCutOff, len(list))
	for i, c := range list {
		out[i] = lottery.PublicCutOff{
			Slot: d.shelf.ids[c.Slot], Size: uint64(c.Class.Size), Doses: uint64(c.Class.Doses), Pool: d.names[c.Class.Pool], Rank: uint64(c.Rank),
		}
	}
	return out
}

// DrawEntry is what the board says of a draw.
type DrawEntry struct {
	DrawID      string          `json:"draw_id"`
	Sample      bool            `json:"sample"`
	Seed        lottery.Hash    `json:"seed"`
	Claims      lottery.Hash    `json:"claims"`  // H of claims.json
	Order       lottery.Hash    `json:"order"`   // H of order.bin
	Entropy     lottery.Hash    `json:"entropy"` // H of entropy.json
	CutOffs     lottery.Hash    `json:"cutoffs"` // H of cutoffs.json
	OutcomeRoot lottery.Hash    `json:"outcome_root"`
	Counts      *lottery.Counts `json:"counts"`
}

// write writes a verified draw: tickets, places, waitlist, cut-offs, files, and
// the cohort's next state, in one transaction.
func (r *Runner) write(ctx context.Context, tx *data.Tx, c *cohort.Campaign, d *computed) error {
	id := d.row.ID
	row, err := tx.LockCohort(ctx, id)
	if err != nil {
		return err
	}
	if row.State != cohort.Frozen {
		return &data.WrongState{Cohort: id, Want: cohort.Frozen}
	}
	if err := d.writeRows(ctx, tx); err != nil {
		return err
	}
	if err := tx.FinishDraw(ctx, data.DoneDraw{
		Cohort: id, Entropy: d.bundle.Entropy, Seed: d.claims.Seed, OutcomeRoot: d.claims.OutcomeRoot, Claims: d.bundle.Claims, CutOffs: d.bundle.CutOffs,
	}); err != nil {
		return err
	}
	if err := tx.SetState(ctx, id, cohort.Frozen, cohort.Drawn); err != nil {
		return err
	}
	body, err := json.Marshal(DrawEntry{
		DrawID: d.draw.DrawID, Sample: d.manifest.Sample, Seed: d.claims.Seed, Claims: lottery.FileHash(d.bundle.Claims),
		Order: lottery.FileHash(d.bundle.Order), Entropy: lottery.FileHash(d.bundle.Entropy), CutOffs: d.claims.CutOffs,
		OutcomeRoot: d.claims.OutcomeRoot, Counts: d.claims.Counts,
	})
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, row.Campaign, id, "draw", body); err != nil {
		return err
	}
	s := situation{campaign: c, row: row, drawID: d.draw.DrawID}
	if err := r.tellOfficials(ctx, tx, s, "drawn", fmt.Sprintf("drawn/%d", id), map[string]any{"seed": d.claims.Seed.String()}); err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Drawn, map[string]any{
		"seed": d.claims.Seed, "claims": lottery.FileHash(d.bundle.Claims), "outcome_root": d.claims.OutcomeRoot, "counts": d.claims.Counts,
	})
}

func (d *computed) writeRows(ctx context.Context, tx *data.Tx) error {
	id := d.row.ID
	slot := func(x int32) int64 {
		if x == lottery.None {
			return 0
		}
		return d.shelf.rowIDs[x]
	}
	i := -1
	if err := tx.CopyTickets(ctx, id, func() (data.TicketRow, bool) {
		i++
		if i == len(d.order) {
			return data.TicketRow{}, false
		}
		e := &d.order[i]
		return data.TicketRow{
			Rank: i + 1, Entity: e.ID, Size: int(e.Size), Weight: int(e.Weight), Pool: d.names[poolOf(e, d.pools)], Ticket: e.Ticket,
			Choice: int(d.places.Choice[i]), Slot: slot(d.places.Slot[i]), Second: slot(d.places.Second[i]),
		}, true
	}); err != nil {
		return err
	}
	all := d.members(func(int) bool { return true })
	if err := tx.CopyMembers(ctx, id, func() (int64, int, bool) {
		person, rank := all()
		return person, rank, rank > 0
	}); err != nil {
		return err
	}
	placed := d.members(func(i int) bool { return d.places.Choice[i] != 0 })
	if err := tx.CopyPlaces(ctx, d.row.Campaign, id, func() (data.PlaceRow, bool) {
		person, rank := placed()
		if rank == 0 {
			return data.PlaceRow{}, false
		}
		return data.PlaceRow{
			Person: person, Rank: rank, Slot: slot(d.places.Slot[rank-1]), Second: slot(d.places.Second[rank-1]), Choice: int(d.places.Choice[rank-1]),
		}, true
	}); err != nil {
		return err
	}
	i = -1
	if err := tx.CopyWaiting(ctx, id, func() (int, bool) {
		for i++; i < len(d.order); i++ {
			if d.places.Choice[i] == 0 {
				return i + 1, true
			}
		}
		return 0, false
	}); err != nil {
		return err
	}
	i = -1
	cuts := d.cutOffRows()
	return tx.CopyCutOffs(ctx, id, func() (data.CutOffRow, bool) {
		if i++; i == len(cuts) {
			return data.CutOffRow{}, false
		}
		return cuts[i], true
	})
}

// cutOffRows are the cut-offs as the database keeps them.
func (d *computed) cutOffRows() []data.CutOffRow {
	rows := make([]data.CutOffRow, len(d.places.CutOffs))
	for i, c := range d.places.CutOffs {
		rows[i] = data.CutOffRow{
			Slot: d.shelf.rowIDs[c.Slot], Size: int(c.Class.Size), Doses: int(c.Class.Doses), Pool: d.names[c.Class.Pool], Rank: int(c.Rank),
		}
	}
	return rows
}

// members walks through the people of the tickets that take says yes to, in
// ticket order; it answers rank 0 after the last.
func (d *computed) members(take func(i int) bool) func() (person int64, rank int) {
	i, m := 0, 0
	return func() (int64, int) {
		for ; i < len(d.order); i, m = i+1, 0 {
			if !take(i) {
				continue
			}
			if m < int(d.order[i].Size) {
				m++
				return d.people[d.order[i].Members[m-1]], i + 1
			}
		}
		return 0, 0
	}
}

// errOwnBundle is wrapped where the program's own bundle does not verify.
var errOwnBundle = errors.New("the draw's own bundle does not hold; nothing was written")
