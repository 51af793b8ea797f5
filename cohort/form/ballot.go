package form

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"jebi/cohort"
)

// wishView is a choice as it is read back.
type wishView struct {
	N       int
	Where   string
	Clinics []string // names, where she named them
	Dates   string
	Parts   string
	Slots   int
	Flaw    string
	First   bool
	Last    bool
}

type ballotPage struct {
	frame
	Choices []wishView
	Mark    string
	Max     int
	More    bool // another may be added
	Answer  bool // she has a ballot that counts, which this would replace
	Until   string
	Stale   bool
	Party   int
}

// Next is the number of a further choice.
func (p ballotPage) Next() int { return len(p.Choices) + 1 }

// ballot shows what she has put together so far.
func (f *Form) ballot(v *visit) error {
	p, _, err := f.ballotPage(v)
	if err != nil {
		return err
	}
	if v.URL.Query().Get("stale") != "" {
		p.Stale = true
	}
	f.show(v, http.StatusOK, "ballot.html", p)
	return nil
}

func (f *Form) ballotPage(v *visit) (ballotPage, draft, error) {
	p := ballotPage{frame: f.frame(v, "form.ballot.title"), Max: v.campaign.Rules.MaxChoices}
	s, err := f.mustBeOpen(v)
	if err != nil {
		return p, draft{}, err
	}
	d, _, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return p, d, err
	}
	ps, err := f.places(v)
	if err != nil {
		return p, d, err
	}
	p.Choices = f.wishViews(v, p.frame, d.choices(ps), d, ps)
	p.Mark, p.More = d.mark(), len(d.Choices) < p.Max
	p.Answer = s.Ballot != nil && !s.Ballot.Withdrawn
	p.Until = s.Moment
	return p, d, nil
}

// wishViews writes choices out as they were named in d and are meant in cs.
func (f *Form) wishViews(v *visit, p frame, cs []cohort.Choice, d draft, ps places) []wishView {
	var out []wishView
	for i, w := range d.Choices {
		c := cs[i]
		view := wishView{N: i + 1, First: i == 0, Last: i == len(d.Choices)-1, Slots: ps.slots(c)}
		view.Where, view.Clinics = where(p, v.campaign, w, c, ps)
		view.Dates, view.Parts = dates(p, w.Dates, ps), parts(p, v.campaign, w.Parts, ps)
		switch {
		case len(c.Clinics) == 0:
			view.Flaw = p.T("flaws.no_clinic")
		case len(c.Dates) == 0:
			view.Flaw = p.T("flaws.no_date")
		case len(c.Parts) == 0:
			view.Flaw = p.T("flaws.no_part")
		case view.Slots == 0:
			view.Flaw = p.T("flaws.no_slot")
		}
		out = append(out, view)
	}
	return out
}

// where writes a choice's places out.
func where(p frame, c *cohort.Campaign, w wish, ch cohort.Choice, ps places) (string, []string) {
	switch w.Kind {
	case "district":
		name := w.District
		for _, d := range c.Districts {
			if d.Code == w.District {
				name = p.in(d.Name)
			}
		}
		return p.T("form.where.district", "district", name, "n", len(ch.Clinics)), nil
	case "near":
		return p.T("form.where.near", "distance", p.book.Distance(p.Lang, float64(w.Metres)), "n", len(ch.Clinics)), nil
	}
	var names []string
	for _, key := range ch.Clinics {
		if k, ok := ps.byKey(key); ok {
			names = append(names, p.clinicView(k).Name)
		} else {
			names = append(names, key)
		}
	}
	return p.T("form.where.clinics", "n", len(names)), names
}

// dates writes dates out, in stretches where they follow each other among
// those on offer: "26 – 30 July".
func dates(p frame, ds []string, ps places) string {
	if len(ds) == 0 {
		return ""
	}
	if len(ds) == len(ps.dates) && len(ds) > 1 {
		return p.T("form.dates.all", "n", len(ds))
	}
	var out []string
	for i := 0; i < len(ds); {
		at := slices.Index(ps.dates, ds[i])
		j := i
		for at >= 0 && j+1 < len(ds) && at+j+1-i < len(ps.dates) && ps.dates[at+j+1-i] == ds[j+1] {
			j++
		}
		switch {
		case j-i >= 2:
			out = append(out, p.T("form.dates.span", "from", day(p, ds[i]), "to", day(p, ds[j])))
		default:
			for k := i; k <= j; k++ {
				out = append(out, day(p, ds[k]))
			}
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}

func day(p frame, date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return p.book.ShortDate(p.Lang, t)
}

// parts writes day parts out.
func parts(p frame, c *cohort.Campaign, keys []string, ps places) string {
	if len(keys) == len(ps.parts) && len(keys) > 1 {
		return p.T("form.parts.all")
	}
	var out []string
	for _, d := range c.DayParts {
		if slices.Contains(keys, d.Key) {
			out = append(out, p.in(d.Name))
		}
	}
	return strings.Join(out, ", ")
}

// changeBallot moves or removes a choice. The button says which: "up:2". A
// page that shows an older state changes nothing and says so.
func (f *Form) changeBallot(v *visit) error {
	p, d, err := f.ballotPage(v)
	if err != nil {
		return err
	}
	if v.field("mark", 32) != p.Mark {
		return goTo("/ballot?stale=1")
	}
	act, arg, _ := strings.Cut(v.field("act", 20), ":")
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > len(d.Choices) {
		return &badForm{fmt.Errorf("no choice %q", arg)}
	}
	i := n - 1
	switch {
	case act == "up" && i > 0:
		d.Choices[i-1], d.Choices[i] = d.Choices[i], d.Choices[i-1]
		n--
	case act == "down" && i+1 < len(d.Choices):
		d.Choices[i+1], d.Choices[i] = d.Choices[i], d.Choices[i+1]
		n++
	case act == "remove":
		d.Choices = slices.Delete(d.Choices, i, i+1)
		n = min(n, len(d.Choices))
	}
	if err := f.keep(v, d); err != nil {
		return err
	}
	if n < 1 {
		return goTo("/ballot")
	}
	return goTo("/ballot#choice-" + strconv.Itoa(n))
}
