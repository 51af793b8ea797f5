package campaign

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"jebi/cohort"
)

// The types of sources as the protocol numbers them.
const (
	trustee = 1
	public  = 2
	dice    = 3
	drand   = 4
)

// What of the drand chain "quicknet" a campaign file refers to.
const (
	quicknetHash    = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	quicknetGenesis = 1692803367 // Unix time of round 1
	quicknetPeriod  = 3          // seconds
)

const usualDigits = 40

func (t *table) sources(c *cohort.Campaign, x *cohort.Cohort) {
	ts := t.tables("sources")
	if len(ts) == 0 {
		t.fail(t.in("sources"), "cohort %s has no sources of randomness; the last one must be dice or drand", x.Key)
		return
	}
	indexes := map[[2]int]bool{}
	trustees := 0
	for i, s := range ts {
		src := s.source(c, x, i)
		if src.Type == trustee || src.Type == public {
			k := [2]int{int(src.Type), int(src.Index)}
			if indexes[k] {
				s.fail(s.path, "two sources of cohort %s have the index %d", x.Key, src.Index)
			}
			indexes[k] = true
		}
		if src.Type == trustee {
			trustees++
		}
		x.Sources = append(x.Sources, src)
	}
	if last := x.Sources[len(x.Sources)-1].Type; last == trustee || last == public {
		s := ts[len(ts)-1]
		s.fail(s.path, "the last source of cohort %s must be dice or drand: whoever spoke last could else choose the outcome", x.Key)
	}
	if trustees == 0 {
		t.warn(t.in("sources"), "cohort %s has no trustee: its outcome rests on the last source alone", x.Key)
	}
}

func (t *table) source(c *cohort.Campaign, x *cohort.Cohort, position int) cohort.Source {
	s := cohort.Source{}
	kind := t.text("type")
	s.Name = t.optionalText("name")
	switch kind {
	case "trustee":
		s.Type = trustee
		if s.Name == "" {
			t.fail(t.path, "%s: a trustee has a name", t.path)
		}
		s.Index = uint16(t.number("index", position, 0, 65535))
		s.Commit = t.bytes32("commit", true)
		s.Key = t.bytes32("key", false)
	case "public":
		s.Type = public
		s.Index = uint16(t.number("index", position, 0, 65535))
	case "dice":
		s.Type = dice
		s.Digits = t.number("digits", usualDigits, 1, 1000)
		if s.Digits > 0 && s.Digits < 20 {
			t.warn(t.in("digits"), "%s: %d digits are few: they could be tried out beforehand; %d are usual", t.in("digits"), s.Digits, usualDigits)
		}
	case "drand":
		s.Type = drand
		t.drand(&s, c, x)
	case "":
	default:
		t.fail(t.in("type"), "%s: %q is not trustee, public, dice or drand", t.in("type"), kind)
		return s
	}
	if kind != "" {
		t.done()
	}
	return s
}

func (t *table) drand(s *cohort.Source, c *cohort.Campaign, x *cohort.Cohort) {
	s.ChainHash, _ = hex.DecodeString(quicknetHash)
	if t.has("chain_hash") {
		if h := t.bytes32("chain_hash", true); h != nil && !bytes.Equal(h, s.ChainHash) {
			t.fail(t.in("chain_hash"), "%s is not quicknet's (%s), the only chain that is known", t.in("chain_hash"), quicknetHash)
		}
	}
	t.read["chain_hash"] = true
	for i, v := range t.list("rounds") {
		path := fmt.Sprintf("%s[%d]", t.in("rounds"), i)
		n, ok := v.(int64)
		switch {
		case !ok || n < 1:
			t.fail(path, "%s is not a round number", path)
			return
		case i > 0 && uint64(n) <= s.Rounds[i-1]:
			t.fail(path, "%s: round %d does not come after round %d", path, n, s.Rounds[i-1])
			return
		case i > 0 && uint64(n) < s.Rounds[i-1]+24*3600/quicknetPeriod && !c.Sample:
			t.warn(path, "%s: rounds are usually a day apart, %d", path, s.Rounds[i-1]+24*3600/quicknetPeriod)
		}
		s.Rounds = append(s.Rounds, uint64(n))
	}
	if len(s.Rounds) == 0 {
		t.fail(t.in("rounds"), "%s is missing or empty; it is a list of the rounds that may count, a day apart", t.in("rounds"))
		return
	}
	if c.Sample || x.Closes.IsZero() || s.Rounds[0] > 1<<40 {
		return // a sample may use a round of the past
	}
	at := time.Unix(quicknetGenesis+int64(s.Rounds[0]-1)*quicknetPeriod, 0)
	if soonest := x.Closes.Add(time.Hour); at.Before(soonest) {
		t.fail(t.in("rounds"), "%s: round %d is of %s, not an hour after the close; the first that may count is %s", t.in("rounds"), s.Rounds[0], show(at, c), firstRound(soonest))
	}
}

// firstRound is the first round at or after a time.
func firstRound(t time.Time) string {
	since := t.Unix() - quicknetGenesis
	if since < 0 {
		return "1 (the chain began in August 2023)"
	}
	return strconv.FormatInt((since+quicknetPeriod-1)/quicknetPeriod+1, 10)
}

// bytes32 reads 32 bytes in lower-case hex.
func (t *table) bytes32(key string, wanted bool) []byte {
	s := t.textValue(key, t.value(key, wanted))
	if s == "" {
		return nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 || s != strings.ToLower(s) {
		t.fail(t.in(key), "%s is not 32 bytes in lower-case hex (64 of 0-9, a-f)", t.in(key))
		return nil
	}
	return b
}

// commitments finds commitments and keys that are used where they must differ.
func (d *document) commitments(c *cohort.Campaign) {
	seen := map[string]string{}
	for i, x := range c.Cohorts {
		for k, s := range x.Sources {
			if s.Commit == nil {
				continue
			}
			h := string(s.Commit)
			if first, ok := seen[h]; ok {
				d.fail(fmt.Sprintf("cohorts[%d].sources[%d].commit", i, k), "the same commitment as %s: a commitment is made for one trustee and one draw", first)
				continue
			}
			seen[h] = fmt.Sprintf("%s's in cohort %s", s.Name, x.Key)
		}
	}
}
