package cohort

import (
	"fmt"

	"jebi/lottery"
)

// Reveals is how far the randomness of one draw is recorded, by position in
// manifest order.
type Reveals struct {
	Announced []lottery.Source
	HandedIn  map[int]bool             // trustees' envelopes: true handed in, false recorded absent
	Recorded  map[int]lottery.Revealed // what was revealed, thrown or opened
}

// OutOfOrder says that a source was to be recorded before its turn, after it,
// or twice.
type OutOfOrder struct {
	Position int
	Why      string
}

func (e *OutOfOrder) Error() string { return fmt.Sprintf("source %d: %s", e.Position, e.Why) }

// Complete says whether every announced source is recorded.
func (r Reveals) Complete() bool { return len(r.Recorded) == len(r.Announced) }

// Begun says whether a die was thrown or an envelope opened: from then on the
// draw is never voided.
func (r Reveals) Begun() bool {
	for _, s := range r.Recorded {
		if s.Type != lottery.SourceTrustee || s.Present || len(s.Envelope) > 0 {
			return true
		}
	}
	return false
}

// Revealed gives the sources in manifest order, once all are recorded.
func (r Reveals) Revealed() []lottery.Revealed {
	list := make([]lottery.Revealed, len(r.Announced))
	for i := range list {
		list[i] = r.Recorded[i]
	}
	return list
}

// Envelope says whether a trustee's envelope may be recorded now, as handed
// in or as absent: once each, and before the first die.
func (r Reveals) Envelope(position int) error {
	switch {
	case position < 0 || position >= len(r.Announced) || r.Announced[position].Type != lottery.SourceTrustee:
		return &OutOfOrder{position, "is no trustee"}
	case r.Begun():
		return &OutOfOrder{position, "envelopes are recorded before the first die"}
	}
	if _, twice := r.HandedIn[position]; twice {
		return &OutOfOrder{position, "its envelope is recorded already"}
	}
	return nil
}

// Dice says whether the dice may be recorded now, and where they stand: every
// trustee's envelope is handed in or recorded absent before the first die.
func (r Reveals) Dice(digits string) (position int, _ lottery.Revealed, err error) {
	none := lottery.Revealed{}
	for i, s := range r.Announced {
		if s.Type != lottery.SourceDice {
			continue
		}
		if _, twice := r.Recorded[i]; twice {
			continue
		}
		if i == len(r.Announced)-1 {
			for j, other := range r.Announced[:i] {
				_, handed := r.HandedIn[j]
				_, recorded := r.Recorded[j]
				if !recorded && !(handed && other.Type == lottery.SourceTrustee) {
					return i, none, &OutOfOrder{j, "comes before the dice: hand its envelope in, or record it absent"}
				}
			}
		}
		v := lottery.Revealed{Type: lottery.SourceDice, Present: true, Value: []byte(digits)}
		return i, v, s.CheckRevealed("", v, nil)
	}
	return -1, none, &OutOfOrder{len(r.Announced) - 1, "no dice were announced that are not recorded already"}
}

// Open says what an opened envelope counts as. One that does not match the
// trustee's commitment counts as absent, for its content stood before the
// dice; it is recorded with what it held.
func (r Reveals) Open(drawID string, position int, held []byte) (lottery.Revealed, error) {
	none := lottery.Revealed{}
	if position < 0 || position >= len(r.Announced) || r.Announced[position].Type != lottery.SourceTrustee {
		return none, &OutOfOrder{position, "is no trustee"}
	}
	if _, twice := r.Recorded[position]; twice {
		return none, &OutOfOrder{position, "is recorded already; a later reveal is ignored"}
	}
	handed, known := r.HandedIn[position]
	_, last := r.Recorded[len(r.Announced)-1]
	switch {
	case !known:
		return none, &OutOfOrder{position, "its envelope was not handed in before the dice"}
	case !handed:
		return none, &OutOfOrder{position, "was recorded absent before the dice"}
	case !last:
		return none, &OutOfOrder{position, "envelopes are opened after the dice"}
	}
	v := lottery.Revealed{Type: lottery.SourceTrustee, Present: true, Value: held}
	if err := r.Announced[position].CheckRevealed(drawID, v, nil); err != nil {
		return lottery.Revealed{Type: lottery.SourceTrustee, Envelope: held}, nil
	}
	return v, nil
}

// Absent is what a trustee who handed nothing in, or whose envelope turned
// out empty, counts as.
func (r Reveals) Absent(position int, reason string) (lottery.Revealed, error) {
	none := lottery.Revealed{}
	if position < 0 || position >= len(r.Announced) || r.Announced[position].Type != lottery.SourceTrustee {
		return none, &OutOfOrder{position, "is no trustee"}
	}
	if _, twice := r.Recorded[position]; twice {
		return none, &OutOfOrder{position, "is recorded already"}
	}
	handed, known := r.HandedIn[position]
	_, last := r.Recorded[len(r.Announced)-1]
	switch {
	case !known:
		return none, &OutOfOrder{position, "record it absent before the dice: jebi draw envelopes"}
	case handed && !last:
		return none, &OutOfOrder{position, "its envelope was handed in and is opened after the dice"}
	case reason == "":
		return none, &OutOfOrder{position, "say why it counts as absent"}
	}
	return lottery.Revealed{Type: lottery.SourceTrustee}, nil
}
