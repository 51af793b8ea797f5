package campaign

import (
	"os"
	"testing"
)

func example(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExampleIsRight(t *testing.T) {
	c, ps := Parse(example(t))
	for _, p := range ps {
		t.Error(p)
	}
	if c == nil {
		t.Fatal("no campaign")
	}
}
