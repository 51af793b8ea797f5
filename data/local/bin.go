//go:build unix

package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// MinVersion is the oldest major version of PostgreSQL that is used.
const MinVersion = 15

// ErrMissing is returned where no fitting server binaries are installed; its text is the instruction.
var ErrMissing = errors.New("no PostgreSQL server binaries of version 15 or later are installed here: " +
	"on Debian or Ubuntu run `apt-get install postgresql` as root (on Fedora `dnf install postgresql-server`, " +
	"with Homebrew `brew install postgresql@17`), or set DATABASE_URL to a server that runs elsewhere")

// binaries is a folder that holds postgres and initdb, and their major version.
type binaries struct {
	dir   string
	major int
}

// Bin returns the folder of the newest installed PostgreSQL server binaries, those on PATH first, and their
// major version. Without any, the error is ErrMissing.
func Bin(ctx context.Context) (dir string, major int, err error) {
	found := installed(ctx, folders())
	if len(found) == 0 {
		return "", 0, ErrMissing
	}
	return found[0].dir, found[0].major, nil
}

// folders lists where server binaries may be: the one on PATH, then where the packages of the systems
// put them.
func folders() []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		// What lies on PATH may be a link, with initdb and the others only beside its target.
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		if p, err = filepath.Abs(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // Fedora, Red Hat: the project's packages
		"/usr/local/pgsql/bin",      // from source
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
	} {
		if m, err := filepath.Glob(pattern); err == nil {
			dirs = append(dirs, m...)
		}
	}
	return dirs
}

// installed keeps the folders whose binaries run and are new enough: the first as it is, since PATH is a
// choice, the others by falling version.
func installed(ctx context.Context, dirs []string) []binaries {
	var found []binaries
	for _, dir := range dirs {
		b, err := inspect(ctx, dir)
		if err != nil || slices.Contains(found, b) {
			continue
		}
		found = append(found, b)
	}
	if onPath, err := exec.LookPath("postgres"); err == nil && len(found) > 0 {
		if real, err := filepath.EvalSymlinks(onPath); err == nil && filepath.Dir(real) == found[0].dir {
			slices.SortStableFunc(found[1:], newestFirst)
			return found
		}
	}
	slices.SortStableFunc(found, newestFirst)
	return found
}

func newestFirst(a, b binaries) int { return cmp.Compare(b.major, a.major) }

var versionOutput = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// inspect asks the binaries of one folder for their version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, fmt.Errorf("%s holds no initdb: %w", dir, err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env = environment()
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("%s/postgres --version: %w", dir, err)
	}
	m := versionOutput.FindSubmatch(out)
	if m == nil {
		return binaries{}, fmt.Errorf("%s/postgres --version says %q", dir, out)
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return binaries{}, err
	}
	if major < MinVersion {
		return binaries{}, fmt.Errorf("%s holds PostgreSQL %d, and %d or later is needed", dir, major, MinVersion)
	}
	return binaries{dir, major}, nil
}

// choose picks the binaries for a cluster: those named, or the newest, or those of the version that made it.
func choose(ctx context.Context, named string, clusterMajor int) (binaries, error) {
	if named != "" {
		b, err := inspect(ctx, named)
		if err == nil && clusterMajor != 0 && b.major != clusterMajor {
			err = otherVersion(clusterMajor, b.major)
		}
		return b, err
	}
	found := installed(ctx, folders())
	if len(found) == 0 {
		return binaries{}, ErrMissing
	}
	if clusterMajor == 0 {
		return found[0], nil
	}
	for _, b := range found {
		if b.major == clusterMajor {
			return b, nil
		}
	}
	return binaries{}, otherVersion(clusterMajor, found[0].major)
}

func otherVersion(cluster, binaries int) error {
	return fmt.Errorf("the data was made by PostgreSQL %d and the binaries here are of %d: install postgresql-%d, "+
		"move the data with pg_dump or pg_upgrade, or name another folder", cluster, binaries, cluster)
}

// environment is all that PostgreSQL's programs see: an inherited locale that is not installed breaks
// initdb, and an inherited PGDATA would be obeyed.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "LANG=C.UTF-8", "TZ=UTC"}
}
