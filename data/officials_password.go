package data

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The cost of a password's hash: RFC 9106's second recommendation.
const (
	hashTime   = 3
	hashMemory = 64 << 10 // KiB
	hashLanes  = 4
	hashLength = 32
)

// SaltLength is the number of random bytes that HashPassword takes.
const SaltLength = 16

// The lengths of a password, in bytes of its normalized form.
const (
	MinPassword = 10
	MaxPassword = 200
)

// HashPassword hashes an official's password with argon2id in PHC form. The
// salt is SaltLength fresh random bytes.
func HashPassword(password string, salt []byte) (string, error) {
	p := norm.NFKC.Bytes([]byte(password))
	switch {
	case len(salt) != SaltLength:
		return "", fmt.Errorf("a salt has %d bytes, not %d", SaltLength, len(salt))
	case len(p) < MinPassword:
		return "", refuse("the password is too short: at least %d characters", MinPassword)
	case len(p) > MaxPassword:
		return "", refuse("the password is too long: at most %d bytes", MaxPassword)
	}
	sum := argon2.IDKey(p, salt, hashTime, hashMemory, hashLanes, hashLength)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashLanes, b.EncodeToString(salt), b.EncodeToString(sum)), nil
}

var errHashForm = errors.New("the stored hash of the password is not in argon2id's PHC form")

// passwordFits compares a password with a hash of HashPassword.
func passwordFits(password, hash string) (bool, error) {
	parts := strings.Split(hash, "$")
	var version int
	var memory, time uint32
	var lanes uint8
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, errHashForm
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errHashForm
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes); err != nil ||
		memory < 8 || memory > 1<<20 || time < 1 || time > 20 || lanes < 1 {
		return false, errHashForm
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if errors.Join(err1, err2) != nil || len(sum) < 16 || len(sum) > 64 {
		return false, errHashForm
	}
	got := argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, time, memory, lanes, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, nil
}

// noOnesHash costs a wrong name as much time as a wrong password.
const noOnesHash = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
