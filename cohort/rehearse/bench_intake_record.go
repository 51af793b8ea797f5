package rehearse

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// record keeps what was acknowledged in a file, outside the database, so that
// the database can be held against it. A line has a fixed size: the person, the
// revision where her receipt told it (0: not told), and the round of ballots,
// from which follows what she asked for.
type record struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	err  error
}

const recordSize = 8 + 4 + 4

func newRecord(dir string) (*record, error) {
	f, err := os.CreateTemp(dir, "acknowledged-")
	if err != nil {
		return nil, err
	}
	return &record{file: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

// wanted is the hash of what a person asked for, whatever its bytes.
func wanted(cs []cohort.Choice) [32]byte {
	return lottery.BallotCommit([32]byte{}, cohort.Ballot{Choices: cs}.Encode())
}

// add notes an acknowledged save.
func (r *record) add(person int64, revision, round int) {
	var line [recordSize]byte
	binary.BigEndian.PutUint64(line[:], uint64(person))
	binary.BigEndian.PutUint32(line[8:], uint32(revision))
	binary.BigEndian.PutUint32(line[12:], uint32(round))
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.w.Write(line[:]); err != nil && r.err == nil {
		r.err = err
	}
}

// close removes the file.
func (r *record) close() error { return errors.Join(r.file.Close(), os.Remove(r.file.Name())) }

// stored is what a database holds of a person.
type stored struct {
	revisions []int
	counts    [32]byte // what the ballot that counts asks for
}

// lost counts what was acknowledged and is not there: revisions that history
// does not have, people with fewer revisions than acknowledgements, and ballots
// that ask for something else than was last acknowledged for a person. It
// answers the number of acknowledgements too. asked says what a person asked
// for in a round.
func (r *record) lost(ctx context.Context, db *data.DB, cohortID int, asked func(person int64, round int) []cohort.Choice) (lost, acknowledged int, err error) {
	r.mu.Lock()
	err = errors.Join(r.err, r.w.Flush())
	r.mu.Unlock()
	if err != nil {
		return 0, 0, fmt.Errorf("record of acknowledgements: %w", err)
	}
	has := map[int64]*stored{}
	err = db.EachBenchSave(ctx, cohortID, func(person int64, revision int, _ [32]byte, bytes []byte) error {
		s := has[person]
		if s == nil {
			s = &stored{}
			has[person] = s
		}
		s.revisions = append(s.revisions, revision)
		if bytes == nil {
			return nil
		}
		b, err := cohort.ParseBallot(bytes)
		s.counts = wanted(b.Choices)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	type said struct {
		saves, last int
		want        map[int][32]byte // by revision
		all         [][32]byte       // where revisions were not told
		rounds      map[int]bool     // of those
	}
	told := map[int64]*said{}
	f, err := os.Open(filepath.Clean(r.file.Name()))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	var line [recordSize]byte
	for {
		if _, err := io.ReadFull(in, line[:]); err == io.EOF {
			break
		} else if err != nil {
			return 0, 0, fmt.Errorf("record of acknowledgements: %w", err)
		}
		acknowledged++
		person, revision := int64(binary.BigEndian.Uint64(line[:])), int(binary.BigEndian.Uint32(line[8:]))
		t := told[person]
		if t == nil {
			t = &said{want: map[int][32]byte{}, rounds: map[int]bool{}}
			told[person] = t
		}
		round := int(binary.BigEndian.Uint32(line[12:]))
		if revision == 0 && t.rounds[round] {
			continue // she submitted the same once more, and was told that it stands
		}
		t.saves++
		if want := wanted(asked(person, round)); revision == 0 {
			t.all, t.rounds[round] = append(t.all, want), true
		} else {
			t.last, t.want[revision] = max(t.last, revision), want
		}
	}
	for person, t := range told {
		s := has[person]
		if s == nil {
			lost += t.saves
			continue
		}
		slices.Sort(s.revisions)
		missing := 0
		for revision := range t.want {
			if _, there := slices.BinarySearch(s.revisions, revision); !there {
				missing++
			}
		}
		lost += max(missing, t.saves-len(s.revisions))
		newest := s.revisions[len(s.revisions)-1]
		want, known := t.want[newest]
		switch {
		case known && want != s.counts, !known && newest < t.last, !known && len(t.all) > 0 && !slices.Contains(t.all, s.counts):
			lost++
		}
	}
	return lost, acknowledged, nil
}
