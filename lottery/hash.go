// Package lottery is the draw as mathematics: the leaves that freeze the ballots, their tree, the seed made of
// public randomness, the tickets and their order, the allocation of the seats, the odds, and the bundle in
// which all of it is published and verified. It is protocol slotdraw/v1, described to the byte in docs/draw.md.
//
// Every result is a function of the arguments alone and the same for any number of workers. The package
// refuses to know a clock, a database, a network or a source of randomness: whoever calls it brings the keys,
// salts, times and random values. It reads and writes only bundles, through an fs.FS or a folder that it is
// given. It does not verify curves: signatures of drand are checked by a function that the caller passes in.
package lottery

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256 value.
type Hash [32]byte

// ID is a pid or a gid: 16 bytes.
type ID [16]byte

// zeroID is the gid of a person who is alone.
var zeroID ID

// String returns lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText takes exactly 64 lower-case hex digits.
func (h *Hash) UnmarshalText(text []byte) error { return fromHex(h[:], text) }

// IsZero reports whether h is all zeros, which stands for "none" in optional fields.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads exactly 64 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	err := fromHex(h[:], []byte(s))
	return h, err
}

// String returns lower-case hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns lower-case hex.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText takes exactly 32 lower-case hex digits.
func (id *ID) UnmarshalText(text []byte) error { return fromHex(id[:], text) }

// IsZero reports whether id is all zeros: the gid of a person who is alone.
func (id ID) IsZero() bool { return id == zeroID }

// Compare orders ids by their bytes, as leaves and ties in the order are.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// ParseID reads exactly 32 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	err := fromHex(id[:], []byte(s))
	return id, err
}

// fromHex fills dst from lower-case hex of exactly its length.
func fromHex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("%d hex digits where %d are needed", len(text), 2*len(dst))
	}
	for i, c := range text {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return fmt.Errorf("character %d is not a lower-case hex digit", i+1)
		}
	}
	_, err := hex.Decode(dst, text)
	return err
}

// D is the protocol's hash with domain separation: H("slotdraw/v1/" || tag || 0x00 || x), x the joined parts.
func D(tag string, parts ...[]byte) Hash {
	length := len("slotdraw/v1/") + len(tag) + 1
	for _, p := range parts {
		length += len(p)
	}
	if length > shortHash {
		return longD(length, tag, parts)
	}
	var memory [shortHash]byte // not on the heap
	joined := append(append(append(memory[:0], "slotdraw/v1/"...), tag...), 0)
	for _, p := range parts {
		joined = append(joined, p...)
	}
	return sha256.Sum256(joined)
}

// shortHash is enough for all but files and ballots.
const shortHash = 192

// longD is D of ballots, still off the heap, and of files.
func longD(length int, tag string, parts [][]byte) Hash {
	var memory [2048]byte
	joined := memory[:0]
	if length > len(memory) {
		joined = make([]byte, 0, length)
	}
	joined = append(append(append(joined, "slotdraw/v1/"...), tag...), 0)
	for _, p := range parts {
		joined = append(joined, p...)
	}
	return sha256.Sum256(joined)
}

// keyed is HMAC-SHA256 (RFC 2104) under a key of 32 bytes; with short messages it stays off the heap.
func keyed(key *[32]byte, message []byte) Hash {
	var outer [64 + 32]byte
	var memory [64 + 128]byte
	inner := memory[:64]
	for i := range 64 {
		k := byte(0)
		if i < len(key) {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	h := sha256.Sum256(append(inner, message...))
	copy(outer[64:], h[:])
	return sha256.Sum256(outer[:])
}

// ManifestHash is D("manifest", file bytes); the bytes are hashed raw, never re-encoded.
func ManifestHash(file []byte) Hash { return D("manifest", file) }

// SupplyHash is D("supply", file bytes).
func SupplyHash(file []byte) Hash { return D("supply", file) }

// FileHash is H of a file's bytes, as the board and the checkpoint carry it.
func FileHash(file []byte) Hash { return sha256.Sum256(file) }

// KCommit is the manifest's commitment to the draw's secret key: k is shown to sworn auditors only.
func KCommit(drawID string, k [32]byte) Hash {
	return D("k-draw", lengthAndText(drawID), k[:])
}

// TrusteeCommit is what the manifest says of trustee j's random value r before it is revealed.
func TrusteeCommit(drawID string, j uint16, r [32]byte) Hash {
	return D("commit", lengthAndText(drawID), binary.BigEndian.AppendUint16(nil, j), r[:])
}

// BallotCommit hides the ballot's bytes, exactly as stored, behind a salt of 32 random bytes.
func BallotCommit(salt [32]byte, ballot []byte) Hash {
	return D("ballot", salt[:], ballot)
}

// PID is the pseudonym of a person in one draw: HMAC-SHA256 under the draw's key, cut to 16 bytes.
// personID is ASCII without NUL (CheckPersonID).
func PID(k [32]byte, drawID, personID string) ID {
	var memory [128]byte
	message := append(memory[:0], "slotdraw/v1/pid\x00"...)
	message = append(append(append(message, drawID...), 0), personID...)
	h := keyed(&k, message)
	return ID(h[:16])
}

// CheckPersonID says why a person id cannot be hashed to a pid: it is ASCII, not empty, without NUL.
func CheckPersonID(personID string) error {
	if personID == "" {
		return fmt.Errorf("the person id is empty")
	}
	for i := 0; i < len(personID); i++ {
		if personID[i] == 0 || personID[i] > 0x7f {
			return fmt.Errorf("byte %d of the person id is not ASCII without NUL", i+1)
		}
	}
	return nil
}

// CheckDrawID says why a draw id is not one: it matches [a-z0-9-]{1,64}.
func CheckDrawID(drawID string) error {
	if len(drawID) < 1 || len(drawID) > 64 {
		return fmt.Errorf("a draw_id has 1 to 64 characters, this has %d", len(drawID))
	}
	for i := 0; i < len(drawID); i++ {
		c := drawID[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return fmt.Errorf("character %d of the draw_id is not one of a-z, 0-9, -", i+1)
		}
	}
	return nil
}

// GID is the id of a party: D("group", the members' pids, ascending, joined), cut to 16 bytes.
// The order in which members are given does not matter; members is not changed.
func GID(members []ID) ID {
	var buf [16 * MaxParty]byte
	joined := buf[:0]
	if len(members) > MaxParty {
		joined = make([]byte, 0, 16*len(members))
	}
	last := -1
	for range members {
		next := -1
		for i, m := range members {
			after := last < 0 || m.Compare(members[last]) > 0 || m == members[last] && i > last
			if after && (next < 0 || m.Compare(members[next]) < 0) {
				next = i
			}
		}
		joined = append(joined, members[next][:]...)
		last = next
	}
	h := D("group", joined)
	return ID(h[:16])
}

// lengthAndText is u16 len(s) || s.
func lengthAndText(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}
