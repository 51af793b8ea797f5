package lottery

import (
	"errors"
	"fmt"
	"time"
)

// The types of sources of randomness.
const (
	SourceTrustee = 1 // a trustee's r_j
	SourcePublic  = 2 // a file of public contributions
	SourceDice    = 3 // public dice
	SourceDrand   = 4 // a round of drand
)

// maxDigits bounds how many dice a manifest may announce.
const maxDigits = 1000

// Source is one announced source of randomness; the fields beside Type belong to the types that they name.
type Source struct {
	Type      uint8
	Index     uint16   // trustee: j; public: N of public-N.bin
	Commit    Hash     // trustee
	Key       string   // trustee: verifier key of her notes (signed-note form); empty if there is none
	Digits    int      // dice
	ChainHash Hash     // drand
	Rounds    []uint64 // drand, strictly ascending
}

// Deadlines are the announced times of a draw, UTC, whole seconds; zero where there is none.
type Deadlines struct {
	Opens  time.Time // the window
	Closes time.Time
	Reveal time.Time // trustees: present or absent is on the board by then
	Bundle time.Time // the bundle is due
}

// Manifest is what is announced before the window opens. What other programs may leave out is zero.
type Manifest struct {
	DrawID       string
	Stream       string // "main"
	GroupWeight  string // "min"
	MaxWeight    uint16 // 1 … MaxWeight
	Sample       bool   // demo, rehearsal, example: the rules about time are skipped
	Sources      []Source
	KCommit      Hash
	Audit        int      // size of the auditors' sample, at least MinAudit
	Authority    string   // the checkpoint's origin is <authority>/slotdraw/<draw_id>
	OperatorKey  string   // verifier key (signed-note form) of checkpoint and receipts
	Witnesses    []string // verifier keys (signed-note form, cosignature/v1)
	MinWitnesses int
	Rules        Hash // H of the text of the rules
	Campaign     Hash // H of the campaign file
	Cohort       string
	Reserve      int // seats kept for ballots that were left out
	Deadlines    Deadlines
}

// ParseManifest reads manifest.json and checks every rule that a manifest can break alone. Keys that it does not
// know are ignored; the first thing wrong is named.
func ParseManifest(file []byte) (Manifest, error) {
	o, err := parseObject("manifest.json", file)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		DrawID:      o.text("draw_id"),
		Stream:      o.text("stream"),
		GroupWeight: o.text("group_weight"),
		MaxWeight:   uint16(o.number("max_weight", 1<<16-1)),
	}
	if o.has("sample") {
		m.Sample = o.boolean("sample")
	}
	for _, s := range o.objects("sources") {
		m.Sources = append(m.Sources, parseSource(s))
	}
	if o.has("k_commit") {
		m.KCommit = o.hash("k_commit")
	}
	if o.has("audit") {
		if m.Audit = int(o.number("audit", 1<<31-1)); m.Audit < MinAudit {
			o.fail("audit", "%d is below %d", m.Audit, MinAudit)
		}
	}
	m.parseParties(o)
	if err := o.failure(); err != nil {
		return Manifest{}, err
	}
	if err := m.Check(); err != nil {
		return Manifest{}, fmt.Errorf("manifest.json: %w", err)
	}
	return m, nil
}

// unreadable stands for a key that is there in a form that this program does not know: it verifies nothing.
const unreadable = "unreadable"

// parseParties reads who signs, and what stands beside the protocol. Other programs may leave all of it out, or
// write it in a form of their own: then the keys are unreadable and the rest is zero.
func (m *Manifest) parseParties(o object) {
	if o.has("authority") {
		m.Authority = readableKey(o.fields["authority"])
	}
	m.Cohort, _ = o.fields["cohort"].(string)
	if o.has("operator_key") {
		m.OperatorKey = readableKey(o.fields["operator_key"])
	}
	if o.has("witnesses") {
		list, ok := o.fields["witnesses"].([]any)
		if !ok {
			list = []any{nil}
		}
		for _, w := range list {
			m.Witnesses = append(m.Witnesses, readableKey(w))
		}
	}
	m.MinWitnesses = optionalNumber(o.fields["min_witnesses"])
	m.Reserve = optionalNumber(o.fields["reserve"])
	m.Rules = optionalHash(o.fields["rules"])
	m.Campaign = optionalHash(o.fields["campaign"])
	if d, ok := o.fields["deadlines"].(map[string]any); ok {
		m.Deadlines = Deadlines{
			Opens: optionalTime(d["opens"]), Closes: optionalTime(d["closes"]),
			Reveal: optionalTime(d["reveal"]), Bundle: optionalTime(d["bundle"]),
		}
	}
}

func readableKey(value any) string {
	if key, ok := value.(string); ok && key != "" {
		return key
	}
	return unreadable
}

func optionalNumber(value any) int {
	n, err := plainInteger(value, 1<<31-1)
	if err != nil {
		return 0
	}
	return int(n)
}

func optionalHash(value any) Hash {
	text, _ := value.(string)
	h, err := ParseHash(text)
	if err != nil {
		return Hash{}
	}
	return h
}

func optionalTime(value any) time.Time {
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func parseSource(o object) Source {
	s := Source{Type: uint8(o.number("type", 255))}
	switch s.Type {
	case SourceTrustee:
		s.Index = uint16(o.number("index", 1<<16-1))
		s.Commit = o.hash("commit")
		if o.has("key") {
			s.Key = readableKey(o.fields["key"])
		}
	case SourcePublic:
		s.Index = uint16(o.number("index", 1<<16-1))
	case SourceDice:
		s.Digits = int(o.number("digits", maxDigits))
	case SourceDrand:
		s.ChainHash = o.hash("chain_hash")
		for i, v := range o.list("rounds") {
			round, err := plainInteger(v, 1<<63-1)
			if err != nil {
				o.fail(fmt.Sprintf("rounds[%d]", i), "%v", err)
			}
			s.Rounds = append(s.Rounds, round)
		}
	}
	return s
}

// Check says which rule of the protocol the manifest breaks.
func (m Manifest) Check() error {
	if err := CheckDrawID(m.DrawID); err != nil {
		return fmt.Errorf("draw_id: %w", err)
	}
	if m.Stream != Stream {
		return fmt.Errorf("stream: %q is not %q", m.Stream, Stream)
	}
	if m.GroupWeight != "min" {
		return fmt.Errorf("group_weight: %q is not \"min\"", m.GroupWeight)
	}
	if m.MaxWeight < 1 || m.MaxWeight > MaxWeight {
		return fmt.Errorf("max_weight: %d is not in 1 … %d", m.MaxWeight, MaxWeight)
	}
	if len(m.Sources) == 0 {
		return errors.New("sources: there are none")
	}
	if len(m.Sources) > 1<<16-1 {
		return fmt.Errorf("sources: %d are too many", len(m.Sources))
	}
	seen := map[[2]uint16]bool{}
	for i, s := range m.Sources {
		if err := s.check(m.Sample); err != nil {
			return fmt.Errorf("sources[%d]: %w", i, err)
		}
		if s.Type == SourceTrustee || s.Type == SourcePublic {
			name := [2]uint16{uint16(s.Type), s.Index}
			if seen[name] {
				return fmt.Errorf("sources[%d]: index %d stands twice", i, s.Index)
			}
			seen[name] = true
		}
	}
	if last := m.Sources[len(m.Sources)-1].Type; last != SourceDice && last != SourceDrand {
		return fmt.Errorf("sources[%d]: the last source is of type %d, it must be dice (3) or drand (4)", len(m.Sources)-1, last)
	}
	return nil
}

func (s Source) check(sample bool) error {
	switch s.Type {
	case SourceTrustee, SourcePublic:
		return nil
	case SourceDice:
		if s.Digits < 1 || s.Digits > maxDigits {
			return fmt.Errorf("digits: %d is not in 1 … %d", s.Digits, maxDigits)
		}
		return nil
	case SourceDrand:
		return s.checkRounds(sample)
	}
	return fmt.Errorf("type %d is unknown", s.Type)
}

func (s Source) checkRounds(sample bool) error {
	if s.ChainHash != QuicknetChain() {
		return fmt.Errorf("chain_hash: %s is not quicknet's", s.ChainHash)
	}
	if len(s.Rounds) == 0 {
		return errors.New("rounds: there are none")
	}
	for i, round := range s.Rounds {
		if round < 1 {
			return fmt.Errorf("rounds[%d]: drand counts from 1", i)
		}
		if i == 0 {
			continue
		}
		if round <= s.Rounds[i-1] {
			return fmt.Errorf("rounds[%d]: %d is not above the one before", i, round)
		}
		if !sample && round-s.Rounds[i-1] < roundsADay {
			return fmt.Errorf("rounds[%d]: %d is less than a day (%d rounds) after the one before", i, round, roundsADay)
		}
	}
	return nil
}

// Marshal returns the bytes of manifest.json: compact, keys in alphabetical order, zero fields left out.
func (m Manifest) Marshal() ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m.marshal()
}

// marshal writes the manifest without judging it.
func (m Manifest) marshal() ([]byte, error) {
	type source struct {
		ChainHash *Hash    `json:"chain_hash,omitempty"`
		Commit    *Hash    `json:"commit,omitempty"`
		Digits    int      `json:"digits,omitempty"`
		Index     *uint16  `json:"index,omitempty"`
		Key       string   `json:"key,omitempty"`
		Rounds    []uint64 `json:"rounds,omitempty"`
		Type      uint8    `json:"type"`
	}
	sources := make([]source, len(m.Sources))
	for i, s := range m.Sources {
		out := source{Type: s.Type}
		switch s.Type {
		case SourceTrustee:
			out.Index, out.Commit, out.Key = &s.Index, &s.Commit, s.Key
		case SourcePublic:
			out.Index = &s.Index
		case SourceDice:
			out.Digits = s.Digits
		case SourceDrand:
			out.ChainHash, out.Rounds = &s.ChainHash, s.Rounds
		}
		sources[i] = out
	}
	type deadlines struct {
		Bundle string `json:"bundle,omitempty"`
		Closes string `json:"closes,omitempty"`
		Opens  string `json:"opens,omitempty"`
		Reveal string `json:"reveal,omitempty"`
	}
	d := deadlines{
		utcSeconds(m.Deadlines.Bundle), utcSeconds(m.Deadlines.Closes),
		utcSeconds(m.Deadlines.Opens), utcSeconds(m.Deadlines.Reveal),
	}
	return writeJSON(struct {
		Audit        int        `json:"audit,omitempty"`
		Authority    string     `json:"authority,omitempty"`
		Campaign     *Hash      `json:"campaign,omitempty"`
		Cohort       string     `json:"cohort,omitempty"`
		Deadlines    *deadlines `json:"deadlines,omitempty"`
		DrawID       string     `json:"draw_id"`
		GroupWeight  string     `json:"group_weight"`
		KCommit      *Hash      `json:"k_commit,omitempty"`
		MaxWeight    uint16     `json:"max_weight"`
		MinWitnesses int        `json:"min_witnesses,omitempty"`
		OperatorKey  string     `json:"operator_key,omitempty"`
		Reserve      int        `json:"reserve,omitempty"`
		Rules        *Hash      `json:"rules,omitempty"`
		Sample       bool       `json:"sample"`
		Sources      []source   `json:"sources"`
		Stream       string     `json:"stream"`
		Witnesses    []string   `json:"witnesses,omitempty"`
	}{
		m.Audit, m.Authority, orNil(m.Campaign), m.Cohort, orNil(d), m.DrawID, m.GroupWeight,
		orNil(m.KCommit), m.MaxWeight, m.MinWitnesses, m.OperatorKey, m.Reserve, orNil(m.Rules),
		m.Sample, sources, m.Stream, m.Witnesses,
	})
}

// Origin is the first line of the draw's checkpoint.
func (m Manifest) Origin() string { return m.Authority + "/slotdraw/" + m.DrawID }

// orNil leaves a zero value out of the JSON.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func utcSeconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
