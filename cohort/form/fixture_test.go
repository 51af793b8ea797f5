package form

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/intake"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/data/sample"
)

// town is the sample campaign in a database of its own, with a few people, a
// form over HTTP, and the clock an hour into the first window.
type town struct {
	t        testing.TB
	url      string
	db       *data.DB
	campaign *cohort.Campaign
	id       int
	form     *Form
	server   *httptest.Server
	log      *syncBuffer
	key      []byte
}

// The people: who may answer now, who later, who never.
const townPeople = "key,name,birth_date,phone,email,address,district,lat,lon,groups,language\n" +
	"P1,김하나,1962-03-14,010-2345-6701,p1@example.org,신림로 1,1162010200,37.484,126.929,,ko\n" +
	"P2,이 두리,1963-01-01,010-2345-6702,,신림로 2,1162010200,,,,en\n" +
	"P3,박세나,1969-12-31,010-2345-6703,p3@example.org,신림로 3,1162010100,37.481,126.952,,ko\n" +
	"P4,최네오,1950-05-05,010-2345-6704,,신림로 4,1162010100,,,,ko\n" +
	"P5,정다섯,1964-05-17,010-2345-6705,,봉천로 5,1162010100,37.483,126.951,,ko\n" +
	"P6,강여섯,1964-05-18,010-2345-6706,,봉천로 6,1162010100,37.483,126.951,,ko\n" +
	"P7,조이름,1965-05-18,010-2345-6707,,봉천로 7,1162010100,37.483,126.951,,ko\n" +
	"P8,조 이름,1965-05-18,010-2345-6707,,봉천로 7,1162010100,37.483,126.951,,ko\n"

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func sampleCampaign() (*cohort.Campaign, []byte, error) {
	file, err := fs.ReadFile(sample.Files, "campaign.toml")
	if err != nil {
		return nil, nil, err
	}
	c, problems := campaign.Parse(file)
	for _, p := range problems {
		if p.Severity == "error" {
			return nil, nil, fmt.Errorf("sample: line %d: %s", p.Line, p.Text)
		}
	}
	return c, file, nil
}

// prepare makes the database that every test gets a copy of.
func prepare(url string) error {
	ctx := context.Background()
	if err := data.Migrate(ctx, url); err != nil {
		return err
	}
	if err := data.MakeClockMovable(ctx, url); err != nil {
		return err
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	c, file, err := sampleCampaign()
	if err != nil {
		return err
	}
	if err := db.MoveClock(ctx, c.Cohorts[0].Opens.AddDate(0, 0, -10)); err != nil {
		return err
	}
	if _, err := db.ApplyCampaign(ctx, c, file, data.System, true); err != nil {
		return err
	}
	for _, in := range []struct {
		name string
		f    func(context.Context, *cohort.Campaign, int, data.Lines, data.Actor, bool) (data.ImportReport, error)
		text string
	}{{"clinics", db.ImportClinics, fileOf("clinics.csv")}, {"supply", db.ImportSupply, fileOf("supply.csv")}, {"people", db.ImportPeople, townPeople}} {
		if r, err := in.f(ctx, c, 1, data.CSV(strings.NewReader(in.text)), data.System, true); err != nil {
			return fmt.Errorf("%s: %w %v", in.name, err, r.Errors)
		}
	}
	return nil
}

func fileOf(name string) string {
	b, err := fs.ReadFile(sample.Files, name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func newTown(t testing.TB, change ...func(*Config)) *town {
	t.Helper()
	w := &town{t: t, url: pgtest.Template(t, "form", prepare), id: 1, log: &syncBuffer{}, key: bytes.Repeat([]byte{9}, 32)}
	db, err := data.Open(context.Background(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	w.db = db
	c, _, err := sampleCampaign()
	if err != nil {
		t.Fatal(err)
	}
	w.campaign = c
	w.exec(`UPDATE @cohort SET state = 'announced'`)
	w.exec(`UPDATE @cohort SET state = 'open' WHERE ordinal = 0`)
	w.at(c.Cohorts[0].Opens.Add(time.Hour))
	cfg := Config{
		DB: db, Intake: intake.New(intake.Config{DB: db, Random: rand.Reader}), Words: words.New(), Key: w.key, Random: rand.Reader,
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Now: time.Now,
		Campaign: func(ctx context.Context) (*cohort.Campaign, data.CampaignRow, error) {
			row, err := db.Campaign(ctx, c.Key)
			return c, row, err
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	f, err := New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.form = f
	w.server = httptest.NewUnstartedServer(f)
	w.server.Config = f.Server()
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

func (w *town) exec(sql string, args ...any) {
	w.t.Helper()
	pgtest.Exec(w.t, w.url, strings.ReplaceAll(sql, "@", "jebi."), args...)
}

func (w *town) count(sql string, args ...any) int64 {
	w.t.Helper()
	return pgtest.Value[int64](w.t, w.url, strings.ReplaceAll(sql, "@", "jebi."), args...)
}

func (w *town) at(now time.Time) {
	w.t.Helper()
	if err := w.db.MoveClock(context.Background(), now); err != nil {
		w.t.Fatal(err)
	}
}

// person is the id of one of the town's people.
func (w *town) person(key string) int64 {
	w.t.Helper()
	return w.count(`SELECT id FROM @person WHERE key = $1`, key)
}

// lastCode is the code of the newest sign-in, as the notifier would derive it.
func (w *town) lastCode() string {
	w.t.Helper()
	handle := pgtest.Value[string](w.t, w.url, `SELECT encode(handle_hash, 'hex') FROM jebi.sign_in ORDER BY id DESC LIMIT 1`)
	b, err := hex.DecodeString(handle)
	if err != nil {
		w.t.Fatal(err)
	}
	return cohort.OneTimeCode(w.key, b)
}

// browser is a visitor without JavaScript: a client with cookies that fills
// in forms.
type browser struct {
	t    testing.TB
	base string
	c    *http.Client
	last page
}

type page struct {
	status int
	path   string
	body   string
	header http.Header
}

func (w *town) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{t: w.t, base: w.server.URL, c: &http.Client{Jar: jar}}
}

func (b *browser) do(req *http.Request) page {
	b.t.Helper()
	res, err := b.c.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.last = page{res.StatusCode, res.Request.URL.RequestURI(), string(body), res.Header}
	return b.last
}

func (b *browser) get(path string) page {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

// post sends a form; pairs are names and values.
func (b *browser) post(path string, pairs ...string) page {
	b.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, b.base+path, strings.NewReader(v.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

var markField = regexp.MustCompile(`name="mark" value="([0-9a-f]*)"`)

// mark is the hidden field of the page that is shown.
func (b *browser) mark() string {
	b.t.Helper()
	m := markField.FindStringSubmatch(b.last.body)
	if m == nil {
		b.t.Fatalf("no mark on %s (%d)", b.last.path, b.last.status)
	}
	return m[1]
}

// wants checks where the visitor is and what the page says.
func (b *browser) wants(status int, path string, texts ...string) {
	b.t.Helper()
	if b.last.status != status || !strings.HasPrefix(b.last.path, path) {
		b.t.Fatalf("at %s with %d, want %s with %d:\n%s", b.last.path, b.last.status, path, status, textOf(b.last.body))
	}
	said := textOf(b.last.body)
	for _, text := range texts {
		if !strings.Contains(said, text) {
			b.t.Errorf("%s does not say %q:\n%s", b.last.path, text, said)
		}
	}
}

var tags = regexp.MustCompile(`(?s)<(style|script).*?</(style|script)>|<[^>]*>`)

func textOf(html string) string {
	s := tags.ReplaceAllString(html, " ")
	s = strings.NewReplacer("&#39;", "'", "&amp;", "&", "&#34;", `"`, "&#43;", "+").Replace(s)
	return strings.Join(strings.Fields(s), " ")
}

// signIn goes from the start page to the person's own page.
func (w *town) signIn(b *browser, name, birth, phone string) {
	w.t.Helper()
	b.get("/language?to=ko&back=/")
	b.get("/sign-in")
	b.wants(200, "/sign-in", "본인 확인")
	b.post("/sign-in", "name", name, "birth", birth, "phone", phone, "way", "sms")
	b.wants(200, "/code", "받은 인증번호를 적어 주세요")
	b.post("/code", "code", w.lastCode())
	b.wants(200, "/notice", "동의")
	b.post("/notice", "agree", "yes")
	b.wants(200, "/window")
}

// signedIn is a browser of P1, who may answer now.
func (w *town) signedIn() *browser {
	w.t.Helper()
	b := w.browser()
	w.signIn(b, "김하나", "19620314", "010-2345-6701")
	return b
}

// answer puts a ballot together and submits it.
func (b *browser) answer() {
	b.t.Helper()
	b.get("/ballot/choice/1")
	b.post("/ballot/choice/1", "act", "save", "kind", "district", "district", "1162010200", "dates", "2021-07-26", "dates", "2021-07-27", "parts", "am", "parts", "pm")
	b.wants(200, "/ballot", "신림동")
	b.get("/review")
	b.wants(200, "/review", "이대로 제출할까요?")
	b.post("/review", "mark", b.mark())
	b.wants(200, "/receipt", "신청이 저장되었습니다")
}

// screenshots is the folder that pictures go to, where the environment asks
// for them.
func screenshots() string { return os.Getenv("JEBI_SCREENSHOTS") }
