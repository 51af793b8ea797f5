package data_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
	"jebi/data/pgtest"
)

// house is a migrated database whose clock can be moved, two officials, and
// the example campaign as a sample, not applied yet.
type house struct {
	testing.TB
	ctx  context.Context
	url  string
	db   *data.DB
	ann  data.Official // operator
	bob  data.Official // approver
	file string
}

// begin is the moment at which a house's clock starts.
var begin = time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)

func newHouse(t testing.TB) *house {
	t.Helper()
	ctx := context.Background()
	url := pgtest.Template(t, "house", func(url string) error {
		if err := data.Migrate(ctx, url); err != nil {
			return err
		}
		return data.MakeClockMovable(ctx, url)
	})
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	file, err := os.ReadFile("../cohort/campaign/testdata/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{TB: t, ctx: ctx, url: url, db: db, file: strings.Replace(string(file), "sample = false", "sample = true", 1)}
	h.clock(begin)
	h.ann = h.official("ann", data.RoleOperator, data.System)
	h.bob = h.official("bob", data.RoleApprover, h.ann.Actor())
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) clock(t time.Time) {
	h.Helper()
	h.must(h.db.MoveClock(h.ctx, t))
}

func (h *house) official(name, role string, by data.Actor) data.Official {
	h.Helper()
	o, _, err := h.db.AddOfficial(h.ctx, data.NewOfficial{Name: name, Role: role, SecretHash: "none"}, by, true)
	h.must(err)
	return o
}

func (h *house) apply(file string) data.Application {
	h.Helper()
	a, err := h.tryApply(file)
	h.must(err)
	return a
}

func (h *house) tryApply(file string) (data.Application, error) {
	h.Helper()
	c, ps := campaign.Parse([]byte(file))
	if c == nil {
		h.Fatalf("%v", ps)
	}
	return h.db.ApplyCampaign(h.ctx, c, []byte(file), h.ann.Actor(), true)
}

func (h *house) change(old, new string) {
	h.Helper()
	if !strings.Contains(h.file, old) {
		h.Fatalf("the file has no %q", old)
	}
	h.file = strings.Replace(h.file, old, new, 1)
}

func (h *house) cohort(key string) data.CohortRow {
	h.Helper()
	r, err := h.db.CohortByKey(h.ctx, pgtest.Value[int](h, h.url, `SELECT id FROM jebi.campaign`), key)
	h.must(err)
	return r
}

// step brings a cohort from one state into the next.
func (h *house) step(key string, from, to cohort.State) {
	h.Helper()
	h.must(h.db.Tx(h.ctx, func(tx *data.Tx) error { return tx.SetState(h.ctx, h.cohort(key).ID, from, to) }))
}

// person adds somebody who can be reached by email and phone.
func (h *house) person(key, born, group string) int64 {
	h.Helper()
	pgtest.Exec(h, h.url, `
		WITH p AS (INSERT INTO jebi.person (campaign_id, key, row_hash) SELECT id, $1, sha256('') FROM jebi.campaign RETURNING id)
		INSERT INTO jebi.person_detail (person_id, name, birth_date, phone, email, groups)
		SELECT id, 'Synthetic', $2::date, '+821000000000', 'synthetic@example.invalid', CASE $3 WHEN '' THEN '{}'::text[] ELSE ARRAY[$3] END FROM p`, key, born, group)
	return pgtest.Value[int64](h, h.url, `SELECT id FROM jebi.person WHERE key = $1`, key)
}

func (h *house) cohortOf(person int64) string {
	h.Helper()
	return pgtest.Value[string](h, h.url, `SELECT COALESCE((SELECT c.key FROM jebi.cohort c WHERE c.id = p.cohort_id), '') FROM jebi.person p WHERE p.id = $1`, person)
}

func refused(err error) bool {
	var r *data.Refusal
	return errors.As(err, &r)
}

func TestApplyMakesCohortsAndVersions(t *testing.T) {
	h := newHouse(t)
	a := h.apply(h.file)
	if a.Campaign.Version != 1 || len(a.Changes) == 0 {
		t.Errorf("version %d with %d changes", a.Campaign.Version, len(a.Changes))
	}
	rows, err := h.db.Cohorts(h.ctx, a.Campaign.ID)
	h.must(err)
	c, _ := campaign.Parse([]byte(h.file))
	if len(rows) != 2 {
		t.Fatalf("%d cohorts", len(rows))
	}
	for i, r := range rows {
		x := c.Cohorts[i]
		want := data.Times{Opens: x.Opens, Closes: x.Closes, DrawAt: x.DrawAt, PublishAt: x.PublishAt, ConfirmBy: x.ConfirmBy, SettleAt: x.SettleAt}
		if d := cmp.Diff(want, r.Times()); d != "" || r.Key != x.Key || r.State != cohort.Draft {
			t.Errorf("cohort %s is %+v (-want +got):\n%s", x.Key, r, d)
		}
	}
	if again := h.apply(h.file); again.Campaign.Version != 1 || again.Changes != nil {
		t.Errorf("the same file makes version %d", again.Campaign.Version)
	}
	h.change("phone = \"02-0000-0000\"", "phone = \"02-1111-1111\"")
	if a := h.apply(h.file); a.Campaign.Version != 2 || len(a.Changes) != 1 || string(a.Campaign.File) != h.file {
		t.Errorf("version %d, changes %v", a.Campaign.Version, a.Changes)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.audit WHERE act = 'campaign.apply' AND official_id = $1`, h.ann.ID); n != 2 {
		t.Errorf("%d audit rows, want one a version", n)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.campaign_version`); n != 2 {
		t.Errorf("%d versions are kept", n)
	}
}

func TestApplyDryChangesNothing(t *testing.T) {
	h := newHouse(t)
	c, _ := campaign.Parse([]byte(h.file))
	a, err := h.db.ApplyCampaign(h.ctx, c, []byte(h.file), data.System, false)
	h.must(err)
	if a.Campaign.Version != 1 {
		t.Errorf("it would be version %d", a.Campaign.Version)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT (SELECT count(*) FROM jebi.campaign) + (SELECT count(*) FROM jebi.cohort) + (SELECT count(*) FROM jebi.audit WHERE act LIKE 'campaign%')`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestAnnouncedStands(t *testing.T) {
	h := newHouse(t)
	h.apply(h.file)
	h.step("1962-66", cohort.Draft, cohort.Announced)
	for _, c := range [][2]string{
		{"closes = \"2027-03-04 18:00\"", "closes = \"2027-03-04 19:00\""},
		{"max_choices = 5", "max_choices = 4"},
		{"7c42d357", "7c42d358"},
	} {
		file := strings.Replace(h.file, c[0], c[1], 1)
		if _, err := h.tryApply(file); !refused(err) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	if v := pgtest.Value[int](t, h.url, `SELECT version FROM jebi.campaign`); v != 1 {
		t.Fatalf("version %d", v)
	}
	// A draft may change, and a new cohort may come, before the announced one too.
	h.change("closes = \"2027-03-06 18:00\"", "closes = \"2027-03-06 20:00\"")
	from := strings.Index(h.file, "[[cohorts]]")
	care := h.file[from:strings.LastIndex(h.file, "[[cohorts]]")]
	care = strings.NewReplacer("1962-66", "care", "groups = []", "groups = [\"care\"]", "7c42d357", "00000000", "a7a6b07d", "11111111", "percent = 60", "percent = 10",
		"2027-03-27\"", "2027-04-27\"", "2027-03-09", "2027-04-09").Replace(care)
	h.file = h.file[:from] + care + h.file[from:]
	h.apply(h.file)
	if r := h.cohort("care"); r.Ordinal != 0 || r.State != cohort.Draft {
		t.Errorf("the new cohort is %+v", r)
	}
	if r := h.cohort("1962-66"); r.Ordinal != 1 || r.State != cohort.Announced {
		t.Errorf("the announced cohort is %+v", r)
	}
	if r := h.cohort("1969-71"); r.Closes.Format("15:04") != "11:00" {
		t.Errorf("the draft closes %v", r.Closes)
	}
}

func TestApplyPlacesPeople(t *testing.T) {
	h := newHouse(t)
	h.apply(h.file)
	old, young, none := h.person("a", "1964-05-05", ""), h.person("b", "1970-05-05", "care"), h.person("c", "1980-05-05", "")
	h.change("phone = \"02-0000-0000\"", "phone = \"02-1111-1111\"")
	if a := h.apply(h.file); a.People != 2 {
		t.Errorf("%d people placed, want 2", a.People)
	}
	if got := []string{h.cohortOf(old), h.cohortOf(young), h.cohortOf(none)}; !cmp.Equal(got, []string{"1962-66", "1969-71", ""}) {
		t.Errorf("they are in %v", got)
	}
	// The first cohort is announced: nobody leaves it, nobody comes in; drafts follow the file.
	h.step("1962-66", cohort.Draft, cohort.Announced)
	late := h.person("d", "1963-05-05", "")
	h.change("birth_from = 1969", "birth_from = 1980")
	h.change("birth_to = 1971", "birth_to = 1981")
	h.apply(h.file)
	if got := []string{h.cohortOf(old), h.cohortOf(young), h.cohortOf(none), h.cohortOf(late)}; !cmp.Equal(got, []string{"1962-66", "", "1969-71", ""}) {
		t.Errorf("then they are in %v", got)
	}
	// A draft can be dropped, and lets go of its people.
	h.file = h.file[:strings.LastIndex(h.file, "[[cohorts]]")]
	h.apply(h.file)
	if got := h.cohortOf(none); got != "" {
		t.Errorf("she is in the dropped cohort %q", got)
	}
	if _, err := h.db.CohortByKey(h.ctx, 1, "1969-71"); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("the dropped cohort: %v", err)
	}
}

func TestApplyRefusesRealCampaignOnAMovableClock(t *testing.T) {
	h := newHouse(t)
	if _, err := h.tryApply(strings.Replace(h.file, "sample = true", "sample = false", 1)); !refused(err) {
		t.Errorf("a real campaign on a movable clock: %v", err)
	}
}

func TestApplyRefusesAWindowOfThePast(t *testing.T) {
	ctx := context.Background()
	url := pgtest.URL(t)
	if err := data.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := os.ReadFile("../cohort/campaign/testdata/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	past := strings.ReplaceAll(string(b), "2027-", "2024-")
	c, ps := campaign.Parse([]byte(past))
	if c == nil {
		t.Fatal(ps)
	}
	if _, err := db.ApplyCampaign(ctx, c, []byte(past), data.System, true); !refused(err) {
		t.Errorf("a window of 2024: %v", err)
	}
}

func TestWindowPauseResumeExtend(t *testing.T) {
	h := newHouse(t)
	h.apply(h.file)
	h.person("a", "1964-05-05", "")
	h.change("phone = \"02-0000-0000\"", "phone = \"02-1111-1111\"")
	h.apply(h.file)
	row := h.cohort("1962-66")
	pause := func() error {
		return h.db.Tx(h.ctx, func(tx *data.Tx) error {
			_, err := tx.PauseWindow(h.ctx, row.ID, "no text messages", h.ann.Actor())
			return err
		})
	}
	resume := func() error {
		return h.db.Tx(h.ctx, func(tx *data.Tx) error {
			_, err := tx.ResumeWindow(h.ctx, row.ID, "they arrive again", h.ann.Actor())
			return err
		})
	}
	extend := func(to data.Times) error {
		return h.db.Tx(h.ctx, func(tx *data.Tx) error {
			_, err := tx.ExtendWindow(h.ctx, row.ID, to, "they were away", data.Actor{Kind: "official", Official: h.ann.ID, Second: h.bob.ID})
			return err
		})
	}
	if err := pause(); !refused(err) {
		t.Errorf("pause of a draft: %v", err)
	}
	h.step("1962-66", cohort.Draft, cohort.Announced)
	if err := resume(); !refused(err) {
		t.Errorf("resume of what is not paused: %v", err)
	}
	h.clock(row.Opens)
	h.step("1962-66", cohort.Announced, cohort.Open)
	h.must(pause())
	if r := h.cohort("1962-66"); r.PausedAt == nil {
		t.Error("it is not paused")
	}
	if err := pause(); !refused(err) {
		t.Errorf("a second pause: %v", err)
	}
	h.must(resume())
	if err := extend(row.Times()); !refused(err) {
		t.Errorf("extended by nothing: %v", err)
	}
	to := row.Times().Extended(row.Closes.Add(24 * time.Hour))
	h.must(extend(to))
	if d := cmp.Diff(to, h.cohort("1962-66").Times()); d != "" {
		t.Errorf("times (-want +got):\n%s", d)
	}
	if want := row.DrawAt.Add(24 * time.Hour); !to.DrawAt.Equal(want) || !to.SettleAt.Equal(row.SettleAt) {
		t.Errorf("draw %v, settle %v", to.DrawAt, to.SettleAt)
	}
	bad := to
	bad.Closes, bad.DrawAt = to.Closes.Add(time.Hour), to.Closes
	if err := extend(bad); !refused(err) {
		t.Errorf("a draw before the close: %v", err)
	}
	// Each change is on the board, on the trail, and told by both channels.
	acts := pgtest.Values[string](t, h.url, `SELECT convert_from(body, 'UTF8')::jsonb ->> 'act' FROM jebi.board WHERE kind = 'window' ORDER BY id`)
	if d := cmp.Diff([]string{"pause", "resume", "extend"}, acts); d != "" {
		t.Errorf("board (-want +got):\n%s", d)
	}
	trail := pgtest.Values[string](t, h.url, `SELECT act || ' ' || COALESCE(second_id, 0) FROM jebi.audit WHERE act LIKE 'window.%' ORDER BY id`)
	if d := cmp.Diff([]string{"window.pause 0", "window.resume 0", "window.extend " + jsonNumber(h.bob.ID)}, trail); d != "" {
		t.Errorf("audit (-want +got):\n%s", d)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.message WHERE kind = 'window_changed'`); n != 6 {
		t.Errorf("%d messages, want 3 changes × 2 channels", n)
	}
	// A close that comes while the window is paused waits for the end of the pause; nobody is told to answer then.
	h.must(pause())
	h.clock(to.Closes)
	h.must(resume())
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.message WHERE kind = 'window_changed'`); n != 8 {
		t.Errorf("%d messages, want 2 more for the pause and none for the end of it", n)
	}
	if err := pause(); !refused(err) {
		t.Errorf("pause after the close: %v", err)
	}
	h.step("1962-66", cohort.Open, cohort.Closed)
	if err := extend(to.Extended(to.Closes.Add(time.Hour))); !refused(err) {
		t.Errorf("extended after the close: %v", err)
	}
}

func jsonNumber(n int) string {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// A pause waits for saves that hold the window's lock, and saves that come
// after it see it.
func TestPauseWaitsForSaves(t *testing.T) {
	h := newHouse(t)
	h.apply(h.file)
	h.step("1962-66", cohort.Draft, cohort.Announced)
	row := h.cohort("1962-66")
	saving, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := h.db.Tx(h.ctx, func(tx *data.Tx) error {
			if err := tx.LockShared(h.ctx, data.LockWindow, row.ID); err != nil {
				return err
			}
			close(saving)
			<-release
			r, err := tx.Cohort(h.ctx, row.ID)
			if err == nil && r.PausedAt != nil {
				err = errors.New("the window was paused while a save held its lock")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-saving
	paused := make(chan error)
	go func() {
		paused <- h.db.Tx(h.ctx, func(tx *data.Tx) error {
			_, err := tx.PauseWindow(h.ctx, row.ID, "a reason", h.ann.Actor())
			return err
		})
	}()
	for pgtest.Value[int](t, h.url, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == 0 {
		select {
		case err := <-paused:
			t.Fatalf("the pause did not wait: %v", err)
		default:
		}
	}
	close(release)
	wg.Wait()
	h.must(<-paused)
}

func TestSetStateIsOneStep(t *testing.T) {
	h := newHouse(t)
	h.apply(h.file)
	id := h.cohort("1962-66").ID
	set := func(from, to cohort.State) error {
		return h.db.Tx(h.ctx, func(tx *data.Tx) error { return tx.SetState(h.ctx, id, from, to) })
	}
	h.must(set(cohort.Draft, cohort.Announced))
	var wrong *data.WrongState
	if err := set(cohort.Draft, cohort.Announced); !errors.As(err, &wrong) {
		t.Errorf("the same step again: %v", err)
	}
	for _, to := range []cohort.State{cohort.Draft, cohort.Closed, cohort.Settled} {
		if err := set(cohort.Announced, to); err == nil {
			t.Errorf("from announced to %s", to)
		}
	}
	h.must(set(cohort.Announced, cohort.Void))
	if err := set(cohort.Void, cohort.Announced); err == nil {
		t.Error("back from void")
	}
}
