package rehearse

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/cohort/form"
	"jebi/cohort/intake"
	"jebi/cohort/words"
	"jebi/data"
)

// benchSite is the citizens' form on loopback, as the program serves it.
type benchSite struct {
	address string
	stop    func()

	mu     sync.Mutex
	served map[int][]float64 // milliseconds in the server, by status, since it was last asked
}

// serve starts the form for a town, with a pool of connections of its own.
func (b *intakeBench) serve(ctx context.Context, t *benchTown, service *intake.Service) (*benchSite, error) {
	s := &benchSite{served: map[int][]float64{}}
	f, err := form.New(ctx, form.Config{
		DB: t.db, Intake: service, Words: words.New(), Key: make([]byte, 32), Random: b.Random, Now: b.Clock,
		Campaign: func(context.Context) (*cohort.Campaign, data.CampaignRow, error) { return t.campaign, t.row, nil },
		Files:    func(context.Context, string) (fs.FS, error) { return nil, data.ErrNotFound },
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := f.Server()
	server.Handler = s.watch(server.Handler, b.Clock)
	done := make(chan struct{})
	go func() {
		_ = server.Serve(l) // until it is closed
		close(done)
	}()
	s.address, s.stop = l.Addr().String(), func() { _ = server.Close(); <-done }
	return s, nil
}

// watch notes how long each answer took the server.
func (s *benchSite) watch(next http.Handler, clock func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := clock()
		n := &noted{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(n, r)
		took := milliseconds(clock().Sub(start))
		s.mu.Lock()
		s.served[n.status] = append(s.served[n.status], took)
		s.mu.Unlock()
	})
}

// noted remembers the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (n *noted) WriteHeader(status int) { n.status = status; n.ResponseWriter.WriteHeader(status) }

// Unwrap lets http.ResponseController through.
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// times gives the milliseconds in the server by status, and begins anew.
func (s *benchSite) times() map[int][]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.served
	s.served = map[int][]float64{}
	return out
}

// request is what a browser sends, with the cookie of a session.
func (s *benchSite) request(method, path string, person int, body string) []byte {
	cookie, _ := townToken(person)
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nCookie: jebi=%s; lang=ko\r\nAccept-Language: ko\r\n", method, path, s.address, cookie)
	if method == http.MethodPost {
		head += fmt.Sprintf("Origin: http://%s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", s.address, len(body))
	}
	return []byte(head + "\r\n" + body)
}
