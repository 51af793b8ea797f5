package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/cohort/campaign"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/data/sample"
)

// told collects what a program prints, and lets a test wait for it.
type told struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// wait goes on until f is content with what was printed.
func (w *told) wait(t *testing.T, f func(string) bool) string {
	t.Helper()
	for range 6000 {
		if s := w.String(); f(s) {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not printed within a minute; printed: %s", w.String())
	return ""
}

// Two servers before one database, both with scheduler and dispatcher: both
// answer, both say loudly where they run, one sign-in goes over both, and both
// end when they are told to.
func TestServe(t *testing.T) {
	url := pgtest.Template(t, "serve", func(url string) error {
		ctx := context.Background()
		if err := data.Migrate(ctx, url); err != nil {
			return err
		}
		return data.MakeClockMovable(ctx, url)
	})
	db, err := data.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.MoveClock(t.Context(), time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, err := sample.Files.ReadFile("campaign.toml")
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string) string {
		return map[string]string{"DATABASE_URL": url, "JEBI_KEY": strings.Repeat("ab", 32), "XDG_STATE_HOME": dir}[name]
	}
	c, problems := campaign.Parse(file)
	if c == nil {
		t.Fatal(problems)
	}
	if _, err := db.ApplyCampaign(t.Context(), c, file, data.System, true); err != nil {
		t.Fatal(err)
	}
	people := "key,name,birth_date,phone,email,address,district,lat,lon,groups,language\nP1,김하나,1962-03-14,010-2345-6701,,신림로 1,1162010200,37.484,126.929,,ko\n"
	if r, err := db.ImportPeople(t.Context(), c, 1, data.CSV(strings.NewReader(people)), data.System, true); err != nil {
		t.Fatal(err, r.Errors)
	}

	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var urls []string
	var errs [2]*told
	for i := range 2 {
		out, said := &told{}, &told{}
		errs[i] = said
		wg.Go(func() {
			if code := run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--json", "--dir", dir}, streams{strings.NewReader(""), out, said}, env); code != exitDone {
				t.Errorf("serve ended with %d: %s", code, said)
			}
		})
		var started struct {
			URL       string
			Sample    bool
			Scheduler bool
		}
		out.wait(t, func(s string) bool { return json.Unmarshal([]byte(s), &started) == nil })
		if !started.Sample || !started.Scheduler {
			t.Errorf("started %+v", started)
		}
		urls = append(urls, started.URL)
	}
	for i, u := range urls {
		for path, want := range map[string]string{"healthz": "ok", "": "1962–1966", "board": "SHA-256"} {
			res, err := http.Get(u + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) && path != "" {
				t.Errorf("server %d, /%s: %d %v", i, path, res.StatusCode, err)
			}
		}
		if s := errs[i].String(); !strings.Contains(s, "THE CLOCK OF THIS DATABASE CAN BE MOVED") {
			t.Errorf("server %d does not say where it runs: %s", i, s)
		}
	}
	res, err := http.PostForm(urls[0]+"sign-in", map[string][]string{"name": {"김하나"}, "birth": {"19620314"}, "phone": {"01023456701"}, "way": {"sms"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	// Whichever of the two took the message prints the code, once.
	code := ""
	for code == "" {
		for _, e := range errs {
			if _, after, ok := strings.Cut(e.String(), "the code that was sent to +821023456701: "); ok {
				code = after[:8]
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := strings.Count(errs[0].String()+errs[1].String(), code); n != 1 {
		t.Errorf("the code was printed %d times", n)
	}
	stop()
	wg.Wait()
}

func TestServeRefuses(t *testing.T) {
	for _, args := range [][]string{{"--scheduler", "maybe"}, {"--notify", ""}, {"--tls-cert", "x"}, {"more"}} {
		var out, said bytes.Buffer
		if code := run(t.Context(), append([]string{"serve"}, args...), streams{strings.NewReader(""), &out, &said}, func(string) string { return "" }); code != exitUsage {
			t.Errorf("%v: exit %d: %s", args, code, said.String())
		}
	}
}
