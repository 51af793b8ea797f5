package rehearse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// shot is one request of a load, and what became of it.
type shot struct {
	due      time.Time
	began    time.Time // when it was sent
	ended    time.Time // when its answer was read
	status   int       // 0: no answer came
	location string
}

// load sends requests when they are due, whether or not those before them have
// been answered, over as many lines as it needs, up to a bound. It is a plain
// HTTP/1.1 client, so that most of the machine is left to what is measured.
type load struct {
	address string
	lines   int // at most
	request func(i int) []byte
	clock   func() time.Time

	mu      sync.Mutex
	idle    []*line
	open    int
	waiting []int // due, and no line free
	shots   []shot
	work    sync.WaitGroup
}

// line is one connection with the goroutine that uses it.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	next chan int
}

// warmLines is for how much of a second the lines suffice that are open before a
// load begins: who sends a form has the line on which its page came.
const warmLines = 0.05

// openLoop sends rate requests a second for a while, waits for all answers,
// and gives them in the order in which they were due.
func (l *load) openLoop(ctx context.Context, rate float64, lasts time.Duration) ([]shot, error) {
	n := int(rate * lasts.Seconds())
	l.shots = make([]shot, n)
	if err := l.dial(min(l.lines, n, int(rate*warmLines))); err != nil {
		l.finish()
		return nil, err
	}
	start := l.clock()
	for i := range n {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		l.shots[i].due = due
		if wait := due.Sub(l.clock()); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				l.finish()
				return nil, ctx.Err()
			}
		}
		l.send(i)
	}
	l.finish()
	return l.shots, ctx.Err()
}

// dial opens n lines.
func (l *load) dial(n int) error {
	for range n {
		x := l.newLine()
		l.idle = append(l.idle, x)
		if err := x.dial(l.address); err != nil {
			return err
		}
	}
	return nil
}

// newLine makes a line that asks what it is given next.
func (l *load) newLine() *line {
	l.open++
	x := &line{next: make(chan int, 1)}
	go l.run(x)
	return x
}

func (x *line) dial(address string) (err error) {
	if x.conn, err = net.Dial("tcp", address); err != nil {
		x.conn = nil
		return err
	}
	x.in = bufio.NewReaderSize(x.conn, 4096)
	return nil
}

// send gives the request to a line: one that is free, or a new one.
func (l *load) send(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work.Add(1)
	switch {
	case len(l.idle) > 0:
		last := l.idle[len(l.idle)-1]
		l.idle = l.idle[:len(l.idle)-1]
		last.next <- i // it waits for nothing else
	case l.open < l.lines:
		l.newLine().next <- i
	default:
		l.waiting = append(l.waiting, i)
	}
}

// finish waits for all answers and hangs up.
func (l *load) finish() {
	l.work.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.idle {
		close(x.next)
	}
	l.idle, l.open = nil, 0
}

// run sends what the line is given until its channel is closed.
func (l *load) run(x *line) {
	for i := range x.next {
		for more := true; more; {
			l.fire(x, i)
			l.work.Done()
			l.mu.Lock()
			if more = len(l.waiting) > 0; more {
				i, l.waiting = l.waiting[0], l.waiting[1:]
			} else {
				l.idle = append(l.idle, x)
			}
			l.mu.Unlock()
		}
	}
	if x.conn != nil {
		x.conn.Close()
	}
}

// lineLimit bounds one request.
const lineLimit = 30 * time.Second

// fire sends one request and reads its answer. A line that was hung up on is
// dialled again once.
func (l *load) fire(x *line, i int) {
	s := &l.shots[i]
	s.began = l.clock()
	fresh := x.conn == nil
	status, location, keep, err := l.ask(x, l.request(i))
	if err != nil && !fresh && errors.Is(err, io.EOF) {
		status, location, keep, err = l.ask(x, l.request(i))
	}
	s.ended = l.clock()
	if err == nil {
		s.status, s.location = status, location
	}
	if (err != nil || !keep) && x.conn != nil {
		x.conn.Close()
		x.conn = nil
	}
}

func (l *load) ask(x *line, request []byte) (status int, location string, keep bool, err error) {
	if x.conn == nil {
		if err := x.dial(l.address); err != nil {
			return 0, "", false, err
		}
	}
	if err := x.conn.SetDeadline(l.clock().Add(lineLimit)); err != nil {
		return 0, "", false, err
	}
	if _, err := x.conn.Write(request); err != nil {
		x.conn.Close()
		x.conn = nil
		return 0, "", false, io.EOF
	}
	status, location, keep, err = readAnswer(x.in)
	if err != nil {
		x.conn.Close()
		x.conn = nil
	}
	return status, location, keep, err
}

// readAnswer reads one answer with a Content-Length, and drops its body. An
// error is io.EOF where nothing came at all.
func readAnswer(in *bufio.Reader) (status int, location string, keep bool, err error) {
	first, err := in.ReadSlice('\n')
	if err != nil {
		if len(first) == 0 {
			return 0, "", false, io.EOF
		}
		return 0, "", false, io.ErrUnexpectedEOF
	}
	if len(first) < 12 || !bytes.HasPrefix(first, []byte("HTTP/1.1 ")) {
		return 0, "", false, errors.New("no HTTP/1.1 answer")
	}
	if status, err = strconv.Atoi(string(first[9:12])); err != nil {
		return 0, "", false, fmt.Errorf("status %q", first[9:12])
	}
	keep = true
	length := 0
	for {
		h, err := in.ReadSlice('\n')
		if err != nil {
			return 0, "", false, io.ErrUnexpectedEOF
		}
		h = bytes.TrimRight(h, "\r\n")
		if len(h) == 0 {
			break
		}
		name, value, _ := bytes.Cut(h, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, "", false, err
			}
		case bytes.EqualFold(name, []byte("Location")):
			location = string(value)
		case bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close")):
			keep = false
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, "", false, errors.New("an answer of unknown length")
		}
	}
	if _, err := in.Discard(length); err != nil {
		return 0, "", false, io.ErrUnexpectedEOF
	}
	return status, location, keep, nil
}
