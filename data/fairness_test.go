package data

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jebi/cohort"
	"jebi/data/pgtest"
)

// What is counted by SQL is what is written down here by hand.
func TestFairnessCounts(t *testing.T) {
	ctx := t.Context()
	url := pgtest.Template(t, "migrated", func(url string) error { return Migrate(context.Background(), url) })
	db, err := Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var s strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&s, format+";\n", args...) }
	say(`INSERT INTO campaign (key, version, sample) VALUES ('c', 1, true)`)
	for i := 1; i <= 2; i++ {
		say(`INSERT INTO cohort (campaign_id, key, ordinal, state, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
		     VALUES (1, 'k%d', %d, 'published', '2021-07-14', '2021-07-16', '2021-07-17', '2021-07-17', '2021-07-20', '2021-08-01')`, i, i)
	}
	// By rank: singles of weight 1 are at ranks 1, 3, 4, 5, 7, of weight 2 at 2 and 6; a party of two is at 8.
	people := []struct {
		rank, size, weight, choice          int
		year                                int
		district, groups, language, channel string
		saved                               string
	}{
		{1, 1, 1, 1, 1962, "d1", "{}", "ko", "web", "2021-07-14 00:10Z"},                     // 09h of Seoul; lucky
		{2, 1, 2, 0, 1962, "d1", "{nurse}", "ko", "web", "2021-07-14 00:59Z"},                // lucky
		{3, 1, 1, 2, 1963, "d1", "{teacher,nurse}", "en", "proxy", "2021-07-14 15:00Z"},      // 00h of the 15th; lucky
		{4, 1, 1, 0, 1963, "", "{teacher}", "ko", "web", "2021-07-14 01:00Z"},                // the third of five is not in the better half
		{5, 1, 1, 1, 1963, "d2", "{baker,archer}", "ko", "call_centre", "2021-07-14 01:00Z"}, // neither is a pool: by name
		{6, 1, 2, 0, 1963, "d2", "{}", "ko", "web", "2021-07-14 01:00Z"},
		{7, 1, 1, 0, 1964, "d2", "{}", "ko", "web", "2021-07-14 01:00Z"},
		{8, 2, 1, 1, 1964, "d2", "{}", "ko", "web", "2021-07-14 01:00Z"},
		{8, 2, 1, 1, 1965, "d2", "{}", "ko", "web", "2021-07-14 01:00Z"},
	}
	for i, p := range people {
		id := i + 1
		say(`INSERT INTO person (id, campaign_id, key, cohort_id, row_hash) OVERRIDING SYSTEM VALUE VALUES (%d, 1, 'p%d', 1, sha256(''))`, id, id)
		say(`INSERT INTO person_detail (person_id, name, birth_date, district, groups, language) VALUES (%d, 'x', '%d-02-03', '%s', '%s', '%s')`,
			id, p.year, p.district, p.groups, p.language)
		say(`INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, official_id, session_id, saved_at)
		     VALUES (1, %d, 1, 1, '{}', sha256(''), sha256(''), '%s', %s, 1, '%s')`, id, p.channel, map[bool]string{true: "1", false: "NULL"}[p.channel == "call_centre"], p.saved)
		if i == 0 || people[i-1].rank != p.rank {
			say(`INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice, slot_id)
			     VALUES (1, %d, decode(repeat('00', 16), 'hex'), %d, %d, sha256(''), %d, NULLIF(%d, 0))`, p.rank, p.size, p.weight, p.choice, p.choice)
		}
		say(`INSERT INTO ticket_member (cohort_id, person_id, rank) VALUES (1, %d, %d)`, id, p.rank)
	}
	// Another cohort, a person who was not drawn, and one of whom a purge left only her ticket.
	say(`INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice, slot_id) VALUES (2, 1, decode(repeat('00', 16), 'hex'), 1, 1, sha256(''), 1, 1)`)
	say(`INSERT INTO ticket_member (cohort_id, person_id, rank) VALUES (2, 99, 1)`)
	say(`INSERT INTO person_detail (person_id, name, birth_date) VALUES (98, 'x', '1950-01-01')`)
	say(`INSERT INTO ticket (cohort_id, rank, entity, size, weight, ticket, choice) VALUES (1, 9, decode(repeat('00', 16), 'hex'), 1, 3, sha256(''), 0)`)
	say(`INSERT INTO ticket_member (cohort_id, person_id, rank) VALUES (1, 97, 9)`)
	pgtest.Unguarded(t, url, ownerRole, schema, s.String())
	got, err := db.Fairness(ctx, CohortRow{ID: 1, Campaign: 1}, "Asia/Seoul", []string{"teacher", "nurse"})
	if err != nil {
		t.Fatal(err)
	}
	want := []cohort.FairnessCounts{
		{By: "birth_year", Ordered: true, Counts: []cohort.FairnessCount{
			{Value: "1962", People: 2, Served: 1, Singles: 2, Lucky: 2},
			{Value: "1963", People: 4, Served: 2, Singles: 4, Lucky: 1},
			{Value: "1964", People: 2, Served: 1, Singles: 1},
			{Value: "1965", People: 1, Served: 1},
			{Value: "unknown", People: 1, Singles: 1},
		}},
		{By: "district", Counts: []cohort.FairnessCount{
			{Value: "d1", People: 3, Served: 2, Singles: 3, Lucky: 3},
			{Value: "d2", People: 5, Served: 3, Singles: 3},
			{Value: "unknown", People: 2, Singles: 2},
		}},
		{By: "group", Counts: []cohort.FairnessCount{
			{Value: "archer", People: 1, Served: 1, Singles: 1},
			{Value: "none", People: 5, Served: 3, Singles: 3, Lucky: 1},
			{Value: "nurse", People: 1, Singles: 1, Lucky: 1},
			{Value: "teacher", People: 2, Served: 1, Singles: 2, Lucky: 1},
			{Value: "unknown", People: 1, Singles: 1},
		}},
		{By: "language", Counts: []cohort.FairnessCount{
			{Value: "en", People: 1, Served: 1, Singles: 1, Lucky: 1},
			{Value: "ko", People: 8, Served: 4, Singles: 6, Lucky: 2},
			{Value: "unknown", People: 1, Singles: 1},
		}},
		{By: "channel", Counts: []cohort.FairnessCount{
			{Value: "call_centre", People: 1, Served: 1, Singles: 1},
			{Value: "proxy", People: 1, Served: 1, Singles: 1, Lucky: 1},
			{Value: "unknown", People: 1, Singles: 1},
			{Value: "web", People: 7, Served: 3, Singles: 5, Lucky: 2},
		}},
		{By: "hour", Ordered: true, Counts: []cohort.FairnessCount{
			{Value: "2021-07-14 09h", People: 2, Served: 1, Singles: 2, Lucky: 2},
			{Value: "2021-07-14 10h", People: 6, Served: 3, Singles: 4},
			{Value: "2021-07-15 00h", People: 1, Served: 1, Singles: 1, Lucky: 1},
			{Value: "unknown", People: 1, Singles: 1},
		}},
	}
	byValue := cmpopts.SortSlices(func(a, b cohort.FairnessCount) bool { return a.Value < b.Value })
	if d := cmp.Diff(want, got, byValue); d != "" {
		t.Error(d)
	}
}
