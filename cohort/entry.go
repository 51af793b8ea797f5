package cohort

import (
	"encoding/base64"
	"encoding/binary"
	"io"
)

// The ways in that are found by what a person holds: EntryHandle keeps them
// apart.
const (
	WayLink   = "link"
	WayLetter = "letter"
	WayParty  = "party"
)

// EntryHandle is the hash by which a link, a letter's code or a party's code
// is found: HMAC under the server's key, bound to the campaign. secret is the
// link's token or the code without dashes. Nothing can be read back from it.
func EntryHandle(key []byte, way, campaign, secret string) [32]byte {
	return keyed(key, "entry handle/"+way, []byte(campaign), []byte(secret))
}

// LinkToken is the secret part of the link in a message: 32 bytes, HMAC under
// the server's key of the message's random key and the person's id, written
// for an address. It is derived when the message is sent and when the link is
// followed, so that the message's row holds no secret; a message that is sent
// again carries the same link.
func LinkToken(key []byte, message string, person int64) string {
	sum := keyed(key, "link token", []byte(message), binary.BigEndian.AppendUint64(nil, uint64(person)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ParseLinkToken says whether a part of an address has a token's form.
func ParseLinkToken(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// LinkHash is what is stored of a link besides its handle, and compared in
// constant time.
func LinkHash(key []byte, campaign, token string) [32]byte {
	return keyed(key, "link hash", []byte(campaign), []byte(token))
}

// NextLetterCode is the code that a person gets for her next visit when she
// has used the one in her letter: derived from the hash of her session's
// token, so that every page of this visit can show it and no row holds it.
func NextLetterCode(key []byte, session [32]byte) string {
	return derivedCode(letterLength, key, "next letter code", session[:])
}

// partyLength is the length of a party's code, its check sign included: 31^9
// codes.
const partyLength = 10

// PartyCode is the code by which one person joins a party: derived from the
// random nonce that is stored for her place.
func PartyCode(key, nonce []byte) string { return derivedCode(partyLength, key, "party code", nonce) }

// FormatPartyCode groups a party's code for reading: "ABCDE-FGHJK".
func FormatPartyCode(code string) string {
	if len(code) != partyLength {
		return code
	}
	return code[:partyLength/2] + "-" + code[partyLength/2:]
}

// ParsePartyCode reads what a person typed, as ParseLetterCode does.
func ParsePartyCode(typed string) (string, error) { return readCode(typed, partyLength) }

// derivedCode is a code that hangs on the key and one secret value alone.
func derivedCode(length int, key []byte, purpose string, value []byte) string {
	code, err := newCode(&stream{key: key, purpose: purpose, value: value}, length)
	if err != nil { // a stream never ends
		return ""
	}
	return code
}

// stream is HMAC in counter mode: as many bytes as are asked for.
type stream struct {
	key     []byte
	purpose string
	value   []byte
	n       uint64
}

var _ io.Reader = (*stream)(nil)

// Read fills p; it never fails.
func (s *stream) Read(p []byte) (int, error) {
	for i := 0; i < len(p); {
		sum := keyed(s.key, s.purpose, s.value, binary.BigEndian.AppendUint64(nil, s.n))
		s.n++
		i += copy(p[i:], sum[:])
	}
	return len(p), nil
}
