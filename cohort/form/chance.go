package form

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// chanceView is what a ballot page says of her chances.
type chanceView struct {
	Lines []string // empty: nothing is known yet
	Made  string   // when the estimate was made
	Empty bool     // there is no wish yet whose chance could be told
}

// oddsShelf remembers the newest trial draws of each cohort, and asks for newer
// ones every little while.
type oddsShelf struct {
	mu      sync.Mutex
	cohorts map[int]keptOdds
}

type keptOdds struct {
	asked time.Time
	row   data.OddsRow // MadeAt is zero where there are none
}

// oddsFresh is how long odds are taken without asking for newer ones; they
// are made at most hourly.
const oddsFresh = time.Minute

// oddsOf gives a cohort's newest odds; false where there are none yet.
func (f *Form) oddsOf(ctx context.Context, cohortID int, now time.Time) (data.OddsRow, bool, error) {
	f.odds.mu.Lock()
	k := f.odds.cohorts[cohortID]
	f.odds.mu.Unlock()
	if age := now.Sub(k.asked); k.asked.IsZero() || age < 0 || age >= oddsFresh {
		row, err := f.DB.OddsAfter(ctx, cohortID, k.row.MadeAt)
		switch {
		case err == nil:
			k.row = row
		case !errors.Is(err, data.ErrNotFound):
			return k.row, false, err
		}
		k.asked = now
		f.odds.mu.Lock()
		if f.odds.cohorts == nil {
			f.odds.cohorts = map[int]keptOdds{}
		}
		f.odds.cohorts[cohortID] = k
		f.odds.mu.Unlock()
	}
	return k.row, !k.row.MadeAt.IsZero(), nil
}

// chances says what chance the ballot has that she has put together, and what
// a further place would make of it.
func (f *Form) chances(v *visit, p *ballotPage, cs []cohort.Choice, ps places) error {
	row, ok, err := f.oddsOf(v.Context(), v.session.Cohort, v.session.Now)
	if err != nil || !ok || row.Reach == nil {
		return err
	}
	o := v.campaign.CohortByKey(row.Odds.Cohort)
	if len(cs) == 0 || o == nil {
		p.Chance.Empty = len(cs) == 0
		return nil
	}
	pools := make([]string, len(o.Pools))
	for i, x := range o.Pools {
		pools[i] = x.Group
	}
	drum, err := f.DB.Drum(v.Context(), v.session.Person, pools)
	if err != nil {
		return err
	}
	size := max(1, p.Party)
	chance, known := row.Reach.Chance(size, drum.Pool, drum.Weight, cs)
	if !known {
		return nil
	}
	p.Chance.Made = p.When(row.MadeAt)
	now := chance[len(chance)-1]
	p.Chance.Lines = append(p.Chance.Lines, p.T("form.chance.now", "chance", inTen(p.frame, now)))
	if len(cs) > 1 {
		p.Chance.Lines = append(p.Chance.Lines, p.T("form.chance.first", "chance", inTen(p.frame, chance[0])))
	}
	// What one more place would give: at the dates and times of day that she named already.
	best, name, looked := 0.0, "", 0
	for _, k := range ps.clinics {
		more, ok := oneMore(cs, k.Key)
		if !ok {
			continue
		}
		if looked++; looked > hints {
			break
		}
		if c, _ := row.Reach.Chance(size, drum.Pool, drum.Weight, more); c[len(c)-1] > best {
			best, name = c[len(c)-1], p.clinicView(k).Name
		}
		if best >= wished {
			break // nearest first: a nearer one that is good enough is the better hint
		}
	}
	if cohort.InTen(best) > cohort.InTen(now) {
		p.Chance.Lines = append(p.Chance.Lines, p.T("form.chance.more", "clinic", name, "chance", inTen(p.frame, best)))
	}
	return nil
}

// hints is among how many clinics a hint is looked for.
const hints = 8

// wished is a chance with which no better hint is looked for.
const wished = 0.95

// oneMore is a ballot with a clinic more in its last choice; false where some
// choice has it already.
func oneMore(cs []cohort.Choice, clinic string) ([]cohort.Choice, bool) {
	for _, c := range cs {
		for _, k := range c.Clinics {
			if k == clinic {
				return nil, false
			}
		}
	}
	last := cs[len(cs)-1]
	last.Clinics = append(append([]string{}, last.Clinics...), clinic)
	return append(append([]cohort.Choice{}, cs[:len(cs)-1]...), last), true
}

// inTen writes a chance as people say it, never as a promise.
func inTen(p frame, chance float64) string {
	switch n := cohort.InTen(chance); n {
	case 0:
		return p.T("form.chance.least")
	case 10:
		return p.T("form.chance.most")
	default:
		return p.T("form.chance.n", "n", n)
	}
}

// perSeat writes requests per seat: to one place below ten.
func perSeat(x float64) string {
	if x >= 10 {
		return strconv.Itoa(int(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}
