package intake

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"jebi/data"
)

// window is the queue of one cohort. Batches of what has queued are committed
// by goroutines that end with them: none is left when nobody saves.
type window struct {
	queue    []*item
	batches  int         // under way
	under    int         // saves in them
	patience *time.Timer // of the few who wait for a batch that is under way; nil: there are none
	campaign string      // key, "" before a batch has read it
	draw     string      // draw_id, likewise
}

// item is a save on its way. Its result is set before done is closed.
type item struct {
	person   int64
	choices  choices
	withdraw bool
	request  Request

	plain   bool        // row is what to save for her, where she is as she is thought to be
	row     data.Ballot // of a plain save
	draw    string      // draw_id in its bytes
	taken   bool        // by a batch: its answer will come; guarded by Service.mu
	done    chan struct{}
	receipt Receipt
	err     error
}

// submit queues the item and waits for its answer. A caller who gives up
// before a batch took her item has saved nothing; after that she waits for the
// truth, which comes within the commit's limit.
func (s *Service) submit(ctx context.Context, cohortID int, it *item) (Receipt, error) {
	if err := s.prepare(cohortID, it); err != nil {
		return Receipt{}, err
	}
	it.done = make(chan struct{})
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
	s.start(cohortID, w)
	s.mu.Unlock()

	select {
	case <-it.done:
	case <-ctx.Done():
		if s.leave(w, it) {
			return Receipt{}, fmt.Errorf("not saved: %w", context.Cause(ctx))
		}
		<-it.done // taken: the answer comes
	}
	return it.receipt, it.err
}

// leave takes an item back that no batch has taken.
func (s *Service) leave(w *window, it *item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.taken {
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

// fewTogether is how many saves go into one commit however few there are: to
// share them out among the lanes would cost more than it gains.
const fewTogether = 32

// patience is how long few saves wait for a batch that is under way: many times
// what a batch takes, unless it waits for something itself.
const patience = 20 * time.Millisecond

// start begins a batch where something has queued and a lane is free: at once
// where none is under way, beside another one only where there are many. The
// few who come meanwhile are the next batch, since one commit of two saves costs
// hardly more than one of one; only a batch that hangs keeps nobody waiting. The
// service is locked.
func (s *Service) start(cohortID int, w *window) {
	switch {
	case len(w.queue) == 0 || w.batches >= s.cfg.Lanes:
	case w.batches == 0 || len(w.queue) >= fewTogether:
		s.begin(cohortID, w)
	case w.patience == nil:
		w.patience = time.AfterFunc(patience, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.patience = nil
			if len(w.queue) > 0 && w.batches < s.cfg.Lanes {
				s.begin(cohortID, w)
			}
		})
	}
}

// begin begins a batch. The service is locked.
func (s *Service) begin(cohortID int, w *window) {
	w.batches++
	go s.batch(cohortID, w)
}

// batch commits one batch.
func (s *Service) batch(cohortID int, w *window) {
	runtime.Gosched() // who is about to queue does so first; a lonely save waits for nobody
	batch := s.take(w)
	defer func() {
		if p := recover(); p != nil { // nobody may wait for ever, and the others go on saving
			fail(batch, fmt.Errorf("saving broke down: %v\n%s", p, debug.Stack()))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		w.batches--
		w.under -= len(batch)
		if w.patience != nil && w.patience.Stop() {
			w.patience = nil
		}
		s.start(cohortID, w)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Limit) // nobody's hanging up ends the batch
	defer cancel()
	s.commit(ctx, cohortID, batch)
}

// commit saves the items and tells their callers: the plain saves in one go, the
// others with a look at each.
func (s *Service) commit(ctx context.Context, cohortID int, batch []*item) {
	settled, rest := s.plain(ctx, cohortID, batch)
	s.tell(ctx, cohortID, settled)
	if len(rest) > 0 {
		s.careful(ctx, cohortID, rest)
	}
}

// fail answers those who have no answer yet.
func fail(items []*item, err error) {
	for _, it := range items {
		select {
		case <-it.done:
		default:
			it.receipt, it.err = Receipt{}, err
			close(it.done)
		}
	}
}

// tell signs the receipts of what was saved and lets their callers go on.
func (s *Service) tell(ctx context.Context, cohortID int, items []*item) {
	if len(items) == 0 {
		return
	}
	s.sign(ctx, cohortID, items)
	for _, it := range items {
		close(it.done)
	}
}

// take removes a batch from the queue: one save a person, in their order; a
// second save of the same person stays for the next. Where there are many, each
// lane gets its share, so that none waits for the one with all of them.
func (s *Service) take(w *window) []*item {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := (len(w.queue) + w.under + s.cfg.Lanes - 1) / s.cfg.Lanes
	most := min(s.cfg.Batch, max(fewTogether, share))
	seen := make(map[int64]bool, min(most, len(w.queue)))
	batch, rest := make([]*item, 0, min(most, len(w.queue))), w.queue[:0]
	for _, it := range w.queue {
		if len(batch) < most && !seen[it.person] {
			seen[it.person] = true
			it.taken = true
			batch = append(batch, it)
		} else {
			rest = append(rest, it)
		}
	}
	clear(w.queue[len(rest):])
	w.queue = rest
	w.under += len(batch)
	return batch
}

// careful saves with a look at each, says why where one is refused, and tells
// the callers. Where the batch fails as a whole for a reason that may lie in one
// of them, it is halved, so that a bad one fails alone.
func (s *Service) careful(ctx context.Context, cohortID int, batch []*item) {
	later, err := s.transact(ctx, cohortID, batch)
	switch {
	case err == nil:
	case len(batch) > 1 && (data.RowFault(err) || errors.Is(err, errMissing) || errors.Is(err, data.ErrPartyChanged)):
		s.careful(ctx, cohortID, batch[:len(batch)/2])
		s.careful(ctx, cohortID, batch[len(batch)/2:])
		return
	default:
		for _, it := range batch {
			it.err = err
		}
	}
	s.tell(ctx, cohortID, slices.DeleteFunc(slices.Clone(batch), func(it *item) bool { return later[it] }))
	for it := range later { // a party that met one of its members in this batch
		s.careful(ctx, cohortID, []*item{it})
	}
}
