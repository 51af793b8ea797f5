package rehearse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

// receive starts the receivers where the campaign file has them, or anywhere
// where those ports are taken.
func receive(file []byte, mailDir, smsDir string) (*Receivers, error) {
	c, problems := campaign.Parse(file)
	if c == nil {
		return nil, fmt.Errorf("campaign file: %s", campaign.Errors(problems)[0])
	}
	gateway, err := url.Parse(c.Senders.SMS.URL)
	if err != nil {
		return nil, errors.New("campaign file: senders.sms.url")
	}
	if r, err := Receive(c.Senders.Email.Host, gateway.Host, mailDir, smsDir, nil); err == nil {
		return r, nil
	}
	return Receive("127.0.0.1:0", "127.0.0.1:0", mailDir, smsDir, nil)
}

// importAll is the work of the officials before anything is announced.
func (r *Rehearsal) importAll(ctx context.Context) (string, error) {
	c, problems := campaign.Parse(r.Sample.Campaign)
	if c == nil {
		return "", fmt.Errorf("campaign file: %s", campaign.Errors(problems)[0])
	}
	if !c.Sample {
		return "", errors.New("campaign file: not a sample")
	}
	r.campaign = c
	if err := r.DB.MoveClock(ctx, c.Cohorts[0].Opens.Add(-47*time.Hour)); err != nil { // two days before, 10 in the morning
		return "", err
	}
	if err := r.addOfficials(ctx); err != nil {
		return "", err
	}
	if err := r.applyCampaign(ctx); err != nil {
		return "", err
	}
	input := filepath.Join(r.Dir, "input")
	people := r.Sample.Citizens(r.People, r.Seed)
	if err := r.Sample.Write(input, people); err != nil {
		return "", err
	}
	var seats, slots int
	for _, f := range []struct {
		name string
		load func(context.Context, *cohort.Campaign, int, data.Lines, data.Actor, bool) (data.ImportReport, error)
	}{{"clinics.csv", r.DB.ImportClinics}, {"supply.csv", r.DB.ImportSupply}, {"people.csv", r.DB.ImportPeople}} {
		report, err := r.importFile(ctx, filepath.Join(input, f.name), f.load)
		if err != nil {
			return "", fmt.Errorf("%s: %w", f.name, err)
		}
		if report.Kind == "supply" {
			seats, slots = report.Seats, report.Slots
		}
	}
	if err := r.readGroups(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d people, %d clinics, %d seats in %d slots of the draws", len(people), len(r.Sample.clinics)-1, seats, slots), nil
}

// applyCampaign puts the campaign file in force, with the receivers' real
// addresses.
func (r *Rehearsal) applyCampaign(ctx context.Context) error {
	file := bytes.ReplaceAll(r.Sample.Campaign, []byte(r.campaign.Senders.Email.Host), []byte(r.receivers.Mail))
	file = bytes.ReplaceAll(file, []byte(r.campaign.Senders.SMS.URL), []byte(r.receivers.SMS))
	if err := os.WriteFile(filepath.Join(r.Dir, "campaign.toml"), file, 0o644); err != nil {
		return err
	}
	c, problems := campaign.Parse(file)
	if c == nil {
		return fmt.Errorf("campaign file: %s", campaign.Errors(problems)[0])
	}
	a, err := r.DB.ApplyCampaign(ctx, c, file, r.officials.operator.Actor(), true)
	r.campaign, r.row = c, a.Campaign
	return err
}

func (r *Rehearsal) importFile(ctx context.Context, name string,
	load func(context.Context, *cohort.Campaign, int, data.Lines, data.Actor, bool) (data.ImportReport, error),
) (data.ImportReport, error) {
	f, err := os.Open(name)
	if err != nil {
		return data.ImportReport{}, err
	}
	defer f.Close()
	report, err := load(ctx, r.campaign, r.row.ID, data.CSV(f), r.officials.operator.Actor(), true)
	if len(report.Errors) > 0 {
		return report, fmt.Errorf("%d errors, the first: %w", len(report.Errors), report.Errors[0])
	}
	return report, err
}

// readGroups reads back what was imported: who belongs to which cohort, and
// what that cohort may choose from.
func (r *Rehearsal) readGroups(ctx context.Context) error {
	return r.DB.ReadTx(ctx, func(tx *data.Tx) error {
		r.cohorts = nil
		rows, err := tx.Cohorts(ctx, r.row.ID)
		if err != nil {
			return err
		}
		clinics, err := tx.Clinics(ctx, r.row.ID)
		if err != nil {
			return err
		}
		for _, row := range rows {
			slots, err := tx.Slots(ctx, row.ID)
			if err != nil {
				return err
			}
			g := &group{rule: r.campaign.CohortByKey(row.Key), id: row.ID, market: newMarket(r.campaign, clinics, slots, r.Seed)}
			err = tx.EachPerson(ctx, r.row.ID, data.PeopleFilter{Cohort: row.Key, Status: "eligible"}, func(p data.PersonRow) error {
				g.people = append(g.people, p)
				return nil
			})
			if err != nil {
				return err
			}
			r.cohorts = append(r.cohorts, g)
		}
		if slices.ContainsFunc(r.cohorts, func(g *group) bool { return len(g.people) == 0 || len(g.market.places) == 0 }) {
			return errors.New("a cohort has no people or no slots")
		}
		return nil
	})
}
