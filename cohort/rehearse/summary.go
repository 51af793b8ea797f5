package rehearse

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/notify"
)

// Summary is summary.json: what a rehearsal came to.
type Summary struct {
	Sample   bool           `json:"sample"`
	Campaign string         `json:"campaign"` // its name
	Seed     uint64         `json:"seed"`
	Total    Counts         `json:"total"`
	Cohorts  []Counts       `json:"cohorts"`
	Messages Messages       `json:"messages"`
	Received ReceivedCounts `json:"received"`
	ByForm   int            `json:"by_form"` // people who answered by the web form, over HTTP
	Offers   int            `json:"offers"`
	Seconds  float64        `json:"seconds"`
	Stages   []Stage        `json:"stages"`
	Clock    time.Time      `json:"clock"` // of the campaign, at the end
	SignInAs SignInAs       `json:"sign_in_as"`
	Records  []Record       `json:"records"` // by cohort: what was drawn, and its verification

	// People who took the receipt of their save from the form with the operator's signature, which held.
	SignedByForm int `json:"signed_by_form"`
}

// Counts are a cohort's numbers at the end, or all cohorts' together.
type Counts struct {
	Cohort         string `json:"cohort,omitempty"`
	Name           string `json:"name,omitempty"` // of the cohort
	Eligible       int    `json:"eligible"`
	Ballots        int    `json:"ballots"`
	Assigned       int    `json:"assigned"`
	FirstChoice    int    `json:"first_choice"`
	AnyChoice      int    `json:"any_choice"`
	Drawn          int    `json:"drawn"`   // of the assigned, by the draw
	Offered        int    `json:"offered"` // of the assigned, by an offer
	Seats          int    `json:"seats"`
	SeatsLeft      int    `json:"seats_left"`
	OverCapacity   int    `json:"over_capacity"`
	OutsideChoices int    `json:"outside_choices"`
}

// Messages counts what the dispatcher did.
type Messages struct {
	Sent        int `json:"sent"`
	Undelivered int `json:"undelivered"`
	Cancelled   int `json:"cancelled"`
	Again       int `json:"again"`
}

// Stage is one stage with its time.
type Stage struct {
	Name    string  `json:"name"`
	Cohort  string  `json:"cohort,omitempty"`
	Seconds float64 `json:"seconds"`
	Counts  string  `json:"counts"`
}

// SignInAs is a synthetic person to look at the form as.
type SignInAs struct {
	Name  string `json:"name"`
	Birth string `json:"birth_date"`
	Phone string `json:"phone"`
}

func (m *Messages) add(r notify.Report) {
	m.Sent += r.Sent
	m.Undelivered += r.Undelivered
	m.Cancelled += r.Cancelled
	m.Again += r.Again
}

// count fills the summary from the database's counts.
func (s *Summary) count(c *cohort.Campaign, stats []data.CohortStats) {
	lang := c.Languages[0]
	s.Campaign = c.Name.In(lang)
	for _, x := range stats {
		n := Counts{
			Cohort: x.Cohort, Name: c.CohortByKey(x.Cohort).Name.In(lang), Eligible: x.Eligible, Ballots: x.Ballots, Assigned: x.Assigned, FirstChoice: x.FirstChoice, AnyChoice: x.AnyChoice,
			Drawn: x.DrawAssigned, Offered: x.OfferAssigned, Seats: x.Seats, SeatsLeft: x.SeatsLeft, OverCapacity: x.OverCapacity, OutsideChoices: x.OutsideChoices,
		}
		s.Cohorts = append(s.Cohorts, n)
		t := &s.Total
		t.Eligible += n.Eligible
		t.Ballots += n.Ballots
		t.Assigned += n.Assigned
		t.FirstChoice += n.FirstChoice
		t.AnyChoice += n.AnyChoice
		t.Drawn += n.Drawn
		t.Offered += n.Offered
		t.Seats += n.Seats
		t.SeatsLeft += n.SeatsLeft
		t.OverCapacity += n.OverCapacity
		t.OutsideChoices += n.OutsideChoices
	}
}

// write puts summary.json into the folder.
func (s *Summary) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "summary.json"), append(b, '\n'), 0o644)
}

// seconds keeps milliseconds.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
