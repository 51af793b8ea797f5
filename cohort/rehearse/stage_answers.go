package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
)

// How people answer.
const (
	answerShare   = 0.85  // of those on the list
	partyShare    = 0.06  // of those who answer, in parties of two
	changeShare   = 0.03  // of those who answered, who change their mind
	withdrawShare = 0.005 // of those who answered, who withdraw
	formPeople    = 200   // who answer by the web form over HTTP
)

// When people answer, as a share of the window: most in the first and in the
// last hours. When they do makes no difference.
var answerTimes = [...]struct{ at, share float64 }{
	{0.005, 0.22}, {0.08, 0.14}, {0.19, 0.12}, {0.45, 0.12}, {0.60, 0.10}, {0.75, 0.10}, {0.92, 0.10}, {0.995, 0.10},
}

// answer is what one person will save, for herself or for her party.
type answer struct {
	person  data.PersonRow
	mate    int64 // the other one of her party, or 0
	choices []cohort.Choice
	form    bool // by the web form
}

// planAnswers decides who answers, with whom, and what.
func (r *Rehearsal) planAnswers(g *group) {
	var will []data.PersonRow
	for _, p := range g.people {
		if r.rand.Float64() < answerShare {
			will = append(will, p)
		}
	}
	r.rand.Shuffle(len(will), func(i, j int) { will[i], will[j] = will[j], will[i] })

	// Neighbours go together: the first of the shuffled list, two by two within a neighbourhood.
	pairs := int(partyShare * float64(len(will)) / 2)
	waiting := map[string]int{} // address -> index of who waits for a mate
	taken := make([]bool, len(will))
	for i, p := range will {
		if len(g.answers) == pairs {
			break
		}
		j, ok := waiting[p.Address]
		if !ok {
			waiting[p.Address] = i
			continue
		}
		delete(waiting, p.Address)
		taken[i], taken[j] = true, true
		g.answers = append(g.answers, answer{person: will[j], mate: p.ID})
	}
	g.parties = len(g.answers)
	for i, p := range will {
		if !taken[i] {
			g.answers = append(g.answers, answer{person: p})
		}
	}
	r.rand.Shuffle(len(g.answers), func(i, j int) { g.answers[i], g.answers[j] = g.answers[j], g.answers[i] })
	for i := range g.answers {
		a := &g.answers[i]
		var lat, lon float64
		if a.person.Lat != nil && a.person.Lon != nil {
			lat, lon = *a.person.Lat, *a.person.Lon
		}
		a.choices = g.market.choose(r.rand, lat, lon)
	}
	left := r.formShare(g)
	for i := range g.answers {
		if left > 0 && g.answers[i].mate == 0 && g.answers[i].person.Phone != "" {
			g.answers[i].form = true
			left--
		}
	}
}

// formShare is how many people of a cohort answer by the form: in proportion
// to the cohorts, rounded up.
func (r *Rehearsal) formShare(g *group) int {
	all := 0
	for _, x := range r.cohorts {
		all += len(x.people)
	}
	want := r.ByForm
	if want == 0 {
		want = min(formPeople, all/4)
	}
	return (want*len(g.people) + all - 1) / all
}

// answerAll lets the people of a cohort answer while its window is open.
func (r *Rehearsal) answerAll(ctx context.Context, g *group) (string, error) {
	if err := r.at(ctx, g.rule.Opens); err != nil {
		return "", err
	}
	if err := r.mustBe(ctx, g, cohort.Open); err != nil {
		return "", err
	}
	r.planAnswers(g)
	if err := r.makeParties(ctx, g); err != nil {
		return "", err
	}
	begin := 0
	upto := 0.0
	for i, t := range answerTimes {
		upto += t.share
		end := int(upto * float64(len(g.answers)))
		if i == len(answerTimes)-1 {
			end = len(g.answers)
		}
		window := g.rule.Closes.Sub(g.rule.Opens)
		if err := r.at(ctx, g.rule.Opens.Add(time.Duration(t.at*float64(window)))); err != nil {
			return "", err
		}
		if err := r.saveAll(ctx, g, g.answers[begin:end]); err != nil {
			return "", err
		}
		begin = end
		if i == len(answerTimes)/2 { // once a window: who comes later is told her chances
			if err := r.runner.TickOdds(ctx); err != nil {
				return "", err
			}
		}
	}
	changed, withdrawn, err := r.changeSome(ctx, g)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d answers (%d by the form), %d parties, %d changed, %d withdrawn", g.saved, g.viaForm, g.parties, changed, withdrawn), r.send(ctx)
}

func (r *Rehearsal) makeParties(ctx context.Context, g *group) error {
	var n atomic.Int64
	return each(ctx, r.Workers, slices.Values(g.answers), func(ctx context.Context, a answer) error {
		if a.mate == 0 {
			return nil
		}
		key := fmt.Sprintf("rehearsal-%d-%d", g.id, n.Add(1))
		return r.DB.Tx(ctx, func(tx *data.Tx) error {
			_, err := tx.MakeParty(ctx, r.row.ID, g.id, key, []int64{a.person.ID, a.mate}, r.officials.operator.Actor(), "rehearsal")
			return err
		})
	})
}

// saveAll saves answers as they come in together: by the form, and by the use
// case that the form calls.
func (r *Rehearsal) saveAll(ctx context.Context, g *group, as []answer) error {
	var saved atomic.Int64
	var byForm []answer
	err := each(ctx, r.Workers, slices.Values(as), func(ctx context.Context, a answer) error {
		if a.form {
			return nil
		}
		_, err := r.intake.Save(ctx, r.request(g, a))
		if err != nil {
			return fmt.Errorf("person %d: %w", a.person.ID, err)
		}
		saved.Add(1)
		if a.mate != 0 {
			saved.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range as {
		if a.form {
			byForm = append(byForm, a)
		}
	}
	kept, err := r.saveByForm(ctx, byForm)
	if err != nil {
		return fmt.Errorf("by the form: %w", err)
	}
	r.summary.SignedByForm += kept
	g.saved += int(saved.Load()) + len(byForm)
	g.viaForm += len(byForm)
	return nil
}

func (r *Rehearsal) request(g *group, a answer) intake.Request {
	return intake.Request{Campaign: r.campaign, Person: a.person.ID, Key: a.person.Key, Cohort: g.id, Choices: a.choices, Channel: data.ChannelSample}
}

// changeSome lets a few people answer again, and a few withdraw.
func (r *Rehearsal) changeSome(ctx context.Context, g *group) (changed, withdrawn int, err error) {
	var redo, undo []answer
	for _, a := range g.answers {
		switch x := r.rand.Float64(); {
		case a.form || a.mate != 0:
		case x < withdrawShare:
			undo = append(undo, a)
		case x < withdrawShare+changeShare:
			a.choices = g.market.choose(r.rand, *a.person.Lat, *a.person.Lon)
			redo = append(redo, a)
		}
	}
	err = errors.Join(
		each(ctx, r.Workers, slices.Values(redo), func(ctx context.Context, a answer) error {
			_, err := r.intake.Save(ctx, r.request(g, a))
			return err
		}),
		each(ctx, r.Workers, slices.Values(undo), func(ctx context.Context, a answer) error {
			_, err := r.intake.Withdraw(ctx, r.request(g, a))
			return err
		}),
	)
	g.saved -= len(undo)
	return len(redo), len(undo), err
}
