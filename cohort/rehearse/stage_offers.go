package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// What people do with a place that was drawn for them, or offered.
const (
	acceptDrawn   = 0.93
	declineDrawn  = 0.04 // the rest lets the day of confirmation pass
	acceptOffer   = 0.85
	declineOffer  = 0.09 // the rest lets the offer lapse
	maxOfferTurns = 60   // bounds the turns of offers, two a day
)

// tellResults publishes what was drawn and sends it to everyone who answered.
func (r *Rehearsal) tellResults(ctx context.Context, g *group) (string, error) {
	before := r.receivers.Counts()
	if err := r.at(ctx, g.rule.PublishAt); err != nil {
		return "", err
	}
	if err := r.mustBe(ctx, g, cohort.Published); err != nil {
		return "", err
	}
	now := r.receivers.Counts()
	return fmt.Sprintf("%d e-mails, %d text messages", now.Mail-before.Mail, now.SMS-before.SMS), nil
}

// confirmAll lets those who were drawn accept their places, give them back,
// or do nothing, in the days that they have for it.
func (r *Rehearsal) confirmAll(ctx context.Context, g *group) (string, error) {
	var people []int64
	err := r.DB.ReadTx(ctx, func(tx *data.Tx) (err error) {
		people, err = tx.Unconfirmed(ctx, g.id)
		return err
	})
	if err != nil {
		return "", err
	}
	byForm := map[int64]data.PersonRow{}
	for _, a := range g.answers {
		if a.form {
			byForm[a.person.ID] = a.person
		}
	}
	var accept, decline []int64
	var guests []data.PersonRow
	for _, p := range people {
		who, form := byForm[p]
		switch x := r.rand.Float64(); {
		case x < acceptDrawn && form:
			guests = append(guests, who)
		case x < acceptDrawn:
			accept = append(accept, p)
		case x < acceptDrawn+declineDrawn:
			decline = append(decline, p)
		}
	}
	half := len(accept) / 2
	for i, part := range [][]int64{accept[:half], accept[half:]} {
		if err := r.at(ctx, g.rule.PublishAt.Add(time.Duration(2+4*i)*time.Hour)); err != nil { // the same evening
			return "", err
		}
		err := each(ctx, r.Workers, slices.Values(part), func(ctx context.Context, p int64) error {
			return r.DB.Tx(ctx, func(tx *data.Tx) error {
				_, err := tx.ConfirmAssignment(ctx, p, person, "")
				return err
			})
		})
		if err != nil {
			return "", err
		}
	}
	if err := r.acceptByForm(ctx, guests); err != nil {
		return "", fmt.Errorf("by the form: %w", err)
	}
	err = each(ctx, r.Workers, slices.Values(decline), func(ctx context.Context, p int64) error {
		return r.DB.Tx(ctx, func(tx *data.Tx) error {
			_, err := tx.DeclineAssignment(ctx, p, person, "")
			if errors.Is(err, data.ErrNoPlace) { // the other one of her party did
				err = nil
			}
			return err
		})
	})
	if err != nil {
		return "", err
	}
	yes, no := len(accept)+len(guests), len(decline)
	return fmt.Sprintf("%d drawn: %d accepted (%d by the form), %d gave back, %d have not answered", len(people), yes, len(guests), no, len(people)-yes-no), r.tick(ctx)
}

// person is one who acts for herself.
var person = data.Actor{Kind: "person"}

// offerAll lets the waitlists move: batches of offers, answers, lapses, until
// nothing more is offered.
func (r *Rehearsal) offerAll(ctx context.Context) (string, error) {
	last := r.cohorts[len(r.cohorts)-1].rule.ConfirmBy
	for _, g := range r.cohorts {
		if g.rule.ConfirmBy.After(last) {
			last = g.rule.ConfirmBy
		}
	}
	at := last
	for turn := range maxOfferTurns {
		made := r.offered.made
		if err := r.at(ctx, at); err != nil {
			return "", err
		}
		live, err := r.DB.LiveOffers(ctx, r.row.ID)
		if err != nil {
			return "", err
		}
		if turn > 0 && len(live) == 0 && r.offered.made == made {
			break
		}
		at = r.nextTurn(at)
		if !r.settledAfter(at) {
			break
		}
	}
	return fmt.Sprintf("%d offers: %d accepted, %d declined, the others lapsed or were bettered", r.offered.made, r.offered.accepted, r.offered.declined), nil
}

// nextTurn is the next time of day at which there is something to do: in the
// morning and in the evening, when batches are made.
func (r *Rehearsal) nextTurn(t time.Time) time.Time {
	local := t.In(r.campaign.Location)
	for _, hour := range []int{9, 12, 15, 18, 20} {
		next := time.Date(local.Year(), local.Month(), local.Day(), hour, 20, 0, 0, r.campaign.Location)
		if next.After(t) {
			return next
		}
	}
	return time.Date(local.Year(), local.Month(), local.Day()+1, 9, 20, 0, 0, r.campaign.Location)
}

// settledAfter says whether some waitlist still runs at a time.
func (r *Rehearsal) settledAfter(t time.Time) bool {
	return slices.ContainsFunc(r.cohorts, func(g *group) bool { return t.Before(g.rule.SettleAt) })
}

// offered is what became of the offers so far.
type offered struct {
	mu                       sync.Mutex
	seen                     map[int64]bool
	made, accepted, declined int
}

// answerOffers lets the people who have a new offer accept it, decline it or
// let it lapse; and again, since what was declined goes on to the next.
func (r *Rehearsal) answerOffers(ctx context.Context) error {
	live, err := r.DB.LiveOffers(ctx, r.row.ID)
	if err != nil {
		return err
	}
	type reply struct {
		data.OfferHolder
		accept bool
	}
	var replies []reply
	for _, o := range live {
		if r.offered.seen[o.Offer] {
			continue
		}
		r.offered.seen[o.Offer] = true
		r.offered.made++
		switch x := r.rand.Float64(); {
		case x < acceptOffer:
			replies = append(replies, reply{o, true})
		case x < acceptOffer+declineOffer:
			replies = append(replies, reply{o, false})
		}
	}
	return each(ctx, r.Workers, slices.Values(replies), func(ctx context.Context, o reply) error {
		err := r.DB.Tx(ctx, func(tx *data.Tx) (err error) {
			if o.accept {
				_, err = tx.AcceptOffer(ctx, o.Offer, o.Person, person, "")
			} else {
				_, err = tx.DeclineOffer(ctx, o.Offer, o.Person, person, "")
			}
			return err
		})
		var late *data.TooLate
		if errors.As(err, &late) {
			return nil
		}
		if err != nil {
			return err
		}
		r.offered.mu.Lock()
		defer r.offered.mu.Unlock()
		if o.accept {
			r.offered.accepted++
		} else {
			r.offered.declined++
		}
		return nil
	})
}
