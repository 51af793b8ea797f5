package lottery

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Revealed is what a source gave, in the order of the manifest.
type Revealed struct {
	Type      uint8
	Present   bool // only a trustee may be absent
	Value     []byte
	Signature []byte // drand: 48 bytes
	Note      string // trustee: her signed note; empty in the offline profile
	Envelope  []byte // trustee counted absent: what her envelope held, where it did not match her commitment
}

// Seed is D("seed", u64 leaves || root || u16 sources || for each: u8 type || u8 present || u32 len || value);
// leaves counts leaf 0.
func Seed(leaves uint64, root Hash, revealed []Revealed) Hash {
	x := binary.BigEndian.AppendUint64(nil, leaves)
	x = append(x, root[:]...)
	x = binary.BigEndian.AppendUint16(x, uint16(len(revealed)))
	for _, r := range revealed {
		present := byte(0)
		if r.Present {
			present = 1
		}
		x = append(x, r.Type, present)
		x = binary.BigEndian.AppendUint32(x, uint32(len(r.Value)))
		x = append(x, r.Value...)
	}
	return D("seed", x)
}

// ParseEntropy reads entropy.json; what it says is judged against a manifest by CheckRevealed.
func ParseEntropy(file []byte) ([]Revealed, error) {
	o, err := parseObject("entropy.json", file)
	if err != nil {
		return nil, err
	}
	var revealed []Revealed
	for _, s := range o.objects("sources") {
		r := Revealed{Type: uint8(s.number("type", 255)), Present: s.boolean("present"), Value: s.bytes("value")}
		if r.Type == SourceDrand {
			r.Signature = s.bytes("signature")
		}
		if r.Type == SourceTrustee && s.has("note") {
			r.Note = s.text("note")
		}
		if r.Type == SourceTrustee && s.has("envelope") {
			r.Envelope = s.bytes("envelope")
		}
		revealed = append(revealed, r)
	}
	if err := o.failure(); err != nil {
		return nil, err
	}
	return revealed, nil
}

// MarshalEntropy returns the bytes of entropy.json.
func MarshalEntropy(revealed []Revealed) ([]byte, error) {
	type source struct {
		Envelope  string `json:"envelope,omitempty"`
		Note      string `json:"note,omitempty"`
		Present   bool   `json:"present"`
		Signature string `json:"signature,omitempty"`
		Type      uint8  `json:"type"`
		Value     string `json:"value"`
	}
	sources := make([]source, len(revealed))
	for i, r := range revealed {
		sources[i] = source{
			hex.EncodeToString(r.Envelope), r.Note, r.Present, hex.EncodeToString(r.Signature), r.Type,
			hex.EncodeToString(r.Value),
		}
	}
	return writeJSON(struct {
		Sources []source `json:"sources"`
	}{sources})
}

// CheckRevealed says why r is not what source s of the draw may give, signatures apart. public is the content of
// public-N.bin and is read for that type only; nil means that there is no such file.
func (s Source) CheckRevealed(drawID string, r Revealed, public []byte) error {
	if r.Type != s.Type {
		return fmt.Errorf("type %d where the manifest has %d", r.Type, s.Type)
	}
	if !r.Present {
		return s.checkAbsent(drawID, r)
	}
	switch s.Type {
	case SourceTrustee:
		if len(r.Value) != 32 {
			return fmt.Errorf("a trustee's value has 32 bytes, this has %d", len(r.Value))
		}
		if c := TrusteeCommit(drawID, s.Index, [32]byte(r.Value)); c != s.Commit {
			return fmt.Errorf("the value of trustee %d gives commitment %s, announced was %s", s.Index, c, s.Commit)
		}
	case SourcePublic:
		if public == nil {
			return fmt.Errorf("public-%d.bin is missing", s.Index)
		}
		if h := FileHash(public); string(h[:]) != string(r.Value) {
			return fmt.Errorf("public-%d.bin has H %s, the value is another", s.Index, h)
		}
	case SourceDice:
		if len(r.Value) != s.Digits {
			return fmt.Errorf("%d digits were announced, there are %d", s.Digits, len(r.Value))
		}
		for i, c := range r.Value {
			if c < '0' || c > '9' {
				return fmt.Errorf("byte %d of the dice is %#02x, not an ASCII digit", i, c)
			}
		}
	case SourceDrand:
		return s.checkDrand(r)
	}
	return nil
}

func (s Source) checkAbsent(drawID string, r Revealed) error {
	if s.Type != SourceTrustee {
		return errors.New("only a trustee may be absent")
	}
	if len(r.Value) != 0 {
		return errors.New("absent, yet with a value")
	}
	if len(r.Envelope) == 32 && TrusteeCommit(drawID, s.Index, [32]byte(r.Envelope)) == s.Commit {
		return fmt.Errorf("counted absent, though the envelope of trustee %d matches the commitment", s.Index)
	}
	return nil
}

func (s Source) checkDrand(r Revealed) error {
	if len(r.Value) != drandValueSize {
		return fmt.Errorf("drand's value has %d bytes, this has %d", drandValueSize, len(r.Value))
	}
	if chain := Hash(r.Value[:32]); chain != s.ChainHash {
		return fmt.Errorf("the value is of chain %s, announced was %s", chain, s.ChainHash)
	}
	if round := r.Round(); !slices.Contains(s.Rounds, round) {
		return fmt.Errorf("round %d was not announced", round)
	}
	if len(r.Signature) != signatureSize {
		return fmt.Errorf("a signature has %d bytes, this has %d", signatureSize, len(r.Signature))
	}
	if h := FileHash(r.Signature); h != Hash(r.Value[40:]) {
		return fmt.Errorf("the randomness is not H(signature), %s", h)
	}
	return nil
}

// Round is the round in a drand source's value, 0 in any other.
func (r Revealed) Round() uint64 {
	if r.Type != SourceDrand || len(r.Value) != drandValueSize {
		return 0
	}
	return binary.BigEndian.Uint64(r.Value[32:])
}

// name is what the type of source is called in a report.
func (s Source) name() string {
	switch s.Type {
	case SourceTrustee:
		return "trustee"
	case SourcePublic:
		return "public"
	case SourceDice:
		return "dice"
	default:
		return "drand"
	}
}
