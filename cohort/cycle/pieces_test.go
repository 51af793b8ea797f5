package cycle

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

func TestManifestOfACampaign(t *testing.T) {
	commit := lottery.TrusteeCommit("c-a", 1, held(1))
	public := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	chain := lottery.QuicknetChain()
	c := &cohort.Campaign{Key: "c", Authority: "town.invalid", Sample: true, Rules: cohort.Rules{MaxWeight: 3, AuditSample: 1}}
	o := &cohort.Cohort{Key: "a", Sources: []cohort.Source{
		{Type: lottery.SourceTrustee, Index: 1, Commit: commit[:], Key: public},
		{Type: lottery.SourceDrand, ChainHash: chain[:], Rounds: []uint64{1000}},
	}}
	row := data.CohortRow{Opens: seoul(t, "2021-07-14 09:00"), DrawAt: seoul(t, "2021-07-17 10:00")}
	m, err := Manifest(c, o, row, "")
	if err != nil {
		t.Fatal(err)
	}
	if m.DrawID != "c-a" || m.Audit != lottery.MinAudit || m.Sources[0].Commit != commit || m.Sources[1].ChainHash != chain {
		t.Errorf("%+v", m)
	}
	if !strings.HasPrefix(m.Sources[0].Key, "trustee-1.town.invalid+") {
		t.Errorf("the trustee's key is %q", m.Sources[0].Key)
	}
	if got, want := m.Deadlines.Bundle, seoul(t, "2021-07-17 12:00"); !got.Equal(want) {
		t.Errorf("the bundle is due %v, want %v", got, want)
	}
	for name, spoil := range map[string]func(*cohort.Cohort){
		"a short commitment":     func(o *cohort.Cohort) { o.Sources[0].Commit = []byte{1} },
		"a key that is none":     func(o *cohort.Cohort) { o.Sources[0].Key = []byte{1} },
		"no sources":             func(o *cohort.Cohort) { o.Sources = nil },
		"a trustee as the last":  func(o *cohort.Cohort) { o.Sources = o.Sources[:1] },
		"rounds out of the line": func(o *cohort.Cohort) { o.Sources[1].Rounds = []uint64{5, 4} },
	} {
		bad := *o
		bad.Sources = slices.Clone(o.Sources)
		spoil(&bad)
		if _, err := Manifest(c, &bad, row, ""); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if got := (&NotYet{"x"}).Error(); got != "not yet: x" {
		t.Error(got)
	}
}

func TestMemoryIsAFolder(t *testing.T) {
	m := memory{"a.json": []byte("{}"), "b.bin": {}}
	for name, want := range m {
		got, err := fs.ReadFile(m, name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		f, err := m.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(f); err != nil || b.String() != string(want) {
			t.Errorf("%s: read %q, %v", name, b.String(), err)
		}
		info, err := f.Stat()
		if err != nil || info.Name() != name || info.Size() != int64(len(want)) || info.IsDir() || info.Mode() != 0o444 || !info.ModTime().IsZero() || info.Sys() != nil {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Open("c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := fs.ReadFile(m, "c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRotation(t *testing.T) {
	var ticket lottery.Hash
	ticket[31] = 7
	for _, c := range []struct{ list, want []int32 }{
		{nil, nil},
		{[]int32{4}, []int32{4}},
		{[]int32{1, 2, 3}, []int32{2, 3, 1}}, // 7 mod 3 = 1
		{[]int32{1, 2, 3, 4, 5}, []int32{3, 4, 5, 1, 2}},
	} {
		if diff := cmp.Diff(c.want, rotate(c.list, ticket)); diff != "" {
			t.Errorf("%v: %s", c.list, diff)
		}
	}
}

// The slots of a choice stand in supply order, whatever order it names them
// in; what is not in the supply is left out.
func TestShelf(t *testing.T) {
	slot := func(id int64, clinic, date, part string) data.SlotRow {
		return data.SlotRow{ID: id, ClinicKey: clinic, Date: date, Block: "0900", Part: part, Vaccine: "AZ", Seats: 1}
	}
	h, err := newShelf([]data.SlotRow{
		slot(11, "a", "2021-07-26", "am"), slot(12, "a", "2021-07-27", "pm"), slot(13, "b", "2021-07-26", "am"), slot(14, "b", "2021-07-26", "pm"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ballot := cohort.Ballot{Choices: []cohort.Choice{
		choice("b a", "27 26", "pm am"), choice("a", "26", "am"), choice("z", "26", "am"), choice("a b", "26", "am"), choice("a", "26", "am"),
	}}
	for range 2 {
		got, err := h.choices(ballot.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]int32{{0, 1, 2, 3}, {0}, {}, {0, 2}, {0}}, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := h.choices([]byte("{")); !errors.Is(err, cohort.ErrBallot) {
		t.Errorf("bytes that are no ballot: %v", err)
	}
	if _, err := newShelf([]data.SlotRow{slot(1, "a", "26 July", "am")}); err == nil {
		t.Error("a date that is none")
	}
}

func TestDueAndReveals(t *testing.T) {
	w := newTown(t, 4, 2)
	due := func() []cohort.Action {
		as, err := w.runner.Due(w.ctx, w.campaign, w.cohort.ID)
		w.must(err)
		return as
	}
	w.announce()
	if as := due(); len(as) != 0 {
		t.Errorf("due before its time: %v", as)
	}
	w.at("2021-07-14 09:00")
	if as := due(); len(as) != 1 || as[0] != cohort.OpenWindow {
		t.Errorf("due: %v", as)
	}
	w.tick()
	w.saveAll()
	w.at("2021-07-16 18:00")
	w.must(w.runner.TickCohort(w.ctx, "town", "a"))
	w.is(cohort.Frozen)
	w.must(w.envelopes([]int{1, 2}, []int{3}))
	w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) error {
		d, err := tx.Draw(w.ctx, w.cohort.ID)
		if err != nil {
			return err
		}
		r, err := Reveals(w.ctx, tx, d)
		if err != nil {
			return err
		}
		if r.Complete() || r.Begun() || !r.HandedIn[0] || r.HandedIn[2] {
			t.Errorf("%+v", r)
		}
		return nil
	}))
	if err := w.runner.TickCohort(w.ctx, "town", "z"); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("a cohort that is not there: %v", err)
	}
	if err := w.runner.TickCohort(w.ctx, "village", "a"); !errors.Is(err, data.ErrNotFound) {
		t.Errorf("a campaign that is not there: %v", err)
	}
}

// One campaign whose file this program cannot read does not keep the others.
func TestTickGoesOnPastAFailure(t *testing.T) {
	w := newTown(t, 2, 1)
	w.announce()
	w.at("2021-07-14 09:00")
	bad := data.CampaignRow{Key: "bad", File: []byte("key = 1"), Version: 3}
	if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), "campaign bad, version 3: line") {
		t.Errorf("a file that cannot be read: %v", err)
	}
	pgtest.Exec(t, w.url, `INSERT INTO jebi.campaign (key, version, sample) VALUES ('bad', 1, true)`)
	pgtest.Exec(t, w.url, `INSERT INTO jebi.campaign_version (campaign_id, version, file, file_hash) SELECT id, 1, 'key = 1', sha256('x') FROM jebi.campaign WHERE key = 'bad'`)
	if err := w.runner.Tick(w.ctx); err == nil || !strings.Contains(err.Error(), "campaign bad") {
		t.Errorf("the tick says %v", err)
	}
	w.is(cohort.Open)
}

func TestWordsForEveryState(t *testing.T) {
	c := &cohort.Campaign{Sample: true, Location: time.UTC}
	book := words.New()
	place := &data.Place{Name: "병원", NameEn: "Clinic", Starts: seoul(t, "2021-07-26 09:00")}
	rows := []data.ResultRow{}
	for _, s := range []string{"no_cohort", "no_ballot", "pending", "void", "excluded"} {
		rows = append(rows, data.ResultRow{State: s})
	}
	for _, s := range []string{"assigned", "confirmed", "declined", "lapsed", "cancelled", "closed", "moved"} {
		rows = append(rows, data.ResultRow{State: s, Rank: 3, Tickets: 9, Size: 2, Place: place})
	}
	for _, why := range []string{"lapses", "asked", "ineligible", "vaccinated", "settled"} {
		rows = append(rows, data.ResultRow{State: "off", Why: why, Rank: 3, Tickets: 9, Size: 1})
	}
	rows = append(rows, data.ResultRow{State: "waiting", Rank: 3, Tickets: 9, Offer: &data.OfferView{Place: *place}})
	for _, lang := range []string{"ko", "en"} {
		for _, r := range rows {
			e := Explanation{ResultRow: r, Choices: []ChoiceResult{
				{Choice: 1}, {Choice: 2, Slots: []SlotResult{{"s", 1, 2}}, Seats: 1, Latest: 1}, {Choice: 3, Slots: []SlotResult{{"t", 1, 0}}, Open: 1, Granted: true}, {Choice: 4, Open: 1},
			}}
			lines := e.Words(book, lang, c)
			text := strings.Join(lines, "\n")
			if len(lines) < 2 || strings.Contains(text, "explain.") || strings.ContainsAny(text, "{}") {
				t.Errorf("%s %s in %s: %s", r.State, r.Why, lang, text)
			}
			if r.Rank > 0 && len(lines) < 5 {
				t.Errorf("%s in %s says too little: %s", r.State, lang, text)
			}
		}
	}
}

func TestLapsesAllowed(t *testing.T) {
	for given, want := range map[int]int{0: lottery.MaxLapses, 1: 1, 2: 2, 9: lottery.MaxLapses} {
		if got := maxLapses(&cohort.Campaign{Rules: cohort.Rules{MaxLapses: given}}); got != want {
			t.Errorf("max_lapses %d: %d, want %d", given, got, want)
		}
	}
}

func TestCronSpeaksThroughTheLog(t *testing.T) {
	var b bytes.Buffer
	r := &Runner{Log: slog.New(slog.NewTextHandler(&b, nil))}
	l := cronLog{r.log()}
	l.Info("skip")
	l.Error(errors.New("boom"), "panic", "stack", "…")
	if s := b.String(); strings.Contains(s, "skip") || !strings.Contains(s, "cron: panic") || !strings.Contains(s, "boom") {
		t.Errorf("logged: %s", s)
	}
}
