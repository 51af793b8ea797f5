package cohort

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func town() *Campaign {
	return &Campaign{
		Key: "town-2021", Rules: Rules{MaxChoices: 2},
		DayParts: []DayPart{{Key: "am", From: "0000", To: "1200"}, {Key: "pm", From: "1200", To: "1800"}, {Key: "evening", From: "1800", To: "2400"}},
		Cohorts: []Cohort{
			{Key: "old", BirthFrom: 1950, BirthTo: 1959},
			{Key: "north", BirthFrom: 1960, BirthTo: 1969, Regions: []string{"11"}},
			{Key: "nurses", BirthFrom: 1960, BirthTo: 1999, Groups: []string{"nurse", "doctor"}},
		},
	}
}

func townOffers() Offered {
	return Offered{
		"c1": {OfferedKey("2021-07-26", "am"): true, OfferedKey("2021-07-27", "pm"): true},
		"c2": {OfferedKey("2021-07-26", "evening"): true},
	}
}

func TestBallotBytesAreCanonical(t *testing.T) {
	word := rapid.StringMatching(`[a-z0-9:<>&"]{1,8}`)
	rapid.Check(t, func(t *rapid.T) {
		b := Ballot{
			Version: BallotVersion, Draw: word.Draw(t, "draw"), Person: word.Draw(t, "person"),
			Party: rapid.OneOf(rapid.Just(""), word).Draw(t, "party"), Choices: []Choice{},
		}
		for range rapid.IntRange(0, 5).Draw(t, "choices") {
			set := rapid.SliceOfN(word, 1, 4)
			b.Choices = append(b.Choices, Choice{
				Target: word.Draw(t, "target"), Clinics: set.Draw(t, "clinics"), Dates: set.Draw(t, "dates"), Parts: set.Draw(t, "parts"),
			})
		}
		file := b.Encode()
		got, err := ParseBallot(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b, got); d != "" {
			t.Fatal(d)
		}
		for _, other := range []string{" " + string(file), string(file) + "\n", strings.Replace(string(file), `{"v":1,`, `{"v":1,"more":1,`, 1), strings.Replace(string(file), `"v":1`, `"v":2`, 1)} {
			if _, err := ParseBallot([]byte(other)); !errors.Is(err, ErrBallot) {
				t.Fatalf("%q is no ballot, and the error is %v", other, err)
			}
		}
	})
}

func TestABallotWithoutChoicesHasAnEmptyList(t *testing.T) {
	if got, want := string(Ballot{Draw: "d", Person: "p"}.Encode()), `{"v":1,"draw":"d","person":"p","choices":[]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNormalize(t *testing.T) {
	b := Ballot{Choices: []Choice{{
		Clinics: []string{"c2", "c1", "c2"}, Dates: []string{"2021-07-27", "2021-07-26"}, Parts: []string{"night", "evening", "am", "am"},
	}}}
	b.Normalize(town().DayParts)
	want := Choice{Clinics: []string{"c1", "c2"}, Dates: []string{"2021-07-26", "2021-07-27"}, Parts: []string{"am", "evening", "night"}}
	if d := cmp.Diff(want, b.Choices[0]); d != "" {
		t.Error(d)
	}
	if none := (Ballot{Choices: []Choice{{Clinics: []string{}, Dates: []string{}, Parts: []string{}}}}); none.Normal(town().DayParts) {
		t.Error("an empty list of parts is normal, and Normalize leaves none") // nil and empty have other bytes
	}
}

func TestCheckNamesEachFlaw(t *testing.T) {
	good := Choice{Clinics: []string{"c1"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}}
	with := func(change func(*Choice)) Choice {
		c := good
		change(&c)
		return c
	}
	evening := with(func(c *Choice) { c.Clinics, c.Parts = []string{"c2"}, []string{"evening"} })
	for name, test := range map[string]struct {
		choices []Choice
		want    []Flaw
	}{
		"good":             {[]Choice{good, evening}, nil},
		"none":             {nil, []Flaw{{0, "none", ""}}},
		"too many":         {[]Choice{good, evening, with(func(c *Choice) { c.Parts = []string{"am", "pm"} })}, []Flaw{{0, "too_many", "2"}}},
		"no clinic":        {[]Choice{with(func(c *Choice) { c.Clinics = nil })}, []Flaw{{1, "no_clinic", ""}}},
		"no date":          {[]Choice{good, with(func(c *Choice) { c.Dates = nil })}, []Flaw{{2, "no_date", ""}}},
		"no part":          {[]Choice{with(func(c *Choice) { c.Parts = nil })}, []Flaw{{1, "no_part", ""}}},
		"unknown part":     {[]Choice{with(func(c *Choice) { c.Parts = []string{"am", "night"} })}, []Flaw{{1, "unknown_part", "night"}}},
		"unknown clinic":   {[]Choice{with(func(c *Choice) { c.Clinics = []string{"c1", "c9"} })}, []Flaw{{1, "unknown_clinic", "c9"}}},
		"nothing is given": {[]Choice{with(func(c *Choice) { c.Dates = []string{"2021-07-27"} })}, []Flaw{{1, "no_slot", ""}}},
		"the same twice":   {[]Choice{good, good}, []Flaw{{2, "same_twice", "1"}}},
	} {
		if d := cmp.Diff(test.want, town().Check(Ballot{Choices: test.choices}, townOffers())); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := (Flaw{2, "no_slot", ""}).Error(); !strings.Contains(got, "choice 2") || !strings.Contains(got, "no_slot") {
		t.Errorf("a flaw as an error: %q", got)
	}
}

func TestAChoiceAllowsWhatLiesInAllThree(t *testing.T) {
	c := Choice{Clinics: []string{"c1"}, Dates: []string{"2021-07-26"}, Parts: []string{"am"}}
	for _, test := range []struct {
		clinic, date, part string
		want               bool
	}{
		{"c1", "2021-07-26", "am", true},
		{"c2", "2021-07-26", "am", false},
		{"c1", "2021-07-27", "am", false},
		{"c1", "2021-07-26", "pm", false},
	} {
		if got := c.Allows(test.clinic, test.date, test.part); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

func TestEligibility(t *testing.T) {
	c := town()
	for _, test := range []struct {
		facts PersonFacts
		want  string
	}{
		{PersonFacts{BirthYear: 1949}, ""},
		{PersonFacts{BirthYear: 1950}, "old"},
		{PersonFacts{BirthYear: 1959, District: "22"}, "old"},
		{PersonFacts{BirthYear: 1960, District: "22"}, ""},
		{PersonFacts{BirthYear: 1960, District: "11"}, "north"},
		{PersonFacts{BirthYear: 1960, District: "11", Groups: []string{"nurse"}}, "north"},
		{PersonFacts{BirthYear: 1980, Groups: []string{"baker", "doctor"}}, "nurses"},
		{PersonFacts{BirthYear: 1980, Groups: []string{"baker"}}, ""},
	} {
		got := ""
		if h := c.CohortFor(test.facts); h != nil {
			got = h.Key
		}
		if got != test.want {
			t.Errorf("%+v: cohort %q, want %q", test.facts, got, test.want)
		}
	}
}

func TestLookUpsOfACampaign(t *testing.T) {
	c := town()
	if got := c.DrawID("old"); got != "town-2021-old" {
		t.Errorf("draw id %q", got)
	}
	if got := c.CohortByKey("north"); got == nil || got.BirthFrom != 1960 || c.CohortByKey("south") != nil {
		t.Errorf("cohort by key: %+v", got)
	}
	for block, want := range map[string]string{"0000": "am", "1159": "am", "1200": "pm", "1800": "evening", "2359": "evening"} {
		if got := c.PartOf(block); got != want {
			t.Errorf("block %s is in %q, want %q", block, got, want)
		}
	}
	c.DayParts = c.DayParts[:1]
	if got := c.PartOf("1300"); got != "" {
		t.Errorf("an hour outside all parts is in %q", got)
	}
	text := Text{"ko": "안녕", "en": "hello"}
	if text.In("en") != "hello" || text.In("fr", "de", "ko") != "안녕" || text.In("fr") != "" {
		t.Error("a text falls back in the order asked for")
	}
}

// The bytes are those of encoding/json, whatever stands in the texts.
func TestEncodeIsJSON(t *testing.T) {
	word := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9:<>&"\\]{0,8}`), rapid.SampledFrom([]string{"\u2028", "\x7f", "\xff", "가", "\t", "\x00"}))
	set := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(word, 0, 3))
	rapid.Check(t, func(t *rapid.T) {
		b := Ballot{Version: BallotVersion, Draw: word.Draw(t, "draw"), Person: word.Draw(t, "person"), Party: word.Draw(t, "party"), Choices: []Choice{}}
		for range rapid.IntRange(0, 3).Draw(t, "choices") {
			b.Choices = append(b.Choices, Choice{Target: word.Draw(t, "target"), Clinics: set.Draw(t, "clinics"), Dates: set.Draw(t, "dates"), Parts: set.Draw(t, "parts")})
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(b); err != nil {
			t.Fatal(err)
		}
		if got := string(b.Encode()) + "\n"; got != want.String() {
			t.Fatalf("%q, and encoding/json has %q", got, want.String())
		}
	})
}

// What is normal is what Normalize leaves as it is.
func TestNormal(t *testing.T) {
	parts := town().DayParts
	set := func(words ...string) *rapid.Generator[[]string] {
		return rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(rapid.SampledFrom(words), 0, 4))
	}
	seen := map[bool]bool{}
	rapid.Check(t, func(t *rapid.T) {
		var b Ballot
		for range rapid.IntRange(0, 2).Draw(t, "choices") {
			b.Choices = append(b.Choices, Choice{
				Clinics: set("a", "b", "c").Draw(t, "clinics"), Dates: set("1", "2").Draw(t, "dates"), Parts: set("am", "pm", "evening", "night").Draw(t, "parts"),
			})
		}
		again := Ballot{Choices: slices.Clone(b.Choices)}
		again.Normalize(parts)
		normal := b.Normal(parts)
		seen[normal] = true
		if normal && string(b.Encode()) != string(again.Encode()) {
			t.Fatalf("%+v is called normal, and would be %+v", b, again)
		}
		if !again.Normal(parts) && complete(again, parts) {
			t.Fatalf("%+v is not called normal", again)
		}
	})
	if !seen[true] || !seen[false] {
		t.Errorf("normal or not: %v", seen)
	}
}

// complete says whether nothing is missing or unknown.
func complete(b Ballot, parts []DayPart) bool {
	for _, c := range b.Choices {
		if len(c.Clinics) == 0 || len(c.Dates) == 0 || len(c.Parts) == 0 {
			return false
		}
		for _, k := range c.Parts {
			if !slices.ContainsFunc(parts, func(p DayPart) bool { return p.Key == k }) {
				return false
			}
		}
	}
	return true
}
