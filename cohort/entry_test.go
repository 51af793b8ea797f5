package cohort

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEntrySecretsHangOnKeyAndValue(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	rapid.Check(t, func(t *rapid.T) {
		message, person := rapid.String().Draw(t, "message"), rapid.Int64().Draw(t, "person")
		token := LinkToken(key, message, person)
		if len(token) != 43 || !ParseLinkToken(token) || token != LinkToken(key, message, person) {
			t.Fatalf("token %q", token)
		}
		if token == LinkToken(other, message, person) || token == LinkToken(key, message+"x", person) || token == LinkToken(key, message, person+1) {
			t.Fatal("a token does not hang on key, message and person")
		}
		handle, hash := EntryHandle(key, WayLink, "c", token), LinkHash(key, "c", token)
		if handle == hash || handle == EntryHandle(key, WayLetter, "c", token) || handle == EntryHandle(key, WayLink, "d", token) || handle == EntryHandle(other, WayLink, "c", token) {
			t.Fatal("handles are not kept apart")
		}
		nonce := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "nonce")
		party, next := PartyCode(key, nonce), NextLetterCode(key, [32]byte(nonce))
		for code, parse := range map[string]func(string) (string, error){party: ParsePartyCode, next: ParseLetterCode} {
			typed := " " + strings.ToLower(code[:5]) + " - " + code[5:]
			if got, err := parse(typed); err != nil || got != code {
				t.Fatalf("typed %q: %q, %v", typed, got, err)
			}
		}
		if got, err := ParsePartyCode(FormatPartyCode(party)); err != nil || got != party {
			t.Fatalf("%q: %q, %v", FormatPartyCode(party), got, err)
		}
		if party == PartyCode(other, nonce) || next == NextLetterCode(other, [32]byte(nonce)) {
			t.Fatal("a code does not hang on the key")
		}
	})
	for _, bad := range []string{"", "x", strings.Repeat("a", 42), strings.Repeat("a", 44), strings.Repeat("=", 43), strings.Repeat("/", 43)} {
		if ParseLinkToken(bad) {
			t.Errorf("%q was taken for a token", bad)
		}
	}
}
