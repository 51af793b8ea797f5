//go:build unix

// Package local runs a private PostgreSQL in a folder of this machine, from the binaries that are installed
// here, for one that has no database set up.
//
// One program owns the server and supervises it: it makes the cluster, starts it, starts it again when it
// dies and stops it at the end. Every other program that names the same folder attaches to the running
// server, and the first of them takes over when the owner ends. After a kill -9 of anything, the next start
// clears what is left and PostgreSQL recovers what was committed.
//
// It refuses to listen on a network, to run PostgreSQL as root, to know a password, to take a folder that
// holds something else, to start a cluster with binaries of another major version, to download anything and
// to turn any of PostgreSQL's guards of durability off.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Role is the superuser of the cluster: who may open the socket is it, by peer authentication.
const Role = "jebi"

// startLimit bounds a start, recovery after a crash included, where the caller's context has no deadline.
const startLimit = 3 * time.Minute

// Config says which server is wanted.
type Config struct {
	// Dir is the folder of the cluster, its log, its lock and its socket. It is made if it is missing. Where
	// PostgreSQL's user cannot enter it, another is taken and Logf is told; Server.Dir says which.
	Dir string
	// Database is created if it is missing. Empty means "jebi".
	Database string
	// Bin is the folder of the server's binaries. Empty means: the newest found by Bin, or, for a cluster
	// that exists, those of its major version.
	Bin string
	// Settings are given to the server at its start, over the cluster's configuration file. Those that keep it
	// off the network cannot be changed.
	Settings map[string]string
	// Logf takes a line for a person: another folder, a restart, a take-over. Nil drops them.
	Logf func(format string, args ...any)
}

// Server is a running PostgreSQL that this program owns or is attached to.
type Server struct {
	// URL connects to Config.Database. It stays valid over restarts and take-overs.
	URL string
	// Dir is the folder that is in use.
	Dir string

	config   Config
	place    place
	lock     *os.File // held while this program owns the server
	master   *postmaster
	attached atomic.Bool

	end  context.CancelFunc // tells keep to stop
	kept chan struct{}      // closed when keep has returned
	err  error              // why keep returned, valid after kept is closed
}

// Start returns a server that accepts connections: a new one, the one of an earlier run, or the one that
// another program runs in the same folder. The caller calls Stop. A cancelled ctx ends the start only, not
// the server. The error says what to do where something is missing, full or forbidden.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Dir == "" {
		return nil, errors.New("start PostgreSQL: no folder is named")
	}
	if config.Database == "" {
		config.Database = "jebi"
	}
	if config.Logf == nil {
		config.Logf = func(string, ...any) {}
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()

	where, err := settle(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", config.Dir, err)
	}
	s := &Server{Dir: where.dir, config: config, place: where, kept: make(chan struct{})}
	if err := s.join(ctx); err != nil {
		s.release()
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", s.Dir, err)
	}
	s.URL = s.DatabaseURL(config.Database)
	life, end := context.WithCancel(context.Background())
	s.end = end
	go s.keep(life)
	return s, nil
}

// Attached tells whether another program owns the server at this moment.
func (s *Server) Attached() bool { return s.attached.Load() }

// Done is closed when this program has stopped looking after the server: after Stop, or when PostgreSQL
// could not be kept running. Err then tells which.
func (s *Server) Done() <-chan struct{} { return s.kept }

// Err is the reason why the server could not be kept running; nil while it runs and after a Stop.
func (s *Server) Err() error {
	select {
	case <-s.kept:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server if this program owns it, open transactions rolled back and a checkpoint written, and
// waits for its end. Attached, it only stops watching. It may be called more than once.
func (s *Server) Stop() error {
	s.end()
	<-s.kept
	return s.err
}

// join owns the folder and starts the server, or attaches to the one that runs.
func (s *Server) join(ctx context.Context) error {
	var last error
	for {
		owned, err := s.tryLock()
		if err != nil {
			return err
		}
		if owned {
			return s.launch(ctx)
		}
		// Connecting while it starts would fill the log with refusals, so the file is asked first.
		if state := readPidFile(s.place.data); state.status == "ready" {
			// The owner's socket, which may be elsewhere with its TMPDIR, stays the socket after a take-over.
			if last = ensureDatabase(ctx, connString(state.socket, s.config.Database)); last == nil {
				s.place.socket = state.socket
				s.attached.Store(true)
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s owns it, and its server does not become ready: wait for it or end it: %w",
				s.holder(), ctx.Err()), last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// launch makes the cluster if there is none, clears what a killed run left, starts PostgreSQL and waits
// until it is ready. The lock is held.
func (s *Server) launch(ctx context.Context) error {
	if err := s.place.makeSocketFolder(); err != nil {
		return err
	}
	if err := s.place.makeCluster(ctx); err != nil {
		return err
	}
	if err := s.place.clearLeftovers(ctx); err != nil {
		return err
	}
	master, err := s.place.spawn(s.config)
	if err != nil {
		return err
	}
	if err := master.waitReady(ctx, s.place); err != nil {
		return errors.Join(err, master.stop())
	}
	if err := ensureDatabase(ctx, connString(s.place.socket, s.config.Database)); err != nil {
		return errors.Join(err, master.stop())
	}
	s.master = master
	s.attached.Store(false)
	return nil
}

// release gives the folder back.
func (s *Server) release() {
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}

// lockPath is the file whose flock says who owns the folder. It is never removed: a lock on a removed file
// would hold nobody off.
func (s *Server) lockPath() string { return filepath.Join(s.place.dir, "lock") }
