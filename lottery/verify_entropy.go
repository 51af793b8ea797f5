package lottery

import (
	"errors"
	"fmt"
)

func (v *verifier) checkSources() {
	if v.manifest == nil {
		v.report.fails("sources", "not checked: the manifest fails")
		return
	}
	file, err := v.need(FileEntropy)
	var revealed []Revealed
	if err == nil {
		revealed, err = ParseEntropy(file)
	}
	if err == nil && len(revealed) != len(v.manifest.Sources) {
		err = fmt.Errorf("entropy.json: %d sources, the manifest has %d", len(revealed), len(v.manifest.Sources))
	}
	if err != nil {
		v.report.fails("sources", "%v", err)
		return
	}
	v.sourcesHold = true
	for i, s := range v.manifest.Sources {
		v.checkSource(i, s, revealed[i])
	}
	if v.sourcesHold {
		v.revealed = revealed
	}
}

func (v *verifier) checkSource(i int, s Source, r Revealed) {
	part := fmt.Sprintf("source %d (%s)", i, s.name())
	var public []byte
	var err error
	if s.Type == SourcePublic {
		public, err = v.read(FilePublic(s.Index))
	}
	if err == nil {
		err = s.CheckRevealed(v.manifest.DrawID, r, public)
	}
	if err == nil && s.Type == SourceDrand && v.opts.Beacon != nil {
		if err = v.opts.Beacon(r.Round(), r.Signature); err != nil {
			err = fmt.Errorf("round %d: %w", r.Round(), err)
		}
	}
	detail := ""
	if err == nil {
		detail, err = v.checkSigned(s, r)
	}
	switch {
	case err != nil:
		v.report.fails(part, "entropy.json: sources[%d]: %v", i, err)
		v.sourcesHold = false
	case s.Type == SourceDrand && v.opts.Beacon == nil:
		v.report.absent(part, "round %d, randomness = H(signature); the signature is not checked here", r.Round())
	case !r.Present:
		v.report.holds(part, "absent from the draw")
	default:
		v.report.holds(part, "%s", detail)
	}
}

// checkSigned checks a trustee's note, and the time of drand's round against the witnessed one.
func (v *verifier) checkSigned(s Source, r Revealed) (detail string, err error) {
	switch {
	case s.Type == SourceTrustee && r.Present && r.Note == "":
		return "from a sealed envelope, without a signed note", nil
	case s.Type == SourceTrustee && r.Note != "" && !r.Present:
		return "", errors.New("absent, yet with a signed note")
	case s.Type == SourceTrustee && r.Note != "" && s.Key == "":
		return "the manifest has no key to check the note with", nil
	case s.Type == SourceTrustee && r.Note != "":
		if v.root == nil {
			return "", errors.New("note: not checked: the root fails")
		}
		reveal := Reveal{v.manifest.DrawID, s.Index, *v.root, [32]byte(r.Value)}
		if err := reveal.Check(r.Note, s.Key); err != nil {
			return "", fmt.Errorf("note: %w", err)
		}
		return "with her signed note", nil
	case s.Type == SourceDrand && !v.manifest.Sample && !v.witnessed.IsZero():
		round, err := s.ChooseRound(v.witnessed, false)
		if err != nil {
			return "", err
		}
		if round != r.Round() {
			return "", fmt.Errorf("round %d; the first an hour after the witnessed time is %d", r.Round(), round)
		}
		return fmt.Sprintf("round %d", round), nil
	case s.Type == SourceDrand:
		return fmt.Sprintf("round %d", r.Round()), nil
	}
	return "", nil
}

func (v *verifier) checkSeed() {
	const part = "seed"
	switch {
	case v.root == nil:
		v.report.fails(part, "not checked: the root fails")
		return
	case !v.sourcesHold:
		v.report.fails(part, "not checked: a source fails")
		return
	}
	seed := Seed(uint64(leafCount(v.leaves)), *v.root, v.revealed)
	key := TicketKey(seed, v.manifest.Stream)
	v.ticketKey = &key
	switch {
	case v.claims == nil:
		v.report.fails(part, "%v", v.claimsError)
	case v.claims.Seed != seed:
		v.report.fails(part, "claims.json: seed %s, leaves and sources give %s", v.claims.Seed, seed)
	case v.claims.TicketKey != key:
		v.report.fails(part, "claims.json: ticket_key %s, the seed gives %s", v.claims.TicketKey, key)
	default:
		v.report.holds(part, "%s", seed)
	}
}
