package form

import (
	"fmt"
	"net/http"
	"net/url"
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
	Help    string // what would mend the flaw
	First   bool
	Last    bool
	Focus   string // the button that was pressed last: "up" or "down"
}

type ballotPage struct {
	frame
	Choices []wishView
	Mark    string
	Max     int
	More    bool   // another may be added
	Answer  bool   // she has a ballot that counts, which this would replace
	Since   string // when that was saved
	Until   string
	Stale   bool
	Party   int
	Anyhow  string // the district in which everything would do, where she can add that
	Told    string // what the last step did
	Lost    *wishView
	LostAt  string
	CanKeep bool // there is room for Lost
	Chance  chanceView
}

// Next is the number of a further choice.
func (p ballotPage) Next() int { return len(p.Choices) + 1 }

// ballot shows what she has put together so far.
func (f *Form) ballot(v *visit) error {
	p, _, err := f.ballotPage(v)
	if err != nil {
		return err
	}
	q := v.URL.Query()
	p.Stale = q.Get("stale") != ""
	if n, err := strconv.Atoi(q.Get("moved")); err == nil && n >= 1 && n <= len(p.Choices) {
		p.Told = p.T("form.ballot.moved", "n", n)
		w := &p.Choices[n-1]
		w.Focus = "up"
		if q.Get("by") == "down" && !w.Last || w.First {
			w.Focus = "down"
		}
	} else if q.Get("removed") != "" {
		p.Told = p.T("form.ballot.removed")
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
	cs := d.choices(ps)
	p.Choices = f.wishViews(v, p.frame, cs, d, ps)
	p.Mark, p.More = d.mark(), len(d.Choices) < p.Max
	if p.Answer = s.Ballot != nil && !s.Ballot.Withdrawn; p.Answer {
		p.Since = p.When(s.Ballot.SavedAt)
	}
	p.Until = s.Moment
	if w, ok := anything(v, ps); ok && p.More && !slices.ContainsFunc(d.Choices, w.same) {
		p.Anyhow = districtName(p.frame, v.campaign, w.District)
	}
	if r := d.Replaced; r != nil {
		old := draft{Choices: []wish{r.Wish}}
		p.Lost = &f.wishViews(v, p.frame, old.choices(ps), old, ps)[0]
		p.Lost.N, p.LostAt, p.CanKeep = r.N, p.When(r.At), p.More
	}
	return p, d, f.chances(v, &p, cs, ps)
}

// anything is the wish for any place, date and time of day in her own
// district; false where her district is not known or offers nothing.
func anything(v *visit, ps places) (wish, bool) {
	w := wish{Kind: "district", District: v.session.District, Dates: slices.Clone(ps.dates), Parts: slices.Clone(ps.parts)}
	return w, slices.ContainsFunc(ps.districts(v.campaign), func(d cohort.District) bool { return d.Code == w.District })
}

func districtName(p frame, c *cohort.Campaign, code string) string {
	for _, d := range c.Districts {
		if d.Code == code {
			return p.in(d.Name)
		}
	}
	return code
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
			view.Flaw, view.Help = p.T("flaws.no_slot"), ps.help(p, v.campaign, c)
		}
		out = append(out, view)
	}
	return out
}

// where writes a choice's places out.
func where(p frame, c *cohort.Campaign, w wish, ch cohort.Choice, ps places) (string, []string) {
	switch w.Kind {
	case "district":
		return p.T("form.where.district", "district", districtName(p, c, w.District), "n", len(ch.Clinics)), nil
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

// changeBallot moves, removes or adds a choice. The button says which: "up:2".
// A page that shows an older state changes nothing and says so.
func (f *Form) changeBallot(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	act, arg, _ := strings.Cut(v.field("act", 20), ":")
	to := "/ballot"
	_, err = f.edit(v, s.Ballot, func(d *draft) error {
		if v.field("mark", 32) != d.mark() {
			return goTo("/ballot?stale=1")
		}
		to = "/ballot"
		switch act {
		case "anything":
			w, ok := anything(v, ps)
			if !ok || slices.ContainsFunc(d.Choices, w.same) || len(d.Choices) >= v.campaign.Rules.MaxChoices {
				return goTo("/ballot")
			}
			d.Choices, d.Replaced = append(d.Choices, w), nil
			to = "/ballot#choice-" + strconv.Itoa(len(d.Choices))
			return nil
		case "both":
			if d.Replaced != nil && len(d.Choices) < v.campaign.Rules.MaxChoices {
				d.Choices = append(d.Choices, d.Replaced.Wish)
				to = "/ballot#choice-" + strconv.Itoa(len(d.Choices))
			}
			d.Replaced = nil
			return nil
		}
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(d.Choices) {
			return &badForm{fmt.Errorf("no choice %q", arg)}
		}
		d.Replaced = nil
		to = d.move(act, n)
		return nil
	})
	if err != nil {
		return err
	}
	return goTo(to)
}

// move moves choice n up or down, or removes it, and says which page shows it.
func (d *draft) move(act string, n int) string {
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
		return "/ballot?removed=1"
	}
	return "/ballot?moved=" + strconv.Itoa(n) + "&by=" + url.QueryEscape(act)
}
