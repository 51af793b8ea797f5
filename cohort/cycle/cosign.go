package cycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"jebi/data"
	"jebi/lottery"
)

// minWitnesses is how few witnesses a draw that is no sample may need.
const minWitnesses = 2

// witnessed says when enough of the announced witnesses had cosigned. A sample
// that asks for none is taken as witnessed at the time zero.
func witnessed(m lottery.Manifest, checkpoint []byte) (time.Time, error) {
	if m.Sample && m.MinWitnesses == 0 {
		return time.Time{}, nil
	}
	at, err := m.CheckCosigned(checkpoint)
	if err != nil {
		return at, err
	}
	if !m.Sample && at.Before(m.Deadlines.Closes) {
		return at, fmt.Errorf("the witnessed time %s is before the close", at.Format(time.RFC3339))
	}
	return at, nil
}

// CosignEntry is what the board says when cosignatures came in.
type CosignEntry struct {
	DrawID     string    `json:"draw_id"`
	Sample     bool      `json:"sample"`
	Witnesses  []string  `json:"witnesses"` // whose cosignatures are new
	Enough     bool      `json:"enough"`    // as many as min_witnesses
	Witnessed  time.Time `json:"witnessed"` // with which there were enough; zero before
	Checkpoint string    `json:"checkpoint"`
}

// Cosign adds the cosignatures that a note holds to a frozen draw's
// checkpoint: those of announced witnesses that verify; any other line is an
// error. A witness has checked the frozen bundle before.
func Cosign(ctx context.Context, tx *data.Tx, campaignID int, key string, signed []byte, by data.Actor) (CosignEntry, error) {
	r, err := frozenDraw(ctx, tx, campaignID, key)
	if err != nil {
		return CosignEntry{}, err
	}
	e := CosignEntry{DrawID: r.draw.DrawID, Sample: r.sample, Witnesses: []string{}}
	if len(r.reveals.Recorded) > 0 || len(r.reveals.HandedIn) > 0 {
		return e, refuse("draw %s: randomness is recorded; a checkpoint is cosigned before", r.draw.DrawID)
	}
	if len(r.manifest.Witnesses) == 0 {
		return e, refuse("draw %s announced no witnesses", r.draw.DrawID)
	}
	lines, names, err := newCosignatures(r.manifest, r.draw.Checkpoint, signed)
	if err != nil {
		return e, refuse("draw %s: %v", r.draw.DrawID, err)
	}
	if len(lines) == 0 {
		return e, refuse("draw %s: the note has no cosignature that is new", r.draw.DrawID)
	}
	checkpoint := append(bytes.Clone(r.draw.Checkpoint), lines...)
	e.Witnesses, e.Checkpoint = names, string(checkpoint)
	if at, err := witnessed(r.manifest, checkpoint); err == nil {
		e.Enough, e.Witnessed = true, at
	}
	if err := tx.SetCheckpoint(ctx, r.row.ID, checkpoint); err != nil {
		return e, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return e, err
	}
	if _, err := tx.Post(ctx, r.row.Campaign, r.row.ID, "cosignature", body); err != nil {
		return e, err
	}
	if err := tellStep(ctx, tx, r.row, e.DrawID, "cosigned", fmt.Sprintf("cosigned/%d/%s", r.row.ID, lottery.FileHash(checkpoint)), map[string]any{
		"names": strings.Join(names, ", "), "checkpoint": e.Checkpoint,
	}); err != nil {
		return e, err
	}
	return e, r.audit(ctx, tx, "draw.cosign", "", by, map[string]any{"witnesses": names, "enough": e.Enough})
}

// newCosignatures takes the lines of a note that the checkpoint does not have
// yet. Each must be that of an announced witness, verify alone, and be her
// first.
func newCosignatures(m lottery.Manifest, checkpoint, signed []byte) (lines []byte, names []string, err error) {
	head := noteHead(checkpoint)
	if head == "" || noteHead(signed) != head {
		return nil, nil, errors.New("the note is not over the frozen checkpoint")
	}
	var have []string
	for l := range strings.SplitSeq(string(checkpoint[len(head):]), "\n") {
		have = append(have, l)
	}
	all := bytes.Clone(checkpoint)
	for l := range strings.SplitSeq(string(signed[len(head):]), "\n") {
		if slices.Contains(have, l) {
			continue
		}
		i := slices.IndexFunc(m.Witnesses, func(w string) bool {
			_, ok, err := lottery.CosignedBy([]byte(head+l+"\n"), w)
			return ok && err == nil
		})
		if i < 0 {
			return nil, nil, fmt.Errorf("the line %.60q is no announced witness's cosignature of this checkpoint", l)
		}
		name, _, _ := strings.Cut(m.Witnesses[i], "+")
		if _, already, err := lottery.CosignedBy(all, m.Witnesses[i]); already || err != nil {
			return nil, nil, fmt.Errorf("%s has cosigned already", name)
		}
		lines = append(append(lines, l...), '\n')
		all = append(append(all, l...), '\n')
		names = append(names, name)
	}
	return lines, names, nil
}

// noteHead is the text of a signed note with the empty line after it.
func noteHead(signed []byte) string {
	i := bytes.LastIndex(signed, []byte("\n\n"))
	if i < 0 {
		return ""
	}
	return string(signed[:i+2])
}

// WriteFrozen writes what a witness checks before she cosigns, and a trustee
// before she reveals: manifest, supply, leaves, exclusions and checkpoint of a
// frozen draw. All of it is public.
func WriteFrozen(ctx context.Context, db *data.DB, cohortID int, dir string) error {
	var b lottery.Bundle
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		d, err := readFrozen(ctx, tx, cohortID)
		if err != nil {
			return err
		}
		b = lottery.Bundle{
			Manifest: d.draw.Manifest, Supply: d.draw.Supply, Leaves: d.leaves, Excluded: d.draw.Excluded,
			Checkpoint: signedOnly(d.manifest, d.draw.Checkpoint),
		}
		return nil
	})
	if err != nil {
		return err
	}
	return lottery.WriteBundle(dir, b)
}
