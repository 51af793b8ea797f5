package rehearse

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/data"
)

// patience bounds every wait of these tests; none of them is decided by it.
const patience = 90 * time.Second

// eventually waits until a thing is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var built = struct {
	sync.Once
	dir, program string
	err          error
}{}

// buildProgram builds jebi once for all tests of this process.
func buildProgram(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "jebi-test-")
		if built.err != nil {
			return
		}
		built.program = filepath.Join(built.dir, "jebi")
		out, err := exec.Command("go", "build", "-o", built.program, "jebi/cmd/jebi").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.program
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// server is `jebi serve` in a process of its own.
type server struct {
	cmd  *exec.Cmd
	url  string
	said lockedBuffer
	over chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startServer starts `jebi serve` for a folder and waits until it answers.
// database is DATABASE_URL, empty for the folder's own PostgreSQL.
func startServer(t *testing.T, dir, database string, args ...string) *server {
	t.Helper()
	s := &server{over: make(chan struct{})}
	s.cmd = exec.Command(buildProgram(t), append([]string{"serve", "--json", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if database != "" {
		s.cmd.Env = append(s.cmd.Env, "DATABASE_URL="+database)
	}
	s.cmd.Stderr = &s.said
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.kill() })
	var hello struct{ URL string }
	err = json.NewDecoder(out).Decode(&hello)
	go func() {
		_ = s.cmd.Wait() // it is killed
		close(s.over)
	}()
	if err != nil {
		t.Fatalf("serve does not begin: %v\n%s", err, s.said.String())
	}
	s.url = strings.TrimSuffix(hello.URL, "/")
	return s
}

// kill ends the process at once, as kill -9 does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.over
}

// scene is a database with an imported and announced sample campaign.
func scene(t *testing.T, dir, url string, people int) *Rehearsal {
	t.Helper()
	ctx := context.Background()
	if err := data.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	if err := data.MakeClockMovable(ctx, url); err != nil {
		t.Fatal(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	key := make([]byte, 32)
	rand.Read(key)
	if err := os.MkdirAll(filepath.Join(dir, "var", "rehearsal"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "var", "key"), []byte(hex.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := prepare(ctx, Config{
		DB: db, Sample: loadSample(t), People: people, Seed: 3, Key: key, Random: rand.Reader, Clock: time.Now,
		Dir: filepath.Join(dir, "var", "rehearsal"), Workers: 8,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.receivers.Close)
	secret, err := os.ReadFile(filepath.Join(r.Dir, OperatorSecret))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "var", "operator.key"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.importAll(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}
