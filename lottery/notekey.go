package lottery

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// The types of keys in signed notes (C2SP signed-note): plain Ed25519 signs checkpoints, reveals and the receipts
// of saves; cosignature/v1 (C2SP tlog-cosignature) is a witness's, with the time.
const (
	algEd25519     = 0x01
	algCosignature = 0x04
)

// Key is an Ed25519 key with a name and a type: the operator's, a trustee's or a witness's.
type Key struct {
	Name    string
	Witness bool
	private ed25519.PrivateKey
}

// NewKey makes a key of 32 random bytes that the caller brings. The name has no spaces and no plus sign: the
// authority's, trustee's or witness's, such as "witness.example.org".
func NewKey(name string, witness bool, seed [32]byte) (Key, error) {
	if !soundName(name) {
		return Key{}, fmt.Errorf("%q is no name of a key: not empty, no spaces, no plus sign", name)
	}
	return Key{name, witness, ed25519.NewKeyFromSeed(seed[:])}, nil
}

func soundName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || r < 0x20 || r == '+'
	})
}

const secretPrefix = "PRIVATE+KEY+"

// ParseKey reads what Secret wrote.
func ParseKey(secret string) (Key, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(secret), secretPrefix)
	fields := strings.SplitN(rest, "+", 3)
	if !ok || len(fields) != 3 {
		return Key{}, errors.New("not a secret key")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 33 || raw[0] != algEd25519 && raw[0] != algCosignature {
		return Key{}, errors.New("not a secret key of a known type")
	}
	k, err := NewKey(fields[0], raw[0] == algCosignature, [32]byte(raw[1:]))
	if err != nil {
		return Key{}, err
	}
	if fmt.Sprintf("%08x", k.KeyHash()) != fields[1] {
		return Key{}, errors.New("the secret key does not match its own hash")
	}
	return k, nil
}

// Secret is the key in the text form of signed notes; ParseKey reads it.
func (k Key) Secret() string {
	raw := append([]byte{k.algorithm()}, k.private.Seed()...)
	return fmt.Sprintf("%s%s+%08x+%s", secretPrefix, k.Name, k.KeyHash(), base64.StdEncoding.EncodeToString(raw))
}

// Public is the verifier key in the text form of signed notes: name+hash+base64.
func (k Key) Public() string {
	raw := append([]byte{k.algorithm()}, k.public()...)
	return fmt.Sprintf("%s+%08x+%s", k.Name, k.KeyHash(), base64.StdEncoding.EncodeToString(raw))
}

// Private is the raw key, for SignSave.
func (k Key) Private() ed25519.PrivateKey { return k.private }

// KeyHash is the key's id in a signature line.
func (k Key) KeyHash() uint32 { return keyHash(k.Name, k.algorithm(), k.public()) }

func (k Key) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

func (k Key) algorithm() byte {
	if k.Witness {
		return algCosignature
	}
	return algEd25519
}

func keyHash(name string, algorithm byte, public ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', algorithm})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// noteSigner signs notes with a plain Ed25519 key.
type noteSigner struct{ key Key }

func (s noteSigner) Name() string                    { return s.key.Name }
func (s noteSigner) KeyHash() uint32                 { return s.key.KeyHash() }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key.private, msg), nil }

// verifierKey is a public key read from its text form; it is a note.Verifier for both types.
type verifierKey struct {
	name      string
	algorithm byte
	public    ed25519.PublicKey
}

func parseVerifierKey(text string) (verifierKey, error) {
	fields := strings.SplitN(text, "+", 3)
	if len(fields) != 3 || !soundName(fields[0]) {
		return verifierKey{}, fmt.Errorf("%q is not a verifier key of the form name+hash+base64", text)
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 33 || raw[0] != algEd25519 && raw[0] != algCosignature {
		return verifierKey{}, fmt.Errorf("%q is not a verifier key of a known type", text)
	}
	k := verifierKey{fields[0], raw[0], raw[1:]}
	if fmt.Sprintf("%08x", k.KeyHash()) != fields[1] {
		return verifierKey{}, fmt.Errorf("verifier key %q does not match its own hash", text)
	}
	return k, nil
}

// OperatorPublic reads the raw public key out of a verifier key of plain Ed25519, for SavedBallot.Check.
func OperatorPublic(verifier string) (ed25519.PublicKey, error) {
	k, err := parseVerifierKey(verifier)
	if err != nil {
		return nil, err
	}
	if k.algorithm != algEd25519 {
		return nil, fmt.Errorf("the key of %s is a witness's", k.name)
	}
	return k.public, nil
}

// Name is the name in the key.
func (k verifierKey) Name() string { return k.name }

// KeyHash is the key's id in a signature line.
func (k verifierKey) KeyHash() uint32 { return keyHash(k.name, k.algorithm, k.public) }

// Verify checks what stands in a signature line after the key's id.
func (k verifierKey) Verify(msg, sig []byte) bool {
	if k.algorithm == algCosignature {
		if len(sig) != 8+ed25519.SignatureSize {
			return false
		}
		signed := cosigned(binary.BigEndian.Uint64(sig), string(msg))
		return ed25519.Verify(k.public, signed, sig[8:])
	}
	return ed25519.Verify(k.public, msg, sig)
}

// cosigned is the message of a cosignature/v1 over a checkpoint's text.
func cosigned(seconds uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text)
}

// openNote checks a signed note against one key; the first signature of the note is that key's.
func openNote(signed []byte, key verifierKey) (*note.Note, error) {
	n, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return nil, fmt.Errorf("not signed by %s: %w", key.name, err)
	}
	return n, nil
}
