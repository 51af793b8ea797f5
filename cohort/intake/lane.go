package intake

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"jebi/data"
)

// window is the queue of one cohort. Whoever finds fewer leaders at work than
// there may be leads: she commits what has queued, her own save among it, and
// hands over to one who waits. No goroutine is left when nobody saves, and a
// lonely save waits for nobody.
type window struct {
	queue   []*item
	leaders int
	under   int // saves in commits that are under way
}

// item is a save on its way. Its result is set before done is closed.
type item struct {
	person   int64
	choices  choices
	withdraw bool
	request  Request

	taken   bool          // by a batch: its answer will come; guarded by Service.mu
	leading bool          // it is this caller's turn to lead, or soon; guarded by Service.mu
	lead    chan struct{} // her turn
	done    chan struct{}
	receipt Receipt
	err     error
	draw    *draw // to sign the receipt for; nil: no signature
}

// submit queues the item and waits for its answer. A caller who gives up
// before a batch took her item has saved nothing; after that she waits for the
// truth, which comes within the commit's limit.
func (s *Service) submit(ctx context.Context, cohortID int, it *item) (Receipt, error) {
	it.lead, it.done = make(chan struct{}, 1), make(chan struct{})
	s.mu.Lock()
	w := s.windows[cohortID]
	if w == nil {
		w = &window{}
		s.windows[cohortID] = w
	}
	if len(w.queue) >= s.cfg.Queue {
		s.mu.Unlock()
		return Receipt{}, ErrBusy
	}
	w.queue = append(w.queue, it)
	if w.leaders < s.cfg.Lanes {
		w.leaders++
		it.giveLead()
	}
	s.mu.Unlock()

	for {
		select {
		case <-it.done:
			if it.err == nil && it.draw != nil {
				s.sign(&it.receipt, it.draw)
			}
			return it.receipt, it.err
		case <-it.lead:
			s.leadOnce(ctx, cohortID, w, it)
		case <-ctx.Done():
			if s.leave(w, it) {
				return Receipt{}, fmt.Errorf("not saved: %w", context.Cause(ctx))
			}
			ctx = context.WithoutCancel(ctx) // taken, or about to lead: the answer comes
		}
	}
}

// leave takes an item back that no batch has taken and that is not to lead.
func (s *Service) leave(w *window, it *item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.taken || it.leading {
		return false
	}
	for i, q := range w.queue {
		if q == it {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// giveLead makes it the caller's turn; the service is locked.
func (it *item) giveLead() {
	it.leading = true
	it.lead <- struct{}{} // there is room: a turn is given once until it is over
}

// leadOnce commits one batch and passes the lead on, perhaps to the same
// caller, where her save was not in the batch.
func (s *Service) leadOnce(ctx context.Context, cohortID int, w *window, leader *item) {
	runtime.Gosched() // whoever is about to queue does so first; alone, she waits for nobody
	batch := s.take(w)
	if len(batch) > 0 {
		// The batch is not the leader's alone: her hanging up ends nothing.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Limit)
		s.commit(ctx, cohortID, batch)
		cancel()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.under -= len(batch)
	leader.leading = false
	for _, it := range w.queue {
		if !it.leading {
			it.giveLead()
			return
		}
	}
	w.leaders--
}

// fewTogether is how many saves go into one commit however few there are: to
// share them out among the lanes would cost more than it gains.
const fewTogether = 24

// take removes a batch from the queue: one save a person, in their order; a
// second save of the same person stays for the next. Where there are many, each
// lane gets its share, so that none waits for the one with all of them.
func (s *Service) take(w *window) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := (len(w.queue) + w.under + s.cfg.Lanes - 1) / s.cfg.Lanes
	most := min(s.cfg.Batch, max(fewTogether, share))
	seen := make(map[int64]bool, len(w.queue))
	var batch, rest []*item
	for _, it := range w.queue {
		if len(batch) < most && !seen[it.person] {
			seen[it.person] = true
			it.taken = true
			batch = append(batch, it)
		} else {
			rest = append(rest, it)
		}
	}
	w.queue = rest
	w.under += len(batch)
	return batch
}

// commit saves the batch. Where it fails as a whole for a reason that may lie
// in one of them, it is halved, so that a bad one fails alone.
func (s *Service) commit(ctx context.Context, cohortID int, batch []*item) {
	later, err := s.transact(ctx, cohortID, batch)
	switch {
	case err == nil:
		d := s.signing(ctx, cohortID)
		for _, it := range batch {
			it.draw = d
		}
	case len(batch) > 1 && (data.RowFault(err) || errors.Is(err, errMissing) || errors.Is(err, data.ErrPartyChanged)):
		s.commit(ctx, cohortID, batch[:len(batch)/2])
		s.commit(ctx, cohortID, batch[len(batch)/2:])
		return
	default:
		for _, it := range batch {
			it.err = err
		}
	}
	for _, it := range batch {
		if !later[it] {
			close(it.done)
		}
	}
	for it := range later { // a party that met one of its members in this batch
		s.commit(ctx, cohortID, []*item{it})
	}
}
