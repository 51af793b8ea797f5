package data_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/data/pgtest"
)

// roster is a migrated database with one sample campaign of three cohorts,
// all of them drafts.
type roster struct {
	t        testing.TB
	ctx      context.Context
	url      string
	db       *data.DB
	campaign *cohort.Campaign
	id       int
	actor    data.Actor
}

func newRoster(t testing.TB) *roster {
	t.Helper()
	ctx := context.Background()
	url := pgtest.Template(t, "roster", func(url string) error {
		if err := data.Migrate(ctx, url); err != nil {
			return err
		}
		return data.MakeClockMovable(ctx, url)
	})
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	r := &roster{t: t, ctx: ctx, url: url, db: db, campaign: rosterCampaign()}
	r.exec(`INSERT INTO jebi.campaign (key, version, sample) VALUES ('sample', 1, true)`)
	r.id = pgtest.Value[int](t, url, `SELECT id FROM jebi.campaign`)
	for i, c := range r.campaign.Cohorts {
		r.exec(`INSERT INTO jebi.cohort (campaign_id, key, ordinal, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, r.id, c.Key, i, c.Opens, c.Closes, c.DrawAt, c.PublishAt, c.ConfirmBy, c.SettleAt)
	}
	r.exec(`INSERT INTO jebi.official (name, role, secret_hash) VALUES ('ann', 'operator', 'x')`)
	r.actor = data.Actor{Kind: "official", Official: pgtest.Value[int](t, url, `SELECT id FROM jebi.official`)}
	r.clock(r.campaign.Cohorts[0].Opens.Add(-240 * time.Hour))
	return r
}

func rosterCampaign() *cohort.Campaign {
	zone := time.FixedZone("KST", 9*3600)
	at := func(day, hour int) time.Time { return time.Date(2021, 7, day, hour, 0, 0, 0, zone) }
	one := func(key string, from, to, day, percent int) cohort.Cohort {
		return cohort.Cohort{
			Key: key, BirthFrom: from, BirthTo: to, Opens: at(day, 9), Closes: at(day+2, 18), DrawAt: at(day+3, 9), PublishAt: at(day+3, 12),
			ConfirmBy: at(day+5, 18), SettleAt: at(day+30, 18),
			Supply: cohort.Release{Percent: percent, From: at(26, 0), To: at(31, 0)},
		}
	}
	return &cohort.Campaign{
		Key: "sample", Sample: true, Zone: "Asia/Seoul", Location: zone, Languages: []string{"ko", "en"},
		DayParts: []cohort.DayPart{{Key: "am", From: "0800", To: "1200"}, {Key: "pm", From: "1200", To: "1800"}},
		Districts: []cohort.District{
			{Code: "11620", Name: cohort.Text{"ko": "관악구"}},
			{Code: "11590", Name: cohort.Text{"ko": "동작구"}},
		},
		Rules:   cohort.Rules{MaxChoices: 5, MaxParty: 4},
		Cohorts: []cohort.Cohort{one("b62", 1962, 1966, 5, 50), one("b69", 1969, 1971, 9, 30), one("b72", 1972, 1980, 15, 20)},
	}
}

func (r *roster) exec(sql string, args ...any) {
	r.t.Helper()
	pgtest.Exec(r.t, r.url, sql, args...)
}

func (r *roster) clock(at time.Time) {
	r.t.Helper()
	if err := r.db.MoveClock(r.ctx, at); err != nil {
		r.t.Fatal(err)
	}
}

// state walks a cohort's row to a state, as the scheduler would.
func (r *roster) state(key string, to cohort.State) {
	r.t.Helper()
	for {
		now := cohort.State(pgtest.Value[string](r.t, r.url, `SELECT state FROM jebi.cohort WHERE key = $1`, key))
		if now == to {
			return
		}
		if now == cohort.Draft {
			id := r.cohort(key)
			if err := r.db.Tx(r.ctx, func(tx *data.Tx) error { _, err := tx.FixSupplyOrder(r.ctx, id); return err }); err != nil {
				r.t.Fatal(err)
			}
		}
		r.exec(`UPDATE jebi.cohort SET state = $2 WHERE key = $1`, key, now.Next())
	}
}

func (r *roster) cohort(key string) int {
	r.t.Helper()
	return pgtest.Value[int](r.t, r.url, `SELECT id FROM jebi.cohort WHERE key = $1`, key)
}

type importer func(context.Context, *cohort.Campaign, int, data.Lines, data.Actor, bool) (data.ImportReport, error)

// load imports a text and wants it to succeed.
func (r *roster) load(f importer, text string) data.ImportReport {
	r.t.Helper()
	report, err := f(r.ctx, r.campaign, r.id, data.CSV(strings.NewReader(text)), r.actor, true)
	if err != nil {
		r.t.Fatalf("import: %v %v", err, report.Errors)
	}
	return report
}

const clinicsFile = "key,name,name_en,kind,address,district,lat,lon,phone,email,hours\r\n" +
	"C1,하나의원,Hana Clinic,clinic,관악로 1,11620,37.48,126.95,02-880-0001,c1@example.org,0900-1800\r\n" +
	"C2,두리병원,Duri Hospital,hospital,관악로 2,11620,37.47,126.94,02-880-0002,,0900-1800\r\n"

const supplyFile = "clinic,date,block,vaccine,seats\n" +
	"C1,2021-07-26,0900,AZ,4\nC1,2021-07-26,1400,AZ,4\nC1,2021-07-27,0900,AZ,4\nC2,2021-07-26,0900,AZ,4\n"

const peopleFile = "key,name,birth_date,phone,email,address,district,lat,lon,groups,language\n" +
	"P1,김하나,1962-03-14,010-2345-6701,p1@example.org,신림로 1,11620,37.48,126.93,,ko\n" +
	"P2,이두리,19630101,010-2345-6702,,신림로 2,11620,,,,\n" +
	"P3,박세나,1969.12.31,,p3@example.org,신림로 3,11620,,,care;work,en\n" +
	"P4,최네오,1950-05-05,010-2345-6704,,신림로 4,11590,,,,\n"

// filled is a roster with two clinics, their supply and four people.
func filled(t testing.TB) *roster {
	t.Helper()
	r := newRoster(t)
	r.load(r.db.ImportClinics, clinicsFile)
	r.load(r.db.ImportSupply, supplyFile)
	r.load(r.db.ImportPeople, peopleFile)
	return r
}

func (r *roster) person(key string) data.PersonRow {
	r.t.Helper()
	p, err := r.db.PersonByKey(r.ctx, r.id, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func count(t testing.TB, url, from string, args ...any) int {
	t.Helper()
	return pgtest.Value[int](t, url, "SELECT count(*) FROM "+from, args...)
}

func codes(r data.ImportReport) string {
	var b strings.Builder
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "%d %s %s;", e.Row, e.Column, e.Code)
	}
	return b.String()
}
