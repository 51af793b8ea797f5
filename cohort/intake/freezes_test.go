package intake

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// freeze closes and freezes a window as the cycle does, and answers the ballots that the draw gets.
func freeze(ctx context.Context, db *data.DB, cohortID int) (map[int64]int, error) {
	if err := db.Tx(ctx, func(tx *data.Tx) error {
		if err := tx.Lock(ctx, data.LockWindow, cohortID); err != nil {
			return err
		}
		if err := tx.SetState(ctx, cohortID, cohort.Open, cohort.Closed); err != nil {
			return err
		}
		return tx.SetState(ctx, cohortID, cohort.Closed, cohort.Frozen)
	}); err != nil {
		return nil, err
	}
	frozen := map[int64]int{}
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		_, vs, err := tx.Window(ctx, cohortID, people(1, 1000))
		for _, v := range vs {
			if v.Revision > 0 {
				frozen[v.Person] = v.Revision
			}
		}
		return err
	})
	return frozen, err
}

func people(from, to int64) []int64 {
	var ids []int64
	for id := from; id <= to; id++ {
		ids = append(ids, id)
	}
	return ids
}

// contest is what came of savers against freezes.
type contest struct {
	acknowledged, refused int
	lost                  int // acknowledged, and not in the draw as acknowledged
}

const savers = 64

// saversAgainstFreezes lets 64 savers save, by two servers before one database,
// and freezes the window in the thick of it; then opens it again, and so on. In
// every other round, or in each, the freeze begins between a batch's rows and
// their commit.
func saversAgainstFreezes(t *testing.T, p *place, freezes int, unlocked, always bool) (c contest) {
	t.Helper()
	ctx := t.Context()
	for round := range freezes {
		p.exec(t, `ALTER TABLE @cohort DISABLE TRIGGER moves`)
		p.exec(t, `UPDATE @cohort SET state = 'open' WHERE id = 1`)
		p.exec(t, `ALTER TABLE @cohort ENABLE TRIGGER moves`)
		var saved atomic.Int64
		frozen := make(chan map[int64]int, 1)
		begin := sync.OnceFunc(func() {
			go func() {
				f, err := freeze(ctx, p.db, 1)
				if err != nil {
					t.Error(err)
				}
				frozen <- f
			}()
		})
		enough := func() bool { return saved.Load() >= int64(savers+round%savers) } // at another moment each time
		services := []*Service{p.service(), p.service()}
		for _, s := range services {
			s.unlocked = unlocked
			if !always && round%2 == 0 {
				continue
			}
			var once sync.Once
			s.between = func(context.Context) {
				if !enough() {
					return
				}
				once.Do(func() {
					begin()
					p.untilFrozen(t, frozen)
				})
			}
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		last := map[int64]int{}
		for i := range savers {
			wg.Go(func() {
				for n := 0; ; n++ {
					person := int64(1 + i*15 + n%15)
					request := answer(person, "C1")
					if i%4 >= 2 { // of half of them the key is known: theirs are plain saves
						request = known(person, "C1")
					}
					r, err := services[i%2].Save(ctx, request)
					var closed *Closed
					mu.Lock()
					switch {
					case errors.As(err, &closed):
						c.refused++
					case err != nil:
						t.Error(err)
					default:
						last[person] = r.Revision
						c.acknowledged++
					}
					mu.Unlock()
					if err != nil {
						return
					}
					saved.Add(1)
				}
			})
		}
		if !always && round%2 == 0 {
			for !enough() {
				time.Sleep(100 * time.Microsecond)
			}
			begin()
		}
		wg.Wait()
		inDraw := <-frozen
		for person, revision := range last {
			if inDraw[person] != revision {
				c.lost++
			}
		}
	}
	return c
}

// untilFrozen waits until a freeze has gone through, or is seen waiting for the
// window's lock.
func (p *place) untilFrozen(t *testing.T, frozen chan map[int64]int) {
	for len(frozen) == 0 && p.count(t, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0 {
		time.Sleep(time.Millisecond)
	}
}

// 64 savers against 200 freezes: each ballot is refused or in the draw, never
// acknowledged and absent.
func TestSaversAgainstFreezes(t *testing.T) {
	const freezes = 200
	c := saversAgainstFreezes(t, newPlace(t), freezes, false, false)
	t.Logf("%d acknowledged, %d refused, %d freezes", c.acknowledged, c.refused, freezes)
	if c.lost != 0 {
		t.Errorf("%d acknowledged ballots are not in the draw", c.lost)
	}
	if c.refused != savers*freezes || c.acknowledged < savers*freezes {
		t.Errorf("%d refused and %d acknowledged, want each saver refused once a freeze", c.refused, c.acknowledged)
	}
}

// The same without the window's lock: acknowledged ballots miss the draw.
func TestSaversAgainstFreezesWithoutTheLock(t *testing.T) {
	const freezes = 10
	c := saversAgainstFreezes(t, newPlace(t), freezes, true, true)
	t.Logf("%d acknowledged, %d refused, %d lost, %d freezes", c.acknowledged, c.refused, c.lost, freezes)
	if c.lost < freezes {
		t.Errorf("%d acknowledged ballots missed %d draws: the lock would not be needed", c.lost, freezes)
	}
}

// The same moment in each of two services: a freeze begins after the ballot's
// row is written and before its commit. With the lock the freeze waits and has
// the ballot; without it an acknowledged ballot misses the draw.
func TestTheLockIsWhatHolds(t *testing.T) {
	for _, c := range []struct {
		name     string
		unlocked bool
		want     int
	}{{"with the lock", false, 1}, {"without", true, 0}} {
		t.Run(c.name, func(t *testing.T) {
			p, ctx := newPlace(t), t.Context()
			s := p.service()
			s.unlocked = c.unlocked
			frozen := make(chan map[int64]int, 1)
			s.between = func(context.Context) {
				go func() {
					f, err := freeze(ctx, p.db, 1)
					if err != nil {
						t.Error(err)
					}
					frozen <- f
				}()
				p.untilFrozen(t, frozen)
			}
			if _, err := s.Save(ctx, answer(1, "C1")); err != nil {
				t.Fatalf("not acknowledged: %v", err)
			}
			if got := (<-frozen)[1]; got != c.want {
				t.Errorf("revision %d in the draw, want %d", got, c.want)
			}
		})
	}
}
