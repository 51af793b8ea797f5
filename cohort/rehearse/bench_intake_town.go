package rehearse

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
)

// benchTown is a database of a campaign with 1,000 slots whose window is open
// now, by the machine's clock, with people who are signed in. Every choice of a
// ballot is one slot, so that a ballot is an ordered list of slots.
type benchTown struct {
	url      string
	drop     func() error
	db       *data.DB
	campaign *cohort.Campaign
	row      data.CampaignRow
	cohort   data.CohortRow
	operator lottery.Key // announced: receipts are signed
	people   int
	now      time.Time // when it was made
	slots    []cohort.Choice
}

// The slots of a town: clinic × date × day part.
const (
	townClinics = 100
	townDates   = 5
	townParts   = 2
	townSlots   = townClinics * townDates * townParts
	townWishes  = 5
	townSeats   = 28
)

// newBenchTown makes the database, opens the window, and signs people in.
func (b *intakeBench) newBenchTown(ctx context.Context, people, seats int) (t *benchTown, err error) {
	t = &benchTown{people: people, now: b.Clock()}
	t.slots = slotChoices(t.now)
	if t.url, t.drop, err = b.database(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if err := errors.Join(data.Migrate(ctx, t.url), data.MakeClockMovable(ctx, t.url)); err != nil {
		return t, err
	}
	if t.db, err = data.Open(ctx, t.url); err != nil {
		return t, err
	}
	if ok, why, err := t.db.Durable(ctx); err != nil || !ok {
		return t, errors.Join(err, fmt.Errorf("%w: %s", ErrNotDurable, why))
	}
	file := townFile(t.now)
	parsed, problems := campaign.Parse(file)
	if errs := campaign.Errors(problems); len(errs) > 0 {
		return t, fmt.Errorf("the bench's campaign file: line %d: %s", errs[0].Line, errs[0].Text)
	}
	t.campaign = parsed
	a, err := t.db.ApplyCampaign(ctx, parsed, file, data.System, true)
	if err != nil {
		return t, err
	}
	t.row = a.Campaign
	o := &parsed.Cohorts[0]
	if t.operator, err = benchKey(b.Random, parsed.Authority); err != nil {
		return t, err
	}
	if err := t.db.MoveClock(ctx, o.Opens.Add(-time.Hour)); err != nil {
		return t, err
	}
	err = t.db.Tx(ctx, func(tx *data.Tx) error {
		if err := tx.CopyBenchSupply(ctx, t.row.ID, townSupply(t.now, seats)); err != nil {
			return err
		}
		if _, err := tx.MakeSlots(ctx, parsed, t.row.ID); err != nil {
			return err
		}
		_, err := cycle.Announce(ctx, tx, parsed, o.Key, b.Random, &t.operator, data.System, "bench")
		return err
	})
	if err != nil {
		return t, err
	}
	copies, err := data.OpenBenchCopies(ctx, t.url)
	if err != nil {
		return t, err
	}
	defer copies.Close(ctx)
	if err := copies.RealClock(ctx); err != nil {
		return t, err
	}
	if err := (&cycle.Runner{DB: t.db}).TickCohort(ctx, parsed.Key, o.Key); err != nil { // opens
		return t, err
	}
	if t.cohort, err = t.db.CohortByKey(ctx, t.row.ID, o.Key); err != nil {
		return t, err
	}
	if err := t.db.CopyBenchVoters(ctx, t.cohort, people, func(i int) data.BenchVoter {
		_, hash := townToken(i)
		return data.BenchVoter{ID: int64(i + 1), Key: townKey(i), Token: hash}
	}); err != nil {
		return t, err
	}
	return t, copies.Settle(ctx)
}

// benchKey makes an operator's key.
func benchKey(random io.Reader, name string) (lottery.Key, error) {
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return lottery.Key{}, fmt.Errorf("random key: %w", err)
	}
	return lottery.NewKey(name, false, seed)
}

// close ends the connections and drops the database.
func (t *benchTown) close() error {
	if t.db != nil {
		t.db.Close()
	}
	return t.drop()
}

func townKey(i int) string { return fmt.Sprintf("b%06d", i) }

// townToken is the cookie of the i-th person's session, and its hash.
func townToken(i int) (cookie string, hash [32]byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(i))
	secret := sha256.Sum256(append([]byte("bench session "), n[:]...))
	return base64.RawURLEncoding.EncodeToString(secret[:]), sha256.Sum256(secret[:])
}

// townSupply is one block of seats for each slot.
func townSupply(now time.Time, seats int) []data.BenchClinic {
	clinics := make([]data.BenchClinic, townClinics)
	for i := range clinics {
		clinics[i] = data.BenchClinic{Key: townClinic(i), District: "d000"}
		for d := range townDates {
			for _, block := range []string{"0900", "1400"} {
				clinics[i].Supply = append(clinics[i].Supply, data.BenchSupply{Date: townDate(now, d), Block: block, Seats: seats})
			}
		}
	}
	return clinics
}

func townClinic(i int) string { return fmt.Sprintf("k%05d", i) }

// slotChoices are the choices that each slot alone can serve.
func slotChoices(now time.Time) []cohort.Choice {
	cs := make([]cohort.Choice, townSlots)
	for s := range cs {
		cs[s] = cohort.Choice{
			Target: "clinics", Clinics: []string{townClinic(s / (townDates * townParts))},
			Dates: []string{townDate(now, s/townParts%townDates).Format(time.DateOnly)}, Parts: []string{[]string{"am", "pm"}[s%townParts]},
		}
	}
	return cs
}

// choices are those of a list of slots. Nobody may change what is in them.
func (t *benchTown) choices(wishes []int32) []cohort.Choice {
	cs := make([]cohort.Choice, len(wishes))
	for i, w := range wishes {
		cs[i] = t.slots[w]
	}
	return cs
}

// demand says which slots people want, and how often.
type demand struct {
	seed uint64
	sums []float64 // of the slots' popularity, in order
	slot []int32   // at each place of the order
}

// newDemand gives the n-th most popular slot a share that falls as n^-exponent;
// 0 makes all alike. Which slot is how popular is left to the seed.
func newDemand(seed uint64, exponent float64) *demand {
	d := &demand{seed: seed}
	sum := 0.0
	for n := range townSlots {
		sum += math.Pow(float64(n+1), -exponent)
		d.sums, d.slot = append(d.sums, sum), append(d.slot, int32(n))
	}
	r := rand.New(rand.NewChaCha8(benchSeed(seed, "demand")))
	r.Shuffle(townSlots, func(i, j int) { d.slot[i], d.slot[j] = d.slot[j], d.slot[i] })
	return d
}

// wishes are the i-th person's, no slot twice; the same number gives the same.
func (d *demand) wishes(i int) []int32 {
	r := rand.New(rand.NewPCG(d.seed, uint64(i)))
	list := make([]int32, 0, townWishes)
	for len(list) < townWishes {
		slot := d.slot[sort.SearchFloat64s(d.sums, r.Float64()*d.sums[townSlots-1])]
		have := false
		for _, w := range list {
			have = have || w == slot
		}
		if !have {
			list = append(list, slot)
		}
	}
	return list
}

// townFile is a campaign file whose window has been open for a day and closes
// in two.
func townFile(now time.Time) []byte {
	zone := time.FixedZone("KST", 9*60*60)
	at := func(d time.Duration) string { return now.Add(d).In(zone).Format("2006-01-02 15:04") }
	const day = 24 * time.Hour
	head, _, _ := strings.Cut(countryFile, "%s[[cohorts]]")
	return fmt.Appendf([]byte(head), townCohort, at(-day), at(2*day), at(2*day+time.Hour), at(2*day+2*time.Hour), at(4*day), at(20*day),
		string(lottery.Flexible), townDate(now, 0).Format(time.DateOnly), townDate(now, townDates-1).Format(time.DateOnly))
}

// townDate is the date of a day of the supply.
func townDate(now time.Time, day int) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 10+day)
}

const townCohort = `[[districts]]
code = "d000"
name = { ko = "d000", en = "d000" }

[[cohorts]]
key = "a"
name = { ko = "가", en = "a" }
birth_from = 1962
birth_to = 1962
opens = %q
closes = %q
draw_at = %q
publish_at = %q
confirm_by = %q
settle_at = %q
seating = %q
night = true
supply = { percent = 100, from = %q, to = %q }

[[cohorts.sources]]
type = "dice"
name = "hall"
digits = 40
`
