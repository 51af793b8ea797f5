package cohort

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// codeLetters are the 31 signs of codes that people read and type: none is
// easily taken for another (no 0 O, 1 I L). 31 is prime, so that the check
// sign finds every single wrong sign and every two signs exchanged.
const codeLetters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

const codeBase = len(codeLetters)

// letterLength is the length of a letter's code, its check sign included:
// 31^11 codes, 54 bits.
const letterLength = 12

// ErrCode says that what was typed is no code: a wrong sign, a missing one, or
// two exchanged.
var ErrCode = errors.New("this is no code: compare it with the letter, sign by sign")

// NewLetterCode draws the code that is printed in a person's letter, in the
// form in which it is hashed: 12 signs, no dashes. random is a source of
// cryptographic randomness.
func NewLetterCode(random io.Reader) (string, error) {
	code, err := newCode(random, letterLength)
	if err != nil {
		return "", fmt.Errorf("letter code: %w", err)
	}
	return code, nil
}

// newCode draws a code of a length, its check sign included.
func newCode(random io.Reader, length int) (string, error) {
	code := make([]byte, 0, length)
	var b [32]byte
	for len(code) < length-1 {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return "", err
		}
		for _, x := range b {
			// 248 is the largest multiple of 31 in a byte: no sign is likelier than another.
			if x < 248 && len(code) < length-1 {
				code = append(code, codeLetters[int(x)%codeBase])
			}
		}
	}
	return string(append(code, checkSign(string(code)))), nil
}

// FormatLetterCode groups a code for reading: "ABCD-EFGH-JKMN".
func FormatLetterCode(code string) string {
	var w strings.Builder
	for i := 0; i < len(code); i += 4 {
		if i > 0 {
			w.WriteByte('-')
		}
		w.WriteString(code[i:min(i+4, len(code))])
	}
	return w.String()
}

// ParseLetterCode reads what a person typed: small letters, blanks, dashes and
// full-width signs make no difference. Anything that is no code is ErrCode;
// whether it is somebody's code only its hash tells.
func ParseLetterCode(typed string) (string, error) {
	code, err := readCode(typed, letterLength)
	if err != nil {
		return "", err
	}
	return code, nil
}

// LetterHash is what is stored of a letter's code: HMAC under the server's
// key, bound to the campaign and the person (her key in the list). It is
// compared in constant time.
func LetterHash(key []byte, campaign, person, code string) [32]byte {
	return keyed(key, "letter code", []byte(campaign), []byte(person), []byte(code))
}

// referenceLength is the length of a reference, its check sign included.
const referenceLength = 8

// referenceSpan is how many references there are, 31^7, and referenceFactor
// spreads neighbouring numbers over them; they have no common divisor.
const (
	referenceSpan   = 27_512_614_111
	referenceFactor = 16_180_339_887
)

// Reference is the short name of an assignment for workbooks and telephones:
// "K7Q4-2M9T". It is the assignment's number in other signs, so it is unique
// up to 31^7 assignments and gives no secret away.
func Reference(assignment int64) string {
	x := mulMod(uint64(assignment)%referenceSpan, referenceFactor)
	var code [referenceLength]byte
	for i := referenceLength - 2; i >= 0; i-- {
		code[i] = codeLetters[x%uint64(codeBase)]
		x /= uint64(codeBase)
	}
	code[referenceLength-1] = checkSign(string(code[:referenceLength-1]))
	return FormatLetterCode(string(code[:]))
}

// ParseReference gives the assignment that a reference names.
func ParseReference(typed string) (int64, error) {
	code, err := readCode(typed, referenceLength)
	if err != nil {
		return 0, err
	}
	var x uint64
	for _, c := range []byte(code[:referenceLength-1]) {
		x = x*uint64(codeBase) + uint64(strings.IndexByte(codeLetters, c))
	}
	return int64(mulMod(x, referenceInverse())), nil
}

// checkSign weighs the signs by their places, modulo 31.
func checkSign(code string) byte {
	sum := 0
	for i, c := range []byte(code) {
		sum += (i + 2) * strings.IndexByte(codeLetters, c)
	}
	return codeLetters[sum%codeBase]
}

// readCode brings what was typed into a code's form and checks it.
func readCode(typed string, length int) (string, error) {
	var w strings.Builder
	for _, c := range typed {
		if c >= '！' && c <= '～' {
			c -= '！' - '!' // full width
		}
		switch {
		case strings.ContainsRune(" -\t\u00a0\u3000‐‑‒–—", c):
			continue
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		if c > 127 || !strings.ContainsRune(codeLetters, c) || w.Len() == length {
			return "", ErrCode
		}
		w.WriteByte(byte(c))
	}
	code := w.String()
	if len(code) != length || checkSign(code[:length-1]) != code[length-1] {
		return "", ErrCode
	}
	return code, nil
}

// mulMod multiplies modulo referenceSpan without overflow: both are under 2^35.
func mulMod(a, b uint64) uint64 {
	var r uint64
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			r = (r + a) % referenceSpan
		}
		a = a * 2 % referenceSpan
	}
	return r
}

// referenceInverse undoes referenceFactor: 31^7 has the group order 30·31^6.
func referenceInverse() uint64 {
	const order = 30 * 31 * 31 * 31 * 31 * 31 * 31
	r, a := uint64(1), uint64(referenceFactor%referenceSpan)
	for e := uint64(order - 1); e > 0; e >>= 1 {
		if e&1 == 1 {
			r = mulMod(r, a)
		}
		a = mulMod(a, a)
	}
	return r
}
