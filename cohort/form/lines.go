package form

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// lines are the connections that are open. Where there are too many, in all or
// from one address, the one is hung up on that has been waiting longest without
// a request in work: idle sockets and slow senders give way to whoever asks for
// something. A browser that loses an idle line opens another and notices nothing.
type lines struct {
	most, mostOfOne int // mostOfOne 0: addresses are a proxy's

	mu      sync.Mutex
	all     map[net.Conn]*line
	waiting list.List // of *line, the longest first
	of      map[string]*list.List
}

// line is one connection.
type line struct {
	conn    net.Conn
	address string
	at      *list.Element // in waiting; nil: a request of it is in work
	atOf    *list.Element // in its address's list
}

func newLines(most int, proxied bool) *lines {
	l := &lines{most: most, all: map[net.Conn]*line{}, of: map[string]*list.List{}}
	if !proxied {
		l.mostOfOne = max(1, most/4)
	}
	return l
}

// state follows a connection: http.Server.ConnState.
func (l *lines) state(c net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		for _, old := range l.open(c) {
			old.Close()
		}
	case http.StateIdle:
		l.rest(c)
	case http.StateClosed, http.StateHijacked:
		l.close(c)
	}
}

// open adds a connection and answers those that must give way to it.
func (l *lines) open(c net.Conn) (old []net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &line{conn: c}
	if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err == nil && l.mostOfOne > 0 {
		x.address = host
	}
	l.all[c] = x
	l.wait(x)
	if q := l.of[x.address]; l.mostOfOne > 0 && q.Len() > l.mostOfOne {
		old = append(old, l.giveUp(q.Front().Value.(*line)))
	} else if len(l.all) > l.most {
		old = append(old, l.giveUp(l.waiting.Front().Value.(*line)))
	}
	return old
}

func (l *lines) wait(x *line) {
	if x.at != nil {
		return
	}
	q := l.of[x.address]
	if q == nil {
		q = list.New()
		l.of[x.address] = q
	}
	x.at, x.atOf = l.waiting.PushBack(x), q.PushBack(x)
}

// busy takes a line out of those that wait.
func (l *lines) busy(x *line) {
	if x.at == nil {
		return
	}
	l.waiting.Remove(x.at)
	q := l.of[x.address]
	q.Remove(x.atOf)
	if q.Len() == 0 {
		delete(l.of, x.address)
	}
	x.at, x.atOf = nil, nil
}

func (l *lines) giveUp(x *line) net.Conn {
	l.busy(x)
	delete(l.all, x.conn)
	return x.conn
}

func (l *lines) rest(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.all[c]; x != nil {
		l.wait(x)
	}
}

func (l *lines) close(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.all[c]; x != nil {
		l.giveUp(x)
	}
}

type lineKey struct{}

// context lets requests know their connection: http.Server.ConnContext.
func (l *lines) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, lineKey{}, c)
}

// work notes that a request of the connection is in work, until it is idle
// again.
func (l *lines) work(r *http.Request) {
	c, ok := r.Context().Value(lineKey{}).(net.Conn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.all[c]; x != nil {
		l.busy(x)
	}
}
