package cohort

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bytesFrom is randomness that a test gives.
type bytesFrom struct{ t *rapid.T }

func (b bytesFrom) Read(p []byte) (int, error) {
	return copy(p, rapid.SliceOfN(rapid.Byte(), len(p), len(p)).Draw(b.t, "random")), nil
}

func TestLetterCodeIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code, err := NewLetterCode(bytesFrom{t})
		if err != nil || len(code) != 12 {
			t.Fatalf("code %q, %v", code, err)
		}
		printed := FormatLetterCode(code)
		if len(printed) != 14 || printed[4] != '-' || printed[9] != '-' {
			t.Fatalf("printed %q", printed)
		}
		wide := strings.Map(func(c rune) rune { return c - '!' + '！' }, strings.ReplaceAll(printed, "-", ""))
		for _, typed := range []string{code, printed, strings.ToLower(printed), " " + strings.ReplaceAll(printed, "-", " – ") + "\t", wide} {
			if got, err := ParseLetterCode(typed); err != nil || got != code {
				t.Fatalf("typed %q: %q, %v; want %q", typed, got, err, code)
			}
		}
	})
}

func TestWrongLetterCodesAreRefused(t *testing.T) {
	code, err := NewLetterCode(strings.NewReader(strings.Repeat("jebi, the swallow that brings good news home", 4)))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	refuse := func(typed string) {
		t.Helper()
		tried++
		if got, err := ParseLetterCode(typed); !errors.Is(err, ErrCode) {
			t.Errorf("%q was taken for %q", typed, got)
		}
	}
	for i := range code {
		for _, c := range codeLetters {
			if byte(c) != code[i] {
				refuse(code[:i] + string(c) + code[i+1:])
			}
		}
		for j := range i {
			if code[i] != code[j] {
				b := []byte(code)
				b[i], b[j] = b[j], b[i]
				refuse(string(b))
			}
		}
		refuse(code[:i] + code[i+1:])
		refuse(code[:i] + "O" + code[i+1:])
	}
	for _, typed := range []string{"", code + "2", "000000000000", "하나둘셋", code[:11] + "\x00", code + code} {
		refuse(typed)
	}
	if tried < 400 {
		t.Errorf("only %d codes tried", tried)
	}
}

func TestLetterCodesAreSpread(t *testing.T) {
	// Bytes from 248 on are thrown away; all others count alike.
	code, err := NewLetterCode(strings.NewReader(strings.Repeat("\xf8\xff", 16) + strings.Repeat("\x00\xf7", 16)))
	if err != nil || code[:11] != "2Z2Z2Z2Z2Z2" {
		t.Errorf("code %q, %v", code, err)
	}
	if _, err := NewLetterCode(strings.NewReader("too short")); err == nil {
		t.Error("a code without randomness")
	}
}

func TestLetterHashIsBound(t *testing.T) {
	seen := map[[32]byte]bool{}
	for _, h := range [][32]byte{
		LetterHash([]byte("k"), "c", "p", "x"), LetterHash([]byte("l"), "c", "p", "x"), LetterHash([]byte("k"), "d", "p", "x"),
		LetterHash([]byte("k"), "c", "q", "x"), LetterHash([]byte("k"), "c", "p", "y"), LetterHash([]byte("k"), "cp", "", "x"),
	} {
		seen[h] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d hashes of six", len(seen))
	}
}

func TestReferenceIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Range(1, referenceSpan-1).Draw(t, "id")
		r := Reference(id)
		if got, err := ParseReference(strings.ToLower(r)); err != nil || got != id || len(r) != 9 {
			t.Fatalf("%d is %q is %d, %v", id, r, got, err)
		}
		b := []byte(strings.ReplaceAll(r, "-", ""))
		i := rapid.IntRange(0, len(b)-1).Draw(t, "place")
		c := rapid.SampledFrom([]byte(codeLetters)).Draw(t, "sign")
		if c != b[i] {
			b[i] = c
			if got, err := ParseReference(string(b)); err == nil {
				t.Fatalf("a wrong sign in %q gave %d", r, got)
			}
		}
	})
}
