package cohort

import (
	"errors"
	"strings"
	"testing"

	"jebi/lottery"
)

const drawID = "gwanak-1966"

func envelope(b byte) [32]byte {
	var r [32]byte
	for i := range r {
		r[i] = b
	}
	return r
}

// offline is a draw with three trustees and four dice.
func offline() Reveals {
	r := Reveals{HandedIn: map[int]bool{}, Recorded: map[int]lottery.Revealed{}}
	for j := range uint16(3) {
		r.Announced = append(r.Announced, lottery.Source{
			Type: lottery.SourceTrustee, Index: j + 1, Commit: lottery.TrusteeCommit(drawID, j+1, envelope(byte(j+1))),
		})
	}
	r.Announced = append(r.Announced, lottery.Source{Type: lottery.SourceDice, Digits: 4})
	return r
}

func outOfOrder(t *testing.T, err error, why string) {
	t.Helper()
	var o *OutOfOrder
	if !errors.As(err, &o) || !strings.Contains(o.Why, why) {
		t.Errorf("got %v, want a refusal that says %q", err, why)
	}
}

func TestOfflineOrder(t *testing.T) {
	r := offline()
	one, two, three := envelope(1), envelope(2), envelope(3)

	_, _, err := r.Dice("4711")
	outOfOrder(t, err, "comes before the dice")
	_, err = r.Open(drawID, 0, one[:])
	outOfOrder(t, err, "not handed in")
	outOfOrder(t, r.Envelope(3), "no trustee")

	for position, handed := range map[int]bool{0: true, 1: true, 2: false} {
		if err := r.Envelope(position); err != nil {
			t.Fatal(err)
		}
		r.HandedIn[position] = handed
	}
	outOfOrder(t, r.Envelope(0), "already")
	_, err = r.Open(drawID, 0, one[:])
	outOfOrder(t, err, "after the dice")
	_, err = r.Absent(0, "asleep")
	outOfOrder(t, err, "opened after the dice")
	absent, err := r.Absent(2, "ill")
	if err != nil || absent.Present {
		t.Fatal(absent, err)
	}
	r.Recorded[2] = absent
	if r.Begun() {
		t.Error("an absent trustee is no reveal: the draw could still be voided")
	}

	if _, _, err := r.Dice("471"); err == nil {
		t.Error("three digits where four were announced")
	}
	if _, _, err := r.Dice("47x1"); err == nil {
		t.Error("a letter among the dice")
	}
	position, dice, err := r.Dice("4711")
	if err != nil || position != 3 {
		t.Fatal(position, err)
	}
	r.Recorded[3] = dice
	if !r.Begun() {
		t.Error("after the dice the draw has begun")
	}
	_, _, err = r.Dice("1111")
	outOfOrder(t, err, "already")
	outOfOrder(t, r.Envelope(1), "before the first die")
	_, err = r.Open(drawID, 2, three[:])
	outOfOrder(t, err, "later reveal is ignored")

	first, err := r.Open(drawID, 0, one[:])
	if err != nil || !first.Present {
		t.Fatal(first, err)
	}
	r.Recorded[0] = first
	wrong := two
	wrong[0]++
	second, err := r.Open(drawID, 1, wrong[:])
	if err != nil {
		t.Fatal(err)
	}
	if second.Present || len(second.Value) != 0 || string(second.Envelope) != string(wrong[:]) {
		t.Errorf("an envelope that does not match counts as absent, with what it held: %+v", second)
	}
	if r.Complete() {
		t.Error("complete before the last envelope")
	}
	r.Recorded[1] = second
	if !r.Complete() {
		t.Error("all are recorded")
	}
	for i, s := range r.Announced {
		if err := s.CheckRevealed(drawID, r.Revealed()[i], nil); err != nil {
			t.Errorf("source %d: the verifier refuses what was recorded: %v", i, err)
		}
	}
}

func TestEnvelopeMissingAfterDice(t *testing.T) {
	r := offline()
	r.HandedIn = map[int]bool{0: true, 1: true, 2: true}
	_, dice, err := r.Dice("0000")
	if err != nil {
		t.Fatal(err)
	}
	r.Recorded[3] = dice
	_, err = r.Absent(0, "")
	outOfOrder(t, err, "say why")
	if a, err := r.Absent(0, "the envelope was empty"); err != nil || a.Present {
		t.Errorf("an empty envelope counts as absent: %+v %v", a, err)
	}
	_, err = r.Absent(9, "nobody")
	outOfOrder(t, err, "no trustee")
}
