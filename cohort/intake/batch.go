package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

type choices = []cohort.Choice

// tries bounds how often a batch begins again because its window was shut, or
// somebody joined or left a party of it, while it wrote.
const tries = 2

// transact saves the batch in one transaction and sets each item's receipt or
// error. It answers the items that must be saved after this batch, because a
// party would write a person twice; with an error nothing was saved and no
// item is set.
func (s *Service) transact(ctx context.Context, cohortID int, batch []*item) (map[*item]bool, error) {
	people := make([]int64, len(batch))
	for i, it := range batch {
		people[i] = it.person
	}
	slices.Sort(people)
	var err error
	var results map[*item]outcome
	var later map[*item]bool
	for range tries {
		err = s.cfg.DB.Tx(ctx, func(tx *data.Tx) error {
			results, later, err = s.write(ctx, tx, cohortID, people, batch)
			if err == nil && s.between != nil {
				s.between(ctx)
			}
			return err
		})
		if !errors.Is(err, data.ErrWindowShut) && !errors.Is(err, data.ErrPartyChanged) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	for it, o := range results {
		it.receipt, it.err = o.receipt, o.err
	}
	return later, nil
}

// errMissing says that some rows of a party were not written: the batch goes
// back, so that the party fails alone and as a whole.
var errMissing = errors.New("some ballots of a party were not written")

type outcome struct {
	receipt Receipt
	err     error
}

// write is the transaction's body; it may run again, after a deadlock.
func (s *Service) write(ctx context.Context, tx *data.Tx, cohortID int, people []int64, batch []*item) (map[*item]outcome, map[*item]bool, error) {
	enter := tx.EnterToSave
	if slices.ContainsFunc(batch, func(it *item) bool { return it.withdraw }) {
		enter = tx.EnterWindow
	}
	if s.unlocked {
		enter = tx.Window
	}
	w, voters, err := enter(ctx, cohortID, people)
	if err != nil {
		return nil, nil, err
	}
	s.noteDraw(cohortID, w.CampaignKey, drawID(w))
	results := make(map[*item]outcome, len(batch))
	later := map[*item]bool{}
	written := map[int64]bool{}
	var rows []data.Ballot
	rowsOf := map[*item][]data.Ballot{}
	for _, it := range batch {
		members, refused := admit(w, voters, it)
		if refused != nil {
			results[it] = outcome{err: refused}
			continue
		}
		if slices.ContainsFunc(members, func(v data.Voter) bool { return written[v.Person] }) {
			later[it] = true
			continue
		}
		own, err := s.rows(w, it, members)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range own {
			written[r.Person] = true
		}
		rowsOf[it] = own
		rows = append(rows, own...)
	}
	slices.SortFunc(rows, func(a, b data.Ballot) int { return int(a.Person - b.Person) })
	saved, err := tx.SaveBallots(ctx, w, rows)
	if err != nil {
		return nil, nil, err
	}
	revisions := make(map[int64]data.SavedBallot, len(saved))
	for _, r := range saved {
		revisions[r.Person] = r
	}
	for it, own := range rowsOf {
		missing := 0
		for i := range own {
			if _, there := revisions[own[i].Person]; !there {
				missing++
			}
		}
		if missing == 0 {
			results[it] = outcome{receipt: receipt(w, voters, it, own, revisions[it.person])}
			continue
		}
		// Her ballot is another cohort's or, to be withdrawn, not there any more.
		var refused error = &NotEligible{"other_cohort"}
		if it.withdraw {
			refused = ErrNoBallot
		}
		switch {
		case missing == len(own): // nothing of hers was written
			results[it] = outcome{err: refused}
		case len(batch) == 1:
			return nil, nil, refused
		default:
			return nil, nil, errMissing
		}
	}
	return results, later, nil
}

// receipt is what the item's caller is told, and nobody before the commit.
func receipt(w data.WindowRow, voters []data.Voter, it *item, own []data.Ballot, saved data.SavedBallot) Receipt {
	i := slices.IndexFunc(own, func(b data.Ballot) bool { return b.Person == it.person })
	v := voters[slices.IndexFunc(voters, func(v data.Voter) bool { return v.Person == it.person })]
	return Receipt{
		Number: cohort.ReceiptNumber(saved.Commit), Draw: drawID(w), Person: v.Key, Party: v.PartyKey, Revision: saved.Revision,
		Commit: saved.Commit, Salt: own[i].Salt, Ballot: own[i].Bytes, SavedAt: w.Now, Withdrawn: it.withdraw,
	}
}

// admit says who the item writes for, or why it may not. It decides by what
// was read under the window's lock.
func admit(w data.WindowRow, voters []data.Voter, it *item) ([]data.Voter, error) {
	i, known := slices.BinarySearchFunc(voters, it.person, func(v data.Voter, id int64) int { return int(v.Person - id) })
	if !known {
		return nil, &NotEligible{"unknown"}
	}
	members := voters[i : i+1]
	if p := voters[i].Party; p != 0 {
		members = nil
		for _, v := range voters {
			if v.Party == p {
				members = append(members, v)
			}
		}
	}
	for _, v := range members {
		switch {
		case v.Campaign != w.Campaign || w.CampaignKey != it.request.Campaign.Key:
			return nil, &NotEligible{"other_campaign"}
		case v.Status != "eligible" && v.Person != it.person, v.Cohort != w.ID && v.Person != it.person:
			return nil, &NotEligible{"party"}
		case v.Status != "eligible":
			return nil, &NotEligible{v.Status}
		case v.Cohort == 0:
			return nil, &NotEligible{"no_cohort"}
		case v.Cohort != w.ID, v.Revision > 0 && v.BallotCohort != w.ID:
			return nil, &NotEligible{"other_cohort"}
		case it.withdraw && (v.Revision == 0 || v.Withdrawn):
			return nil, ErrNoBallot
		}
	}
	if it.request.Channel == data.ChannelSample && !w.Sample {
		return nil, fmt.Errorf("%w: channel sample in a campaign that is none", ErrRequest)
	}
	if !w.TakesBallots() {
		return nil, &Closed{State: w.State, Opens: w.Opens, Closes: w.Closes, Paused: w.PausedAt != nil, Now: w.Now}
	}
	return members, nil
}

// rows makes the row of each member, each with her own bytes, salt and
// commitment.
func (s *Service) rows(w data.WindowRow, it *item, members []data.Voter) ([]data.Ballot, error) {
	rows := make([]data.Ballot, len(members))
	for i, v := range members {
		b := data.Ballot{
			Person: v.Person, Withdraw: it.withdraw, Party: v.Party, Channel: it.request.Channel,
			Official: it.request.Official, Session: it.request.Session, Reason: it.request.Reason,
		}
		if v.Person == it.person {
			b.Draft = it.request.Draft
		}
		if !it.withdraw {
			if err := s.fill(&b, cohort.Ballot{Draw: drawID(w), Person: v.Key, Party: v.PartyKey, Choices: it.choices}); err != nil {
				return nil, err
			}
		}
		rows[i] = b
	}
	return rows, nil
}

// fill gives a row its bytes, a new salt, and the commitment to both.
func (s *Service) fill(row *data.Ballot, b cohort.Ballot) error {
	row.Bytes = b.Encode()
	s.random.Lock()
	_, err := io.ReadFull(s.cfg.Random, row.Salt[:])
	s.random.Unlock()
	if err != nil {
		return fmt.Errorf("random salt: %w", err)
	}
	row.Commit = lottery.BallotCommit(row.Salt, row.Bytes)
	return nil
}

// drawID is cohort.Campaign.DrawID, by the database's own keys.
func drawID(w data.WindowRow) string {
	c := cohort.Campaign{Key: w.CampaignKey}
	return c.DrawID(w.Key)
}
