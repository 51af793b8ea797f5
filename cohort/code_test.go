package cohort

import (
	"bytes"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestOneTimeCode(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	eight := regexp.MustCompile(`^[0-9]{8}$`)
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "handle")
		code := OneTimeCode(key, h)
		if !eight.MatchString(code) {
			t.Fatalf("code %q", code)
		}
		if code != OneTimeCode(key, h) {
			t.Fatal("a code is not the same twice")
		}
		hash := CodeHash(key, h, code)
		if again := CodeHash(key, h, code); hash != again || hash == CodeHash(other, h, code) {
			t.Fatal("the hash does not hang on the key alone")
		}
		if CodeHash(key, h, code) == CodeHash(key, append(h[:31:31], h[31]+1), code) {
			t.Fatal("the hash is not bound to the sign-in")
		}
		seen[code] = true
	})
	if len(seen) < 2 {
		t.Fatal("codes do not differ")
	}
}

func TestKeyedPurposes(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	if Keyed(key, "phone", "x") == Keyed(key, "address", "x") {
		t.Error("two purposes share their hashes")
	}
	if Keyed(key, "phone", "x") == Keyed(key, "phone", "y") {
		t.Error("two values share a hash")
	}
}

func TestReceiptNumber(t *testing.T) {
	form := regexp.MustCompile(`^[2-9A-HJKMNP-TV-Z]{4}(-[2-9A-HJKMNP-TV-Z]{4}){2}$`)
	rapid.Check(t, func(t *rapid.T) {
		var c [32]byte
		copy(c[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "commit"))
		if n := ReceiptNumber(c); !form.MatchString(n) {
			t.Fatalf("number %q", n)
		}
	})
}
