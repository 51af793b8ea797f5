package cycle

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// SourceEntry is what the board says of a source of randomness.
type SourceEntry struct {
	DrawID   string `json:"draw_id"`
	Sample   bool   `json:"sample"`
	Position int    `json:"position"` // in manifest order, from 0
	Type     uint8  `json:"type"`
	Event    string `json:"event"` // "handed_in", "absent", "dice", "opened", "mismatch", "revealed", "beacon", "contributions"
	Value    string `json:"value,omitempty"`
	Envelope string `json:"envelope,omitempty"` // what an envelope held that did not match
	Reason   string `json:"reason,omitempty"`
	Note     string `json:"note,omitempty"` // a trustee's signed one
	// Of drand.
	Round     uint64 `json:"round,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// reading is a draw whose randomness is being recorded.
type reading struct {
	row       data.CohortRow
	draw      data.DrawRow
	manifest  lottery.Manifest
	sample    bool
	witnessed time.Time // of the checkpoint; zero in a sample without witnesses
	reveals   cohort.Reveals
}

// readSources locks a frozen cohort whose checkpoint enough witnesses have
// cosigned, and reads how far its randomness is: before, nothing is revealed.
func readSources(ctx context.Context, tx *data.Tx, campaignID int, key string) (reading, error) {
	r, err := frozenDraw(ctx, tx, campaignID, key)
	if err != nil {
		return r, err
	}
	if r.witnessed, err = witnessed(r.manifest, r.draw.Checkpoint); err != nil {
		return r, refuse("draw %s: randomness is recorded against the cosigned checkpoint: %v", r.draw.DrawID, err)
	}
	return r, nil
}

// frozenDraw locks a frozen cohort and reads its draw.
func frozenDraw(ctx context.Context, tx *data.Tx, campaignID int, key string) (reading, error) {
	row, err := tx.CohortByKey(ctx, campaignID, key)
	if err != nil {
		return reading{}, err
	}
	if row, err = tx.LockCohort(ctx, row.ID); err != nil {
		return reading{}, err
	}
	if row.State != cohort.Frozen {
		return reading{}, refuse("cohort %s is %s: randomness is recorded while it is frozen", key, row.State)
	}
	d, err := tx.Draw(ctx, row.ID)
	if err != nil {
		return reading{}, err
	}
	m, err := lottery.ParseManifest(d.Manifest)
	if err != nil {
		return reading{}, fmt.Errorf("draw %s: %w", d.DrawID, err)
	}
	r, err := revealsOf(ctx, tx, row.ID, m)
	return reading{row: row, draw: d, manifest: m, sample: m.Sample, reveals: r}, err
}

// revealsOf is what is recorded of a draw's randomness.
func revealsOf(ctx context.Context, tx *data.Tx, cohortID int, m lottery.Manifest) (cohort.Reveals, error) {
	r := cohort.Reveals{Announced: m.Sources, HandedIn: map[int]bool{}, Recorded: map[int]lottery.Revealed{}}
	envelopes, sources, err := tx.Sources(ctx, cohortID)
	if err != nil {
		return r, err
	}
	for _, e := range envelopes {
		r.HandedIn[e.Position] = e.HandedIn
	}
	for _, s := range sources {
		v := lottery.Revealed{Type: s.Type, Present: s.Present, Value: s.Value, Signature: s.Signature, Envelope: s.Envelope}
		if s.Present { // why a trustee is absent stands on the board; a note is what she signed
			v.Note = s.Note
		}
		r.Recorded[s.Position] = v
	}
	return r, nil
}

// Reveals reads how far the randomness of a draw is recorded.
func Reveals(ctx context.Context, tx *data.Tx, d data.DrawRow) (cohort.Reveals, error) {
	m, err := lottery.ParseManifest(d.Manifest)
	if err != nil {
		return cohort.Reveals{}, fmt.Errorf("draw %s: %w", d.DrawID, err)
	}
	return revealsOf(ctx, tx, d.Cohort, m)
}

// refusedOrder turns a source out of its turn into a refusal for a person.
func refusedOrder(err error) error {
	var o *cohort.OutOfOrder
	if errors.As(err, &o) {
		return refuse("%s", o.Error())
	}
	return err
}

// trustee gives the position of the trustee with an index.
func (r reading) trustee(index int) (int, error) {
	for i, s := range r.reveals.Announced {
		if s.Type == lottery.SourceTrustee && int(s.Index) == index {
			return i, nil
		}
	}
	return 0, refuse("draw %s announced no trustee %d", r.draw.DrawID, index)
}

// Envelopes records which trustees have handed in their sealed envelopes, and
// which are absent and why: before the dice, an act of two. Trustees are named
// by their index in the manifest.
func Envelopes(ctx context.Context, tx *data.Tx, campaignID int, key string, handedIn, absent []int, reason string, by data.Actor) error {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return err
	}
	if len(handedIn)+len(absent) == 0 {
		return refuse("name the trustees whose envelopes are handed in, and those who are absent")
	}
	if len(absent) > 0 && reason == "" {
		return refuse("say why trustees %v are absent", absent)
	}
	for _, index := range slices.Concat(handedIn, absent) {
		position, err := r.trustee(index)
		if err != nil {
			return err
		}
		if err := r.reveals.Envelope(position); err != nil {
			return refusedOrder(err)
		}
		here := slices.Contains(handedIn, index) && !r.reveals.HandedIn[position]
		r.reveals.HandedIn[position] = here
		e := data.EnvelopeRow{Position: position, HandedIn: here}
		entry := SourceEntry{DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: lottery.SourceTrustee, Event: "handed_in"}
		if !here {
			e.Reason, entry.Event, entry.Reason = reason, "absent", reason
		}
		if err := tx.AddEnvelope(ctx, r.row.ID, e, by); err != nil {
			return err
		}
		if !here {
			if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: lottery.SourceTrustee, Note: reason}, by); err != nil {
				return err
			}
		}
		if err := r.post(ctx, tx, entry); err != nil {
			return err
		}
	}
	return r.audit(ctx, tx, "draw.envelopes", reason, by, map[string]any{"handed_in": handedIn, "absent": absent})
}

// Dice records the digits that were thrown in public, all of them, in their
// order: an act of two. From then on the draw is never voided.
func Dice(ctx context.Context, tx *data.Tx, campaignID int, key, digits, reason string, by data.Actor) error {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return err
	}
	position, v, err := r.reveals.Dice(digits)
	if err != nil {
		var o *cohort.OutOfOrder
		if errors.As(err, &o) {
			return refusedOrder(err)
		}
		return refuse("the dice: %v", err)
	}
	if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: v.Type, Present: true, Value: v.Value}, by); err != nil {
		return err
	}
	if err := r.post(ctx, tx, SourceEntry{
		DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "dice", Value: digits,
	}); err != nil {
		return err
	}
	return r.audit(ctx, tx, "draw.dice", reason, by, map[string]any{"position": position, "digits": digits})
}

// Reveal records what a trustee's envelope held, opened after the dice before
// two witnesses: an act of two. Contents that do not match her commitment
// count as absent, and are recorded with both values. It says whether they
// matched.
func Reveal(ctx context.Context, tx *data.Tx, campaignID int, key string, trustee int, held []byte, reason string, by data.Actor) (matched bool, err error) {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return false, err
	}
	position, err := r.trustee(trustee)
	if err != nil {
		return false, err
	}
	v, err := r.reveals.Open(r.draw.DrawID, position, held)
	if err != nil {
		return false, refusedOrder(err)
	}
	row := data.SourceRow{Position: position, Type: v.Type, Present: v.Present, Value: v.Value, Envelope: v.Envelope}
	entry := SourceEntry{DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "opened", Value: hex.EncodeToString(v.Value)}
	if !v.Present {
		row.Note = "the envelope did not match the commitment " + r.reveals.Announced[position].Commit.String()
		entry.Event, entry.Envelope, entry.Reason = "mismatch", hex.EncodeToString(v.Envelope), row.Note
	}
	if err := tx.AddSource(ctx, r.row.ID, row, by); err != nil {
		return v.Present, err
	}
	if err := r.post(ctx, tx, entry); err != nil {
		return v.Present, err
	}
	return v.Present, r.audit(ctx, tx, "draw.reveal", reason, by, map[string]any{"trustee": trustee, "matched": v.Present})
}

// Absent records that a trustee's envelope turned out to be missing or empty
// when it was to be opened: an act of two.
func Absent(ctx context.Context, tx *data.Tx, campaignID int, key string, trustee int, reason string, by data.Actor) error {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return err
	}
	position, err := r.trustee(trustee)
	if err != nil {
		return err
	}
	v, err := r.reveals.Absent(position, reason)
	if err != nil {
		return refusedOrder(err)
	}
	if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: v.Type, Note: reason}, by); err != nil {
		return err
	}
	if err := r.post(ctx, tx, SourceEntry{
		DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "absent", Reason: reason,
	}); err != nil {
		return err
	}
	return r.audit(ctx, tx, "draw.reveal", reason, by, map[string]any{"trustee": trustee, "absent": true})
}

func (r reading) post(ctx context.Context, tx *data.Tx, e SourceEntry) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, r.row.Campaign, r.row.ID, "source", body); err != nil {
		return err
	}
	return tellStep(ctx, tx, r.row, e.DrawID, "source", fmt.Sprintf("source/%d/%d/%s", r.row.ID, e.Position, e.Event), map[string]any{
		"position": e.Position, "event": e.Event, "value": e.Value,
	})
}

func (r reading) audit(ctx context.Context, tx *data.Tx, act, reason string, by data.Actor, after map[string]any) error {
	return tx.Audit(ctx, data.AuditRow{
		Campaign: r.row.Campaign, Actor: by, Act: act, Subject: fmt.Sprintf("cohort:%d", r.row.ID), Reason: reason, After: after,
	})
}

// VoidEntry is what the board says of a draw that was given up.
type VoidEntry struct {
	DrawID string       `json:"draw_id"`
	Sample bool         `json:"sample"`
	From   cohort.State `json:"from"`
	Reason string       `json:"reason"`
}

// Void gives a cohort's draw up for good: an act of two with a reason,
// possible until the first die or reveal is recorded or put forward.
func Void(ctx context.Context, tx *data.Tx, c *cohort.Campaign, campaignID int, key, reason string, by data.Actor) error {
	if reason == "" {
		return refuse("giving a draw up needs a reason")
	}
	if by.Kind != "official" {
		return refuse("giving a draw up takes two officials")
	}
	if err := tx.Lock(ctx, data.LockCampaign, campaignID); err != nil {
		return err
	}
	row, err := tx.CohortByKey(ctx, campaignID, key)
	if err != nil {
		return err
	}
	if err := tx.Lock(ctx, data.LockWindow, row.ID); err != nil {
		return err
	}
	if row, err = tx.LockCohort(ctx, row.ID); err != nil {
		return err
	}
	if !row.State.CanVoid() {
		return refuse("cohort %s is %s: a draw is given up only between its announcement and the first die or reveal", key, row.State)
	}
	if row.State == cohort.Frozen {
		r, err := frozenDraw(ctx, tx, campaignID, key)
		if err != nil {
			return err
		}
		proposed, err := tx.DiceProposed(ctx, row.ID)
		if err != nil {
			return err
		}
		if r.reveals.Begun() || proposed {
			return refuse("draw %s: after the first die or reveal a draw is never given up; errors are corrected on the same leaves, seed and order", r.draw.DrawID)
		}
	}
	if err := tx.VoidCohort(ctx, row); err != nil {
		return err
	}
	body, err := json.Marshal(VoidEntry{c.DrawID(key), c.Sample, row.State, reason})
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, campaignID, row.ID, "void", body); err != nil {
		return err
	}
	if err := tx.TellCohort(ctx, data.Message{
		Campaign: campaignID, Event: fmt.Sprintf("void/%d", row.ID), Kind: "window_changed", Params: map[string]any{"cohort": row.ID, "change": "void"},
	}, row.ID); err != nil {
		return err
	}
	if err := tellStep(ctx, tx, row, c.DrawID(key), "void", fmt.Sprintf("void/%d", row.ID), map[string]any{"reason": reason}); err != nil {
		return err
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: campaignID, Actor: by, Act: "draw.void", Subject: fmt.Sprintf("cohort:%d", row.ID), Reason: reason,
		Before: map[string]any{"state": row.State}, After: map[string]any{"state": cohort.Void},
	})
}
