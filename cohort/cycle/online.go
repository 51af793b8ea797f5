package cycle

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"jebi/data"
	"jebi/lottery"
)

// RevealSigned records a trustee's value by the note that she signed against
// the cosigned checkpoint, before the last source exists: an act of two. Where
// the last source is drand's, that is before the time of its round.
func RevealSigned(ctx context.Context, tx *data.Tx, campaignID int, key string, trustee int, note, reason string, by data.Actor) error {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return err
	}
	position, err := r.trustee(trustee)
	if err != nil {
		return err
	}
	s := r.reveals.Announced[position]
	if s.Key == "" {
		return refuse("draw %s announced no key of trustee %d: her value comes in an envelope", r.draw.DrawID, trustee)
	}
	if err := r.beforeRound(ctx, tx); err != nil {
		return err
	}
	value, err := noteValue(note)
	if err != nil {
		return refuse("the note of trustee %d: %v", trustee, err)
	}
	reveal := lottery.Reveal{DrawID: r.draw.DrawID, Index: s.Index, Root: r.draw.Root, Value: value}
	if err := reveal.Check(note, s.Key); err != nil {
		return refuse("the note of trustee %d: %v", trustee, err)
	}
	v, err := r.reveals.Signed(r.draw.DrawID, position, value[:], note)
	if err != nil {
		return refuse("trustee %d: %v", trustee, err)
	}
	if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: v.Type, Present: true, Value: v.Value, Note: note}, by); err != nil {
		return err
	}
	if err := r.post(ctx, tx, SourceEntry{
		DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "revealed", Value: hex.EncodeToString(v.Value), Note: note,
	}); err != nil {
		return err
	}
	return r.audit(ctx, tx, "draw.reveal", reason, by, map[string]any{"trustee": trustee, "signed": true})
}

// noteValue reads r_j off the last line of a reveal's text.
func noteValue(note string) (v [32]byte, err error) {
	text, _, ok := strings.Cut(note, "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 5 {
		return v, fmt.Errorf("not a signed note of five lines")
	}
	b, err := hex.DecodeString(lines[4])
	if err != nil || len(b) != len(v) {
		return v, fmt.Errorf("its last line is not 32 bytes in hex")
	}
	return [32]byte(b), nil
}

// beforeRound refuses what must stand before drand's round exists.
func (r reading) beforeRound(ctx context.Context, tx *data.Tx) error {
	last := r.reveals.Announced[len(r.reveals.Announced)-1]
	if last.Type != lottery.SourceDrand || r.sample {
		return nil
	}
	round, err := last.ChooseRound(r.witnessed, false)
	if err != nil {
		return refuse("draw %s: %v", r.draw.DrawID, err)
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	if due := lottery.RoundTime(round); !now.Before(due) {
		return refuse("draw %s: round %d was due at %s; a later reveal is ignored", r.draw.DrawID, round, due.Format(time.RFC3339))
	}
	return nil
}

// Round is the round of drand that a frozen draw waits for, and its position
// among the sources.
func Round(ctx context.Context, tx *data.Tx, campaignID int, key string) (round uint64, err error) {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return 0, err
	}
	round, _, err = r.round()
	return round, err
}

func (r reading) round() (round uint64, position int, err error) {
	position = slices.IndexFunc(r.reveals.Announced, func(s lottery.Source) bool { return s.Type == lottery.SourceDrand })
	if position < 0 {
		return 0, 0, refuse("draw %s announced no round of drand", r.draw.DrawID)
	}
	round, err = r.reveals.Announced[position].ChooseRound(r.witnessed, r.sample)
	if err != nil {
		return 0, 0, refuse("draw %s: %v", r.draw.DrawID, err)
	}
	return round, position, nil
}

// Beacon records the one round of drand that the witnessed time and the
// manifest leave. verify says whether a signature is that round's; a valid one
// from any channel is final, so one official records it.
func Beacon(ctx context.Context, tx *data.Tx, campaignID int, key string, round uint64, signature []byte, verify func(uint64, []byte) error, by data.Actor) (SourceEntry, error) {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return SourceEntry{}, err
	}
	due, position, err := r.round()
	if err != nil {
		return SourceEntry{}, err
	}
	if round != due {
		return SourceEntry{}, refuse("draw %s: round %d counts, the first announced one an hour after the witnessed time, not %d", r.draw.DrawID, due, round)
	}
	if err := verify(round, signature); err != nil {
		return SourceEntry{}, refuse("draw %s: round %d: %v", r.draw.DrawID, round, err)
	}
	v, err := r.reveals.Beacon(position, round, signature)
	if err != nil {
		return SourceEntry{}, refuse("draw %s: %v", r.draw.DrawID, err)
	}
	e := SourceEntry{
		DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "beacon", Round: round,
		Value: hex.EncodeToString(v.Value), Signature: hex.EncodeToString(signature),
	}
	if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: v.Type, Present: true, Value: v.Value, Signature: signature}, by); err != nil {
		return e, err
	}
	if err := r.post(ctx, tx, e); err != nil {
		return e, err
	}
	return e, r.audit(ctx, tx, "draw.beacon", "", by, map[string]any{"round": round})
}

// maxContributions bounds a file of public contributions, in bytes.
const maxContributions = 4 << 20

// Contributions records a file of public contributions, by its index in the
// manifest, before the last source exists: an act of two.
func Contributions(ctx context.Context, tx *data.Tx, campaignID int, key string, index int, file []byte, reason string, by data.Actor) error {
	r, err := readSources(ctx, tx, campaignID, key)
	if err != nil {
		return err
	}
	position := slices.IndexFunc(r.reveals.Announced, func(s lottery.Source) bool {
		return s.Type == lottery.SourcePublic && int(s.Index) == index
	})
	if position < 0 {
		return refuse("draw %s announced no contributions %d", r.draw.DrawID, index)
	}
	if len(file) > maxContributions {
		return refuse("the file has more than %d bytes", maxContributions)
	}
	if err := r.beforeRound(ctx, tx); err != nil {
		return err
	}
	v, err := r.reveals.Public(position, file)
	if err != nil {
		return refuse("draw %s: %v", r.draw.DrawID, err)
	}
	if err := tx.AddPublic(ctx, r.row.ID, position, file); err != nil {
		return err
	}
	if err := tx.AddSource(ctx, r.row.ID, data.SourceRow{Position: position, Type: v.Type, Present: true, Value: v.Value}, by); err != nil {
		return err
	}
	if err := r.post(ctx, tx, SourceEntry{
		DrawID: r.draw.DrawID, Sample: r.sample, Position: position, Type: v.Type, Event: "contributions", Value: hex.EncodeToString(v.Value),
	}); err != nil {
		return err
	}
	return r.audit(ctx, tx, "draw.contributions", reason, by, map[string]any{"index": index, "bytes": len(file)})
}

// publicFiles are the files of public contributions by their sources' indices.
func publicFiles(ctx context.Context, tx *data.Tx, cohortID int, m lottery.Manifest) (map[uint16][]byte, error) {
	if !slices.ContainsFunc(m.Sources, func(s lottery.Source) bool { return s.Type == lottery.SourcePublic }) {
		return nil, nil
	}
	files, err := tx.Public(ctx, cohortID)
	if err != nil {
		return nil, err
	}
	out := map[uint16][]byte{}
	for position, file := range files {
		if position < len(m.Sources) {
			out[m.Sources[position].Index] = file
		}
	}
	return out, nil
}
