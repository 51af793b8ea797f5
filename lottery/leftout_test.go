package lottery

import (
	"testing"
	"time"
)

// TestLeftOut: a ballot was left out only with a signed save in the log and without a leaf.
func TestLeftOut(t *testing.T) {
	key := testKey(t, "gov.example", false, 1)
	public := must(OperatorPublic(key.Public()))(t)
	leaves := benchLeavesOf(3)
	var log []byte
	saves := make([]SavedBallot, 5)
	for i := range saves {
		s := Save{"d", Hash{1}, ID{byte(i + 1)}, [32]byte{2}, 1, Hash{3}, time.Unix(1626250000, 0)}
		e := s.Entry()
		log = append(log, e[:]...)
		saves[i] = s.Sign(key.Private())
		saves[i].Index = uint64(i)
	}
	tree := NewTree(log, SaveEntrySize, 1)
	c := Checkpoint{Saves: 5, SavesRoot: tree.Root()}
	for i := range saves {
		saves[i].Proof = tree.Prove(i)
		if err := CheckLeftOut(leaves, c, saves[i], public); (err == nil) != (i >= 3) {
			t.Errorf("save %d: %v", i, err)
		}
	}
	for name, change := range map[string]func(*SavedBallot){
		"not signed":       func(s *SavedBallot) { s.Signature = nil },
		"another revision": func(s *SavedBallot) { s.Revision = 2 },
		"not in the log": func(s *SavedBallot) {
			index, proof := s.Index, s.Proof
			s.Revision = 2
			*s = s.Sign(key.Private())
			s.Index, s.Proof = index, proof
		},
		"at another place": func(s *SavedBallot) { s.Index-- },
		"without a proof":  func(s *SavedBallot) { s.Proof = nil },
	} {
		s := saves[4]
		change(&s)
		if CheckLeftOut(leaves, c, s, public) == nil {
			t.Errorf("%s: taken for a ballot that was left out", name)
		}
	}
}
