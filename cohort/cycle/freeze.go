package cycle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// The reasons for which a ballot is not admitted, as excluded.json names them.
const (
	reasonWithdrawn  = "withdrawn"
	reasonIneligible = "ineligible"
)

// freeze fixes the ballots that count: leaves, supply, exclusions, root and
// checkpoint. After it nothing enters.
func (r *Runner) freeze(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Lock(ctx, data.LockWindow, s.row.ID); err != nil {
		return err
	}
	d, err := tx.Draw(ctx, s.row.ID)
	if err != nil {
		return err
	}
	k, err := tx.DrawKey(ctx, s.row.ID)
	if err != nil {
		return err
	}
	if lottery.KCommit(d.DrawID, k) != lottery.Hash(d.KCommit) {
		return fmt.Errorf("draw %s: its secret key is not the one that was announced", d.DrawID)
	}
	if err := freezePairs(ctx, tx, s); err != nil {
		return err
	}
	if err := keepReserve(ctx, tx, s); err != nil {
		return err
	}
	if err := fixReserves(ctx, tx, s.cohort, s.row.ID); err != nil {
		return err
	}
	supply, err := supplyFile(ctx, tx, s.row.ID)
	if err != nil {
		return err
	}
	ballots, excluded, err := admitted(ctx, tx, s, d.DrawID, k)
	if err != nil {
		return err
	}
	leaves := make([]lottery.Leaf, len(ballots))
	for i, b := range ballots {
		leaves[i] = lottery.Leaf{PID: b.PID, GID: b.GID, Weight: uint16(b.Weight), Commit: b.Commit}
	}
	bin, err := lottery.Leaves(lottery.ManifestHash(d.Manifest), lottery.SupplyHash(supply), leaves)
	if err != nil {
		return fmt.Errorf("draw %s: %w", d.DrawID, err)
	}
	root := lottery.Root(bin)
	out, err := lottery.NewExcluded(excluded).Marshal()
	if err != nil {
		return err
	}
	saves, err := saveLog(ctx, tx, d, k, nil)
	if err != nil {
		return err
	}
	checkpoint, err := r.checkpoint(d, len(leaves)+1, root, out, saves)
	if err != nil {
		return err
	}
	if err := tx.CopyLeaves(ctx, s.row.ID, len(ballots), func(i int) data.LeafRow { return ballots[i] }); err != nil {
		return err
	}
	if err := tx.FreezeDraw(ctx, data.FrozenDraw{
		Cohort: s.row.ID, Supply: supply, Excluded: out, Leaves: len(leaves) + 1, Root: root, Checkpoint: checkpoint,
	}); err != nil {
		return err
	}
	if err := r.flagUnsigned(ctx, tx, s); err != nil {
		return err
	}
	if _, err := tx.Post(ctx, s.row.Campaign, s.row.ID, "checkpoint", checkpoint); err != nil {
		return err
	}
	if err := tx.SetState(ctx, s.row.ID, cohort.Closed, cohort.Frozen); err != nil {
		return err
	}
	if err := r.tellOfficials(ctx, tx, s, "frozen", fmt.Sprintf("frozen/%d", s.row.ID), map[string]any{
		"root": root.String(), "ballots": len(leaves), "checkpoint": string(checkpoint),
	}); err != nil {
		return err
	}
	return r.auditState(ctx, tx, s, cohort.Frozen, map[string]any{"root": root, "ballots": len(leaves), "excluded": len(excluded)})
}

// flagUnsigned names ballots that no sign-in stands behind, before they are
// frozen with the others: officials look into them.
func (r *Runner) flagUnsigned(ctx context.Context, tx *data.Tx, s situation) error {
	n, first, err := tx.BallotsWithoutSignIn(ctx, s.row.ID)
	if err != nil || n == 0 {
		return err
	}
	if err := tx.Audit(ctx, data.AuditRow{
		Campaign: s.row.Campaign, Actor: data.System, Act: "ballot.without_sign_in", Subject: fmt.Sprintf("cohort:%d", s.row.ID),
		After: map[string]any{"ballots": n, "first_people": first},
	}); err != nil {
		return err
	}
	r.log().Warn("ballots without a sign-in", "cohort", s.row.Key, "ballots", n)
	return r.tellOfficials(ctx, tx, s, "without_sign_in", fmt.Sprintf("without_sign_in/%d", s.row.ID), map[string]any{"count": n})
}

// checkpoint is the note over the root: signed where the manifest announces an
// operator's key, else its text alone.
func (r *Runner) checkpoint(d data.DrawRow, size int, root lottery.Hash, excluded, saves []byte) ([]byte, error) {
	m, err := lottery.ParseManifest(d.Manifest)
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", d.DrawID, err)
	}
	c := lottery.Checkpoint{
		Origin: m.Origin(), Size: uint64(size), Root: root, Excluded: lottery.FileHash(excluded),
		Saves: uint64(len(saves) / lottery.SaveEntrySize), SavesRoot: lottery.RootOf(saves, lottery.SaveEntrySize, runtime.GOMAXPROCS(0)), Sample: m.Sample,
	}
	if m.OperatorKey == "" {
		return []byte(c.Text()), nil
	}
	if r.Operator == nil || r.Operator.Public() != m.OperatorKey {
		return nil, fmt.Errorf("draw %s: this program does not hold the operator's key that was announced", d.DrawID)
	}
	return c.Sign(*r.Operator)
}

// admitted reads the ballots of a closed window, without those of people who
// are not eligible any more or have withdrawn, and puts parties together from
// who is left. Leaves come ascending by pid.
func admitted(ctx context.Context, tx *data.Tx, s situation, drawID string, k [32]byte) ([]data.LeafRow, map[lottery.ID]string, error) {
	type member struct {
		leaf    int // index into leaves
		choices []byte
	}
	var leaves []data.LeafRow
	excluded := map[lottery.ID]string{}
	parties := map[int64][]member{}
	limit := min(s.campaign.Rules.MaxWeight, lottery.MaxWeight)
	err := tx.EachClosedBallot(ctx, s.row.ID, poolNames(s.cohort)[1:], func(b *data.ClosedBallot) error {
		if err := lottery.CheckPersonID(b.Key); err != nil {
			return fmt.Errorf("person %d: %w", b.Person, err)
		}
		pid := lottery.PID(k, drawID, b.Key)
		switch {
		case b.Withdrawn:
			excluded[pid] = reasonWithdrawn
			return nil
		case b.Status != "eligible":
			excluded[pid] = reasonIneligible
			return nil
		}
		if b.Party != 0 {
			choices, err := choicesOf(b.Bytes)
			if err != nil {
				return fmt.Errorf("ballot of person %d: %w", b.Person, err)
			}
			parties[b.Party] = append(parties[b.Party], member{len(leaves), choices})
		}
		leaves = append(leaves, data.LeafRow{
			Person: b.Person, PID: pid, Weight: max(1, min(b.Weight, limit)), Revision: b.Revision, Commit: b.Commit, Pool: b.Pool,
		})
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for party, members := range parties {
		same := true
		pids := make([]lottery.ID, len(members))
		for i, m := range members {
			same = same && bytes.Equal(m.choices, members[0].choices)
			pids[i] = leaves[m.leaf].PID
		}
		switch {
		case len(members) < 2: // the others are not eligible or have withdrawn: she goes on alone
			continue
		case len(members) > lottery.MaxParty || !same:
			// One ticket stands for one wish. Who asked for different things is served alone.
			if err := tx.Audit(ctx, data.AuditRow{
				Campaign: s.row.Campaign, Actor: data.System, Act: "party.split", Subject: fmt.Sprintf("party:%d", party),
				Reason: "its members did not ask for the same", After: map[string]any{"members": len(members)},
			}); err != nil {
				return nil, nil, err
			}
			continue
		}
		gid := lottery.GID(pids)
		for _, m := range members {
			leaves[m.leaf].GID = gid
		}
	}
	slices.SortFunc(leaves, func(a, b data.LeafRow) int { return bytes.Compare(a.PID[:], b.PID[:]) })
	return leaves, excluded, nil
}

// choicesOf is the part of a ballot's bytes that members of a party share.
func choicesOf(ballot []byte) ([]byte, error) {
	b, err := cohort.ParseBallot(ballot)
	if err != nil {
		return nil, err
	}
	return json.Marshal(b.Choices)
}

// supplyFile is supply.json: the draw's slots in supply order, without the
// seats of the reserve.
func supplyFile(ctx context.Context, tx *data.Tx, cohortID int) ([]byte, error) {
	slots, err := tx.Slots(ctx, cohortID)
	if err != nil {
		return nil, err
	}
	return supplyBytes(slots, func(s *data.SlotRow) int { return s.Seats - s.Kept })
}

// supplyBytes writes supply.json with as many seats as seats tells.
func supplyBytes(slots []data.SlotRow, seats func(*data.SlotRow) int) ([]byte, error) {
	names := make(map[int64]string, len(slots))
	for _, s := range slots {
		names[s.ID] = slotName(s)
	}
	list := []lottery.InstanceSlot{}
	for i, s := range slots {
		if s.Position == nil {
			continue // it came after the announcement and is a later release
		}
		if *s.Position != len(list) {
			return nil, fmt.Errorf("slot %d stands at %d of the supply, not at %d", s.ID, len(list), *s.Position)
		}
		out := lottery.InstanceSlot{
			ID: names[s.ID], Clinic: s.ClinicKey, Date: s.Date, Block: s.Block, Vaccine: s.Vaccine, Seats: int32(seats(&slots[i])),
			Party: int32(s.PartySeats), Second: s.Second, Reserve: map[string]int32{},
		}
		for pool, n := range s.Reserve {
			out.Reserve[pool] = int32(n)
		}
		if s.Pair != 0 {
			pair := names[s.Pair]
			out.Pair = &pair
		}
		list = append(list, out)
	}
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Slots []lottery.InstanceSlot `json:"slots"`
	}{list})
	return w.Bytes(), err
}

// slotName is the id of a slot in public files.
func slotName(s data.SlotRow) string {
	name := s.ClinicKey + "/" + s.Date + "/" + s.Block + "/" + s.Vaccine
	if s.Second {
		name += "/2"
	}
	return name
}
