package cohort

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Ballot is a person's answer: ranked choices. Its bytes are stored as they
// are and committed to; nothing re-encodes them.
type Ballot struct {
	Version int      `json:"v"`
	Draw    string   `json:"draw"`            // draw_id
	Person  string   `json:"person"`          // person key of the official list
	Party   string   `json:"party,omitempty"` // party key, the same for its members
	Choices []Choice `json:"choices"`
}

// Choice is a set of slots: clinics × dates × day parts, all equally good to
// the person.
type Choice struct {
	Target  string   `json:"target"`  // what she chose: "clinics", "district:11620", "near:2000" (metres)
	Clinics []string `json:"clinics"` // clinic keys that the target meant when saved, ascending
	Dates   []string `json:"dates"`   // "2021-07-26", ascending
	Parts   []string `json:"parts"`   // day-part keys, in the campaign's order
}

// BallotVersion is the version that Encode writes.
const BallotVersion = 1

// ErrBallot is wrapped by every complaint about a ballot's form.
var ErrBallot = errors.New("ballot")

// Encode gives the canonical bytes of a ballot: those of encoding/json, whose
// reflection takes three times as long, and every save encodes one.
func (b Ballot) Encode() []byte {
	size := 64 + len(b.Draw) + len(b.Person) + len(b.Party)
	for _, c := range b.Choices {
		size += 64 + len(c.Target) + 16*(len(c.Clinics)+len(c.Dates)+len(c.Parts))
	}
	w := strconv.AppendInt(append(make([]byte, 0, size), `{"v":`...), BallotVersion, 10)
	w = appendText(append(w, `,"draw":`...), b.Draw)
	w = appendText(append(w, `,"person":`...), b.Person)
	if b.Party != "" {
		w = appendText(append(w, `,"party":`...), b.Party)
	}
	w = append(w, `,"choices":[`...)
	for i, c := range b.Choices {
		if i > 0 {
			w = append(w, ',')
		}
		w = appendText(append(w, `{"target":`...), c.Target)
		w = appendTexts(append(w, `,"clinics":`...), c.Clinics)
		w = appendTexts(append(w, `,"dates":`...), c.Dates)
		w = appendTexts(append(w, `,"parts":`...), c.Parts)
		w = append(w, '}')
	}
	return append(w, "]}"...)
}

func appendTexts(w []byte, texts []string) []byte {
	if texts == nil {
		return append(w, "null"...)
	}
	w = append(w, '[')
	for i, t := range texts {
		if i > 0 {
			w = append(w, ',')
		}
		w = appendText(w, t)
	}
	return append(w, ']')
}

// appendText appends a JSON string. Keys and codes are plain ASCII; what is not
// is left to encoding/json.
func appendText(w []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(s); err != nil { // a string: cannot fail
				panic(err)
			}
			return append(w, bytes.TrimRight(b.Bytes(), "\n")...)
		}
	}
	return append(append(append(w, '"'), s...), '"')
}

// ParseBallot reads bytes that Encode wrote; it refuses anything that Encode
// would write otherwise.
func ParseBallot(p []byte) (Ballot, error) {
	var b Ballot
	d := json.NewDecoder(bytes.NewReader(p))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%w: %w", ErrBallot, err)
	}
	if b.Version != BallotVersion {
		return b, fmt.Errorf("%w: version %d, want %d", ErrBallot, b.Version, BallotVersion)
	}
	if !bytes.Equal(b.Encode(), p) {
		return b, fmt.Errorf("%w: not in canonical form", ErrBallot)
	}
	return b, nil
}

// Normalize sorts and dedupes the sets inside the choices; parts follow the
// order given.
func (b *Ballot) Normalize(parts []DayPart) {
	for i := range b.Choices {
		c := &b.Choices[i]
		c.Clinics = sortedSet(c.Clinics)
		c.Dates = sortedSet(c.Dates)
		var ordered []string
		for _, p := range parts {
			if slices.Contains(c.Parts, p.Key) {
				ordered = append(ordered, p.Key)
			}
		}
		for _, k := range sortedSet(c.Parts) { // unknown ones are kept, for Check to name
			if !slices.Contains(ordered, k) {
				ordered = append(ordered, k)
			}
		}
		c.Parts = ordered
	}
}

// Normal says whether Normalize would leave the ballot as it is.
func (b *Ballot) Normal(parts []DayPart) bool {
	for i := range b.Choices {
		c := &b.Choices[i]
		if !isSet(c.Clinics) || !isSet(c.Dates) || len(c.Parts) == 0 {
			return false
		}
		next := 0
		for _, k := range c.Parts {
			at := slices.IndexFunc(parts[next:], func(p DayPart) bool { return p.Key == k })
			if at < 0 {
				return false
			}
			next += at + 1
		}
	}
	return true
}

// isSet says whether s is what sortedSet makes of it.
func isSet(s []string) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return s != nil
}

// Offered is what a ballot is checked against: the slots of the cohort's
// release, by clinic, as "date/part" keys.
type Offered map[string]map[string]bool

// OfferedKey is the inner key of Offered.
func OfferedKey(date, part string) string { return date + "/" + part }

// Flaw is one thing wrong with a ballot, to be shown at its place.
type Flaw struct {
	Choice int    // from 1; 0: the ballot as a whole
	Code   string // key of a text in words: "none", "too_many", "no_clinic", "unknown_clinic", "no_date", "unknown_part", "no_part", "no_slot", "same_twice"
	Value  string // the offending code; never free text
}

func (f Flaw) Error() string {
	return fmt.Sprintf("ballot: choice %d: %s %s", f.Choice, f.Code, f.Value)
}

// Check lists what is wrong with a normalized ballot. An empty list means it
// may be saved. A choice that no released slot can serve is a flaw.
func (c *Campaign) Check(b Ballot, offered Offered) []Flaw {
	var fs []Flaw
	if len(b.Choices) == 0 {
		fs = append(fs, Flaw{0, "none", ""})
	}
	if len(b.Choices) > c.Rules.MaxChoices {
		fs = append(fs, Flaw{0, "too_many", fmt.Sprint(c.Rules.MaxChoices)})
	}
	for i, ch := range b.Choices {
		fs = append(fs, c.checkChoice(i+1, ch, offered)...)
		for j := range i {
			if slices.Equal(b.Choices[j].Clinics, ch.Clinics) && slices.Equal(b.Choices[j].Dates, ch.Dates) && slices.Equal(b.Choices[j].Parts, ch.Parts) {
				fs = append(fs, Flaw{i + 1, "same_twice", fmt.Sprint(j + 1)})
				break
			}
		}
	}
	return fs
}

func (c *Campaign) checkChoice(n int, ch Choice, offered Offered) []Flaw {
	var fs []Flaw
	if len(ch.Clinics) == 0 {
		fs = append(fs, Flaw{n, "no_clinic", ""})
	}
	if len(ch.Dates) == 0 {
		fs = append(fs, Flaw{n, "no_date", ""})
	}
	if len(ch.Parts) == 0 {
		fs = append(fs, Flaw{n, "no_part", ""})
	}
	for _, p := range ch.Parts {
		if !slices.ContainsFunc(c.DayParts, func(d DayPart) bool { return d.Key == p }) {
			fs = append(fs, Flaw{n, "unknown_part", p})
		}
	}
	some := false
	for _, k := range ch.Clinics {
		slots, ok := offered[k]
		if !ok {
			fs = append(fs, Flaw{n, "unknown_clinic", k})
			continue
		}
		for _, d := range ch.Dates {
			for _, p := range ch.Parts {
				some = some || slots[OfferedKey(d, p)]
			}
		}
	}
	if len(fs) == 0 && !some {
		fs = append(fs, Flaw{n, "no_slot", ""})
	}
	return fs
}

// Allows says whether a slot lies in the choice.
func (ch Choice) Allows(clinic, date, part string) bool {
	return slices.Contains(ch.Clinics, clinic) && slices.Contains(ch.Dates, date) && slices.Contains(ch.Parts, part)
}

func sortedSet(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}
