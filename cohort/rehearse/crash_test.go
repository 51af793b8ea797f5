//go:build linux

package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/local"
	"jebi/data/pgtest"
)

// What a citizen was told is saved is there after kill -9 of the server, of
// PostgreSQL, and of both, in the middle of saving; and with
// synchronous_commit = off it is not, so that a window is not opened then.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	ctx := context.Background()
	dir := openFolder(t)
	config := local.Config{Dir: filepath.Join(dir, "var", "pg"), Logf: t.Logf}
	pg, err := local.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	r := scene(t, dir, pg.URL, 240)
	if _, err := r.announce(ctx); err != nil {
		t.Fatal(err)
	}
	r.DB.Close()
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	w := &crash{t: t, r: r, dir: dir, cluster: pg.Dir, url: pg.URL}
	t.Cleanup(func() { // PostgreSQL outlives a killed server for a moment
		if w.server != nil {
			w.server.kill()
		}
		if last, err := local.Start(ctx, config); err != nil || last.Stop() != nil {
			t.Errorf("PostgreSQL cannot be ended: %v", err)
		}
	})
	w.serve()
	w.signIn(20)
	for _, c := range []struct {
		what string
		kill func()
	}{
		{"the server", func() { w.server.kill() }},
		{"PostgreSQL", func() { w.killDatabase() }},
		{"both, PostgreSQL first", func() { w.killDatabase(); w.server.kill() }},
		{"both, the server first", func() { w.server.kill(); w.killDatabase() }},
	} {
		w.save(120, c.kill)
		w.serveAgain()
		if lost := w.lost(); len(lost) > 0 {
			t.Errorf("after kill -9 of %s %d of %d acknowledged ballots are gone: %v", c.what, len(lost), w.acknowledged(), lost[0])
		}
	}

	// The guard is needed: without durable commits the same is not so.
	w.settings(`ALTER SYSTEM SET synchronous_commit = off`)
	lost := 0
	for range 5 {
		w.server.kill()
		w.serve()
		w.stopLogWriter()
		w.save(120, func() { w.killDatabase(); w.server.kill() })
		w.serveAgain()
		if lost = len(w.lost()); lost > 0 {
			break
		}
	}
	if lost == 0 {
		t.Error("with synchronous_commit = off nothing was lost: this test would not notice a loss")
	}

	w.refusesToOpen()
}

// openFolder is a folder that PostgreSQL's user can enter, where this runs as
// root: those of t.TempDir it cannot.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "jebi-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// crash is a running program that is being killed.
type crash struct {
	t       *testing.T
	r       *Rehearsal
	dir     string
	cluster string // folder of the private PostgreSQL
	url     string
	server  *server
	guests  []*guest

	mu   sync.Mutex
	acks map[int64][]string // receipt numbers, by person
}

func (w *crash) serve() {
	w.t.Helper()
	w.server = startServer(w.t, w.dir, "")
	for _, g := range w.guests {
		g.site = w.server.url
	}
}

// serveAgain starts the program anew where it was killed, and waits until the
// database answers.
func (w *crash) serveAgain() {
	w.t.Helper()
	select {
	case <-w.server.over:
		w.serve()
	default:
	}
	eventually(w.t, "the database answers", func() bool {
		db, err := data.Open(context.Background(), w.url)
		if err == nil {
			db.Close()
		}
		return err == nil
	})
}

// settings changes the server's configuration.
func (w *crash) settings(statements ...string) {
	w.t.Helper()
	for _, s := range append(statements, `SELECT pg_reload_conf()`) {
		pgtest.Exec(w.t, w.url, s)
	}
}

// signIn signs people of the first cohort in by the form; their codes are
// those that the server keeps as files.
func (w *crash) signIn(n int) {
	w.t.Helper()
	ctx := context.Background()
	w.acks = map[int64][]string{}
	for _, p := range w.r.cohorts[0].people {
		if p.Phone == "" || p.ID%4 == 0 || len(w.guests) == n {
			continue
		}
		g, err := newGuest(&site{url: w.server.url}, p)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := askCode(ctx, g); err != nil {
			w.t.Fatal(err)
		}
		w.guests = append(w.guests, g)
	}
	for _, g := range w.guests {
		eventually(w.t, "a code comes", func() bool {
			_, ok := w.message(g.person.Phone)
			return ok
		})
		if err := g.typeCode(ctx, w.message); err != nil {
			w.t.Fatal(err)
		}
	}
}

// message finds a text message in the folder of the server's receivers.
func (w *crash) message(to string) (Received, bool) {
	files, err := filepath.Glob(filepath.Join(w.dir, "var", "sample", "sms", "*.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		var m struct{ To, Text string }
		b, err := os.ReadFile(f)
		if err == nil && json.Unmarshal(b, &m) == nil && m.To == to && eightDigits.MatchString(m.Text) {
			return Received{To: to, Text: m.Text}, true
		}
	}
	return Received{}, false
}

var receiptNumber = regexp.MustCompile(`<span class="big">([A-Z0-9-]+)</span>`)

// save lets all guests save ballot after ballot, kills in the middle of it
// after so many acknowledgements, and lets those that still can go on for a
// while.
func (w *crash) save(acks int, kill func()) {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	before := w.acknowledged()
	var wg sync.WaitGroup
	for i, g := range w.guests {
		r := rand.New(rand.NewPCG(uint64(before), uint64(i)))
		wg.Go(func() {
			for ctx.Err() == nil {
				choices := w.r.cohorts[0].market.choose(r, *g.person.Lat, *g.person.Lon)[:1]
				page, err := g.answer(ctx, choices)
				if err != nil {
					continue // not acknowledged: it may be there or not
				}
				m := receiptNumber.FindStringSubmatch(page)
				if m == nil {
					w.t.Error("a page of a receipt without its number")
					return
				}
				w.mu.Lock()
				w.acks[g.person.ID] = append(w.acks[g.person.ID], m[1])
				w.mu.Unlock()
			}
		})
	}
	eventually(w.t, "ballots are acknowledged", func() bool { return w.acknowledged() >= before+acks })
	kill()
	select {
	case <-w.server.over:
	default: // the server lives: it goes on once PostgreSQL is back
		after := w.acknowledged()
		eventually(w.t, "ballots are acknowledged again", func() bool { return w.acknowledged() >= after+20 })
	}
	stop()
	wg.Wait()
}

func (w *crash) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, a := range w.acks {
		n += len(a)
	}
	return n
}

// lost names the acknowledged ballots that the database does not know, and
// forgets all so far.
func (w *crash) lost() []string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var lost []string
	for person, numbers := range w.acks {
		// One statement, one snapshot: a save whose answer never arrived may still come in. The last is what counts.
		var saved []string
		for _, c := range pgtest.Values[[]byte](w.t, w.url, `
			SELECT commit FROM (
				SELECT commit, revision::bigint FROM jebi.ballot_history WHERE person_id = $1
				UNION ALL SELECT COALESCE((SELECT commit FROM jebi.ballot WHERE person_id = $1), decode(repeat('00', 32), 'hex')), 1 << 30
			) c ORDER BY revision`, person) {
			saved = append(saved, cohort.ReceiptNumber([32]byte(c)))
		}
		now := saved[len(saved)-1]
		saved = saved[:len(saved)-1]
		for _, n := range numbers {
			if !slices.Contains(saved, n) {
				lost = append(lost, fmt.Sprintf("receipt %s of person %d", n, person))
			}
		}
		// What counts is the last one saved, which is the last one acknowledged or one in doubt after it.
		if len(lost) == 0 && slices.Index(saved, now) < slices.Index(saved, numbers[len(numbers)-1]) {
			lost = append(lost, fmt.Sprintf("the ballot of person %d stands at an earlier revision", person))
		}
	}
	w.acks = map[int64][]string{}
	return lost
}

// killDatabase ends PostgreSQL as kill -9 of all its processes does.
func (w *crash) killDatabase() {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.cluster, "data", "postmaster.pid"))
	if err != nil {
		w.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	postmaster, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || postmaster < 2 {
		w.t.Fatalf("postmaster.pid: %q", first)
	}
	pids := append([]int{postmaster}, childrenOf(w.t, postmaster)...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one may have ended by itself
	}
}

// stopLogWriter holds the process that writes what has been committed without
// waiting for the disk, so that there is something to lose.
func (w *crash) stopLogWriter() {
	w.t.Helper()
	pid := pgtest.Value[int](w.t, w.url, `SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'`)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		w.t.Fatal(err)
	}
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid …; the name may hold anything.
		_, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// refusesToOpen moves on to the second cohort's window: it stays shut while
// synchronous_commit is off, officials are told, and it opens once it is on.
func (w *crash) refusesToOpen() {
	w.t.Helper()
	ctx := context.Background()
	db, err := data.Open(ctx, w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	g := w.r.cohorts[1]
	if err := db.MoveClock(ctx, g.rule.Opens); err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, "officials are told that the window is not opened", func() bool {
		return pgtest.Value[int](w.t, w.url, `SELECT count(*)::int FROM jebi.message WHERE kind = 'official' AND params ->> 'about' = 'not_durable'`) == 1
	})
	state := func() cohort.State {
		row, err := db.CohortByKey(ctx, w.r.row.ID, g.rule.Key)
		if err != nil {
			w.t.Fatal(err)
		}
		return row.State
	}
	if s := state(); s != cohort.Announced {
		w.t.Errorf("on a database that may lose ballots the window is %s, want it shut", s)
	}
	if !strings.Contains(w.server.said.String(), "synchronous_commit = off") {
		w.t.Error("the server does not say what is wrong with its database")
	}
	w.settings(`ALTER SYSTEM RESET synchronous_commit`)
	eventually(w.t, "the window opens on a database that is durable again", func() bool { return state() == cohort.Open })
}
