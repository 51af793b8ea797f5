package cycle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Unsound says that what the database holds of a draw is not what was frozen,
// recorded or put on the board: the draw does not go on. It names the first
// thing that differs.
type Unsound struct {
	Text string
	err  error
}

func (e *Unsound) Error() string { return e.Text }

// Unwrap is what the text was made of.
func (e *Unsound) Unwrap() error { return e.err }

func unsound(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Unsound{err.Error(), err}
}

// entriesOf are a cohort's entries on the board, by their kind.
func entriesOf(ctx context.Context, tx *data.Tx, row data.CohortRow) (map[string][]data.BoardEntry, error) {
	all, err := tx.Board(ctx, row.Campaign, row.ID)
	if err != nil {
		return nil, err
	}
	by := map[string][]data.BoardEntry{}
	for _, e := range all {
		by[e.Kind] = append(by[e.Kind], e)
	}
	return by, nil
}

// onRecord holds a frozen draw against what the board told of it: manifest,
// root and the recorded sources. Whoever swaps one of them must change the
// board too, which is chained and mailed.
func (d *computed) onRecord(board map[string][]data.BoardEntry, revealed map[int]lottery.Revealed) error {
	if err := d.frozenOnRecord(board); err != nil {
		return err
	}
	told := map[int]SourceEntry{}
	for _, e := range board["source"] {
		var s SourceEntry
		if err := json.Unmarshal(e.Body, &s); err != nil {
			return fmt.Errorf("board, record %d: %w", e.ID, err)
		}
		if s.Event != "handed_in" {
			told[s.Position] = s
		}
	}
	for i := range d.manifest.Sources {
		v, recorded := revealed[i]
		s, ok := told[i]
		switch {
		case !recorded && !ok:
		case !recorded:
			return unsound("draw %s: source %d is not recorded any more; the board has %s %s", d.draw.DrawID, i, s.Event, s.Value)
		case !ok:
			return unsound("draw %s: source %d is recorded as %s; the board knows nothing of it", d.draw.DrawID, i, sourceText(v))
		case s.Value != sourceText(v) || s.Envelope != hex.EncodeToString(v.Envelope) || v.Type != s.Type:
			return unsound("draw %s: source %d is recorded as %s; the board has %s %s", d.draw.DrawID, i, sourceText(v), s.Event, s.Value)
		}
	}
	return nil
}

// frozenOnRecord is onRecord's part about manifest and root.
func (d *computed) frozenOnRecord(board map[string][]data.BoardEntry) error {
	if m := board["manifest"]; len(m) != 1 || !bytes.Equal(m[0].Body, d.draw.Manifest) {
		return unsound("draw %s: its manifest is not the one on the board", d.draw.DrawID)
	}
	c := board["checkpoint"]
	if len(c) != 1 {
		return unsound("draw %s: the board has %d checkpoints of it", d.draw.DrawID, len(c))
	}
	told, err := parseText(c[0].Body)
	if err != nil {
		return fmt.Errorf("board, record %d: %w", c[0].ID, err)
	}
	if told.Root != lottery.Hash(d.draw.Root) || told.Size != uint64(d.draw.Leaves) || told.Excluded != lottery.FileHash(d.draw.Excluded) {
		return unsound("draw %s: %d leaves with root %x; the board's checkpoint has %d with %s", d.draw.DrawID, d.draw.Leaves, d.draw.Root, told.Size, told.Root)
	}
	return nil
}

// sourceText is a source's value as the board shows it.
func sourceText(v lottery.Revealed) string {
	if v.Type == lottery.SourceDice {
		return string(v.Value)
	}
	return hex.EncodeToString(v.Value)
}

// resultOnRecord holds the files of a drawn result against the hashes that the
// board told of it.
func resultOnRecord(drawID string, board map[string][]data.BoardEntry, result int, b lottery.Bundle) error {
	told := map[string]lottery.Hash{}
	for _, e := range board["draw"] {
		var d DrawEntry
		if err := json.Unmarshal(e.Body, &d); err != nil {
			return fmt.Errorf("board, record %d: %w", e.ID, err)
		}
		if told = map[string]lottery.Hash{lottery.FileOrder: d.Order, lottery.FileEntropy: d.Entropy}; result == 0 {
			told[lottery.FileClaims], told[lottery.FileCutOffs] = d.Claims, d.CutOffs
		}
	}
	for _, e := range board["correction"] {
		var c CorrectionEntry
		if err := json.Unmarshal(e.Body, &c); err != nil {
			return fmt.Errorf("board, record %d: %w", e.ID, err)
		}
		if c.Number == result {
			told = c.Files
		}
	}
	if len(told) == 0 {
		return unsound("draw %s: the board knows nothing of its result", drawID)
	}
	files := b.Files()
	for _, name := range []string{lottery.FileClaims, lottery.FileOrder, lottery.FileEntropy, lottery.FileCutOffs} {
		if h, ok := told[name]; ok && h != lottery.FileHash(files[name]) {
			return unsound("draw %s: %s is not the file that the board tells of", drawID, name)
		}
	}
	return nil
}

// placesOnRecord holds the recorded tickets of a result against its
// outcome_root, and the places against the tickets.
func (d *computed) placesOnRecord(ctx context.Context, tx *data.Tx, claims lottery.Claims, result int) error {
	if err := d.outcomeOnRecord(ctx, tx, claims, result); err != nil {
		return err
	}
	return d.givenOnRecord(ctx, tx)
}

// outcomeOnRecord holds the recorded tickets of a result against its
// outcome_root.
func (d *computed) outcomeOnRecord(ctx context.Context, tx *data.Tx, claims lottery.Claims, result int) error {
	at := make(map[int64]uint32, len(d.slots))
	for x, s := range d.slots {
		at[s.ID] = uint32(x) + 1
	}
	var order []lottery.Entity
	var outcomes []lottery.Outcome
	err := tx.EachOutcome(ctx, d.row.ID, result, func(o data.OutcomeRow, entity [16]byte) error {
		order = append(order, lottery.Entity{ID: entity})
		outcomes = append(outcomes, lottery.Outcome{Choice: uint8(o.Choice), Slot: at[o.Slot], Second: at[o.Second]})
		return nil
	})
	if err != nil {
		return err
	}
	root, err := lottery.OutcomeRoot(d.k, order, outcomes)
	if err != nil {
		return err
	}
	if root != claims.OutcomeRoot {
		return unsound("draw %s: the recorded tickets have the outcome_root %s, claims.json has %s", d.draw.DrawID, root, claims.OutcomeRoot)
	}
	return nil
}

// givenOnRecord holds the places of a result that is not published yet against
// its tickets.
func (d *computed) givenOnRecord(ctx context.Context, tx *data.Tx) error {
	person, rank, err := tx.StrayPlace(ctx, d.row.ID)
	if err != nil {
		return err
	}
	if rank > 0 {
		return unsound("draw %s: the place of person %d (rank %d) is not what the draw gave", d.draw.DrawID, person, rank)
	}
	return nil
}

// refusedStep puts on the audit trail, and tells officials, once, that a step
// was not done because the draw is unsound, and answers the error.
func (r *Runner) refusedStep(ctx context.Context, row data.CohortRow, drawID string, step cohort.Action, err error) error {
	var u *Unsound
	if !errors.As(err, &u) {
		return err
	}
	act := map[cohort.Action]string{cohort.RunDraw: "draw.run", cohort.PublishResult: "draw.publish"}[step]
	if act == "" {
		return err
	}
	noted := r.DB.Tx(ctx, func(tx *data.Tx) error {
		subject := fmt.Sprintf("cohort:%d", row.ID)
		known, err := tx.RefusedBefore(ctx, subject, act+".refused", u.Text)
		if err != nil || known {
			return err
		}
		if err := tx.Audit(ctx, data.AuditRow{
			Campaign: row.Campaign, Actor: data.System, Act: act + ".refused", Subject: subject, After: map[string]any{"why": u.Text},
		}); err != nil {
			return err
		}
		event := fmt.Sprintf("unsound/%d/%x", row.ID, sha256.Sum256([]byte(u.Text)))
		return tellStep(ctx, tx, row, drawID, "unsound", event, map[string]any{"why": u.Text})
	})
	return errors.Join(err, noted)
}
