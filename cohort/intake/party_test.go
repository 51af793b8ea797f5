package intake

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"jebi/data"
	"jebi/data/pgtest"
)

// While members save as fast as they can, others join and leave: whatever the
// order, every member has the party's answer in the end, whoever has left has
// one of her own, and nobody's is lost.
func TestJoiningAndLeavingAgainstSaves(t *testing.T) {
	p, ctx := newPlace(t), t.Context()
	s := p.service()
	c := *theCampaign
	c.Rules.MaxParty = 4
	request := func(person int64) Request {
		return Request{Campaign: &c, Person: person, Channel: data.ChannelWeb, Session: 99}
	}
	var mu sync.Mutex
	made := uint64(0)
	var hashes [][32]byte
	codes := func() (nonce, hash [32]byte, err error) {
		mu.Lock()
		defer mu.Unlock()
		made++
		hash = sha256.Sum256(binary.BigEndian.AppendUint64(nil, made))
		hashes = append(hashes, hash)
		return sha256.Sum256(hash[:]), hash, nil
	}
	for round := range 12 {
		first := int64(1 + 4*round)
		mu.Lock()
		hashes = nil
		mu.Unlock()
		if err := s.StartParty(ctx, request(first), codes); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var joined [3]error
		for i := range 3 {
			wg.Go(func() {
				joined[i] = s.JoinParty(ctx, Joining{Request: request(first + 1 + int64(i)), CodeHash: hashes[i]})
			})
		}
		for i := range 8 {
			wg.Go(func() {
				r := request(first)
				r.Choices = choice(fmt.Sprint("C", 1+i%2))
				if _, err := s.Save(ctx, r); err != nil && !errors.Is(err, data.ErrPartyChanged) {
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		for i, err := range joined {
			if err != nil {
				t.Fatalf("round %d, joiner %d: %v", round, i, err)
			}
		}
		p.together(t, first, 4)
		for i := range 2 {
			wg.Go(func() {
				if err := s.LeaveParty(ctx, request(first+2+int64(i))); err != nil {
					t.Errorf("leave: %v", err)
				}
			})
			wg.Go(func() {
				r := request(first + 1)
				r.Choices = choice(fmt.Sprint("C", 1+i%2))
				if _, err := s.Save(ctx, r); err != nil && !errors.Is(err, data.ErrPartyChanged) {
					t.Errorf("save: %v", err)
				}
			})
		}
		wg.Wait()
		p.together(t, first, 2)
		for _, person := range []int64{first + 2, first + 3} {
			if n := pgtest.Value[int64](t, p.url, `SELECT count(*) FROM jebi.ballot WHERE person_id = $1 AND party_id IS NULL AND NOT withdrawn`, person); n != 1 {
				t.Errorf("who left has %d ballots of her own", n)
			}
		}
	}
}

// together checks that the members of a person's party are so many and have
// one answer.
func (p *place) together(t *testing.T, person, members int64) {
	t.Helper()
	const party = `(SELECT party_id FROM jebi.party_member WHERE person_id = $1)`
	if n := pgtest.Value[int64](t, p.url, `SELECT count(*) FROM jebi.party_member WHERE party_id = `+party, person); n != members {
		t.Errorf("%d members, want %d", n, members)
	}
	if n := pgtest.Value[int64](t, p.url, `SELECT count(*) FROM jebi.ballot WHERE NOT withdrawn AND party_id = `+party, person); n != members {
		t.Errorf("%d ballots of the party, want %d", n, members)
	}
	if n := pgtest.Value[int64](t, p.url, `SELECT count(DISTINCT convert_from(bytes, 'UTF8')::jsonb -> 'choices') FROM jebi.ballot WHERE party_id = `+party, person); n != 1 {
		t.Errorf("%d different answers in one party", n)
	}
}
