package intake

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"jebi/cohort"
	"jebi/data"
)

// prepare makes the row of a plain save: that of somebody whose key is known,
// in a window that was read before. Whether she is alone, and all the rest, the
// database sees under the window's lock.
func (s *Service) prepare(cohortID int, it *item) error {
	r := &it.request
	if it.withdraw || r.Key == "" || r.Official != 0 {
		return nil
	}
	s.mu.Lock()
	var campaign, draw string
	if w := s.windows[cohortID]; w != nil {
		campaign, draw = w.campaign, w.draw
	}
	s.mu.Unlock()
	if draw == "" || campaign != r.Campaign.Key {
		return nil
	}
	it.plain, it.draw = true, draw
	it.row = data.Ballot{Person: it.person, Channel: r.Channel, Session: r.Session, Draft: r.Draft}
	return s.fill(&it.row, cohort.Ballot{Draw: draw, Person: r.Key, Choices: it.choices})
}

// noteDraw remembers what every ballot of a window names.
func (s *Service) noteDraw(cohortID int, campaign, draw string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.windows[cohortID]; w != nil {
		w.campaign, w.draw = campaign, draw
	}
}

// plain saves the plain saves of a batch in one trip to the database. It answers
// those that are settled, with their receipts or, where nobody knows whether
// they are saved, with the error, and those that are to be looked at.
func (s *Service) plain(ctx context.Context, cohortID int, batch []*item) (settled, rest []*item) {
	items := make([]*item, 0, len(batch))
	for _, it := range batch {
		if it.plain {
			items = append(items, it)
		} else {
			rest = append(rest, it)
		}
	}
	if len(items) == 0 {
		return nil, rest
	}
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.person, b.person) })
	keys, rows := make([]string, len(items)), make([]*data.Ballot, len(items))
	for i, it := range items {
		keys[i], rows[i] = it.request.Key, &it.row
	}
	saved, err := s.cfg.DB.SavePlain(ctx, items[0].request.Campaign.Key, cohortID, keys, rows, s.unlocked)
	if errors.Is(err, data.ErrNotPlain) {
		return nil, batch
	}
	if errors.Is(err, data.ErrLocked) {
		err = ErrBusy
	}
	if err != nil {
		for _, it := range items {
			it.err = err
		}
		return items, rest
	}
	slices.SortFunc(saved, func(a, b data.PlainSaved) int { return cmp.Compare(a.Person, b.Person) })
	next := 0 // both are in the order of the people
	for _, it := range items {
		if next == len(saved) || saved[next].Person != it.person {
			rest = append(rest, it)
			continue
		}
		it.receipt = Receipt{
			Number: cohort.ReceiptNumber(it.row.Commit), Draw: it.draw, Person: it.request.Key, Revision: saved[next].Revision,
			Commit: it.row.Commit, Salt: it.row.Salt, Ballot: it.row.Bytes, SavedAt: saved[next].At.UTC(),
		}
		settled = append(settled, it)
		next++
	}
	return settled, rest
}
