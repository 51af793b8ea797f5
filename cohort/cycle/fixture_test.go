package cycle

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/intake"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// town is a small campaign on a real database whose clock the test moves:
// cohort "a" with a window from 14 to 16 July 2021, three clinics, three
// trustees and six dice.
type town struct {
	t        *testing.T
	ctx      context.Context
	url      string
	db       *data.DB
	campaign *cohort.Campaign
	row      data.CampaignRow
	cohort   data.CohortRow // of "a", as it was at the start
	runner   *Runner
	intake   *intake.Service
	people   map[string]int64 // by key
	officer  [2]int           // two officials
	rand     *rand.ChaCha8
}

const trustees = 3

func held(j int) [32]byte {
	var r [32]byte
	for i := range r {
		r[i] = byte(j * 7)
	}
	return r
}

const townFile = `key = "town"
name = { ko = "시험", en = "test" }
authority = "town.sample.invalid"
sample = true
zone = "Asia/Seoul"
languages = ["ko", "en"]

[contact]
phone = "+82 2 0000 0000"
hours = { ko = "평일", en = "weekdays" }
url = "https://town.sample.invalid/"

[rules]
max_choices = 5
max_party = 4
max_weight = 3
min_slots = 1
min_answer = "3h"
offer_hold = "12h"
offer_lead = "12h"
cancel_lead = "24h"
max_lapses = 2
audit_sample = 300
reserve = 0
quiet_from = "2100"
quiet_to = "0800"

[recurring]
refill = "*/10 9-20 * * *"
reminders = "0 10 * * *"
odds = "0 */3 * * *"
retention = "30 3 * * *"
seal = "*/15 * * * *"

[senders.email]
from = "jebi@town.sample.invalid"
host = "127.0.0.1:2525"
tls = "none"

[senders.sms]
from = "0200000000"
url = "http://127.0.0.1:2580/messages"
daily_cap = 100000

[[day_parts]]
key = "am"
name = { ko = "오전", en = "morning" }
from = "0000"
to = "1200"

[[day_parts]]
key = "pm"
name = { ko = "오후", en = "afternoon" }
from = "1200"
to = "2400"

[[districts]]
code = "11620"
name = { ko = "관악구", en = "Gwanak-gu" }

[[cohorts]]
key = "a"
name = { ko = "가", en = "a" }
birth_from = 1962
birth_to = 1966
opens = "2021-07-14 09:00"
closes = "2021-07-16 18:00"
draw_at = "2021-07-17 10:00"
publish_at = "2021-07-17 14:00"
confirm_by = "2021-07-21 18:00"
settle_at = "2021-08-06 18:00"
seating = "serial"
supply = { percent = 100, from = "2021-07-26", to = "2021-08-07" }
SOURCES`

// seoul reads a time of the campaign.
func seoul(t testing.TB, s string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	v, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func migrated(url string) error {
	ctx := context.Background()
	return errors.Join(data.Migrate(ctx, url), data.MakeClockMovable(ctx, url))
}

// newTown lets its test run beside others, and has the people p000 … and seats seats in each slot of clinics c1, c2,
// c3, mornings and afternoons of 26 and 27 July.
func newTown(t *testing.T, people, seats int) *town {
	t.Helper()
	t.Parallel()
	w := &town{
		t: t, ctx: t.Context(), people: map[string]int64{}, url: pgtest.Template(t, "cycle", migrated), rand: rand.NewChaCha8([32]byte{1}),
	}
	db, err := data.Open(w.ctx, w.url)
	w.must(err)
	t.Cleanup(db.Close)
	w.db = db
	w.at("2021-07-10 09:00")

	var sources strings.Builder
	for j := 1; j <= trustees; j++ {
		commit := lottery.TrusteeCommit("town-a", uint16(j), held(j))
		fmt.Fprintf(&sources, "\n[[cohorts.sources]]\ntype = \"trustee\"\nindex = %d\nname = \"trustee %d\"\ncommit = \"%s\"\n", j, j, hex.EncodeToString(commit[:]))
	}
	sources.WriteString("\n[[cohorts.sources]]\ntype = \"dice\"\nname = \"hall\"\ndigits = 6\n")
	file := []byte(strings.Replace(townFile, "SOURCES", sources.String(), 1))
	c, problems := campaign.Parse(file)
	if errs := campaign.Errors(problems); len(errs) > 0 {
		t.Fatalf("campaign file: %+v", errs)
	}
	w.campaign = c
	a, err := db.ApplyCampaign(w.ctx, c, file, data.System, true)
	w.must(err)
	w.row = a.Campaign

	var b strings.Builder
	b.WriteString("key,name,kind,address,district,lat,lon\n")
	for i := 1; i <= 3; i++ {
		fmt.Fprintf(&b, "c%d,Clinic %d,clinic,Road %d,11620,37.4%d,126.9\n", i, i, i, i)
	}
	r, err := db.ImportClinics(w.ctx, c, w.row.ID, data.CSV(strings.NewReader(b.String())), data.System, true)
	w.must(err, r.Errors)
	b.Reset()
	b.WriteString("clinic,date,block,vaccine,seats\n")
	for i := 1; i <= 3; i++ {
		for _, date := range []string{"2021-07-26", "2021-07-27"} {
			for _, block := range []string{"0900", "1400"} {
				fmt.Fprintf(&b, "c%d,%s,%s,AZ,%d\n", i, date, block, seats)
			}
		}
	}
	r, err = db.ImportSupply(w.ctx, c, w.row.ID, data.CSV(strings.NewReader(b.String())), data.System, true)
	w.must(err, r.Errors)
	b.Reset()
	b.WriteString("key,name,birth_date,phone,email,address,district,lat,lon,groups,language\n")
	for i := range people {
		fmt.Fprintf(&b, "p%03d,Person %d,1964-01-%02d,010%08d,p%d@town.sample.invalid,Road %d,11620,37.4,126.9,,ko\n", i, i, i%28+1, i, i, i)
	}
	r, err = db.ImportPeople(w.ctx, c, w.row.ID, data.CSV(strings.NewReader(b.String())), data.System, true)
	w.must(err, r.Errors)
	for i := range people {
		key := fmt.Sprintf("p%03d", i)
		p, err := db.PersonByKey(w.ctx, w.row.ID, key)
		w.must(err)
		w.people[key] = p.ID
	}
	for i, name := range []string{"first", "second"} {
		pgtest.Exec(t, w.url, `INSERT INTO jebi.official (name, role, secret_hash) VALUES ($1, 'operator', 'x')`, name)
		w.officer[i] = pgtest.Value[int](t, w.url, `SELECT id FROM jebi.official WHERE name = $1`, name)
	}
	w.cohort = w.state()
	w.runner = &Runner{DB: db}
	w.intake = intake.New(intake.Config{DB: db, Random: w.rand})
	return w
}

func (w *town) must(err error, more ...any) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(append([]any{err}, more...)...)
	}
}

// at moves the database's clock to a time of the campaign.
func (w *town) at(s string) {
	w.t.Helper()
	w.must(w.db.MoveClock(w.ctx, seoul(w.t, s)))
}

func (w *town) tick() {
	w.t.Helper()
	w.must(w.runner.Tick(w.ctx))
}

func (w *town) state() data.CohortRow {
	w.t.Helper()
	c, err := w.db.CohortByKey(w.ctx, w.row.ID, "a")
	w.must(err)
	return c
}

func (w *town) is(want cohort.State) {
	w.t.Helper()
	if got := w.state().State; got != want {
		w.t.Fatalf("the cohort is %s, want %s", got, want)
	}
}

func (w *town) both() data.Actor {
	return data.Actor{Kind: "official", Official: w.officer[0], Second: w.officer[1]}
}

func (w *town) tx(f func(*data.Tx) error) error { return w.db.Tx(w.ctx, f) }

func (w *town) announce() {
	w.t.Helper()
	w.must(w.tx(func(tx *data.Tx) error {
		_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, w.runner.Operator, w.both(), "as decided")
		return err
	}))
}

// choice is clinics × dates × parts, each list separated by blanks.
func choice(clinics, dates, parts string) cohort.Choice {
	var full []string
	for _, d := range strings.Fields(dates) {
		full = append(full, "2021-07-"+d)
	}
	return cohort.Choice{Target: "clinics", Clinics: strings.Fields(clinics), Dates: full, Parts: strings.Fields(parts)}
}

func (w *town) save(person string, choices ...cohort.Choice) error {
	_, err := w.intake.Save(w.ctx, intake.Request{
		Campaign: w.campaign, Person: w.people[person], Choices: choices, Channel: data.ChannelSample,
	})
	return err
}

// anything is a ballot that names every slot.
func anything() cohort.Choice { return choice("c1 c2 c3", "26 27", "am pm") }

// saveAll lets everyone answer: her own pick first, then anything.
func (w *town) saveAll() {
	w.t.Helper()
	for n := range len(w.people) {
		first := choice(fmt.Sprintf("c%d", n%3+1), fmt.Sprint(26+n%2), []string{"am", "pm"}[n/2%2])
		choices := []cohort.Choice{first}
		if n%4 != 0 {
			choices = append(choices, anything())
		}
		w.must(w.save(fmt.Sprintf("p%03d", n), choices...))
	}
}

func (w *town) envelopes(handedIn, absent []int) error {
	return w.tx(func(tx *data.Tx) error {
		reason := ""
		if len(absent) > 0 {
			reason = "did not come"
		}
		return Envelopes(w.ctx, tx, w.row.ID, "a", handedIn, absent, reason, w.both())
	})
}

func (w *town) dice(digits string) error {
	return w.tx(func(tx *data.Tx) error { return Dice(w.ctx, tx, w.row.ID, "a", digits, "thrown in the hall", w.both()) })
}

func (w *town) reveal(trustee int, value [32]byte) (matched bool, err error) {
	err = w.tx(func(tx *data.Tx) (err error) {
		matched, err = Reveal(w.ctx, tx, w.row.ID, "a", trustee, value[:], "opened", w.both())
		return err
	})
	return matched, err
}

// randomness records everything: trustee 3 absent.
func (w *town) randomness() {
	w.t.Helper()
	w.must(w.envelopes([]int{1, 2}, []int{3}))
	w.must(w.dice("471123"))
	for j := 1; j <= 2; j++ {
		matched, err := w.reveal(j, held(j))
		w.must(err)
		if !matched {
			w.t.Fatalf("the envelope of trustee %d does not match", j)
		}
	}
}

func (w *town) count(sql string, args ...any) int {
	w.t.Helper()
	return pgtest.Value[int](w.t, w.url, sql, args...)
}

func (w *town) stats() data.CohortStats {
	w.t.Helper()
	ss, err := w.db.Stats(w.ctx, w.row.ID, w.cohort.ID)
	w.must(err)
	if len(ss) != 1 {
		w.t.Fatalf("%d cohorts counted", len(ss))
	}
	if ss[0].OverCapacity != 0 || ss[0].OutsideChoices != 0 {
		w.t.Fatalf("%d over capacity, %d outside choices", ss[0].OverCapacity, ss[0].OutsideChoices)
	}
	return ss[0]
}
