package rehearse

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

// randomness brings together what a draw's seed is made of, in the order that
// leaves nobody a choice: against the cosigned checkpoint trustees sign their
// values, hand in envelopes or are recorded absent; the public's contributions
// are filed; then the last source; then the envelopes are opened. All but
// drand are acts of two. The values are samples, the dice come from the
// rehearsal's seed.
func (r *Rehearsal) randomness(ctx context.Context, g *group) error {
	sealed, err := r.trustees(ctx, g)
	if err != nil {
		return err
	}
	for _, s := range g.announced.Sources {
		switch s.Type {
		case lottery.SourcePublic:
			err = r.contribute(ctx, g, int(s.Index))
		case lottery.SourceDice:
			err = r.throw(ctx, g, s.Digits)
		case lottery.SourceDrand:
			err = r.beacon(ctx, g)
		}
		if err != nil {
			return err
		}
	}
	for _, t := range sealed {
		if err := r.open(ctx, g, t); err != nil {
			return err
		}
	}
	return nil
}

// ceremony says in short who took part in a draw's randomness.
func (r *Rehearsal) ceremony(g *group) string {
	m := g.announced
	text := fmt.Sprintf("%d witnesses", len(m.Witnesses))
	for _, t := range r.Sample.Trustees {
		if t.DrawID == m.DrawID && t.Absent != "" {
			text += fmt.Sprintf(", trustee %d absent", t.Index)
		}
	}
	switch last := m.Sources[len(m.Sources)-1]; last.Type {
	case lottery.SourceDice:
		text += fmt.Sprintf(", %d dice", last.Digits)
	case lottery.SourceDrand:
		text += fmt.Sprintf(", quicknet round %d", last.Rounds[0])
	}
	return text
}

// trustees records each trustee before the last source: her signed note, that
// her envelope is here, or that she is absent. It answers whose envelopes are
// to be opened.
func (r *Rehearsal) trustees(ctx context.Context, g *group) (sealed []Trustee, err error) {
	for _, s := range g.announced.Sources {
		if s.Type != lottery.SourceTrustee {
			continue
		}
		t, err := r.trustee(g.announced.DrawID, s.Index)
		if err != nil {
			return nil, err
		}
		switch {
		case t.Absent != "":
			err = r.envelope(ctx, g, nil, []int{int(t.Index)}, t.Absent)
		case s.Key != "":
			err = r.reveal(ctx, g, t, s)
		default:
			sealed = append(sealed, t)
			err = r.envelope(ctx, g, []int{int(t.Index)}, nil, "handed in at the town hall")
		}
		if err != nil {
			return nil, fmt.Errorf("trustee %d: %w", t.Index, err)
		}
	}
	return sealed, nil
}

func (r *Rehearsal) trustee(draw string, index uint16) (Trustee, error) {
	for _, t := range r.Sample.Trustees {
		if t.DrawID == draw && t.Index == index {
			return t, nil
		}
	}
	return Trustee{}, fmt.Errorf("the sample has no trustee %d of %s", index, draw)
}

func (r *Rehearsal) envelope(ctx context.Context, g *group, here, absent []int, reason string) error {
	params := map[string]any{"cohort": g.rule.Key, "handed_in": here, "absent_ones": absent}
	return r.two(ctx, "draw.envelopes", params, func(tx *data.Tx, by data.Actor) error {
		return cycle.Envelopes(ctx, tx, r.row.ID, g.rule.Key, here, absent, reason, by)
	})
}

// reveal lets a trustee check the frozen draw and its cosignatures, and sign
// her value against it.
func (r *Rehearsal) reveal(ctx context.Context, g *group, t Trustee, s lottery.Source) error {
	note, err := t.sign(r.frozenFolder(g), r.operator.Public(), g.announced, s)
	if err != nil {
		return err
	}
	params := map[string]any{"cohort": g.rule.Key, "trustee": t.Index, "note": note}
	return r.two(ctx, "draw.reveal", params, func(tx *data.Tx, by data.Actor) error {
		return cycle.RevealSigned(ctx, tx, r.row.ID, g.rule.Key, int(t.Index), note, "by mail", by)
	})
}

// sign is what jebi draw trustee reveal does.
func (t Trustee) sign(dir, operator string, m lottery.Manifest, s lottery.Source) (string, error) {
	if err := checkFrozen(dir, operator); err != nil {
		return "", err
	}
	file, err := os.ReadFile(filepath.Join(dir, lottery.FileCheckpoint))
	if err != nil {
		return "", err
	}
	if _, err := m.CheckCosigned(file); err != nil {
		return "", fmt.Errorf("nothing is revealed before the witnesses have cosigned: %w", err)
	}
	checkpoint, err := lottery.ParseCheckpoint(file)
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(s.Key, "+")
	key, err := t.key(name)
	if err != nil {
		return "", err
	}
	return lottery.Reveal{DrawID: m.DrawID, Index: t.Index, Root: checkpoint.Root, Value: t.Value}.Sign(key)
}

func (r *Rehearsal) contribute(ctx context.Context, g *group, index int) error {
	params := map[string]any{"cohort": g.rule.Key, "index": index, "file": r.Sample.Letters}
	return r.two(ctx, "draw.contributions", params, func(tx *data.Tx, by data.Actor) error {
		return cycle.Contributions(ctx, tx, r.row.ID, g.rule.Key, index, r.Sample.Letters, "the box was opened", by)
	})
}

func (r *Rehearsal) throw(ctx context.Context, g *group, digits int) error {
	thrown := throwDice(rand.New(rand.NewPCG(r.Seed, uint64(g.id))), digits)
	return r.two(ctx, "draw.dice", map[string]any{"cohort": g.rule.Key, "digits": thrown}, func(tx *data.Tx, by data.Actor) error {
		return cycle.Dice(ctx, tx, r.row.ID, g.rule.Key, thrown, "rehearsal", by)
	})
}

func throwDice(r *rand.Rand, digits int) string {
	var b strings.Builder
	for range digits {
		b.WriteByte(byte('0' + r.IntN(10)))
	}
	return b.String()
}

// beacon records the round of drand out of the sample's file, as jebi draw
// beacon --file does. Its signature is checked like any other.
func (r *Rehearsal) beacon(ctx context.Context, g *group) error {
	return r.DB.Tx(ctx, func(tx *data.Tx) error {
		round, err := cycle.Round(ctx, tx, r.row.ID, g.rule.Key)
		if err != nil {
			return err
		}
		signature, err := beacon.Parse(r.Sample.Round, round)
		if err != nil {
			return err
		}
		_, err = cycle.Beacon(ctx, tx, r.row.ID, g.rule.Key, round, signature, beacon.Verify, r.officials.operator.Actor())
		return err
	})
}

// open records what an envelope held.
func (r *Rehearsal) open(ctx context.Context, g *group, t Trustee) error {
	params := map[string]any{"cohort": g.rule.Key, "trustee": t.Index, "value": hex.EncodeToString(t.Value[:])}
	return r.two(ctx, "draw.reveal", params, func(tx *data.Tx, by data.Actor) error {
		matched, err := cycle.Reveal(ctx, tx, r.row.ID, g.rule.Key, int(t.Index), t.Value[:], "opened before two witnesses", by)
		if err == nil && !matched {
			err = fmt.Errorf("the envelope of trustee %d does not match its commitment", t.Index)
		}
		return err
	})
}
