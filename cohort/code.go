package cohort

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// OneTimeCode derives the eight digits that are sent to a person who signs in.
// key is the server's key, handle the 32 byte hash by which the sign-in is
// stored. No one keeps the code: the form derives it to compare, the notifier
// to send.
func OneTimeCode(key, handle []byte) string {
	sum := keyed(key, "one-time code", handle)
	return fmt.Sprintf("%08d", binary.BigEndian.Uint64(sum[:8])%1e8)
}

// CodeHash is what is stored of a code: HMAC under the server's key, bound to
// the sign-in. Both arguments as for OneTimeCode; code is the eight digits.
func CodeHash(key, handle []byte, code string) [32]byte {
	return keyed(key, "code hash", handle, []byte(code))
}

// Keyed is the HMAC-SHA256 under the server's key by which things that must
// not be readable in the database (phones, network addresses) are found again.
// The purpose keeps hashes of different things apart.
func Keyed(key []byte, purpose, value string) [32]byte {
	return keyed(key, "value/"+purpose, []byte(value))
}

func keyed(key []byte, purpose string, parts ...[]byte) [32]byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("jebi/" + purpose + "\x00"))
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		mac.Write(n[:])
		mac.Write(p)
	}
	return [32]byte(mac.Sum(nil))
}

// receiptLetters has no letter that is easily taken for another.
const receiptLetters = "23456789ABCDEFGHJKMNPQRSTVWXYZ"

// ReceiptNumber is the short name of a saved revision, for reading out on the
// telephone: "K7F3-9QXM-2TBR", from its commitment. It tells nothing about the
// ballot, and two of a million draws' receipts alike are not to be expected.
func ReceiptNumber(commit [32]byte) string {
	x := binary.BigEndian.Uint64(commit[:8])
	var w strings.Builder
	for i := range 12 {
		if i > 0 && i%4 == 0 {
			w.WriteByte('-')
		}
		w.WriteByte(receiptLetters[x%uint64(len(receiptLetters))])
		x /= uint64(len(receiptLetters))
	}
	return w.String()
}
