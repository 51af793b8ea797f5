//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// A test process has no last moment of its own: it may be killed, time out or call os.Exit. So a small shell
// waits on a pipe whose other end the process holds, reads its end, whichever way that comes, and clears up.

// removeScript ends the private server in $2 and removes it and the folder $1.
const removeScript = `
read -r line
pid=$(head -n 1 "$2/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	tries=0
	while [ -e "$2/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $tries -lt 200 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
fi
rm -rf "$1" "$2"
`

// dropScript drops the databases whose names begin with $1 on the server that the environment names.
const dropScript = `
read -r line
psql -XAtqc "SELECT datname FROM pg_database WHERE starts_with(datname, '$1')" | while read -r name; do
	psql -XAtqc "DROP DATABASE IF EXISTS $name WITH (FORCE)"
done
`

// removeAtExit returns the pipe that must stay open as long as the server is wanted.
func removeAtExit(dir, server string) (*os.File, error) {
	return atExit(removeScript, nil, dir, server)
}

// dropAtExit clears a server that is not ours. Without psql the next test process does it.
func dropAtExit(admin *pgx.ConnConfig, prefix string) (*os.File, error) {
	if _, err := exec.LookPath("psql"); err != nil {
		return nil, nil
	}
	// By environment: arguments can be read by everybody.
	return atExit(dropScript, []string{
		"PGHOST=" + admin.Host, "PGPORT=" + strconv.Itoa(int(admin.Port)), "PGDATABASE=" + admin.Database,
		"PGUSER=" + admin.User, "PGPASSWORD=" + admin.Password,
	}, prefix)
}

// atExit runs the script once this process has ended.
func atExit(script string, environment []string, args ...string) (*os.File, error) {
	ended, alive, err := os.Pipe() // close-on-exec: no child keeps it open
	if err != nil {
		return nil, err
	}
	defer ended.Close()
	cmd := exec.Command("sh", append([]string{"-c", script, "jebi-pgtest"}, args...)...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Dir = "/"
	cmd.Stdin = ended
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of ^C and of go test's kill
	if err := cmd.Start(); err != nil {
		alive.Close()
		return nil, fmt.Errorf("start what clears up after the tests: %w", err)
	}
	return alive, nil
}
