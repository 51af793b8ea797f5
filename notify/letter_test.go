package notify

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
)

// everything is a message with all that a text could need.
func everything(kind, channel, lang string) data.Outgoing {
	return data.Outgoing{
		Kind: kind, Channel: channel, Language: lang, Key: "6a0d4a3c-0000-4000-8000-000000000000", Name: "홍길동", Address: "x@people.invalid", Status: "eligible",
		Params: map[string]any{
			"change": "extend", "about": "frozen", "draw_id": "test-a", "ballots": 3, "count": 3, "attempts": 60, "failures": 50, "members": 2, "root": "00", "seed": "00", "cutoffs": "00", "checkpoint": "…", "settings": "fsync is off",
			"board": "1:00", "manifest": "00", "names": "press", "position": 0, "event": "dice", "value": "471123", "reason": "x", "why": "x", "number": 1, "served": "reserve",
		},
		Cohort: &data.CohortRow{
			Opens: time.Date(2021, 7, 14, 0, 0, 0, 0, time.UTC), Closes: time.Date(2021, 7, 16, 9, 0, 0, 0, time.UTC),
			PublishAt: time.Date(2021, 7, 17, 5, 0, 0, 0, time.UTC), ConfirmBy: time.Date(2021, 7, 20, 9, 0, 0, 0, time.UTC),
		},
		Slot:     &data.MessageSlot{Clinic: "강남고려병원", NameEn: "Goryeo Hospital", Address: "관악로 242", Bring: "신분증", Vaccine: "Pfizer", Starts: time.Date(2021, 7, 26, 2, 0, 0, 0, time.UTC)},
		Rank:     4711,
		Offer:    "live",
		Deadline: time.Date(2021, 7, 22, 9, 0, 0, 0, time.UTC),
		Revision: 2, Commit: make([]byte, 32), Handle: make([]byte, 32), Expires: time.Date(2021, 7, 15, 5, 10, 0, 0, time.UTC),
	}
}

func TestEveryTextExistsInBothLanguagesAndIsFilled(t *testing.T) {
	o := &office{t: t}
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	o.c = &cohort.Campaign{
		Name: cohort.Text{"ko": "시험", "en": "Trial"}, Sample: true, Location: seoul, Languages: []string{"ko", "en"},
		Contact: cohort.Contact{Phone: "02-000-0000", Hours: cohort.Text{"ko": "평일", "en": "weekdays"}},
	}
	book := words.New()
	w := writer{o.c, book, []byte("key")}
	link := regexp.MustCompile(`(?i)https?:|www\.|[a-z0-9]\.(kr|com|net|example|invalid)\b`)
	texts := 0
	for _, lang := range []string{"ko", "en"} {
		for _, key := range book.Keys(lang) {
			base, sms := strings.CutSuffix(key, ".sms")
			if !strings.HasPrefix(key, "messages.") || !sms || base == "messages" {
				continue
			}
			texts++
			kind, _, _ := strings.Cut(strings.TrimPrefix(base, "messages."), ".")
			args := w.args(everything(kind, "sms", lang), lang, time.Date(2021, 7, 15, 0, 0, 0, 0, time.UTC))
			for _, part := range []string{".sms", ".subject", ".email"} {
				if !book.Has(lang, base+part) {
					t.Errorf("%s: no text %s%s", lang, base, part)
				}
				for _, name := range book.Placeholders(lang, base+part) {
					if _, ok := args[name]; !ok {
						t.Errorf("%s %s%s: nothing fills {%s}", lang, base, part, name)
					}
				}
			}
			if s := book.Text(lang, base+".sms", args); link.MatchString(s) || strings.Contains(s, "홍길동") {
				t.Errorf("%s %s: a text message with a link or a name: %q", lang, base, s)
			}
		}
	}
	if texts < 40 {
		t.Errorf("%d texts found, want at least 40", texts)
	}
}

func TestWhatIsNoLongerSoIsNotSent(t *testing.T) {
	now := time.Date(2021, 7, 15, 5, 0, 0, 0, time.UTC)
	for name, change := range map[string]struct {
		kind string
		f    func(*data.Outgoing)
	}{
		"an expired code":            {"code", func(o *data.Outgoing) { o.Expires = now }},
		"an offer that ended":        {"offer", func(o *data.Outgoing) { o.Offer = "lapsed" }},
		"an offer past its deadline": {"offer", func(o *data.Outgoing) { o.Deadline = now }},
		"a reminder without a place": {"reminder", func(o *data.Outgoing) { o.Assigned = "" }},
		"who accepted already":       {"confirm_reminder", func(o *data.Outgoing) { o.Assigned = "confirmed" }},
		"who answered already":       {"answer_reminder", func(*data.Outgoing) {}},
		"a withdrawn answer":         {"receipt", func(o *data.Outgoing) { o.Withdrawn = true }},
		"somebody who died":          {"result", func(o *data.Outgoing) { o.Status = "dead" }},
	} {
		t.Run(name, func(t *testing.T) {
			o := everything(change.kind, "sms", "ko")
			change.f(&o)
			_, err := writer{&cohort.Campaign{Languages: []string{"ko"}, Location: time.UTC}, words.New(), nil}.letter(o, now)
			var over stale
			if !errors.As(err, &over) {
				t.Errorf("error %v, want that it is over", err)
			}
		})
	}
}

func TestALetterSaysWhereAndWhenInHerLanguage(t *testing.T) {
	o := newOffice(t, 2)
	o.exec(`UPDATE jebi.person_detail SET language = 'en' WHERE person_id = (SELECT max(id) FROM jebi.person)`)
	o.tellAll("announce/1")
	o.drain()
	people := pgtest.Values[string](t, o.url, `SELECT phone FROM jebi.person_detail ORDER BY person_id`)
	if got, want := o.sms.text(people[0]), "[표본] [시험] 7월 14일(수) 오전 9시부터 7월 16일(금) 오후 6시까지 사이에"; !strings.HasPrefix(got, want) {
		t.Errorf("Korean: %q\nwant it to begin with %q", got, want)
	}
	if got := o.sms.text(people[1]); !strings.Contains(got, "Wednesday 14 July") {
		t.Errorf("English: %q", got)
	}
	email := pgtest.Value[string](t, o.url, `SELECT email FROM jebi.person_detail ORDER BY person_id LIMIT 1`)
	m, err := mail.ReadMessage(strings.NewReader(o.mail.text(email)))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || !strings.HasPrefix(subject, "[표본] [시험]") {
		t.Errorf("subject %q (%v)", subject, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || !strings.Contains(string(body), "이름1 님") || !strings.Contains(string(body), "02-000-0000") {
		t.Errorf("body %q (%v)", body, err)
	}
}

func TestACorrectedAddressCountsAndAPurgedOneIsGone(t *testing.T) {
	o := newOffice(t, 2)
	o.tellAll("announce/1")
	o.exec(`UPDATE jebi.person_detail SET phone = '+821012340000' WHERE person_id = (SELECT min(id) FROM jebi.person)`)
	o.exec(`DELETE FROM jebi.person_detail WHERE person_id = (SELECT max(id) FROM jebi.person)`)
	o.drain()
	if o.sms.text("+821012340000") == "" {
		t.Error("the corrected phone got nothing")
	}
	codes := pgtest.Values[string](t, o.url, `SELECT state || ' ' || last_error FROM jebi.message WHERE person_id = (SELECT max(id) FROM jebi.person)`)
	if !slices.Equal(codes, []string{"undelivered no address", "undelivered no address"}) {
		t.Errorf("the purged person's messages: %v", codes)
	}
}

func TestACodeIsMadeWhenItIsSent(t *testing.T) {
	o := newOffice(t, 1)
	who := pgtest.Value[int64](t, o.url, `SELECT min(id) FROM jebi.person`)
	handle := make([]byte, 32)
	handle[5] = 9
	o.exec(`INSERT INTO jebi.sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at) VALUES ($1, $2, $3, 'sms', $2, jebi.jebi_now() + interval '10 minutes')`, o.id, handle, who)
	o.tell(data.Message{Person: who, Event: "code/1", Channel: "sms", Kind: "code", Urgent: true, Params: map[string]any{"sign_in": pgtest.Value[int64](t, o.url, `SELECT max(id) FROM jebi.sign_in`)}})
	o.drain()
	code := cohort.OneTimeCode(o.key, handle)
	if got := o.sms.text("+821000000001"); !strings.Contains(got, code) {
		t.Errorf("the text message %q does not hold the code", got)
	}
	if n := pgtest.Value[int](t, o.url, `SELECT count(*)::int FROM jebi.message WHERE params::text LIKE '%' || $1 || '%' OR last_error LIKE '%' || $1 || '%'`, code); n != 0 {
		t.Error("the database holds the code")
	}
}

// What the program tells has a text: the kinds that stand in its source, and
// those that it puts together.
func TestEveryKindThatIsToldHasATextAndAVariant(t *testing.T) {
	kinds := []string{"accepted", "declined", "confirm_reminder", "answer_reminder", "reminder", "offer", "offer_lapsed", "code", "cancelled", "moved"}
	literal := regexp.MustCompile(`Message\{[^}]*?Kind: *"([a-z_]+)"`)
	err := filepath.WalkDir("..", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		for _, m := range literal.FindAllSubmatch(b, -1) {
			kinds = append(kinds, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	if len(kinds) < 18 {
		t.Errorf("only %d kinds were found: %v", len(kinds), kinds)
	}
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	w := writer{&cohort.Campaign{Name: cohort.Text{"ko": "시험"}, Languages: []string{"ko", "en"}, Location: seoul}, words.New(), []byte("key")}
	now := time.Date(2021, 7, 15, 5, 0, 0, 0, time.UTC)
	for _, kind := range kinds {
		for _, lang := range []string{"ko", "en"} {
			o := everything(kind, "email", lang)
			o.Assigned, o.Waiting = "assigned", "waiting"
			if kind == "settled" {
				o.Assigned = ""
			}
			if kind == "answer_reminder" {
				o.Revision = 0
			}
			if change := map[string]string{"correction": "kept", "left_out": "seated"}[kind]; change != "" {
				o.Params["change"] = change
			}
			l, err := w.letter(o, now)
			if err != nil || l.Subject == "" || strings.Contains(l.Body+l.Subject, "messages.") {
				t.Errorf("%s in %s: %v, %q", kind, lang, err, l.Subject)
			}
		}
	}
}
