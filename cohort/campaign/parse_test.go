package campaign

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
)

func example(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/example.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parsed(t testing.TB, file string) *cohort.Campaign {
	t.Helper()
	c, ps := Parse([]byte(file))
	if c == nil {
		t.Fatalf("no campaign: %v", ps)
	}
	return c
}

// change replaces the first old, which must be there.
func change(t testing.TB, file, old, new string) string {
	t.Helper()
	if !strings.Contains(file, old) {
		t.Fatalf("the example has no %q", old)
	}
	return strings.Replace(file, old, new, 1)
}

func TestExampleIsRight(t *testing.T) {
	file := example(t)
	c, ps := Parse([]byte(file))
	if c == nil || len(ps) > 0 {
		t.Fatalf("the example is not right: %v", ps)
	}
	if c.FileHash != sha256.Sum256([]byte(file)) {
		t.Error("the hash is not that of the file's bytes")
	}
	x := c.CohortByKey("1962-66")
	if want := time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC); !x.Opens.Equal(want) || x.Opens.Location() != time.UTC {
		t.Errorf("opens %v, want %v in UTC", x.Opens, want)
	}
	if got := x.Supply.From.Format(time.RFC3339); got != "2027-03-09T00:00:00+09:00" {
		t.Errorf("supply from %s, want midnight in Seoul", got)
	}
	want := cohort.Rules{
		MaxChoices: 5, MaxParty: 4, MaxProxied: 4, MaxWeight: 1, MinSlots: 1, MinAnswer: 2 * time.Hour, OfferHold: 12 * time.Hour, OfferLead: 12 * time.Hour,
		CancelLead: 24 * time.Hour, MaxLapses: 2, AuditSample: 300, KeepFor: 90 * 24 * time.Hour, QuietFrom: "2100", QuietTo: "0800",
	}
	if d := cmp.Diff(want, c.Rules); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	if got := []uint8{x.Sources[0].Type, x.Sources[1].Type, x.Sources[2].Type}; !slices.Equal(got, []uint8{1, 1, 3}) {
		t.Errorf("sources are of types %v", got)
	}
}

func TestUsualValuesAreTheExamples(t *testing.T) {
	file := example(t)
	from, to := strings.Index(file, "[rules]"), strings.Index(file, "[senders.email]")
	short := file[:from] + file[to:]
	a, b := parsed(t, file), parsed(t, short)
	if d := cmp.Diff(a.Rules, b.Rules); d != "" {
		t.Errorf("rules (-example +left out):\n%s", d)
	}
	if d := cmp.Diff(a.Recurring, b.Recurring); d != "" {
		t.Errorf("recurring (-example +left out):\n%s", d)
	}
}

// Each case changes one thing in the example. What must be found is a part of
// the problem's text, at the line on which "at" begins in the changed file.
func TestProblemsHaveTheirLines(t *testing.T) {
	cases := []struct {
		name, old, new string
		at             string // default: new
		severity, text string
	}{
		{name: "unknown key", old: "max_choices = 5", new: "max_choises = 5", severity: Error, text: "unknown key rules.max_choises; did you mean max_choices?"},
		{name: "unknown table", old: "[recurring]", new: "[recuring]", at: "recuring]", severity: Error, text: "unknown key recuring; did you mean recurring?"},
		{name: "unknown key of a cohort", old: "night = false", new: "nite = false", severity: Error, text: "unknown key cohorts[0].nite"},
		{name: "syntax", old: "zone = \"Asia/Seoul\"", new: "zone = Asia/Seoul", at: "zone = Asia", severity: Error, text: ""},
		{name: "key twice", old: "sample = false", new: "sample = true\nzone = \"Asia/Seoul\"", at: "zone = \"Asia/Seoul\" ", severity: Error, text: ""},
		{name: "impossible date", old: "closes = \"2027-03-04 18:00\"", new: "closes = \"2027-02-30 18:00\"", severity: Error, text: "does not exist in the calendar"},
		{name: "impossible supply date", old: "from = \"2027-03-09\"", new: "from = \"2027-13-09\"", severity: Error, text: "does not exist in the calendar"},
		{name: "offset", old: "opens = \"2027-03-02 09:00\"", new: "opens = 2027-03-02T09:00:00+09:00", severity: Error, text: "has an offset"},
		{name: "no time", old: "opens = \"2027-03-02 09:00\"", new: "opens = \"tomorrow\"", severity: Error, text: "is not a time like"},
		{name: "cron", old: "refill = \"*/10 9-20 * * *\"", new: "refill = \"*/10 9-25 * * *\"", severity: Error, text: "is not a cron expression"},
		{name: "cron that panics", old: "seal = \"*/5 * * * *\"", new: "seal = \"TZ=0\"", severity: Error, text: "no zone of its own"},
		{name: "cron with a zone", old: "odds = \"0 * * * *\"", new: "odds = \"CRON_TZ=UTC 0 0 * * *\"", severity: Error, text: "no zone of its own"},
		{name: "cron that never comes", old: "retention = \"30 3 * * *\"", new: "retention = \"0 0 31 2 *\"", severity: Error, text: "never comes true"},
		{name: "cron at night", old: "refill = \"*/10 9-20 * * *\"", new: "refill = \"*/10 * * * *\"", severity: Warning, text: "when messages rest"},
		{name: "night", old: "opens = \"2027-03-02 09:00\"", new: "opens = \"2027-03-02 00:00\"", severity: Error, text: "opens at night"},
		{name: "closes at night", old: "closes = \"2027-03-06 18:00\"", new: "closes = \"2027-03-06 23:00\"", severity: Error, text: "closes at night"},
		{name: "out of order", old: "draw_at = \"2027-03-05 14:00\"", new: "draw_at = \"2027-03-04 14:00\"", severity: Error, text: "draw_at (2027-03-04 14:00) comes before closes (2027-03-04 18:00)"},
		{name: "closes as it opens", old: "closes = \"2027-03-04 18:00\"", new: "closes = \"2027-03-02 09:00\"", severity: Error, text: "comes before opens"},
		{name: "settles before confirmation", old: "settle_at = \"2027-03-27 18:00\"", new: "settle_at = \"2027-03-08 17:00\"", severity: Error, text: "comes before confirm_by"},
		{name: "short window", old: "opens = \"2027-03-04 18:00\"", new: "opens = \"2027-03-06 16:00\"", at: "closes = \"2027-03-06", severity: Warning, text: "open for 2h only"},
		{name: "gap between windows", old: "opens = \"2027-03-04 18:00\"", new: "opens = \"2027-03-05 09:00\"", severity: Warning, text: "no window is open from 2027-03-04 18:00"},
		{name: "two doses in a plain pass", old: "doses = 1", new: "doses = 2", severity: Error, text: "two doses need the seating flexible or fixed"},
		{name: "three doses", old: "doses = 1", new: "doses = 3", severity: Error, text: "must be from 1 to 2"},
		{
			name: "second dates for one dose", old: "to = \"2027-03-27\", vaccines = []", new: "to = \"2027-03-27\", second_from = \"2027-05-01\"",
			at: "second_from", severity: Error, text: "is for two doses",
		},
		{name: "cohorts overlap", old: "birth_from = 1969", new: "birth_from = 1966", at: "key = \"1969-71\"", severity: Error, text: "both admit people born 1966"},
		{name: "cohort under another", old: "birth_from = 1969\n", new: "birth_from = 1966\ngroups = [\"care\"]\n", at: "key = \"1969-71\"", severity: Error, text: "1962-66 comes first and admits everyone"},
		{name: "birth years backwards", old: "birth_to = 1971", new: "birth_to = 1968", severity: Error, text: "comes before birth_from"},
		{name: "no birth years", old: "birth_to = 1971\n", new: "", at: "[[cohorts]]\nkey = \"1969-71\"", severity: Error, text: "birth_to is missing"},
		{name: "unknown district", old: "regions = []", new: "regions = [\"11999\"]", severity: Error, text: "unknown district \"11999\""},
		{name: "district twice", old: "code = \"11590\"", new: "code = \"11620\"", at: "code = \"11620\"\nname = { ko = \"동작구\"", severity: Error, text: "two districts"},
		{name: "day parts overlap", old: "from = \"1200\"", new: "from = \"1130\"", severity: Error, text: "before am ends at 1200"},
		{name: "gap in the day", old: "from = \"1200\"", new: "from = \"1300\"", severity: Warning, text: "belong to no day part"},
		{name: "day part ends before it begins", old: "to = \"1200\"", new: "to = \"0800\"", severity: Error, text: "before it begins"},
		{name: "no time of day", old: "to = \"1800\"", new: "to = \"18:00\"", severity: Error, text: "not a time of day"},
		{name: "more than all seats", old: "percent = 40", new: "percent = 41", at: "supply = { percent = 41", severity: Error, text: "101 percent"},
		{name: "no percent", old: "percent = 60", new: "percent = 0", at: "supply = { percent = 0", severity: Error, text: "from 1 to 100"},
		{name: "supply before the result", old: "from = \"2027-03-09\", to = \"2027-03-27\", vaccines", new: "from = \"2027-03-05\", to = \"2027-03-27\", vaccines", at: "supply = { percent = 60", severity: Error, text: "could be past before it is known"},
		{name: "trustee last", old: "type = \"dice\"", new: "type = \"public\"", at: "[[cohorts.sources]]\ntype = \"public\"", severity: Error, text: "must be dice or drand"},
		{name: "no commitment", old: "commit = \"7c42d35712bc648b7388ff86fd6ecb7c52e39d9881ad55daa92b80cecf460516\"\n", new: "", at: "[[cohorts.sources]]\ntype = \"trustee\"\nname = \"Gwanak-gu council\"", severity: Error, text: "commit is missing"},
		{name: "short commitment", old: "7c42d35712bc648b7388ff86fd6ecb7c52e39d9881ad55daa92b80cecf460516", new: "7c42d357", at: "commit = \"7c42d357\"", severity: Error, text: "not 32 bytes"},
		{name: "commitment in capitals", old: "7c42d35712bc648b", new: "7C42d35712bc648b", at: "commit = \"7C42", severity: Error, text: "lower-case"},
		{name: "commitment twice", old: "6e85606ee90592e3daaf9d17b8c1d52a379466837a0940b458dd70198f6c5f66", new: "a7a6b07d303d2641867d77ce2c982c0e1887e86123983f8f58a101dc80f94508", at: "commit = \"a7a6b07d303d2641867d77ce2c982c0e1887e86123983f8f58a101dc80f94508\"\n\n[[cohorts.sources]]\ntype = \"drand\"", severity: Error, text: "the same commitment"},
		{name: "unknown source", old: "type = \"dice\"", new: "type = \"coin\"", severity: Error, text: "not trustee, public, dice or drand"},
		{name: "another chain", old: "type = \"drand\"", new: "type = \"drand\"\nchain_hash = \"7c42d35712bc648b7388ff86fd6ecb7c52e39d9881ad55daa92b80cecf460516\"", at: "chain_hash", severity: Error, text: "not quicknet's"},
		{name: "round too early", old: "rounds = [37195012, 37223812]", new: "rounds = [1000]", severity: Error, text: "not an hour after the close"},
		{name: "rounds backwards", old: "rounds = [37195012, 37223812]", new: "rounds = [37223812, 37195012]", severity: Error, text: "does not come after"},
		{name: "few dice", old: "digits = 40", new: "digits = 6", severity: Warning, text: "are few"},
		{name: "few auditors' ballots", old: "audit_sample = 300", new: "audit_sample = 299", severity: Error, text: "from 300"},
		{name: "too many choices", old: "max_choices = 5", new: "max_choices = 6", severity: Error, text: "from 1 to 5"},
		{name: "no duration", old: "min_answer = \"2h\"", new: "min_answer = \"soon\"", severity: Error, text: "not a duration"},
		{name: "answer longer than hold", old: "min_answer = \"2h\"", new: "min_answer = \"1d\"", at: "offer_hold", severity: Error, text: "is shorter than min_answer"},
		{name: "zone", old: "Asia/Seoul", new: "Asia/Soul", at: "zone = ", severity: Error, text: "not a time zone"},
		{name: "machine's zone", old: "Asia/Seoul", new: "Local", at: "zone = ", severity: Error, text: "not a time zone"},
		{name: "language without a text", old: "name = { ko = \"오후\", en = \"afternoon\" }", new: "name = { ko = \"오후\" }", severity: Error, text: "has no text in \"en\""},
		{name: "text without a language", old: "en = \"Gwanak-gu vaccination\"", new: "en = \"Gwanak-gu vaccination\"\nfr = \"Vaccination\"", at: "fr", severity: Error, text: "unknown key name.fr"},
		{name: "no authority", old: "authority = \"vaccine.gwanak.example\"", new: "#", at: "# A campaign file", severity: Error, text: "authority is missing"},
		{name: "wrong type", old: "max_party = 4", new: "max_party = \"4\"", severity: Error, text: "is a text, not a whole number"},
		{name: "wrong type of a table", old: "[rules] ", new: "[[rules]] ", at: "rules]]", severity: Error, text: "is a list, not a table"},
		{name: "password", old: "password_env = \"JEBI_SMTP_PASSWORD\"", new: "password = \"hunter2 hunter2\"", severity: Error, text: "a secret does not belong in the campaign file"},
		{name: "password for its name", old: "\"JEBI_SMTP_PASSWORD\"", new: "\"hunter2-hunter2\"", at: "password_env = \"hunter2", severity: Error, text: "must name an environment variable"},
		{name: "secret in an address", old: "https://sms.example/", new: "https://user:hunter2@sms.example/", at: "url = \"https://user", severity: Error, text: "a secret does not belong"},
		{name: "plain http", old: "https://sms.example/", new: "http://sms.example/", at: "url = \"http:", severity: Error, text: "not encrypted"},
		{name: "plain mail", old: "tls = \"starttls\"", new: "tls = \"none\"", severity: Error, text: "for this machine only"},
		{name: "sender", old: "host = \"smtp.gwanak.example:587\"", new: "host = \"smtp.gwanak.example\"", severity: Error, text: "not host:port"},
		{name: "pools in serial seating", old: "seating = \"fixed\"", new: "seating = \"serial\"", at: "pools]]", severity: Error, text: "must be fixed"},
		{name: "pools over the whole", old: "percent = 10", new: "percent = 60\n[[cohorts.pools]]\ngroup = \"disabled\"\npercent = 50", at: "percent = 50", severity: Error, text: "110 percent"},
		{name: "cohort twice", old: "key = \"1969-71\"", new: "key = \"1962-66\"", at: "key = \"1962-66\"\nname = { ko = \"1969", severity: Error, text: "two cohorts"},
		{name: "long key", old: "key = \"gwanak-2027\"", new: "key = \"" + strings.Repeat("a", 41) + "\"", severity: Error, text: "1 to 40"},
		{name: "space at the end", old: "phone = \"02-0000-0000\"", new: "phone = \"02-0000-0000 \"", severity: Error, text: "begins or ends with a space"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := change(t, example(t), c.old, c.new)
			at := c.at
			if at == "" {
				at = c.new
			}
			offset := strings.Index(file, at)
			if offset < 0 {
				t.Fatalf("the changed file has no %q", at)
			}
			line := 1 + strings.Count(file[:offset], "\n")
			got, ps := Parse([]byte(file))
			found := slices.ContainsFunc(ps, func(p Problem) bool {
				return p.Severity == c.severity && p.Line == line && strings.Contains(p.Text, c.text)
			})
			if !found {
				t.Errorf("no %s with %q in line %d; found:\n%v", c.severity, c.text, line, ps)
			}
			if (got == nil) != (len(Errors(ps)) > 0) {
				t.Errorf("a campaign with errors, or none without: %v", ps)
			}
			for _, p := range ps {
				if strings.Contains(p.Text, "hunter2") {
					t.Errorf("the secret is shown: %s", p)
				}
			}
		})
	}
}

// Two doses: the dates of the second follow from those of the first, or are stated; either way they can be reached, and
// count among what is released.
func TestTwoDoses(t *testing.T) {
	two := func(supply string) string {
		file := change(t, example(t), "seating = \"serial\"", "seating = \"flexible\"")
		file = change(t, file, "doses = 1", "doses = 2")
		return change(t, file, "to = \"2027-03-27\", vaccines = []", "to = \"2027-03-27\""+supply)
	}
	day := func(d time.Time) string { return d.Format(time.DateOnly) }
	r := parsed(t, two("")).Cohorts[0].Supply
	if day(r.SecondFrom) != "2027-04-27" || day(r.SecondTo) != "2027-05-29" {
		t.Errorf("second doses from %s to %s", day(r.SecondFrom), day(r.SecondTo))
	}
	second := parsed(t, two(", second_from = \"2027-05-04\", second_to = \"2027-05-22\"")).Cohorts[0].Supply.Second()
	if day(second.From) != "2027-05-04" || day(second.To) != "2027-05-22" || second.Percent != 60 {
		t.Errorf("second doses of %+v", second)
	}
	if one := parsed(t, example(t)).Cohorts[0]; one.Doses != 1 || one.Supply.Second().Percent != 0 {
		t.Errorf("one dose: %+v", one.Supply)
	}
	for supply, want := range map[string]string{
		`, second_from = "2027-05-12"`:                           "must have the second by 2027-05-11",
		`, second_to = "2027-05-14"`:                             "cannot have the second before 2027-05-15",
		`, second_from = "2027-05-10", second_to = "2027-05-05"`: "comes before second_from",
		`, second_from = "2027-03-20", second_to = "2027-06-01"`: "100 percent",
		`, second_from = "2027-02-30"`:                           "does not exist",
	} {
		_, ps := Parse([]byte(two(supply)))
		found := slices.ContainsFunc(Errors(ps), func(p Problem) bool { return strings.Contains(p.Text, want) })
		if want == "100 percent" { // 60 % twice on the days that both cover, with the 40 % of the other cohort
			found = slices.ContainsFunc(Errors(ps), func(p Problem) bool { return strings.Contains(p.Text, "percent of the seats on") })
		}
		if !found {
			t.Errorf("%s: no %q in %v", supply, want, ps)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	file := example(t)
	file = change(t, file, "max_choices = 5", "max_choices = 9")
	file = change(t, file, "regions = []", "regions = [\"x\", \"y\"]")
	file = change(t, file, "digits = 40", "digits = \"forty\"")
	_, ps := Parse([]byte(file))
	if n := len(Errors(ps)); n != 4 {
		t.Errorf("%d errors, want 4:\n%v", n, ps)
	}
	if !slices.IsSortedFunc(ps, func(a, b Problem) int { return a.Line - b.Line }) {
		t.Errorf("not in the order of the lines: %v", ps)
	}
}

func TestColumnsCountCharacters(t *testing.T) {
	file := change(t, example(t), `name = { ko = "오전", en = "morning" }`, `name = { ko = "오전", xx = 1, en = "morning" }`)
	_, ps := Parse([]byte(file))
	if len(ps) != 1 || ps[0].Column != 1+len([]rune(`name = { ko = "오전", `)) {
		t.Errorf("problems %v", ps)
	}
}

// Clocks in New York are put forward on 14 March 2027 at 02:00 and back on 7
// November at 02:00.
func TestLocalTimesThatDoNotExistOrComeTwice(t *testing.T) {
	base := change(t, example(t), "Asia/Seoul", "America/New_York")
	for wall, want := range map[string]string{"2027-03-14 02:30": "does not exist in", "2027-11-07 01:30": "comes twice in"} {
		file := change(t, base, "settle_at = \"2027-03-27 18:00\"", "settle_at = \""+wall+"\"")
		_, ps := Parse([]byte(file))
		if !slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error && strings.Contains(p.Text, want) }) {
			t.Errorf("%s: no error with %q: %v", wall, want, ps)
		}
	}
	file := change(t, base, "settle_at = \"2027-03-27 18:00\"", "settle_at = \"2027-11-07 03:30\"")
	if got := parsed(t, file).Cohorts[0].SettleAt.Format(time.RFC3339); got != "2027-11-07T08:30:00Z" {
		t.Errorf("03:30 after the change is %s", got)
	}
}

func TestGroupBeforeEverybodyIsAWarning(t *testing.T) {
	file := change(t, example(t), "groups = []", "groups = [\"care\"]")
	file = change(t, file, "birth_from = 1969", "birth_from = 1966")
	c, ps := Parse([]byte(file))
	if c == nil || len(ps) != 1 || ps[0].Severity != Warning || !strings.Contains(ps[0].Text, "belong to cohort 1962-66, which comes first") {
		t.Fatalf("problems %v", ps)
	}
	p := cohort.PersonFacts{BirthYear: 1966, Groups: []string{"care"}}
	if got := c.CohortFor(p); got.Key != "1962-66" {
		t.Errorf("she belongs to %s", got.Key)
	}
}

func TestSharesAreCountedByDayAndVaccine(t *testing.T) {
	file := change(t, example(t), "percent = 40, from = \"2027-03-09\", to = \"2027-03-27\"", "percent = 80, from = \"2027-03-28\", to = \"2027-03-30\"")
	if _, ps := Parse([]byte(file)); len(ps) > 0 {
		t.Errorf("other days: %v", ps)
	}
	file = change(t, example(t), "vaccines = []", "vaccines = [\"AZ\"]")
	file = change(t, file, "percent = 40, from = \"2027-03-09\", to = \"2027-03-27\"", "percent = 80, from = \"2027-03-09\", to = \"2027-03-27\", vaccines = [\"PF\"]")
	if _, ps := Parse([]byte(file)); len(ps) > 0 {
		t.Errorf("other vaccines: %v", ps)
	}
	file = change(t, file, "vaccines = [\"PF\"]", "vaccines = [\"PF\", \"AZ\"]")
	if _, ps := Parse([]byte(file)); len(ps) != 1 || !strings.Contains(ps[0].Text, "140 percent of the seats of AZ") {
		t.Errorf("the same vaccine: %v", ps)
	}
}

func TestASampleMayUseAnyRound(t *testing.T) {
	file := change(t, change(t, example(t), "sample = false", "sample = true"), "rounds = [37195012, 37223812]", "rounds = [1000]")
	if c, ps := Parse([]byte(file)); c == nil {
		t.Error(ps)
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	for name, file := range map[string]string{
		"not UTF-8": "key = \"a\"\nzone = \"\xff\"\n", "NUL": "key = \"a\x00\"\n", "empty": "", "huge": strings.Repeat("# a comment\n", maxFile/10),
	} {
		c, ps := Parse([]byte(file))
		if c != nil || len(Errors(ps)) == 0 {
			t.Errorf("%s: taken for a campaign", name)
		}
	}
	_, ps := Parse([]byte("key = \"a\"\nzone = \"\xff\"\n"))
	if ps[0].Line != 2 {
		t.Errorf("the place of a bad byte is %v", ps)
	}
}

func FuzzParse(f *testing.F) {
	file := example(f)
	f.Add([]byte(file))
	for _, s := range []string{"", "a", "[[cohorts]]\n", "cohorts = [1, {}]\n[cohorts.x]", "name.ko = 1\n", "recurring = { seal = \"TZ=0\" }", "\"a.b\" = {\"c[0]\" = [[{}]]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		c, ps := Parse(file)
		if (c == nil) != (len(Errors(ps)) > 0) {
			t.Fatalf("a campaign with errors, or none without: %v", ps)
		}
		lines := 1 + strings.Count(string(file), "\n")
		for _, p := range ps {
			if p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Text == "" {
				t.Fatalf("a problem out of the file of %d lines: %+v", lines, p)
			}
		}
		if c == nil {
			return
		}
		for _, x := range c.Cohorts {
			if !x.Opens.Before(x.Closes) || x.DrawAt.Before(x.Closes) || x.PublishAt.Before(x.DrawAt) || x.ConfirmBy.Before(x.PublishAt) || x.SettleAt.Before(x.ConfirmBy) {
				t.Fatalf("cohort %s out of order", x.Key)
			}
			if last := x.Sources[len(x.Sources)-1].Type; last != dice && last != drand {
				t.Fatalf("cohort %s ends with a source of type %d", x.Key, last)
			}
		}
		if d := Diff(c, c); len(d) > 0 {
			t.Fatalf("a campaign differs from itself: %v", d)
		}
	})
}

func TestScheduleIsInTheCampaignsZone(t *testing.T) {
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSchedule("0 10 * * *", seoul)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2027, 3, 2, 0, 30, 0, 0, time.UTC)
	if got := s.Next(at); got.Format(time.RFC3339) != "2027-03-02T01:00:00Z" {
		t.Errorf("after %v comes %v, want 10:00 in Seoul, in UTC", at, got)
	}
	leap, err := ParseSchedule("0 0 29 2 *", seoul)
	if err != nil {
		t.Fatalf("29 February: %v", err)
	}
	if got := leap.Next(at); got.Format(time.DateOnly) != "2028-02-28" {
		t.Errorf("29 February in Seoul is %v", got)
	}
	for _, bad := range []string{"", "TZ=0", "TZ=", "CRON_TZ=Asia/Seoul", "@daily", "@every 1s", "* * * *", "* * * * * *", "60 * * * *", "*/0 * * * *", "a b c d e"} {
		if _, err := ParseSchedule(bad, seoul); err == nil {
			t.Errorf("%q is taken for a cron expression", bad)
		}
	}
}

func TestDiff(t *testing.T) {
	old := parsed(t, example(t))
	file := change(t, example(t), "max_choices = 5", "max_choices = 4")
	file = change(t, file, "closes = \"2027-03-06 18:00\"", "closes = \"2027-03-06 20:00\"")
	file = change(t, file, "phone = \"02-0000-0000\"", "phone = \"02-1111-1111\"")
	new := parsed(t, "# a comment changes nothing\n"+file)
	want := []Change{
		{"contact.phone", "02-0000-0000", "02-1111-1111"},
		{"rules.max_choices", "5", "4"},
		{"cohorts.1969-71.closes", "2027-03-06 18:00", "2027-03-06 20:00"},
	}
	if d := cmp.Diff(want, Diff(old, new)); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	if d := Diff(nil, old); len(d) < 80 || d[0].Old != "" {
		t.Errorf("a first version is all new; %d changes", len(d))
	}
	for _, c := range Diff(old, nil) {
		if c.New != "" {
			t.Errorf("nothing is left of %s, but %s", c.Key, c.New)
		}
	}
}

// Every value of the file that an announced cohort was promised is forbidden
// to change; what may change is listed here.
func TestForbidden(t *testing.T) {
	old := parsed(t, example(t))
	announced := map[string]cohort.State{"1962-66": cohort.Announced, "1969-71": cohort.Draft}
	cases := []struct {
		name, old, new string
		drafts, then   bool // forbidden while all are drafts; once one is announced
	}{
		{"sample", "sample = false", "sample = true", true, true},
		{"key", "key = \"gwanak-2027\"", "key = \"gwanak-2028\"", true, true},
		{"rules", "max_choices = 5", "max_choices = 4", false, true},
		{"authority", "authority = \"vaccine", "authority = \"other", false, true},
		{"zone", "Asia/Seoul", "Asia/Tokyo", false, true},
		{"day part", "to = \"2100\"", "to = \"2200\"", false, true},
		{"text of a day part", "ko = \"저녁\"", "ko = \"밤\"", false, false},
		{"district dropped", "[[districts]]\ncode = \"11590\"\nname = { ko = \"동작구\", en = \"Dongjak-gu\" }\n", "", false, true},
		{"district added", "[[districts]]\ncode = \"11590\"", "[[districts]]\ncode = \"11545\"\nname = { ko = \"금천구\", en = \"Geumcheon-gu\" }\n[[districts]]\ncode = \"11590\"", false, false},
		{"window of the announced", "closes = \"2027-03-04 18:00\"", "closes = \"2027-03-04 19:00\"", false, true},
		{"trustee of the announced", "7c42d357", "7c42d358", false, true},
		{"share of the announced", "percent = 60", "percent = 59", false, true},
		{"text of the announced", "born 1962 to 1966", "born 1962–1966", false, false},
		{"window of a draft", "closes = \"2027-03-06 18:00\"", "closes = \"2027-03-06 20:00\"", false, false},
		{"cron", "retention = \"30 3 * * *\"", "retention = \"40 3 * * *\"", false, false},
		{"contact", "phone = \"02-0000-0000\"", "phone = \"02-1111-1111\"", false, false},
		{"senders", "daily_cap = 50000", "daily_cap = 60000", false, false},
	}
	for _, c := range cases {
		changes := Diff(old, parsed(t, change(t, example(t), c.old, c.new)))
		if len(changes) == 0 {
			t.Fatalf("%s: no change", c.name)
		}
		drafts := map[string]cohort.State{"1962-66": cohort.Draft, "1969-71": cohort.Draft}
		if got := len(Forbidden(changes, drafts)) > 0; got != c.drafts {
			t.Errorf("%s, all drafts: forbidden %v", c.name, got)
		}
		if got := len(Forbidden(changes, announced)) > 0; got != c.then {
			t.Errorf("%s, one announced: forbidden %v", c.name, got)
		}
		if got := Forbidden(changes, nil); len(got) > 0 {
			t.Errorf("%s, first version: forbidden %v", c.name, got)
		}
	}
	gone := parsed(t, example(t))
	gone.Cohorts = gone.Cohorts[1:]
	if got := Forbidden(Diff(old, gone), announced); len(got) == 0 {
		t.Error("an announced cohort may be dropped")
	}
	gone = parsed(t, example(t))
	gone.Cohorts = gone.Cohorts[:1]
	if got := Forbidden(Diff(old, gone), announced); len(got) > 0 {
		t.Errorf("a draft may not be dropped: %v", got)
	}
}

func TestProblemsAreShownAsCompilersDo(t *testing.T) {
	p := Problem{3, 4, Error, "no"}
	if got := fmt.Sprint(p); got != "3:4: error: no" {
		t.Error(got)
	}
}
