//go:build unix

package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// fallbackRoot holds the clusters of folders that PostgreSQL's user cannot enter.
const fallbackRoot = "/var/lib/jebi"

// place is where a cluster lives and as whom its server runs.
type place struct {
	dir    string // resolved: no symbolic link in it, so that it compares with /proc/*/cwd
	data   string
	socket string // the folder of the socket: dir, or a private one where the path would be too long
	bin    binaries
	who    account
}

// account is the user that PostgreSQL runs as.
type account struct {
	uid, gid int
	name     string
	drop     bool // this program is root and gives its rights up for the server
}

// settle decides where the cluster lives and as whom it runs, and makes the folders.
func settle(ctx context.Context, config Config) (place, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return place{}, err
	}
	who, err := serverAccount(dir)
	if err != nil {
		return place{}, err
	}
	if !who.drop {
		return settleIn(ctx, config, dir, who)
	}

	other := filepath.Join(fallbackRoot, fmt.Sprintf("%x", sha256.Sum256([]byte(dir)))[:16])
	if clusterMajor(dir) == 0 && clusterMajor(other) != 0 {
		config.Logf("the PostgreSQL of %s is in %s, where an earlier run has put it", dir, other)
		return settleElsewhere(ctx, config, other)
	}
	p, err := settleIn(ctx, config, dir, who)
	if err != nil {
		return place{}, err
	}
	if p.enterable(ctx) == nil {
		return p, nil
	}
	if clusterMajor(dir) != 0 {
		return place{}, fmt.Errorf("the user %s, who runs PostgreSQL, cannot enter this folder any more: "+
			"give others the right to pass its parents (chmod o+x), or move the folder", who.name)
	}
	os.Remove(dir) // only if it is empty: it was made a moment ago and is not used
	config.Logf("PostgreSQL cannot run as root, and the user %s cannot enter %s: its data goes to %s", who.name, dir, other)
	return settleElsewhere(ctx, config, other)
}

// settleElsewhere is settle for the folder under fallbackRoot.
func settleElsewhere(ctx context.Context, config Config, dir string) (place, error) {
	if err := os.MkdirAll(fallbackRoot, 0o755); err != nil {
		return place{}, explain(err)
	}
	who, err := serverAccount(dir)
	if err != nil {
		return place{}, err
	}
	p, err := settleIn(ctx, config, dir, who)
	if err != nil {
		return place{}, err
	}
	if err := p.enterable(ctx); err != nil {
		return place{}, fmt.Errorf("the user %s, who runs PostgreSQL, cannot enter %s either: set DATABASE_URL "+
			"or name a folder that others may pass through: %w", who.name, dir, err)
	}
	return p, nil
}

// settleIn makes dir and the socket's folder and finds the binaries.
func settleIn(ctx context.Context, config Config, dir string, who account) (place, error) {
	bin, err := choose(ctx, config.Bin, clusterMajor(dir))
	if err != nil {
		return place{}, err
	}
	p := place{bin: bin, who: who}
	if err := p.runnable(ctx); err != nil {
		return place{}, err
	}
	if p.dir, err = p.makeDir(dir); err != nil {
		return place{}, err
	}
	p.data = filepath.Join(p.dir, "data")
	p.socket = p.socketFolder(ctx)
	return p, nil
}

// serverAccount is this program's own user, or, for root, the owner of the cluster that is in dir, else the
// user postgres, else nobody. An account without an entry in the user database is refused, because initdb
// and peer authentication both look it up.
func serverAccount(dir string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		name, err := userName(uid)
		return account{uid: uid, gid: os.Getegid(), name: name}, err
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			name, err := userName(int(stat.Uid))
			return account{int(stat.Uid), int(stat.Gid), name, true}, err
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, err
		}
		return account{uid, gid, u.Username, true}, nil
	}
	return account{}, errors.New("PostgreSQL cannot run as root, and there is neither a user postgres nor a user nobody: " +
		"add one (adduser --system postgres), or run as a user that is not root")
}

// userName finds the name of a uid. A program that is built without C sees only /etc/passwd, so id(1) is
// asked as well, which sees directory services.
func userName(uid int) (string, error) {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username, nil
	}
	if out, err := exec.Command("id", "-un", strconv.Itoa(uid)).Output(); err == nil {
		if name := strings.TrimSpace(string(out)); name != "" && name != strconv.Itoa(uid) {
			return name, nil
		}
	}
	return "", fmt.Errorf("the user id %d has no name on this machine, and PostgreSQL needs one: "+
		"add a line to /etc/passwd, run as another user, or set DATABASE_URL", uid)
}

// runnable checks that the account may execute the binaries at all.
func (p place) runnable(ctx context.Context) error {
	if err := p.try(ctx, "/"); err != nil {
		return fmt.Errorf("the user %s cannot run %s/postgres: %w", p.who.name, p.bin.dir, err)
	}
	return nil
}

// enterable checks that the account may enter the folder, by doing it as that account.
func (p place) enterable(ctx context.Context) error { return p.try(ctx, p.dir) }

func (p place) try(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin.dir, "postgres"), "--version")
	cmd.Env, cmd.Dir, cmd.SysProcAttr = environment(), dir, p.attributes()
	return cmd.Run()
}

// attributes are those of every child: the server's account. Without a list of groups Go drops all of them.
func (p place) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if p.who.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(p.who.uid), Gid: uint32(p.who.gid)}
	}
	return attr
}

// makeDir makes the folder of the cluster, open to its account only, and returns its resolved path. A folder
// that holds other things is refused: as root it would be given away.
func (p place) makeDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", explain(err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrPermission) {
		return "", fmt.Errorf("the folder belongs to another user (a run as root makes it so): "+
			"run as that user, name another folder, or set DATABASE_URL: %w", err)
	}
	if err != nil {
		return "", explain(err)
	}
	ours := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "lock" && e.Type().IsRegular() })
	if len(entries) > 0 && !ours {
		return "", fmt.Errorf("the folder holds %s and no database of this program: name another one", entries[0].Name())
	}
	if err := p.own(dir); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o700)
}

// own gives a path to the server's account.
func (p place) own(path string) error {
	if !p.who.drop {
		return nil
	}
	return os.Lchown(path, p.who.uid, p.who.gid)
}

// socketName is what PostgreSQL puts into the socket's folder; the port is only a part of the name.
const socketName = ".s.PGSQL.5432"

// socketFolder is the folder of the cluster, or, where the socket's path would not fit into a sockaddr_un, a
// private folder under the temporary one. Root's temporary folder may be closed to others; then it is /tmp.
func (p place) socketFolder(ctx context.Context) string {
	if fits(p.dir) {
		return p.dir
	}
	name := fmt.Sprintf("jebi-%d-%x", p.who.uid, sha256.Sum256([]byte(p.dir)))[:32]
	if temp := os.TempDir(); fits(filepath.Join(temp, name)) && p.try(ctx, temp) == nil {
		return filepath.Join(temp, name)
	}
	return filepath.Join("/tmp", name)
}

// makeSocketFolder makes the private folder of the socket where there is one. It is checked, not trusted: under
// a name that can be guessed, somebody else may have put a folder or a link first.
func (p place) makeSocketFolder() error {
	if p.socket == p.dir {
		return nil
	}
	if err := os.Mkdir(p.socket, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return explain(err)
	}
	info, err := os.Lstat(p.socket)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || info.Mode().Perm()&0o077 != 0 ||
		(int(stat.Uid) != os.Geteuid() && int(stat.Uid) != p.who.uid) {
		return fmt.Errorf("%s, wanted for the socket because the path of %s is too long for one, is not a private folder "+
			"of this user: remove it, or name a shorter folder", p.socket, p.dir)
	}
	return p.own(p.socket)
}

// fits tells whether the socket's path in the folder is short enough: the address holds 108 bytes on Linux
// and 104 elsewhere, the last one a zero.
func fits(folder string) bool { return len(filepath.Join(folder, socketName)) <= maxSocketPath }

// removeSocketFolder removes the private folder of the socket, once it is empty.
func (p place) removeSocketFolder() {
	if p.socket != p.dir {
		os.Remove(p.socket)
	}
}

func (p place) logPath() string { return filepath.Join(p.dir, "log") }

// clusterMajor reads which major version of PostgreSQL made the cluster in dir; 0: there is none.
func clusterMajor(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "data", "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil {
		return 0
	}
	return major
}
