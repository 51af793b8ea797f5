package form

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

// Where a cohort stands, by its state and the time.
func TestPhase(t *testing.T) {
	opens := time.Date(2021, 7, 14, 0, 0, 0, 0, time.UTC)
	row := data.CohortRow{Opens: opens, Closes: opens.Add(48 * time.Hour), PublishAt: opens.Add(72 * time.Hour)}
	p := frame{book: words.New(), Lang: "en"}
	for _, c := range []struct {
		state  cohort.State
		paused bool
		after  time.Duration
		status string
		when   string
	}{
		{cohort.Announced, false, -time.Hour, "not_yet", "Wednesday 14 July, 0:00"},
		{cohort.Announced, false, time.Hour, "open", "Friday 16 July, 0:00"},
		{cohort.Open, false, time.Hour, "open", "Friday 16 July, 0:00"},
		{cohort.Open, true, time.Hour, "paused", "Friday 16 July, 0:00"},
		{cohort.Open, false, 49 * time.Hour, "closed", "Saturday 17 July, 0:00"},
		{cohort.Frozen, false, 50 * time.Hour, "closed", "Saturday 17 July, 0:00"},
		{cohort.Drawn, false, 50 * time.Hour, "closed", "Saturday 17 July, 0:00"},
		{cohort.Published, false, 80 * time.Hour, "published", ""},
		{cohort.Settled, false, 900 * time.Hour, "settled", ""},
		{cohort.Void, false, time.Hour, "void", ""},
	} {
		r := row
		r.State = c.state
		if c.paused {
			r.PausedAt = &opens
		}
		if status, when := phase(p, r, opens.Add(c.after)); status != c.status || when != c.when {
			t.Errorf("%s after %v: %s %q, want %s %q", c.state, c.after, status, when, c.status, c.when)
		}
	}
}

// Those who answer together are told so on every page where it matters, and
// what one saves or withdraws counts for all.
func TestParty(t *testing.T) {
	w := newTown(t)
	if err := w.db.Tx(t.Context(), func(tx *data.Tx) error {
		_, err := tx.MakeParty(t.Context(), w.id, 1, "p1", []int64{w.person("P1"), w.person("P5")}, data.System, "test")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	b := w.signedIn()
	const told = "2명이 함께 신청합니다"
	b.wants(200, "/window", told)
	b.answer()
	b.wants(200, "/receipt", told)
	b.get("/review")
	b.wants(200, "/review", told)
	if w.ballot("P5").Withdrawn || w.ballot("P5").Party == 0 {
		t.Error("the other's ballot was not saved with hers")
	}
	b.get("/withdraw")
	b.wants(200, "/withdraw", "함께 신청한 2명 모두의 신청이 취소됩니다")
	b.post("/withdraw")
	if !w.ballot("P1").Withdrawn || !w.ballot("P5").Withdrawn {
		t.Error("not both were withdrawn")
	}
	b.get("/withdraw")
	b.wants(200, "/window")
}

// explained is a form whose Explain answers what a draw would: the real one is
// cycle's, and is under test there and in cmd.
func explained(c *Config) {
	c.Explain = func(_ context.Context, _ int64, c *cohort.Campaign, lang string) (Explained, error) {
		return Explained{
			Lines: []string{c.Name.In(lang) + ": 700 of 700"},
			Choices: []ExplainedChoice{
				{1, []ExplainedSlot{{"A1100076/2021-07-26/0900/Pfizer", 20, 412}, {"A1100076/2021-07-26/1000/Pfizer", 4, 409}, {"gone/2021-07-26/1000/Pfizer", 5, 3}}, false},
				{2, []ExplainedSlot{{"A1100047/2021-07-27/1100/Pfizer", 20, 0}, {"A1100047/2021-07-27/1500/Pfizer", 20, 690}}, true},
				{3, nil, false},
			},
		}, nil
	}
	c.Proof = func(context.Context, int64, *cohort.Campaign) ([]byte, error) { return []byte("{}\n"), nil }
}

// Why she waits: the words, how far the places of each choice went, and her
// proof.
func TestWhy(t *testing.T) {
	preparing := false
	w := newTown(t, explained, func(c *Config) {
		give := c.Proof
		c.Proof = func(ctx context.Context, person int64, x *cohort.Campaign) ([]byte, error) {
			if preparing {
				return nil, fmt.Errorf("proof: %w", ErrPreparing)
			}
			return give(ctx, person, x)
		}
	})
	b := w.signedIn()
	b.answer()
	for _, path := range []string{"/why", "/proof.json", "/result.ics"} { // before the result there is none
		b.get(path)
		b.wants(200, "/result", "결과를 기다리는 중입니다")
	}
	w.waiting(w.person("P1"))
	w.at(w.campaign.Cohorts[0].PublishAt.Add(time.Hour))
	b = w.signedIn()
	b.get("/result")
	b.wants(200, "/result", "1개 가운데 1번", "대기자 명단에서 다음 차례입니다")
	b.get("/why")
	b.wants(200, "/why", "700 of 700", "강남힐병원 24 409–412", "gone 5 3", "강남고려병원 40 690 (1개 시간은 끝까지 차지 않음)", "이 희망으로 자리를 받았습니다", "해당하는 추첨 자리가 없었습니다",
		"python3 verify.py gwanak-2021-1962-66 receipt-1.json")
	if p := b.get("/proof.json"); p.body != "{}\n" || p.header.Get("Content-Disposition") != "attachment; filename=receipt-1.json" {
		t.Errorf("proof: %q %v", p.body, p.header)
	}
	preparing = true
	if p := b.get("/proof.json"); p.status != 503 || p.header.Get("Retry-After") == "" {
		t.Errorf("proof that is being made ready: %d", p.status)
	}
	b.get("/result/leave")
	b.wants(200, "/result/leave", "대기자 명단에서 빠질까요?")
	b.post("/result/leave")
	b.wants(200, "/result?done=leave", "대기자 명단에서 빠졌습니다", "직접 그만두셨습니다")
	b.get("/result/leave")
	b.wants(200, "/result")
}

// A database that is gone breaks no page: each says that it is our fault.
func TestDatabaseGone(t *testing.T) {
	w := newTown(t, func(c *Config) {
		get := c.Campaign
		var kept *cohort.Campaign
		var row data.CampaignRow
		c.Campaign = func(ctx context.Context) (_ *cohort.Campaign, _ data.CampaignRow, err error) {
			if kept == nil {
				kept, row, err = get(ctx)
			}
			return kept, row, err
		}
	})
	b, stranger := w.signedIn(), w.browser()
	stranger.get("/language?to=en&back=/")
	w.db.Close()
	for _, path := range []string{"/", "/board", "/board/1", "/draws/x/", "/draws/x/leaves.bin"} {
		if p := stranger.get(path); p.status != 500 || !strings.Contains(textOf(p.body), "It is our fault") {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	for _, path := range []string{"/window", "/ballot", "/result"} {
		if p := b.get(path); p.status != 500 {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	if p := stranger.post("/sign-in", "name", "x", "birth", "19640517", "phone", "01023456701", "way", "email"); p.status != 500 {
		t.Errorf("signing in: %d", p.status)
	}
	if p := stranger.get("/healthz"); p.status != 503 {
		t.Errorf("healthz: %d", p.status)
	}
	for _, path := range []string{"/how", "/privacy", "/help", "/sign-in"} {
		if p := stranger.get(path); p.status != 200 {
			t.Errorf("%s needs no database: %d", path, p.status)
		}
	}
}

// A panic ends one request, and the log says where.
func TestPanic(t *testing.T) {
	w := newTown(t)
	w.form.Campaign = func(context.Context) (*cohort.Campaign, data.CampaignRow, error) { panic("a mistake") }
	res := httptest.NewRecorder()
	w.form.ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/board", nil))
	if res.Code != http.StatusInternalServerError || strings.Contains(res.Body.String(), "mistake") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	if s := w.log.String(); !strings.Contains(s, "panic") || !strings.Contains(s, `route="GET /board"`) {
		t.Errorf("log: %s", s)
	}
}

// The board is listed in pages.
func TestLongBoard(t *testing.T) {
	w := newTown(t)
	w.exec(`INSERT INTO @board (campaign_id, cohort_id, kind, body, body_hash) SELECT 1, 1, 'release', b, sha256(b) FROM (SELECT convert_to(g::text, 'UTF8') b FROM generate_series(1, 120) g) x`)
	b := w.browser()
	b.get("/language?to=en&back=/board")
	b.wants(200, "/board", "120: release of seats", "71: release of seats", "Older records")
	b.get("/board?before=71")
	b.wants(200, "/board", "70: release of seats", "21: release of seats")
	b.get("/board?before=21")
	b.wants(200, "/board", "20: release of seats", "1: release of seats")
	if strings.Contains(b.last.body, "Older records") {
		t.Error("there is nothing older")
	}
}

func TestNewRefuses(t *testing.T) {
	w := newTown(t)
	c := w.form.Config
	c.Key = c.Key[:31]
	if _, err := New(t.Context(), c); err == nil {
		t.Error("a short key was taken")
	}
}
