package lottery

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is the text that freezes a draw: a C2SP tlog-checkpoint with extension lines.
type Checkpoint struct {
	Origin    string // <authority>/slotdraw/<draw_id>
	Size      uint64 // leaves, leaf 0 included
	Root      Hash
	Excluded  Hash   // H of excluded.json; zero without one
	Saves     uint64 // entries in the log of saves; SavesRoot is zero without one
	SavesRoot Hash
	Sample    bool
}

// Text is what is signed: origin, size and root (base64) on lines of their own, then the extension lines
//
//	excluded <H of excluded.json, hex>
//	saves <size of the log of saves> <its root, base64>
//	sample
//
// the first two where the draw has such, the last in a sample.
func (c Checkpoint) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	if !c.Excluded.IsZero() {
		fmt.Fprintf(&b, "excluded %s\n", c.Excluded)
	}
	if !c.SavesRoot.IsZero() {
		fmt.Fprintf(&b, "saves %d %s\n", c.Saves, base64.StdEncoding.EncodeToString(c.SavesRoot[:]))
	}
	if c.Sample {
		b.WriteString("sample\n")
	}
	return b.String()
}

// Sign returns the file `checkpoint`, signed by the operator and not yet cosigned.
func (c Checkpoint) Sign(operator Key) ([]byte, error) {
	if operator.Witness {
		return nil, errors.New("checkpoint: a witness's key cannot sign for the operator")
	}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, noteSigner{operator})
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return signed, nil
}

// Cosign adds a witness's cosignature, made at the given time (whole seconds), to a signed checkpoint. What the
// witness must check before stands at Verify with Frozen.
func Cosign(checkpoint []byte, witness Key, at time.Time) ([]byte, error) {
	if !witness.Witness {
		return nil, errors.New("cosign: the key is not a witness's")
	}
	text, err := noteText(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	seconds := uint64(at.Unix())
	raw := binary.BigEndian.AppendUint32(nil, witness.KeyHash())
	raw = binary.BigEndian.AppendUint64(raw, seconds)
	raw = append(raw, ed25519.Sign(witness.private, cosigned(seconds, text))...)
	line := fmt.Sprintf("— %s %s\n", witness.Name, base64.StdEncoding.EncodeToString(raw))
	return append(slices.Clip(checkpoint), line...), nil
}

// noteText is the text of a signed note, with its last line end: what is signed.
func noteText(signed []byte) (string, error) {
	malformed := errors.New("not a signed note: text, an empty line, signature lines")
	at := bytes.LastIndex(signed, []byte("\n\n"))
	if at < 0 || !utf8.Valid(signed) {
		return "", malformed
	}
	lines, ended := strings.CutSuffix(string(signed[at+2:]), "\n")
	for line := range strings.SplitSeq(lines, "\n") {
		if signature, ok := strings.CutPrefix(line, "— "); !ok || signature == "" || !ended {
			return "", malformed
		}
	}
	return string(signed[:at+1]), nil
}

// ParseCheckpoint reads the text of a checkpoint without looking at its signatures. Extension lines that it does
// not know are ignored; what they would say is zero.
func ParseCheckpoint(signed []byte) (Checkpoint, error) {
	text, err := noteText(signed)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return Checkpoint{}, errors.New("checkpoint: origin, size and root need three lines")
	}
	c := Checkpoint{Origin: lines[0]}
	if c.Size, err = plainDecimal(lines[1]); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: line 2: %w", err)
	}
	if c.Root, err = base64Hash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: line 3: %w", err)
	}
	seen := map[string]bool{}
	for i, line := range lines[3:] {
		word, rest, _ := strings.Cut(line, " ")
		if seen[word] {
			return Checkpoint{}, fmt.Errorf("checkpoint: line %d: %q stands twice", i+4, word)
		}
		switch word {
		case "":
			err = errors.New("an extension line is empty")
		case "excluded":
			if c.Excluded, err = ParseHash(rest); c.Excluded.IsZero() {
				err = errors.New("zeros are no hash")
			}
		case "saves":
			size, root, _ := strings.Cut(rest, " ")
			if c.Saves, err = plainDecimal(size); err == nil {
				c.SavesRoot, err = base64Hash(root)
			}
		case "sample":
			c.Sample = true
		default:
			continue
		}
		seen[word] = true
		if err != nil {
			return Checkpoint{}, fmt.Errorf("checkpoint: line %d: %w", i+4, err)
		}
	}
	return c, nil
}

func plainDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a plain integer", s)
	}
	return n, nil
}

func base64Hash(s string) (Hash, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw) != len(Hash{}) || base64.StdEncoding.EncodeToString(raw) != s {
		return Hash{}, fmt.Errorf("%q is not a hash in base64", s)
	}
	return Hash(raw), nil
}

// CheckSigned says whether a checkpoint carries the operator's signature.
func CheckSigned(checkpoint []byte, operator string) error {
	key, err := parseVerifierKey(operator)
	if err != nil {
		return err
	}
	if key.algorithm != algEd25519 {
		return fmt.Errorf("the key of %s is a witness's, not an operator's", key.name)
	}
	_, err = openNote(checkpoint, key)
	return err
}

// CheckCosigned says whether enough of the announced witnesses cosigned a checkpoint, and returns the witnessed
// time: that of the cosignature with which there were enough. At least two witnesses are needed, with different
// keys, none of them the operator's; a line with a witness's name and key that does not verify is an error.
func (m Manifest) CheckCosigned(checkpoint []byte) (time.Time, error) {
	keys, err := m.witnessKeys()
	if err != nil {
		return time.Time{}, err
	}
	var times []uint64
	for _, key := range keys {
		at, ok, err := readCosignature(checkpoint, key)
		if err != nil {
			return time.Time{}, err
		}
		if ok {
			times = append(times, at)
		}
	}
	if len(times) < m.MinWitnesses {
		return time.Time{}, fmt.Errorf("%d of the announced witnesses cosigned, min_witnesses is %d", len(times), m.MinWitnesses)
	}
	slices.Sort(times)
	return time.Unix(int64(times[m.MinWitnesses-1]), 0).UTC(), nil
}

// CosignedBy says whether a checkpoint carries a cosignature of the witness with that verifier key, and when it was
// made. A line with her name and key that does not verify is an error.
func CosignedBy(checkpoint []byte, witness string) (at time.Time, ok bool, err error) {
	key, err := parseVerifierKey(witness)
	if err != nil {
		return time.Time{}, false, err
	}
	if key.algorithm != algCosignature {
		return time.Time{}, false, fmt.Errorf("the key of %s is not for cosignatures", key.name)
	}
	seconds, ok, err := readCosignature(checkpoint, key)
	if !ok || err != nil {
		return time.Time{}, false, err
	}
	return time.Unix(int64(seconds), 0).UTC(), true, nil
}

func readCosignature(checkpoint []byte, key verifierKey) (seconds uint64, ok bool, err error) {
	n, err := openNote(checkpoint, key)
	var unsigned *note.UnverifiedNoteError
	if errors.As(err, &unsigned) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(raw[4:]), true, nil
}

func (m Manifest) witnessKeys() ([]verifierKey, error) {
	if m.MinWitnesses < 2 || m.MinWitnesses > len(m.Witnesses) {
		return nil, fmt.Errorf("min_witnesses: %d of %d; at least 2 are needed", m.MinWitnesses, len(m.Witnesses))
	}
	seen := map[string]bool{}
	if operator, err := parseVerifierKey(m.OperatorKey); err == nil {
		seen[string(operator.public)] = true
	}
	keys := make([]verifierKey, len(m.Witnesses))
	for i, text := range m.Witnesses {
		key, err := parseVerifierKey(text)
		if err != nil {
			return nil, fmt.Errorf("witnesses[%d]: %w", i, err)
		}
		if key.algorithm != algCosignature {
			return nil, fmt.Errorf("witnesses[%d]: the key of %s is not for cosignatures", i, key.name)
		}
		if seen[string(key.public)] {
			return nil, fmt.Errorf("witnesses[%d]: the key of %s is the operator's or another witness's", i, key.name)
		}
		seen[string(key.public)] = true
		keys[i] = key
	}
	return keys, nil
}
