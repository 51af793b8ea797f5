//go:build unix

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// configuration is added to the cluster's postgresql.conf when it is made, where an operator may change it.
// fsync, full_page_writes and synchronous_commit keep PostgreSQL's own, safe values.
//
// The log holds no errors of statements, no statement and no DETAIL or CONTEXT: PostgreSQL quotes values in
// them, and personal data stays in the database. The program receives every error and logs it its own way.
const configuration = `
# what jebi asks for
max_connections = 120
shared_buffers = 256MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
`

// makeCluster runs initdb if there is no cluster yet. It works in data.new, which gets its name when it is
// whole, so that a start that is killed leaves no half cluster. The lock is held.
func (p place) makeCluster(ctx context.Context) error {
	if clusterMajor(p.dir) == 0 {
		if _, err := os.Lstat(p.data); err == nil {
			return fmt.Errorf("%s is there and is not a PostgreSQL cluster: move it away", p.data)
		}
		if err := p.initialize(ctx); err != nil {
			return err
		}
	}
	return p.writeAccess(p.data)
}

func (p place) initialize(ctx context.Context) error {
	fresh := p.data + ".new"
	if err := p.killIn(ctx, fresh); err != nil {
		return err
	}
	if err := os.RemoveAll(fresh); err != nil {
		return explain(err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return explain(err)
	}
	if err := p.own(fresh); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin.dir, "initdb"), "-D", fresh, "-U", Role,
		"-E", "UTF8", "--locale=C.UTF-8", "-A", "peer", "--data-checksums")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(), fresh, p.attributes()
	// ^C is for this program, which then ends initdb with its children: they are a group.
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return explain(fmt.Errorf("initdb: %w: %s", err, lastLines(out)))
	}
	if err := p.configure(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, p.data); err != nil {
		return explain(err)
	}
	return syncFolder(p.dir)
}

// configure adds the settings to a fresh cluster.
func (p place) configure(data string) error {
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(configuration)
	return explain(errors.Join(err, f.Sync(), f.Close()))
}

// writeAccess lets in who opens the socket as the server's own account or as root, as the superuser Role, and
// nobody else. It is written at each start: a cluster that a user made may later be started by root.
func (p place) writeAccess(data string) error {
	names := []string{"root"}
	if p.who.name != "root" {
		names = append(names, p.who.name)
	}
	var ident strings.Builder
	for _, name := range names {
		fmt.Fprintf(&ident, "owner \"%s\" %s\n", strings.ReplaceAll(name, `"`, `""`), Role)
	}
	return errors.Join(
		p.writeFile(filepath.Join(data, "pg_ident.conf"), ident.String()),
		p.writeFile(filepath.Join(data, "pg_hba.conf"), "local all "+Role+" peer map=owner\n"),
	)
}

// writeFile replaces a file by one with this content and the server's owner, in one step.
func (p place) writeFile(path, content string) error {
	if b, err := os.ReadFile(path); err == nil && bytes.Equal(b, []byte(content)) {
		return nil
	}
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return explain(err)
	}
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Sync(), f.Close(), p.own(fresh)); err != nil {
		return explain(err)
	}
	return explain(os.Rename(fresh, path))
}

// syncFolder makes a rename in the folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) { // a file system that does not sync folders
		err = nil
	}
	return errors.Join(err, f.Close())
}
