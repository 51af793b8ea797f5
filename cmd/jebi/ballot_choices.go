package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"jebi/cohort"
	"jebi/data"
)

// readChoices makes choices of the flags or the file, with the clinics that
// their targets mean now.
func (a *app) readChoices(ctx context.Context, db *data.DB, c *cohort.Campaign, p data.PersonRow, o ballotOptions) ([]cohort.Choice, error) {
	var choices []cohort.Choice
	switch {
	case o.file != "" && len(o.choices) > 0:
		return nil, usage(errors.New("the wishes come from --choice or from --file, not from both"))
	case o.file != "":
		b, err := os.ReadFile(o.file)
		if err != nil {
			return nil, usage(err)
		}
		if err := json.Unmarshal(b, &choices); err != nil {
			return nil, usage(fmt.Errorf("%s: %w", o.file, err))
		}
	default:
		for i, s := range o.choices {
			ch, err := parseChoice(s)
			if err != nil {
				return nil, usage(fmt.Errorf("--choice %d: %w", i+1, err))
			}
			choices = append(choices, ch)
		}
	}
	if len(choices) == 0 {
		return nil, usage(errors.New("which wishes? --choice or --file"))
	}
	offered, err := db.Offered(ctx, p.Cohort)
	if err != nil {
		return nil, err
	}
	clinics, err := db.Clinics(ctx, p.Campaign)
	if err != nil {
		return nil, err
	}
	var sites []cohort.Site
	days := map[string]bool{}
	for _, k := range clinics {
		if offered[k.Key] != nil {
			sites = append(sites, cohort.Site{Key: k.Key, District: k.District, Lat: k.Lat, Lon: k.Lon})
		}
		for slot := range offered[k.Key] {
			date, _, _ := strings.Cut(slot, "/")
			days[date] = true
		}
	}
	var home *[2]float64
	if p.Lat != nil && p.Lon != nil {
		home = &[2]float64{*p.Lat, *p.Lon}
	}
	for i := range choices {
		ch := &choices[i]
		if ch.Target == "" {
			ch.Target = "clinics"
		}
		if ch.Target != "clinics" {
			ch.Clinics = cohort.TargetClinics(ch.Target, nil, sites, home)
		}
		if slices.Equal(ch.Dates, []string{"all"}) {
			ch.Dates = nil
			for d := range days {
				ch.Dates = append(ch.Dates, d)
			}
			slices.Sort(ch.Dates)
		}
		if slices.Equal(ch.Parts, []string{"all"}) {
			ch.Parts = nil
			for _, d := range c.DayParts {
				ch.Parts = append(ch.Parts, d.Key)
			}
		}
	}
	return choices, nil
}

// parseChoice reads "clinics=A,B; dates=2021-07-26; parts=am,pm".
func parseChoice(s string) (cohort.Choice, error) {
	var ch cohort.Choice
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return ch, fmt.Errorf("%q is not name=value", strings.TrimSpace(part))
		}
		var list []string
		for v := range strings.SplitSeq(value, ",") {
			if v = strings.TrimSpace(v); v != "" {
				list = append(list, v)
			}
		}
		switch name {
		case "clinics":
			ch.Target, ch.Clinics = "clinics", list
		case "district", "near":
			ch.Target = name + ":" + strings.TrimSpace(value)
		case "dates":
			ch.Dates = list
		case "parts":
			ch.Parts = list
		default:
			return ch, fmt.Errorf("%q is not clinics, district, near, dates or parts", name)
		}
	}
	if ch.Target == "" {
		return ch, errors.New("no clinics=, district= or near=")
	}
	return ch, nil
}
