//go:build unix

package pgtest

import (
	"sync"
	"testing"
)

// template is a prepared database that is cloned for each test.
type template struct {
	once sync.Once
	name string
	err  error
}

// Template returns the connection string of a fresh copy of a prepared database, dropped when the test ends.
// The first call with a name in a test process prepares it: prepare gets the URL of an empty database, fills it
// (with the migrations, say) and closes its connections. Copying is much quicker than preparing. A name stands
// for one way of preparing; an error of it fails every test that asks for the name.
func Template(t testing.TB, name string, prepare func(url string) error) string {
	t.Helper()
	s := get(t)
	s.mu.Lock()
	tmpl := s.templates[name]
	if tmpl == nil {
		tmpl = &template{}
		s.templates[name] = tmpl
	}
	s.mu.Unlock()
	tmpl.once.Do(func() { tmpl.name, tmpl.err = s.prepare(prepare) })
	if tmpl.err != nil {
		t.Fatalf("pgtest: prepare the template %q: %v", name, tmpl.err)
	}
	return s.create(t, "TEMPLATE "+tmpl.name)
}
