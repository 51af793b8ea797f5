package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort/campaign"
	"jebi/cohort/cycle"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
)

// pagesExplain checks, on the database and the bundles that a demo left, what
// the form's pages say and give: the words of jebi result explain, the cut-offs
// of each choice, and a proof that holds against the public bundle.
func pagesExplain(t *testing.T, url, bundles string) {
	t.Helper()
	db, err := data.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	key := pgtest.Value[string](t, url, `SELECT key FROM jebi.campaign WHERE id = 1`)
	row, err := db.Campaign(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, problems := campaign.Parse(row.File)
	if c == nil {
		t.Fatal(problems)
	}
	explain, prove := explainer(db), prover(db, nil)
	people := pgtest.Values[int64](t, url, `SELECT min(m.person_id) FROM jebi.ticket_member m LEFT JOIN jebi.assignment a ON a.person_id = m.person_id
		GROUP BY m.cohort_id, a.person_id IS NULL ORDER BY 1`)
	if len(people) < 3 {
		t.Fatalf("only %d people to ask for", len(people))
	}
	for _, person := range people {
		e, err := cycle.Explain(t.Context(), db, person)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range []string{"ko", "en"} {
			page, err := explain(t.Context(), person, c, lang)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e.Words(words.New(), lang, c), page.Lines); d != "" {
				t.Errorf("the page says something else than the command:\n%s", d)
			}
			if len(page.Choices) != len(e.Choices) {
				t.Errorf("%d choices, want %d", len(page.Choices), len(e.Choices))
			}
			for i, x := range page.Choices {
				if len(x.Slots) != len(e.Choices[i].Slots) || x.Granted != e.Choices[i].Granted {
					t.Errorf("choice %d: %+v", i+1, x)
				}
				for _, s := range x.Slots {
					if strings.Count(s.Name, "/") < 3 {
						t.Errorf("slot %q", s.Name)
					}
				}
			}
		}
		file, err := prove(t.Context(), person, c)
		if err != nil {
			t.Fatal(err)
		}
		bundle := os.DirFS(filepath.Join(bundles, e.CohortKey))
		for _, p := range lottery.Verify(bundle, lottery.VerifyOptions{Receipt: file}).Parts {
			if p.Name == "receipt" && p.State != lottery.Holds {
				t.Errorf("the proof of the page %s: %s", p.State, p.Detail)
			}
		}
	}
}
