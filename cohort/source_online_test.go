package cohort

import (
	"strings"
	"testing"

	"jebi/lottery"
)

// online is a draw with two trustees, public contributions and drand as the last source.
func online() Reveals {
	r := Reveals{HandedIn: map[int]bool{}, Recorded: map[int]lottery.Revealed{}}
	for j := range uint16(2) {
		r.Announced = append(r.Announced, lottery.Source{
			Type: lottery.SourceTrustee, Index: j + 1, Commit: lottery.TrusteeCommit(drawID, j+1, envelope(byte(j+1))),
		})
	}
	r.Announced = append(r.Announced,
		lottery.Source{Type: lottery.SourcePublic, Index: 1},
		lottery.Source{Type: lottery.SourceDrand, ChainHash: lottery.QuicknetChain(), Rounds: []uint64{1000, 29800}})
	return r
}

func TestOnlineOrder(t *testing.T) {
	r := online()
	one, two := envelope(1), envelope(2)
	signature := make([]byte, 48)

	_, err := r.Beacon(3, 1000, signature)
	outOfOrder(t, err, "comes before the beacon")
	if !strings.Contains(err.Error(), "source 0") {
		t.Errorf("the refusal names no source: %v", err)
	}
	_, err = r.Signed(drawID, 9, one[:], "note")
	outOfOrder(t, err, "not announced")
	if _, err := r.Signed(drawID, 0, two[:], "note"); err == nil {
		t.Error("another's value was taken: she must be able to send the right one")
	}
	v, err := r.Signed(drawID, 0, one[:], "note")
	if err != nil || !v.Present || v.Note != "note" {
		t.Fatal(v, err)
	}
	r.Recorded[0] = v
	_, err = r.Signed(drawID, 0, one[:], "note")
	outOfOrder(t, err, "recorded already")

	r.HandedIn[1] = true
	_, err = r.Signed(drawID, 1, two[:], "note")
	outOfOrder(t, err, "handed in")
	r.HandedIn[1] = false
	_, err = r.Signed(drawID, 1, two[:], "note")
	outOfOrder(t, err, "absent")

	public, err := r.Public(2, []byte("what people sent"))
	if h := lottery.FileHash([]byte("what people sent")); err != nil || string(public.Value) != string(h[:]) {
		t.Fatal(public, err)
	}
	r.Recorded[2] = public

	if _, err := r.Beacon(3, 1001, signature); err == nil {
		t.Error("a round that was not announced was taken")
	}
	last, err := r.Beacon(3, 1000, signature)
	if err != nil || last.Round() != 1000 {
		t.Fatal(last, err)
	}
	r.Recorded[3] = last
	_, err = r.Signed(drawID, 1, two[:], "note")
	outOfOrder(t, err, "after the last source")
	_, err = r.Public(2, nil)
	outOfOrder(t, err, "recorded already")
	_, err = r.Beacon(3, 1000, signature)
	outOfOrder(t, err, "recorded already")
}
