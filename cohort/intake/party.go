package intake

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"jebi/cohort"
	"jebi/data"
)

// Joining is a wish to come into a party by a code.
type Joining struct {
	Request  // of the person who joins; it has no choices
	CodeHash [32]byte
	Address  [32]byte // keyed hash of the network address
	Caps     data.EntryCaps
}

// Codes makes the codes of a party's free places.
type Codes func() (nonce, hash [32]byte, err error)

// joinTries bounds how often joining and leaving begin again because a ballot
// of the party was saved meanwhile.
const joinTries = 10

// StartParty makes a party of the person, which others join by codes. What she
// has saved stands. The errors are those of Save and *data.PartyRefused.
func (s *Service) StartParty(ctx context.Context, r Request, codes Codes) error {
	return s.party(ctx, r, func(tx *data.Tx, w data.WindowRow, _ []data.Voter) (refused, err error) {
		var b [8]byte
		s.random.Lock()
		_, err = io.ReadFull(s.cfg.Random, b[:])
		s.random.Unlock()
		if err != nil {
			return nil, fmt.Errorf("random key: %w", err)
		}
		id, err := tx.StartParty(ctx, w.Campaign, w.ID, "p-"+hex.EncodeToString(b[:]), r.Person, actor(r), r.Reason)
		if err != nil {
			return nil, err
		}
		return nil, tx.AddPartyCodes(ctx, w.Campaign, id, r.Campaign.Rules.MaxParty, codes)
	})
}

// PartyCodes makes codes for the free places of the person's party that have
// none.
func (s *Service) PartyCodes(ctx context.Context, r Request, codes Codes) error {
	return s.party(ctx, r, func(tx *data.Tx, w data.WindowRow, _ []data.Voter) (refused, err error) {
		party, err := tx.PartyOf(ctx, w.Campaign, r.Person)
		if err != nil {
			return nil, err
		}
		if party == 0 {
			return nil, &data.PartyRefused{Why: "none"}
		}
		if err := tx.HoldParty(ctx, w.Campaign, party, nil, nil); err != nil {
			return nil, err
		}
		return nil, tx.AddPartyCodes(ctx, w.Campaign, party, r.Campaign.Rules.MaxParty, codes)
	})
}

// JoinParty makes the person a member of the party that the code belongs to.
// If any of the members has answered, that answer is from now on everyone's,
// in this transaction: the party's own before one that a member had alone. The
// attempt counts even where it is refused. The errors are those of Save,
// *data.PartyRefused and *data.TooManyCodes.
func (s *Service) JoinParty(ctx context.Context, j Joining) error {
	return s.party(ctx, j.Request, func(tx *data.Tx, w data.WindowRow, voters []data.Voter) (refused, err error) {
		try, code, party, err := tx.TryPartyCode(ctx, w.Campaign, w.ID, j.Person, j.CodeHash, j.Address, j.Caps)
		var no *data.PartyRefused
		if errors.As(err, &no) {
			return no, nil
		}
		if err != nil {
			return nil, err
		}
		if voters[0].Party != 0 {
			return &data.PartyRefused{Why: "already"}, nil
		}
		if err := tx.JoinParty(ctx, w.Campaign, party, j.Person, code, try); err != nil {
			return nil, err
		}
		w, voters, err = tx.Window(ctx, w.ID, []int64{j.Person}) // with the members, herself among them
		if err != nil {
			return nil, err
		}
		if len(voters) > j.Campaign.Rules.MaxParty {
			return nil, &data.PartyRefused{Why: "full"}
		}
		members, refused := admit(w, voters, &item{person: j.Person, request: j.Request})
		if refused != nil {
			return nil, refused
		}
		return nil, s.together(ctx, tx, w, party, j.Request, members)
	})
}

// together writes the answer that the members share from now on, where there
// is one, and tells the others.
func (s *Service) together(ctx context.Context, tx *data.Tx, w data.WindowRow, party int64, r Request, members []data.Voter) error {
	people := make([]int64, len(members))
	for i, v := range members {
		people[i] = v.Person
	}
	held, err := tx.HoldBallots(ctx, w.Campaign, people)
	if err != nil {
		return err
	}
	revisions := make(map[int64]int, len(held))
	for _, b := range held {
		revisions[b.Person] = b.Revision
	}
	if best := shared(held, party, r.Person); best != nil {
		b, err := cohort.ParseBallot(best.Bytes)
		if err != nil {
			return fmt.Errorf("ballot of person %d: %w", best.Person, err)
		}
		if err := s.rewrite(ctx, tx, w, &item{person: r.Person, choices: b.Choices, request: r}, members, revisions); err != nil {
			return err
		}
	}
	if err := tx.TellParty(ctx, w.Campaign, party, r.Person, "party_joined", "party.join", actor(r), r.Reason, map[string]any{"session": r.Session}); err != nil {
		return err
	}
	return tx.HoldParty(ctx, w.Campaign, party, people, revisions)
}

// shared picks the ballot that a party goes on with: its own, else one of the
// others, else the joiner's; the newest of each.
func shared(held []data.PartyBallot, party, joiner int64) *data.PartyBallot {
	var best *data.PartyBallot
	class := func(b *data.PartyBallot) int {
		switch {
		case b.Party == party:
			return 0
		case b.Person != joiner:
			return 1
		}
		return 2
	}
	for i := range held {
		b := &held[i]
		if b.Withdrawn {
			continue
		}
		if best == nil || class(b) < class(best) || class(b) == class(best) && b.SavedAt.After(best.SavedAt) {
			best = b
		}
	}
	return best
}

// rewrite saves the choices for the members inside a transaction of its own,
// and notes the revisions that came of it.
func (s *Service) rewrite(ctx context.Context, tx *data.Tx, w data.WindowRow, it *item, members []data.Voter, revisions map[int64]int) error {
	rows, err := s.rows(w, it, members)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b data.Ballot) int { return int(a.Person - b.Person) })
	saved, err := tx.SaveBallots(ctx, w, rows)
	if err != nil {
		return err
	}
	if len(saved) != len(rows) {
		return &NotEligible{"other_cohort"}
	}
	for _, b := range saved {
		revisions[b.Person] = b.Revision
	}
	return nil
}

// LeaveParty ends the person's membership. She keeps the party's answer as her
// own, for one; the others keep it for the rest of them. The errors are those
// of Save and *data.PartyRefused.
func (s *Service) LeaveParty(ctx context.Context, r Request) error {
	return s.party(ctx, r, func(tx *data.Tx, w data.WindowRow, voters []data.Voter) (refused, err error) {
		party, err := tx.PartyOf(ctx, w.Campaign, r.Person)
		if err != nil {
			return nil, err
		}
		if party == 0 {
			return nil, &data.PartyRefused{Why: "none"}
		}
		held, err := tx.HoldBallots(ctx, w.Campaign, []int64{r.Person})
		if err != nil {
			return nil, err
		}
		if err := tx.LeaveParty(ctx, w.Campaign, party, r.Person); err != nil {
			return nil, err
		}
		revisions := map[int64]int{}
		for _, b := range held {
			revisions[b.Person] = b.Revision
		}
		if len(held) == 1 && !held[0].Withdrawn && held[0].Party != 0 {
			b, err := cohort.ParseBallot(held[0].Bytes)
			if err != nil {
				return nil, fmt.Errorf("ballot of person %d: %w", r.Person, err)
			}
			i := slices.IndexFunc(voters, func(v data.Voter) bool { return v.Person == r.Person })
			alone := voters[i]
			alone.Party, alone.PartyKey = 0, ""
			if err := s.rewrite(ctx, tx, w, &item{person: r.Person, choices: b.Choices, request: r}, []data.Voter{alone}, revisions); err != nil {
				return nil, err
			}
		}
		if err := tx.TellParty(ctx, w.Campaign, party, r.Person, "party_left", "party.leave", actor(r), r.Reason, map[string]any{"session": r.Session}); err != nil {
			return nil, err
		}
		return nil, tx.HoldParty(ctx, w.Campaign, party, []int64{r.Person}, revisions)
	})
}

// party runs f inside the window, as a save would be, for a person who may
// answer herself. What f refuses is committed, for the attempt counts; its
// error is not.
func (s *Service) party(ctx context.Context, r Request, f func(*data.Tx, data.WindowRow, []data.Voter) (refused, err error)) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := s.place(ctx, &r); err != nil {
		return err
	}
	var refused error
	var err error
	for range joinTries {
		err = s.cfg.DB.Tx(ctx, func(tx *data.Tx) error {
			refused = nil
			w, voters, err := tx.EnterWindow(ctx, r.Cohort, []int64{r.Person})
			if err != nil {
				return err
			}
			if err := mayMove(w, voters, r); err != nil {
				return err
			}
			refused, err = f(tx, w, voters)
			return err
		})
		if !errors.Is(err, data.ErrPartyChanged) && !errors.Is(err, data.ErrWindowShut) {
			break
		}
	}
	return errors.Join(err, refused)
}

// mayMove is admit for the person alone: a mate who may not answer any more
// does not keep her in the party.
func mayMove(w data.WindowRow, voters []data.Voter, r Request) error {
	i := slices.IndexFunc(voters, func(v data.Voter) bool { return v.Person == r.Person })
	if i < 0 {
		return &NotEligible{"unknown"}
	}
	alone := voters[i]
	alone.Party = 0
	_, err := admit(w, []data.Voter{alone}, &item{person: r.Person, request: r})
	return err
}

func actor(r Request) data.Actor {
	switch r.Channel {
	case data.ChannelProxy:
		return data.Actor{Kind: "proxy"}
	case data.ChannelSample:
		return data.System
	case data.ChannelCallCentre, data.ChannelPaper:
		return data.Actor{Kind: "official", Official: r.Official}
	}
	return data.Actor{Kind: "person"}
}
