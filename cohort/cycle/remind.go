package cycle

import (
	"context"
	"fmt"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// nextReminder is when a cohort's reminders are due next; zero where nobody is
// left to remind.
func (r *Runner) nextReminder(ctx context.Context, tx *data.Tx, s situation) (time.Time, error) {
	if s.row.State == cohort.Settled {
		last, err := tx.LastSlot(ctx, s.row.ID)
		if err != nil || last < s.now.In(s.campaign.Location).Format(time.DateOnly) {
			return time.Time{}, err
		}
	}
	return r.nextRun(ctx, tx, s, "reminders/"+s.row.Key, s.campaign.Recurring.Reminders)
}

// remind tells, once a day at the most, who has not answered while the window
// is open, who has not accepted her place, and who has an appointment
// tomorrow.
func (r *Runner) remind(ctx context.Context, tx *data.Tx, s situation) error {
	if err := tx.Ran(ctx, s.row.Campaign, "reminders/"+s.row.Key, s.now); err != nil {
		return err
	}
	today := s.now.In(s.campaign.Location)
	tellOf := func(kind string, people []int64, params map[string]any) error {
		return tx.TellPeople(ctx, data.Message{
			Campaign: s.row.Campaign, Event: fmt.Sprintf("%s/%d/%s", kind, s.row.ID, today.Format(time.DateOnly)), Kind: kind, Params: params,
		}, people)
	}
	tell := func(kind string, people []int64) error {
		return tellOf(kind, people, map[string]any{"cohort": s.row.ID})
	}
	if s.row.State == cohort.Open {
		people, err := tx.Unanswered(ctx, s.row.ID)
		if err != nil {
			return err
		}
		return tell("answer_reminder", people)
	}
	if s.row.State == cohort.Published && s.now.Before(s.row.ConfirmBy) {
		people, err := tx.Unconfirmed(ctx, s.row.ID)
		if err != nil {
			return err
		}
		if err := tell("confirm_reminder", people); err != nil {
			return err
		}
	}
	due, err := tx.Appointments(ctx, s.row.ID, today.AddDate(0, 0, 1).Format(time.DateOnly))
	if err != nil {
		return err
	}
	var people [2][]int64 // by dose
	for _, a := range due {
		people[a.Dose-1] = append(people[a.Dose-1], a.Person)
	}
	if err := tell("reminder", people[0]); err != nil {
		return err
	}
	return tellOf("reminder", people[1], map[string]any{"cohort": s.row.ID, "dose": 2})
}
