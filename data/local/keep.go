//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// watchEvery is how often an attached program asks whether the owner has gone.
	watchEvery = 200 * time.Millisecond
	// restartLimit is how many starts in a row may end within steadyAfter before the owner gives up.
	restartLimit = 5
	steadyAfter  = 10 * time.Second
)

// keep looks after the server until Stop ends its context: an owner starts it again when it dies, an attached
// program takes over when the owner has gone.
func (s *Server) keep(life context.Context) {
	defer close(s.kept)
	defer s.release()
	quick := 0
	for {
		if s.master == nil {
			if !s.waitForOwnersEnd(life) {
				return
			}
			s.config.Logf("the program that ran the PostgreSQL in %s has ended: taking it over", s.Dir)
		} else {
			started := time.Now()
			select {
			case <-life.Done():
				s.err = s.master.stop()
				s.place.removeSocketFolder()
				return
			case <-s.master.exited:
			}
			s.config.Logf("the PostgreSQL in %s has ended (%v): starting it again", s.Dir, s.master.err)
			if quick++; time.Since(started) > steadyAfter {
				quick = 0
			}
		}
		if s.err = s.relaunch(life, quick); s.err != nil || life.Err() != nil && s.master == nil {
			return
		}
	}
}

// relaunch starts the server under the lock, at most restartLimit times less those that came quickly before.
// A Stop in between ends it without an error and without a server.
func (s *Server) relaunch(life context.Context, before int) error {
	s.master = nil
	for try := before; try < restartLimit; try++ {
		ctx, cancel := context.WithTimeout(life, startLimit)
		err := s.launch(ctx)
		cancel()
		if err == nil {
			s.config.Logf("the PostgreSQL in %s is ready", s.Dir)
			return nil
		}
		if life.Err() != nil {
			return nil
		}
		s.config.Logf("the PostgreSQL in %s does not start: %v", s.Dir, err)
		select {
		case <-life.Done():
			return nil
		case <-time.After(time.Duration(try+1) * 200 * time.Millisecond):
		}
	}
	return fmt.Errorf("keep PostgreSQL in %s: it ended or did not start %d times in a row, see %s",
		s.Dir, restartLimit, s.place.logPath())
}

// waitForOwnersEnd returns true with the lock held, or false when Stop was called.
func (s *Server) waitForOwnersEnd(life context.Context) bool {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-life.Done():
			return false
		case <-tick.C:
			if owned, err := s.tryLock(); err == nil && owned {
				return true
			}
		}
	}
}

// tryLock takes the folder's lock for this program if nobody has it. The file is close-on-exec, so that
// no child keeps the lock alive.
func (s *Server) tryLock() (bool, error) {
	f, err := os.OpenFile(s.lockPath(), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, os.ErrPermission) {
		return false, fmt.Errorf("the folder belongs to another user (a run as root makes it so): "+
			"run as that user, name another folder, or set DATABASE_URL: %w", err)
	}
	if err != nil {
		return false, explain(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("lock %s (a local disk is needed): %w", f.Name(), err)
	}
	if err := s.place.own(f.Name()); err != nil {
		f.Close()
		return false, err
	}
	// The number is for messages only; the lock itself is what counts.
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			f.Close()
			return false, explain(err)
		}
	}
	s.lock = f
	return true, nil
}

// holder names the program that has the lock, for an error message.
func (s *Server) holder() string {
	f, err := os.Open(s.lockPath())
	if err != nil {
		return "another program"
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return "process " + pid
	}
	return "another program"
}
