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

// thrown says whether dice or drand are recorded, or an envelope was opened:
// whoever is recorded absent is so before. A signed reveal does not hinder it.
func (r Reveals) thrown() bool {
	for _, s := range r.Recorded {
		switch s.Type {
		case lottery.SourceDice, lottery.SourceDrand:
			return true
		case lottery.SourceTrustee:
			if s.Present && s.Note == "" || len(s.Envelope) > 0 {
				return true
			}
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
	case r.thrown():
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
			if j := r.missing(i); j >= 0 {
				return i, none, &OutOfOrder{j, "comes before the dice: hand its envelope in, or record it absent"}
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

// before says whether a source that is not the last may be recorded now, and
// refuses one that is recorded or spoken for already.
func (r Reveals) before(position int) error {
	if position < 0 || position >= len(r.Announced) {
		return &OutOfOrder{position, "was not announced"}
	}
	if _, twice := r.Recorded[position]; twice {
		return &OutOfOrder{position, "is recorded already; a later reveal is ignored"}
	}
	if _, last := r.Recorded[len(r.Announced)-1]; last {
		return &OutOfOrder{position, "comes after the last source"}
	}
	return nil
}

// Signed says what a trustee's value counts as that she gave by a signed note,
// before the last source exists. One that does not match is refused: she may
// send the right one.
func (r Reveals) Signed(drawID string, position int, value []byte, note string) (lottery.Revealed, error) {
	if err := r.before(position); err != nil {
		return lottery.Revealed{}, err
	}
	if handed, known := r.HandedIn[position]; known {
		if handed {
			return lottery.Revealed{}, &OutOfOrder{position, "its envelope is handed in, and is opened after the dice"}
		}
		return lottery.Revealed{}, &OutOfOrder{position, "was recorded absent"}
	}
	v := lottery.Revealed{Type: lottery.SourceTrustee, Present: true, Value: value, Note: note}
	return v, r.Announced[position].CheckRevealed(drawID, v, nil)
}

// Public is a file of public contributions, before the last source exists.
func (r Reveals) Public(position int, file []byte) (lottery.Revealed, error) {
	if err := r.before(position); err != nil {
		return lottery.Revealed{}, err
	}
	h := lottery.FileHash(file)
	v := lottery.Revealed{Type: lottery.SourcePublic, Present: true, Value: h[:]}
	return v, r.Announced[position].CheckRevealed("", v, file)
}

// Beacon is a round of drand with its signature, which the caller has
// verified. As the last source it comes after every other.
func (r Reveals) Beacon(position int, round uint64, signature []byte) (lottery.Revealed, error) {
	if err := r.before(position); err != nil {
		return lottery.Revealed{}, err
	}
	s := r.Announced[position]
	if position == len(r.Announced)-1 {
		if j := r.missing(position); j >= 0 {
			return lottery.Revealed{}, &OutOfOrder{j, "comes before the beacon: record it, or record it absent"}
		}
	}
	v := lottery.Revealed{Type: lottery.SourceDrand, Present: true, Value: lottery.DrandValue(s.ChainHash, round, signature), Signature: signature}
	return v, s.CheckRevealed("", v, nil)
}

// missing is the first source before the last that is neither recorded nor
// held in an envelope, or -1.
func (r Reveals) missing(last int) int {
	for j, other := range r.Announced[:last] {
		_, handed := r.HandedIn[j]
		_, recorded := r.Recorded[j]
		if !recorded && !(handed && other.Type == lottery.SourceTrustee) {
			return j
		}
	}
	return -1
}
