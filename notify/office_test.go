package notify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/pgtest"
)

// office is a migrated database with a campaign, people, and both receivers.
type office struct {
	t    *testing.T
	url  string
	db   *data.DB
	mail *postOffice
	sms  *cell
	c    *cohort.Campaign
	id   int
	key  []byte
}

// daytime is an hour at which messages go.
var daytime = time.Date(2021, 7, 15, 5, 0, 0, 0, time.UTC) // 14:00 in Seoul

func newOffice(t *testing.T, people int) *office {
	t.Helper()
	ctx := context.Background()
	o := &office{t: t, mail: newPostOffice(t), sms: newCell(t), key: []byte("a key of thirty-two bytes, in a test")}
	o.url = pgtest.Template(t, "notify", func(url string) error {
		if err := data.Migrate(ctx, url); err != nil {
			return err
		}
		return data.MakeClockMovable(ctx, url)
	})
	db, err := data.Open(ctx, o.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	o.db = db
	o.move(daytime)
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		t.Fatal(err)
	}
	o.c = &cohort.Campaign{
		Key: "test", Name: cohort.Text{"ko": "시험", "en": "Trial"}, Sample: true, Zone: "Asia/Seoul", Location: seoul, Languages: []string{"ko", "en"},
		Contact: cohort.Contact{Phone: "02-000-0000", Hours: cohort.Text{"ko": "평일", "en": "weekdays"}},
		Rules:   cohort.Rules{QuietFrom: "2100", QuietTo: "0800"},
		Senders: cohort.Senders{
			Email: cohort.EmailSender{From: "제비 <jebi@sample.invalid>", Host: o.mail.address, TLS: "none"},
			SMS:   cohort.SMSSender{From: "020000000", URL: o.sms.url, TokenEnv: "TOKEN", DailyCap: 100000},
		},
	}
	o.exec(`INSERT INTO jebi.campaign (key, version, sample) VALUES ('test', 1, true)`)
	o.id = pgtest.Value[int](t, o.url, `SELECT id FROM jebi.campaign`)
	o.exec(`INSERT INTO jebi.cohort (campaign_id, key, ordinal, state, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
	        VALUES ($1, 'a', 0, 'open', '2021-07-14T00:00Z', '2021-07-16T09:00Z', '2021-07-17T01:00Z', '2021-07-17T05:00Z', '2021-07-20T09:00Z', '2021-08-06T09:00Z')`, o.id)
	o.exec(`INSERT INTO jebi.person (campaign_id, key, cohort_id, row_hash)
	        SELECT $1, 'P' || i, (SELECT id FROM jebi.cohort), sha256(i::text::bytea) FROM generate_series(1, $2::int) i`, o.id, people)
	o.exec(`INSERT INTO jebi.person_detail (person_id, name, birth_date, phone, email)
	        SELECT id, '이름' || id, '1964-05-06', '+821000000' || lpad(id::text, 3, '0'), 'p' || id || '@people.invalid' FROM jebi.person`)
	return o
}

func (o *office) exec(sql string, args ...any) {
	o.t.Helper()
	pgtest.Exec(o.t, o.url, sql, args...)
}

func (o *office) move(to time.Time) {
	o.t.Helper()
	if err := o.db.MoveClock(context.Background(), to); err != nil {
		o.t.Fatal(err)
	}
}

// tell queues messages as a use case does.
func (o *office) tell(ms ...data.Message) {
	o.t.Helper()
	ctx := context.Background()
	err := o.db.Tx(ctx, func(tx *data.Tx) error {
		for i := range ms {
			ms[i].Campaign = o.id
		}
		return tx.Tell(ctx, ms...)
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// tellAll queues an announcement to everybody, by both channels.
func (o *office) tellAll(event string) {
	o.t.Helper()
	ctx := context.Background()
	people := pgtest.Values[int64](o.t, o.url, `SELECT id FROM jebi.person`)
	err := o.db.Tx(ctx, func(tx *data.Tx) error {
		return tx.TellEach(ctx, data.Message{Campaign: o.id, Event: event, Kind: "announce"}, people)
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) dispatcher() *Dispatcher {
	o.t.Helper()
	relay, err := NewRelay(o.c.Senders.Email, "", nil)
	if err != nil {
		o.t.Fatal(err)
	}
	gateway, err := NewGateway(o.c.Senders.SMS, "secret")
	if err != nil {
		o.t.Fatal(err)
	}
	relay.timeout, gateway.client.Timeout = 5*time.Second, 5*time.Second
	return &Dispatcher{DB: o.db, Campaign: o.c, CampaignID: o.id, Words: words.New(), Key: o.key, Email: relay, SMS: gateway}
}

func (o *office) drain() Report {
	o.t.Helper()
	r, err := o.dispatcher().Drain(context.Background())
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// states counts messages as "email sent", "sms queued" …
func (o *office) states() map[string]int {
	o.t.Helper()
	counts := map[string]int{}
	for _, s := range pgtest.Values[string](o.t, o.url, `SELECT channel || ' ' || state FROM jebi.message`) {
		counts[s]++
	}
	return counts
}

// row shows a message's end: "queued 1 http 503".
func (o *office) row(id int64) string {
	o.t.Helper()
	return pgtest.Value[string](o.t, o.url, `SELECT trim(state || ' ' || attempts || ' ' || last_error) FROM jebi.message WHERE id = $1`, id)
}

func (o *office) one(channel string) int64 {
	o.t.Helper()
	o.tell(data.Message{Person: pgtest.Value[int64](o.t, o.url, `SELECT min(id) FROM jebi.person`), Event: fmt.Sprint("one/", channel), Channel: channel, Kind: "announce"})
	return pgtest.Value[int64](o.t, o.url, `SELECT max(id) FROM jebi.message`)
}
