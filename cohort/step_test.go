package cohort

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A history is one cohort's life in a model of the database: ticks come when
// they like, people save, confirm and answer, sources come in. Whatever the
// ticks were, the end must be the same.
type history struct {
	f     Facts
	now   time.Time
	log   []Action
	seats int
	// places of the draw: 0 not yet, 1 assigned, 2 confirmed, 3 lapsed
	place []int8
	wants []time.Time // when she confirms; zero: never
	// the waitlist: 0 waiting, 1 offered, 2 seated, 3 off
	queue    []int8
	accepts  []bool
	deadline []time.Time
	lapses   []int8
	free     int
}

const (
	histories = 1_000_000
	minAnswer = 3 * time.Hour
)

var day0 = time.Date(2021, 7, 14, 0, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return day0.Add(time.Duration(hours) * time.Hour) }

// The window of the model, in hours: 9–57, draw 60, publish 70, confirm 90, settle 120.
func newHistory(r *rand.Rand) *history {
	h := &history{
		f: Facts{
			State: Announced, Durable: true, Verified: true,
			Opens: at(9), Closes: at(57), DrawAt: at(60), PublishAt: at(70), ConfirmBy: at(90), SettleAt: at(120),
		},
		seats: 3,
	}
	for range 3 {
		w := time.Time{}
		if r.IntN(2) == 0 {
			w = at(70 + r.IntN(20))
		}
		h.place, h.wants = append(h.place, 0), append(h.wants, w)
	}
	for range r.IntN(4) {
		h.queue, h.accepts = append(h.queue, 0), append(h.accepts, r.IntN(2) == 0)
		h.deadline, h.lapses = append(h.deadline, time.Time{}), append(h.lapses, 0)
	}
	return h
}

// facts reads the model, as the runner reads the database.
func (h *history) facts() Facts {
	f := h.f
	f.Unconfirmed = slices.Contains(h.place, 1)
	f.Waiting, f.Lapse = false, time.Time{}
	for i, q := range h.queue {
		if q == 1 && (f.Lapse.IsZero() || h.deadline[i].Before(f.Lapse)) {
			f.Lapse = h.deadline[i]
		}
		f.Waiting = f.Waiting || q <= 1
	}
	return f
}

// do carries out one action as its transaction does: it asks the facts again.
func (h *history) do(a Action) bool {
	if !slices.Contains(Step(h.facts(), h.now), a) {
		return false
	}
	switch a {
	case OpenWindow:
		h.f.State = Open
	case CloseWindow:
		h.f.State = Closed
	case FreezeBallots:
		h.f.State = Frozen
	case RunDraw:
		h.f.State = Drawn
		for i := range h.place {
			h.place[i] = 1
		}
	case PublishResult:
		h.f.State = Published
		if h.f.ConfirmBy.Before(h.now.Add(minAnswer)) {
			h.f.ConfirmBy = h.now.Add(minAnswer)
		}
		if h.f.SettleAt.Before(h.f.ConfirmBy) {
			h.f.SettleAt = h.f.ConfirmBy
		}
		h.f.Refill = h.now.Add(10 * time.Minute)
		h.confirm()
	case LapseUnconfirmed:
		for i := range h.place {
			if h.place[i] == 1 {
				h.place[i] = 3
				h.free++
			}
		}
	case LapseOffers:
		for i := range h.queue {
			if h.queue[i] == 1 && !h.now.Before(h.deadline[i]) {
				h.free++
				h.lapses[i]++
				h.queue[i] = 0
				if h.lapses[i] == 2 {
					h.queue[i] = 3
				}
			}
		}
	case RefillOffers:
		for i := range h.queue {
			d := h.now.Add(5 * time.Hour)
			if h.queue[i] == 0 && h.free > 0 && d.Before(h.f.SettleAt) {
				h.free--
				h.queue[i], h.deadline[i] = 1, d
				if h.accepts[i] {
					h.queue[i] = 2
				}
			}
		}
		h.f.Refill = h.now.Add(10 * time.Minute)
		return true // repeated work is not part of the course
	case SendReminders:
		h.f.Remind = h.now.Add(24 * time.Hour)
		return true
	case Settle:
		h.f.State = Settled
		for i := range h.queue {
			if h.queue[i] <= 1 {
				if h.queue[i] == 1 {
					h.free++
				}
				h.queue[i] = 3
			}
		}
	}
	if a != LapseOffers {
		h.log = append(h.log, a)
	}
	return true
}

// confirm lets everyone accept who would have by now; she may until ConfirmBy.
func (h *history) confirm() {
	if h.f.State != Published || !h.now.Before(h.f.ConfirmBy) {
		return
	}
	for i, w := range h.wants {
		if h.place[i] == 1 && !w.IsZero() && !w.After(h.now) {
			h.place[i] = 2
		}
	}
}

// tick is one waking of the scheduler.
func (h *history) tick() {
	for range 50 {
		as := Step(h.facts(), h.now)
		if len(as) == 0 {
			return
		}
		h.do(as[0])
	}
	panic("step asks for the same work without end")
}

// save is a citizen's save: where the window is due and the scheduler late, it
// opens the window itself.
func (h *history) save() bool {
	f := h.facts()
	if f.State == Announced {
		h.do(OpenWindow)
	}
	return h.f.State == Open && !h.f.Paused && !h.now.Before(h.f.Opens) && h.now.Before(h.f.Closes)
}

func (h *history) run(r *rand.Rand) error {
	type event struct {
		at   time.Time
		kind int // 0 tick, 1 save, 2 sources, 3 confirm, 4 half a tick
	}
	var events []event
	for range r.IntN(25) {
		e := event{at(r.IntN(140)), 0}
		if r.IntN(3) == 0 {
			e.kind = 4
		}
		events = append(events, e)
		if r.IntN(4) == 0 {
			events = append(events, e) // doubled
		}
	}
	for range 4 {
		events = append(events, event{at(r.IntN(70)), 1})
	}
	for hour := 70; hour < 90; hour += 2 {
		events = append(events, event{at(hour).Add(time.Hour), 3})
	}
	events = append(events, event{at(r.IntN(80)), 2})
	slices.SortFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var pending []Action // what another runner decided on and has not done yet
	for _, e := range events {
		h.now = e.at
		switch e.kind {
		case 0:
			h.tick()
		case 1:
			got, want := h.save(), !e.at.Before(at(9)) && e.at.Before(at(57))
			if got != want {
				return fmt.Errorf("a save at %v: accepted %v, want %v", e.at, got, want)
			}
		case 2:
			h.f.Sources = true
		case 3:
			h.confirm()
		case 4: // a runner reads what is due and acts much later, in any order
			for _, a := range pending {
				h.do(a)
			}
			pending = Step(h.facts(), h.now)
			r.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
		}
		h.confirm()
	}
	for hour := 141; hour < 300 && h.f.State != Settled; hour += 2 { // the scheduler lives at last
		h.now = at(hour)
		for _, a := range pending {
			h.do(a)
		}
		pending = nil
		h.tick()
		h.confirm()
	}
	return h.check()
}

func (h *history) check() error {
	if h.f.State != Settled {
		return fmt.Errorf("ends %s", h.f.State)
	}
	var steps []Action
	for _, a := range h.log {
		if a != LapseUnconfirmed {
			steps = append(steps, a)
		}
	}
	want := []Action{OpenWindow, CloseWindow, FreezeBallots, RunDraw, PublishResult, Settle}
	if !slices.Equal(steps, want) {
		return fmt.Errorf("steps %v", h.log)
	}
	used := 0
	for i, p := range h.place {
		wanted := int8(3)
		if !h.wants[i].IsZero() {
			wanted = 2
			used++
		}
		if p != wanted {
			return fmt.Errorf("place %d ends %d, want %d", i, p, wanted)
		}
	}
	for i, q := range h.queue {
		if q <= 1 {
			return fmt.Errorf("waiting %d is left in state %d", i, q)
		}
		if q == 2 {
			used++
		}
	}
	if used+h.free != h.seats {
		return fmt.Errorf("%d seats used and %d free of %d", used, h.free, h.seats)
	}
	return nil
}

func TestHistoriesEndTheSame(t *testing.T) {
	const workers = 4
	var wg sync.WaitGroup
	failures := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < histories && failures[w] == nil; i += workers {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				if err := newHistory(r).run(r); err != nil {
					failures[w] = fmt.Errorf("history %d: %w", i, err)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestStep(t *testing.T) {
	base := Facts{
		Durable: true, Sources: true, Verified: true,
		Opens: at(9), Closes: at(57), DrawAt: at(60), PublishAt: at(70), ConfirmBy: at(90), SettleAt: at(120),
	}
	for _, c := range []struct {
		name string
		at   int
		with func(*Facts)
		want []Action
	}{
		{"a draft is never due", 200, func(f *Facts) { f.State = Draft }, nil},
		{"not before it opens", 8, func(f *Facts) { f.State = Announced }, nil},
		{"opens at its time", 9, func(f *Facts) { f.State = Announced }, []Action{OpenWindow}},
		{"opens late", 60, func(f *Facts) { f.State = Announced }, []Action{OpenWindow}},
		{"not on a database that may lose a ballot", 9, func(f *Facts) { f.State, f.Durable = Announced, false }, nil},
		{"stays open", 56, func(f *Facts) { f.State = Open }, nil},
		{"closes at its time", 57, func(f *Facts) { f.State = Open }, []Action{CloseWindow}},
		{"not while it is paused", 57, func(f *Facts) { f.State, f.Paused = Open, true }, nil},
		{"reminds while it is open", 20, func(f *Facts) { f.State, f.Remind = Open, at(20) }, []Action{SendReminders}},
		{"closing comes before reminding", 57, func(f *Facts) { f.State, f.Remind = Open, at(20) }, []Action{CloseWindow}},
		{"freezes at once", 57, func(f *Facts) { f.State = Closed }, []Action{FreezeBallots}},
		{"waits for its sources", 100, func(f *Facts) { f.State, f.Sources = Frozen, false }, nil},
		{"waits for the draw's time", 59, func(f *Facts) { f.State = Frozen }, nil},
		{"draws", 60, func(f *Facts) { f.State = Frozen }, []Action{RunDraw}},
		{"publishes only what was verified", 70, func(f *Facts) { f.State, f.Verified = Drawn, false }, nil},
		{"publishes", 70, func(f *Facts) { f.State = Drawn }, []Action{PublishResult}},
		{"confirm_by lapses", 90, func(f *Facts) { f.State, f.Unconfirmed = Published, true }, []Action{LapseUnconfirmed}},
		{"a live offer lapses", 80, func(f *Facts) { f.State, f.Lapse = Published, at(80) }, []Action{LapseOffers}},
		{"a batch is due", 80, func(f *Facts) { f.State, f.Waiting, f.Refill = Published, true, at(80) }, []Action{RefillOffers}},
		{"no batch without a waitlist", 80, func(f *Facts) { f.State, f.Refill = Published, at(80) }, nil},
		{"all at once, late", 120, func(f *Facts) {
			f.State, f.Unconfirmed, f.Waiting, f.Lapse, f.Refill = Published, true, true, at(80), at(80)
		}, []Action{LapseUnconfirmed, LapseOffers}},
		{"and then the end", 120, func(f *Facts) { f.State, f.Waiting = Published, true }, []Action{Settle}},
		{"void is never due", 200, func(f *Facts) { f.State = Void }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := base
			c.with(&f)
			if diff := cmp.Diff(c.want, Step(f, at(c.at))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWake(t *testing.T) {
	f := Facts{State: Announced, Durable: true, Opens: at(9), Closes: at(57)}
	if got := Wake(f, at(1)); !got.Equal(at(9)) {
		t.Errorf("announced: wakes at %v, want its opening", got)
	}
	f.State = Frozen
	if got := Wake(f, at(58)); !got.IsZero() {
		t.Errorf("frozen without sources: wakes at %v, want only an event", got)
	}
}

func TestStates(t *testing.T) {
	for s, next := range map[State]State{Draft: Announced, Frozen: Drawn, Settled: "", Void: ""} {
		if got := s.Next(); got != next {
			t.Errorf("after %s comes %q, want %q", s, got, next)
		}
	}
	if !Published.Since(Drawn) || Drawn.Since(Published) || Void.Since(Draft) {
		t.Error("Since does not follow the course")
	}
	if !Frozen.CanVoid() || Drawn.CanVoid() || Draft.CanVoid() {
		t.Error("CanVoid: from announced to frozen only")
	}
	if !Void.Known() || State("odd").Known() {
		t.Error("Known: the states and no other")
	}
}
