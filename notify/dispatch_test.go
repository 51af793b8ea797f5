package notify

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/data"
	"jebi/data/pgtest"
)

func TestTwoDispatchersSendEachMessageOnce(t *testing.T) {
	const people = 900
	o := newOffice(t, people)
	o.tellAll("announce/1")
	var wg sync.WaitGroup
	reports := make([]Report, 2)
	for i := range reports {
		d := o.dispatcher()
		wg.Go(func() {
			r, err := d.Drain(context.Background())
			if err != nil {
				t.Error(err)
			}
			reports[i] = r
		})
	}
	wg.Wait()
	if n := reports[0].Sent + reports[1].Sent; n != 2*people {
		t.Errorf("%d sent, want %d", n, 2*people)
	}
	for name, b := range map[string]*inbox{"e-mail": o.mail.inbox, "text messages": o.sms.inbox} {
		if ids, times := b.counts(); ids != people || times != people {
			t.Errorf("%s: %d different ones came in %d times, want %d each once", name, ids, times, people)
		}
	}
	if d := cmp.Diff(map[string]int{"email sent": people, "sms sent": people}, o.states()); d != "" {
		t.Errorf("states (-want +got):\n%s", d)
	}
	if again := o.drain(); again != (Report{}) {
		t.Errorf("a second drain did %+v, want nothing", again)
	}
}

func TestTheSameEventIsToldOnce(t *testing.T) {
	o := newOffice(t, 5)
	o.tellAll("announce/1")
	o.tellAll("announce/1")
	if r := o.drain(); r.Sent != 10 {
		t.Errorf("%d sent, want 10", r.Sent)
	}
}

func TestALeaseThatItsHolderLeftIsTakenUp(t *testing.T) {
	o := newOffice(t, 1)
	id := o.one("sms")
	ctx := context.Background()
	lease := data.Lease{Campaign: o.id, Channel: "sms", Limit: 10, For: time.Hour}
	if got, err := o.db.LeaseMessages(ctx, lease); err != nil || len(got) != 1 {
		t.Fatalf("leased %d messages (%v), want 1", len(got), err)
	}
	if r := o.drain(); r.Sent != 0 {
		t.Errorf("%d sent while another had the lease, want 0", r.Sent)
	}
	o.move(daytime.Add(48 * time.Hour)) // campaign time says nothing about a program's life
	if r := o.drain(); r.Sent != 0 {
		t.Errorf("%d sent after campaign time was moved, want 0", r.Sent)
	}
	o.exec(`UPDATE jebi.message SET lease_until = clock_timestamp() - interval '1 second'`)
	if r := o.drain(); r.Sent != 1 {
		t.Errorf("%d sent after the lease had ended, want 1", r.Sent)
	}
	if got := o.row(id); got != "sent 2" {
		t.Errorf("the message is %q, want sent at its second attempt", got)
	}
}

func TestWhoLostTheLeaseCannotUndoWhatAnotherDid(t *testing.T) {
	o := newOffice(t, 1)
	id := o.one("sms")
	ctx := context.Background()
	lease := data.Lease{Campaign: o.id, Channel: "sms", Limit: 10, For: time.Hour}
	slow, err := o.db.LeaseMessages(ctx, lease)
	if err != nil || len(slow) != 1 {
		t.Fatalf("leased %d messages (%v), want 1", len(slow), err)
	}
	o.exec(`UPDATE jebi.message SET lease_until = clock_timestamp() - interval '1 second'`)
	quick, err := o.db.LeaseMessages(ctx, lease)
	if err != nil || len(quick) != 1 {
		t.Fatalf("leased %d messages (%v), want 1", len(quick), err)
	}
	if err := o.db.EndAttempts(ctx, lease, []data.Attempt{{ID: id, Lease: slow[0].Lease, Outcome: data.Undelivered, Error: "late"}}); err != nil {
		t.Fatal(err)
	}
	if got := o.row(id); got != "queued 2" {
		t.Errorf("after the late end: %q, want still queued", got)
	}
	if err := o.db.EndAttempts(ctx, lease, []data.Attempt{{ID: id, Lease: quick[0].Lease, Outcome: data.Sent}}); err != nil {
		t.Fatal(err)
	}
	if got := o.row(id); got != "sent 2" {
		t.Errorf("after the end: %q, want sent", got)
	}
}

func TestNightIsForUrgentMessagesOnly(t *testing.T) {
	o := newOffice(t, 3)
	o.move(time.Date(2021, 7, 15, 12, 0, 0, 0, time.UTC)) // 21:00 in Seoul
	o.tellAll("announce/1")
	who := pgtest.Value[int64](t, o.url, `SELECT min(id) FROM jebi.person`)
	o.tell(data.Message{Person: who, Event: "urgent", Channel: "sms", Kind: "announce", Urgent: true})
	if r := o.drain(); r.Sent != 1 {
		t.Errorf("%d sent at night, want the urgent one", r.Sent)
	}
	o.move(time.Date(2021, 7, 15, 22, 59, 0, 0, time.UTC)) // 07:59
	if r := o.drain(); r.Sent != 0 {
		t.Errorf("%d sent a minute before morning, want 0", r.Sent)
	}
	o.move(time.Date(2021, 7, 15, 23, 0, 0, 0, time.UTC)) // 08:00
	if r := o.drain(); r.Sent != 6 {
		t.Errorf("%d sent in the morning, want 6", r.Sent)
	}
}

func TestTheDailyCapHoldsAndKeepsRoomForUrgentMessages(t *testing.T) {
	o := newOffice(t, 30)
	o.c.Senders.SMS.DailyCap = 20
	o.tellAll("announce/1")
	if r := o.drain(); r.Sent != 30+18 { // all e-mail, nine tenths of the cap
		t.Errorf("%d sent, want 48", r.Sent)
	}
	who := pgtest.Values[int64](t, o.url, `SELECT id FROM jebi.person ORDER BY id LIMIT 4`)
	for _, p := range who {
		o.tell(data.Message{Person: p, Event: "urgent", Channel: "sms", Kind: "announce", Urgent: true})
	}
	if r := o.drain(); r.Sent != 2 {
		t.Errorf("%d urgent ones sent, want the 2 that the cap leaves", r.Sent)
	}
	o.move(daytime.Add(24 * time.Hour))
	if r := o.drain(); r.Sent != 14 { // 12 announcements and 2 urgent ones
		t.Errorf("%d sent on the next day, want 14", r.Sent)
	}
	if ids, times := o.sms.counts(); ids != 34 || times != 34 {
		t.Errorf("%d text messages came in %d times, want 34", ids, times)
	}
}

func TestAMessageThatTheGatewayRefusedDoesNotCountAgainstTheCap(t *testing.T) {
	o := newOffice(t, 1)
	o.sms.set(status(503))
	o.one("sms")
	o.drain()
	if n := pgtest.Value[int](t, o.url, `SELECT handed FROM jebi.sms_day`); n != 0 {
		t.Errorf("%d text messages count for the day, want 0", n)
	}
}

func TestRunSendsWhatIsQueuedLaterAndEndsItsLetters(t *testing.T) {
	o := newOffice(t, 2)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	d := o.dispatcher()
	go func() { done <- d.Run(ctx) }()
	o.tellAll("announce/1")
	deadline := time.Now().Add(30 * time.Second)
	for o.states()["email sent"]+o.states()["sms sent"] < 4 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
	if d := cmp.Diff(map[string]int{"email sent": 2, "sms sent": 2}, o.states()); d != "" {
		t.Errorf("states (-want +got):\n%s", d)
	}
}

func TestOfficialsBringMessagesBackOrCallThemOff(t *testing.T) {
	o := newOffice(t, 2)
	ctx := context.Background()
	o.sms.set(status(400))
	o.tellAll("announce/1")
	o.drain()
	if got := o.states()["sms undelivered"]; got != 2 {
		t.Fatalf("%d undelivered, want 2", got)
	}
	o.sms.set(nil)
	var n int
	err := o.db.Tx(ctx, func(tx *data.Tx) (err error) {
		n, err = tx.RetryMessages(ctx, o.id, data.MessageFilter{Kind: "announce"}, data.System, "gateway repaired")
		return err
	})
	if err != nil || n != 2 {
		t.Fatalf("%d retried (%v), want 2", n, err)
	}
	err = o.db.Tx(ctx, func(tx *data.Tx) (err error) {
		n, err = tx.CancelMessages(ctx, o.id, data.MessageFilter{Channel: "sms"}, data.System, "told by telephone")
		return err
	})
	if err != nil || n != 2 {
		t.Fatalf("%d cancelled (%v), want 2", n, err)
	}
	if r := o.drain(); r != (Report{}) {
		t.Errorf("what was called off was sent: %+v", r)
	}
	if acts := pgtest.Values[string](t, o.url, `SELECT act FROM jebi.audit ORDER BY id`); !cmp.Equal(acts, []string{"message.retry", "message.cancel"}) {
		t.Errorf("audit: %v", acts)
	}
}
