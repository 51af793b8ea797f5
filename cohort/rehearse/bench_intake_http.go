package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jebi/cohort/form"
	"jebi/data"
)

// rates are the saves a second that are offered, and how long.
func (b *intakeBench) rates() []rate {
	return []rate{
		{500, b.lasts(20*time.Second, 3*time.Second)},
		{1000, b.lasts(60*time.Second, 20*time.Second)},
		{2000, b.lasts(15*time.Second, 3*time.Second)},
		{3000, b.lasts(15*time.Second, 3*time.Second)},
	}
}

type rate struct {
	offered int
	lasts   time.Duration
}

// loadLines bounds the connections of a load.
const loadLines = 2000

// http submits ballots over HTTP through the form's own handlers: as fast as
// 64 askers can, at fixed rates whatever the answers do, and beyond what was
// reached.
func (s *saving) http(ctx context.Context) error {
	web, err := s.serve(ctx, s.town, s.service(s.town.db, true))
	if err != nil {
		return err
	}
	defer web.stop()
	s.web = web
	byRate := map[int]runs{}
	closed, overload := runs{}, runs{}
	if _, err := s.submit(ctx, 200, time.Second, loadLines); err != nil { // warm-up
		return err
	}
	rates := s.rates()
	for repeat := range s.repeats {
		sustained := 0.0
		for i := range rates {
			r := rates[(i+repeat)%len(rates)]
			done, err := s.submit(ctx, r.offered, r.lasts, loadLines)
			if err != nil {
				return err
			}
			if byRate[r.offered] == nil {
				byRate[r.offered] = runs{}
			}
			done.into(byRate[r.offered])
			sustained = max(sustained, float64(done.done)/done.seconds)
			s.say("repeat %d: HTTP, %4d/s for %s: %s", repeat+1, r.offered, r.lasts, done)
		}
		closed.add("http_per_second", sustained)
		offered := int(3 * sustained)
		over, err := s.submit(ctx, offered, s.lasts(10*time.Second, 3*time.Second), loadLines)
		if err != nil {
			return err
		}
		s.say("repeat %d: three times what is sustained, %d/s: %s", repeat+1, offered, over)
		over.into(overload)
		overload.add("offered_per_second", float64(offered))
	}
	s.report.Save.Figures["http_per_second"] = spread(closed["http_per_second"])
	for _, r := range rates {
		s.report.HTTP = append(s.report.HTTP, byRate[r.offered].sheet(map[string]any{"offered": r.offered, "seconds": r.lasts.Seconds()}))
	}
	s.report.Overload = overload.sheet(nil)
	return s.pages(ctx)
}

// submitted is what became of a load.
type submitted struct {
	done, errors, refused int
	p50, p99              float64 // milliseconds of what was done, from the moment it was due
	refusedP99            float64 // of what was refused
	serverP99, refusalP99 float64 // the same on the server
	seconds               float64 // from the first request to the last answer
	lateness              float64 // 99th hundredth of milliseconds between due and sent
	first                 string  // of what failed otherwise
}

func (d submitted) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d done, %d errors (%d refused), p50 %.1f ms, p99 %.1f ms (server %.1f), refused p99 %.1f ms (server %.1f), sent late by %.1f ms %s",
		d.done, d.errors, d.refused, d.p50, d.p99, d.serverP99, d.refusedP99, d.refusalP99, d.lateness, d.first))
}

func (d submitted) into(r runs) {
	for name, v := range map[string]float64{
		"done": float64(d.done), "errors": float64(d.errors), "refused": float64(d.refused), "p50_ms": d.p50, "p99_ms": d.p99, "refused_p99_ms": d.refusedP99,
		"server_p99_ms": d.serverP99, "refused_server_p99_ms": d.refusalP99, "per_second": float64(d.done) / max(d.seconds, 1e-9),
	} {
		r.add(name, v)
	}
}

// stride is coprime to every number of people that is used: consecutive
// requests are of people who are far apart.
const stride = 7919

// submit offers ballots at a rate. Each person has a draft that nobody has
// submitted yet when the run begins; one who comes again submits the same once
// more.
func (s *saving) submit(ctx context.Context, offered int, lasts time.Duration, lines int) (submitted, error) {
	s.round++
	n := min(s.town.people, int(float64(offered)*lasts.Seconds())+1)
	marks := make([]string, n)
	person := func(i int) int { return i % n * stride % s.town.people }
	var failed error
	err := s.town.db.CopyBenchDrafts(ctx, s.town.row.ID, n, func(i int) data.BenchVoter {
		p := person(i)
		body, mark, err := form.BenchDraft(s.choices(p, s.round))
		failed = errors.Join(failed, err)
		marks[i] = mark
		return data.BenchVoter{ID: int64(p + 1), Draft: body}
	})
	if err := errors.Join(err, failed, s.copies.Checkpoint(ctx)); err != nil {
		return submitted{}, err
	}
	s.web.times()
	l := &load{address: s.web.address, lines: lines, clock: s.Clock, request: func(i int) []byte {
		return s.web.request(http.MethodPost, "/review", person(i), "mark="+marks[i%n])
	}}
	start := s.Clock()
	shots, err := l.openLoop(ctx, float64(offered), lasts)
	if err != nil {
		return submitted{}, err
	}
	d := submitted{seconds: s.Clock().Sub(start).Seconds()}
	var took, refused, late []float64
	for i, x := range shots {
		ms := milliseconds(x.ended.Sub(x.due))
		late = append(late, milliseconds(x.began.Sub(x.due)))
		switch {
		case x.status == http.StatusSeeOther && x.location == "/receipt":
			p := person(i)
			s.kept.add(int64(p+1), 0, s.round)
			took = append(took, ms)
			continue
		case x.status == http.StatusServiceUnavailable:
			refused = append(refused, ms)
		case d.first == "":
			d.first = "; the first that failed otherwise: " + strconv.Itoa(x.status) + " " + x.location
		}
		d.errors++
	}
	d.done, d.refused = len(took), len(refused)
	d.p50, d.p99, d.refusedP99, d.lateness = percentile(took, 0.5), percentile(took, 0.99), percentile(refused, 0.99), percentile(late, 0.99)
	served := s.web.times()
	d.serverP99, d.refusalP99 = percentile(served[http.StatusSeeOther], 0.99), percentile(served[http.StatusServiceUnavailable], 0.99)
	return d, nil
}

// pages asks for every page of somebody who answers, one after the other, and
// notes how long the server took.
func (s *saving) pages(ctx context.Context) error {
	const asks = 100
	for _, path := range []string{
		"/", "/how", "/privacy", "/help", "/sign-in", "/board", "/notice", "/window", "/ballot", "/ballot/choice/1", "/review", "/receipt", "/withdraw", "/result",
	} {
		figures := runs{}
		status := 0
		for tries, repeat := 0, 0; repeat < s.repeats; tries++ {
			s.web.times()
			l := &load{address: s.web.address, lines: 1, clock: s.Clock, request: func(i int) []byte { return s.web.request(http.MethodGet, path, i*stride%s.town.people, "") }}
			shots, err := l.openLoop(ctx, 1e9, asks) // one line: each waits for the one before
			if err != nil {
				return err
			}
			status = shots[len(shots)-1].status
			served := s.web.times()[status]
			if len(served) != asks { // the gate is still narrow from the load before
				if tries >= s.repeats+10 {
					return fmt.Errorf("%s: %d of %d answers are %d", path, len(served), asks, status)
				}
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return ctx.Err()
				}
				continue
			}
			repeat++
			figures.add("server_p50_ms", percentile(served, 0.5))
			figures.add("server_p99_ms", percentile(served, 0.99))
		}
		s.report.Pages = append(s.report.Pages, figures.sheet(map[string]any{"page": path, "status": status}))
		s.say("page %-18s %d, median on the server %.2f ms", path, status, figures["server_p50_ms"][0])
	}
	return nil
}
