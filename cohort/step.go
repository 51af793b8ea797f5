package cohort

import "time"

// Facts is everything that decides what is due for one cohort, as the database
// holds it at one moment.
type Facts struct {
	State     State
	Opens     time.Time // the window and the due times, as they stand now
	Closes    time.Time
	DrawAt    time.Time
	PublishAt time.Time
	ConfirmBy time.Time
	SettleAt  time.Time

	Paused      bool      // the window takes no ballots, and is not closed while it is paused
	Durable     bool      // the database keeps what it acknowledges
	Sources     bool      // every announced source of randomness is recorded
	Verified    bool      // the bundle was verified
	Unconfirmed bool      // someone drawn before ConfirmBy has not accepted
	Waiting     bool      // someone waits for an offer
	Lapse       time.Time // the nearest deadline of a live offer; zero: there is none
	Refill      time.Time // when the next batch of offers is due; zero: never
	Remind      time.Time // when the next reminders are due; zero: never
}

// Action is one step that is due. Each is carried out in one transaction that
// looks at the facts again.
type Action string

// The actions, in the order in which a cohort's course brings them.
const (
	OpenWindow       Action = "open"
	CloseWindow      Action = "close"
	FreezeBallots    Action = "freeze"
	RunDraw          Action = "draw"
	PublishResult    Action = "publish"
	LapseUnconfirmed Action = "lapse_unconfirmed" // places not accepted by ConfirmBy
	LapseOffers      Action = "lapse_offers"      // offers past their deadline
	RefillOffers     Action = "refill"
	SendReminders    Action = "remind"
	Settle           Action = "settle"
)

// Step lists what is due at now, in the order in which it is to be done. It
// looks at nothing but its arguments, so whoever was late, came twice or came
// together with another is answered by the facts alone: after an action is
// done, the facts do not ask for it again, and the next ones follow.
//
// Only the first action is sure to be still right after it was carried out:
// callers do it, read the facts again and ask again.
func Step(f Facts, now time.Time) []Action {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	var as []Action
	switch f.State {
	case Announced:
		if due(f.Opens) && f.Durable {
			as = append(as, OpenWindow) // though it be late: saves go by the window's times
		}
	case Open:
		switch {
		case due(f.Closes) && !f.Paused:
			as = append(as, CloseWindow)
		case due(f.Remind) && !f.Paused && now.Before(f.Closes):
			as = append(as, SendReminders)
		}
	case Closed:
		as = append(as, FreezeBallots)
	case Frozen:
		if due(f.DrawAt) && f.Sources {
			as = append(as, RunDraw)
		}
	case Drawn:
		if due(f.PublishAt) && f.Verified {
			as = append(as, PublishResult)
		}
	case Published:
		if f.Unconfirmed && due(f.ConfirmBy) {
			as = append(as, LapseUnconfirmed)
		}
		if due(f.Lapse) {
			as = append(as, LapseOffers)
		}
		if due(f.SettleAt) {
			if len(as) == 0 { // an end that leaves nothing behind
				as = append(as, Settle)
			}
			return as
		}
		if f.Waiting && due(f.Refill) {
			as = append(as, RefillOffers)
		}
		if due(f.Remind) {
			as = append(as, SendReminders)
		}
	case Settled:
		if due(f.Remind) { // of appointments, until the last one
			as = append(as, SendReminders)
		}
	}
	return as
}

// Wake is the next moment at which Step could answer something new for these
// facts, or the zero time where only an event can bring one.
func Wake(f Facts, now time.Time) time.Time {
	var next time.Time
	for _, t := range []time.Time{f.Opens, f.Closes, f.DrawAt, f.PublishAt, f.ConfirmBy, f.SettleAt, f.Lapse, f.Refill, f.Remind} {
		if t.After(now) && (next.IsZero() || t.Before(next)) && len(Step(f, t)) > 0 {
			next = t
		}
	}
	return next
}
