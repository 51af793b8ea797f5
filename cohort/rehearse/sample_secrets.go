package rehearse

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"jebi/lottery"
)

// Trustee is what one trustee of a sample draw would keep to herself: it is
// published with the sample, which only a sample may do.
type Trustee struct {
	DrawID string       `json:"draw_id"`
	Index  uint16       `json:"index"`
	Name   string       `json:"name"`
	Value  lottery.Hash `json:"r"`
	Commit lottery.Hash `json:"commit"`
	// Seed makes the key that signs her reveal, and Key is its public half in
	// hex; both are missing of a trustee who hands in an envelope.
	Seed *lottery.Hash `json:"seed,omitempty"`
	Key  string        `json:"key,omitempty"`
	// Absent says why she does not reveal in the rehearsal; "" if she does.
	Absent string `json:"absent,omitempty"`
}

// Witness is one who cosigns the sample's checkpoints.
type Witness struct {
	Name   string `json:"name"`
	Key    string `json:"key"`    // verifier key
	Secret string `json:"secret"` // as jebi draw witness new writes it
}

// secretsFile is trustees.json: what in a real draw lies with other people.
type secretsFile struct {
	Sample    bool      `json:"sample"`
	Note      string    `json:"note"`
	Witnesses []Witness `json:"witnesses"`
	Trustees  []Trustee `json:"trustees"`
}

const secretsNote = "SAMPLE. The values and keys that real trustees and witnesses keep to themselves. These are public, so they protect nothing."

// sampleTrustees are the trustees of each draw.
var sampleTrustees = []string{"관악구의회", "관악구의사회", "서울대학교 통계학과"}

// sampleWitnesses stand outside the authority; two of each draw are needed.
var sampleWitnesses = []struct{ name, ko string }{
	{"press.sample.invalid", "지역 신문"},
	{"university.sample.invalid", "대학 기록관"},
}

// sampleAbsences is one trustee of each draw, by index, and why she is absent.
var sampleAbsences = [...]struct {
	index  uint16
	reason string
}{
	{2, "no envelope came by the time of the dice"},
	{3, "no signed note came by noon of the day of the draw"},
}

// secretOf makes a value of the sample that would be secret in a real draw.
func secretOf(what string, seed uint64, whose string) lottery.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "sample %s, not secret: %d %s", what, seed, whose))
}

// makeSecrets makes what the sample's trustees and witnesses keep.
func makeSecrets(seed uint64) (secretsFile, error) {
	s := secretsFile{Sample: true, Note: secretsNote}
	for _, w := range sampleWitnesses {
		key, err := lottery.NewKey(w.name, true, secretOf("witness", seed, w.name))
		if err != nil {
			return s, err
		}
		s.Witnesses = append(s.Witnesses, Witness{w.ko, key.Public(), key.Secret()})
	}
	for i, c := range sampleCohorts {
		draw := sampleCampaign + "-" + c.key
		for j, name := range sampleTrustees {
			index := uint16(j + 1)
			whose := fmt.Sprintf("%s %d", draw, index)
			t := Trustee{DrawID: draw, Index: index, Name: name, Value: secretOf("trustee", seed, whose)}
			t.Commit = lottery.TrusteeCommit(draw, index, t.Value)
			if c.online {
				seed := secretOf("trustee's key", seed, whose)
				t.Seed = &seed
				key, err := t.key("trustee")
				if err != nil {
					return s, err
				}
				public, err := lottery.OperatorPublic(key.Public())
				if err != nil {
					return s, err
				}
				t.Key = hex.EncodeToString(public)
			}
			if sampleAbsences[i].index == index {
				t.Absent = sampleAbsences[i].reason
			}
			s.Trustees = append(s.Trustees, t)
		}
	}
	return s, nil
}

// key is her signing key under the name that the manifest gives her.
func (t Trustee) key(name string) (lottery.Key, error) {
	if t.Seed == nil {
		return lottery.Key{}, fmt.Errorf("trustee %d of %s has no key", t.Index, t.DrawID)
	}
	return lottery.NewKey(name, false, *t.Seed)
}

func (s secretsFile) marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.Bytes(), err
}

func readSecrets(dir fs.FS) (s secretsFile, err error) {
	file, err := fs.ReadFile(dir, "trustees.json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(file, &s); err != nil {
		return s, fmt.Errorf("trustees.json: %w", err)
	}
	if !s.Sample {
		return s, errors.New("trustees.json: what real trustees and witnesses keep belongs to them, not into a file")
	}
	return s, nil
}
