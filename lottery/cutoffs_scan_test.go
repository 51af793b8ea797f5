package lottery

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func cutOffFile(t testing.TB, r *rand.Rand, slots int) []byte {
	t.Helper()
	var list []PublicCutOff
	for x := range slots {
		for size := uint64(1); size <= MaxParty; size++ {
			for _, pool := range []string{"", "g", "h"} {
				if r.IntN(4) == 0 {
					list = append(list, PublicCutOff{fmt.Sprintf("k%03d/2021-07-26/0900/AZ", x), size, 1 + uint64(r.IntN(2)), pool, 1 + uint64(r.IntN(1000))})
				}
			}
		}
	}
	file, err := MarshalCutOffs(list)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// What is written by MarshalCutOffs is read the short way, and as JSON's rules read it.
func TestCutOffsAreReadAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	short := 0
	for range 200 {
		file := cutOffFile(t, r, r.IntN(6))
		want, err := parseCutOffs(file, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := scanCutOffs(file, 1000); ok {
			short++
			if d := cmp.Diff(append([]PublicCutOff{}, want...), got); d != "" {
				t.Fatal(d)
			}
		}
	}
	if short < 100 {
		t.Errorf("%d of 200 are read the short way", short)
	}
}

// Nothing that is wrong by JSON's rules or the protocol's is read the short way, and nothing is read otherwise.
func FuzzCutOffs(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 10 {
		f.Add(cutOffFile(f, r, 3))
	}
	for _, line := range []string{
		`"size":0,"doses":1,"pool":"","rank":1`, `"size":5,"doses":1,"pool":"","rank":1`, `"size":1,"doses":3,"pool":"","rank":1`,
		`"size":1,"doses":1,"pool":"","rank":101`, `"size":01,"doses":1,"pool":"","rank":1`, `"size":1,"doses":1,"pool":"","rank":1.0`,
		`"size":1,"doses":1,"pool":"\u0041","rank":1`, `"size":1,"doses":1,"pool":"","rank":18446744073709551617`,
	} {
		f.Add([]byte(`{"cutoffs":[{"slot":"a",` + line + `}]}`))
	}
	f.Add([]byte(`{"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":1},{"slot":"a","size":1,"doses":1,"pool":"","rank":2}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, ok := scanCutOffs(file, 100)
		if !ok {
			return
		}
		want, err := parseCutOffs(file, 100)
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if d := cmp.Diff(append([]PublicCutOff{}, want...), got); d != "" {
			t.Fatalf("%q: %s", file, d)
		}
	})
}

func TestBallotCommitStaysOffTheHeap(t *testing.T) {
	ballot := make([]byte, 900)
	if n := testing.AllocsPerRun(10, func() { BallotCommit([32]byte{1}, ballot) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if BallotCommit([32]byte{1}, make([]byte, 5000)) == BallotCommit([32]byte{1}, make([]byte, 5001)) {
		t.Error("two ballots have one commitment")
	}
}
