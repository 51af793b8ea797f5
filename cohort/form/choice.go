package form

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"jebi/cohort"
)

// firstClinics is how many clinics are listed before she asks for more.
const firstClinics = 12

type choicePage struct {
	frame
	N         int // the choice, from 1
	Of        int // choices allowed
	New       bool
	Kind      string
	Districts []option
	Near      []option // radiuses; none where her home is not known
	Query     string
	Ticked    []clinicView // chosen, listed first
	Clinics   []clinicView // the others that match
	Hidden    int          // further ones that are not listed
	All       bool
	Dates     []option
	Parts     []option
	Home      bool
}

// Found is how many clinics match what was searched for.
func (p choicePage) Found() int { return len(p.Clinics) + p.Hidden }

type option struct {
	Value, Text, Note string
	On                bool
}

type clinicView struct {
	Key, Name, Address, Distance, Hours, Kind string
	On                                        bool
}

// number reads which choice a page is about: 1 … at most one past the last.
func (v *visit) number(d draft) (int, error) {
	n, err := strconv.Atoi(v.PathValue("n"))
	if err != nil || n < 1 || n > v.campaign.Rules.MaxChoices || n > len(d.Choices)+1 {
		return 0, errNoPage
	}
	return n, nil
}

// choice shows one choice to be filled in.
func (f *Form) choice(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	d, _, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return err
	}
	n, err := v.number(d)
	if err != nil {
		return goTo("/ballot")
	}
	w := wish{Kind: "district", District: v.session.District}
	if n <= len(d.Choices) {
		w = d.Choices[n-1]
	}
	return f.showChoice(v, d, n, w, http.StatusOK, nil)
}

// changeChoice takes the page's fields. Whatever the button, they are kept.
func (f *Form) changeChoice(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	d, _, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return err
	}
	n, err := v.number(d)
	if err != nil {
		return goTo("/ballot")
	}
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	act := v.field("act", 20)
	if act == "leave" {
		return goTo("/ballot")
	}
	if act == "enter" { // the Enter key: she was searching, or she is done
		act = "save"
		if v.field("q", 60) != "" {
			act = "search"
		}
	}
	w := v.readWish(ps)
	switch act {
	case "all_dates":
		w.Dates = slices.Clone(ps.dates)
	case "weekdays", "weekend":
		w.Dates = nil
		for _, date := range ps.dates {
			if t, err := time.Parse(time.DateOnly, date); err == nil && (t.Weekday() == time.Saturday || t.Weekday() == time.Sunday) == (act == "weekend") {
				w.Dates = append(w.Dates, date)
			}
		}
	case "no_dates":
		w.Dates = nil
	}
	if n > len(d.Choices) {
		d.Choices = append(d.Choices, w)
	} else {
		d.Choices[n-1] = w
	}
	if err := f.keep(v, d); err != nil {
		return err
	}
	here := "/ballot/choice/" + strconv.Itoa(n)
	switch act {
	case "search":
		q := v.field("q", 60)
		if q == "" {
			return goTo(here + "#clinics")
		}
		return goTo(here + "?" + url.Values{"q": {q}}.Encode() + "#clinics")
	case "more":
		return goTo(here + "?" + url.Values{"q": {v.field("q", 60)}, "all": {"1"}}.Encode() + "#clinics")
	case "all_dates", "no_dates", "weekdays", "weekend":
		return goTo(here + "#dates")
	}
	flaws, err := f.flaws(v, []cohort.Choice{w.choice(ps)})
	if err != nil {
		return err
	}
	if len(flaws) > 0 {
		return f.showChoice(v, d, n, w, http.StatusUnprocessableEntity, flaws)
	}
	return goTo("/ballot")
}

// readWish takes what a page of ours can send and drops everything else.
func (v *visit) readWish(ps places) wish {
	w := wish{Kind: v.field("kind", 10)}
	switch w.Kind {
	case "district":
		for _, d := range ps.districts(v.campaign) {
			if d.Code == v.field("district", 20) {
				w.District = d.Code
			}
		}
	case "near":
		if n, err := strconv.Atoi(v.field("metres", 6)); err == nil && slices.Contains(radiuses(), n) {
			w.Metres = n
		}
	default:
		w.Kind = "clinics"
	}
	for _, key := range v.PostForm["clinics"] {
		if _, ok := ps.byKey(key); ok && !slices.Contains(w.Clinics, key) {
			w.Clinics = append(w.Clinics, key)
		}
	}
	for _, date := range ps.dates {
		if slices.Contains(v.PostForm["dates"], date) {
			w.Dates = append(w.Dates, date)
		}
	}
	for _, part := range ps.parts {
		if slices.Contains(v.PostForm["parts"], part) {
			w.Parts = append(w.Parts, part)
		}
	}
	return w
}

// radiuses are the distances from home to choose from, in metres.
func radiuses() []int { return []int{500, 1000, 2000, 3000, 5000} }

func (f *Form) showChoice(v *visit, d draft, n int, w wish, status int, flaws []cohort.Flaw) error {
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	p := choicePage{
		frame: f.frame(v, "form.choice.title"), N: n, Of: v.campaign.Rules.MaxChoices, New: n > len(d.Choices), Kind: w.Kind,
		Home: v.session.Lat != nil,
	}
	p.Title = p.T("form.choice.title.n", "n", n)
	for _, x := range ps.districts(v.campaign) {
		count := 0
		for _, k := range ps.clinics {
			if k.District == x.Code {
				count++
			}
		}
		p.Districts = append(p.Districts, option{x.Code, p.in(x.Name), p.T("form.choice.places", "n", count), x.Code == w.District})
	}
	if p.Home {
		for _, m := range radiuses() {
			count := 0
			for _, k := range ps.clinics {
				if k.metres <= float64(m) {
					count++
				}
			}
			if count > 0 {
				p.Near = append(p.Near, option{strconv.Itoa(m), p.book.Distance(p.Lang, float64(m)), p.T("form.choice.places", "n", count), m == w.Metres})
			}
		}
	}
	f.listClinics(v, &p, ps, w)
	for _, date := range ps.dates {
		t, err := time.Parse(time.DateOnly, date)
		if err != nil {
			continue
		}
		p.Dates = append(p.Dates, option{Value: date, Text: p.book.ShortDate(p.Lang, t), On: slices.Contains(w.Dates, date)})
	}
	for _, x := range v.campaign.DayParts {
		if slices.Contains(ps.parts, x.Key) {
			note := ""
			if x.To != "2400" {
				note = p.book.Block(p.Lang, x.From) + " – " + p.book.Block(p.Lang, x.To)
			} else {
				note = p.T("form.choice.part.from", "from", p.book.Block(p.Lang, x.From))
			}
			if x.From == "0000" {
				note = p.T("form.choice.part.to", "to", p.book.Block(p.Lang, x.To))
			}
			p.Parts = append(p.Parts, option{x.Key, p.in(x.Name), note, slices.Contains(w.Parts, x.Key)})
		}
	}
	p.Problems = flawProblems(p.frame, flaws, ps, false)
	f.show(v, status, "choice.html", p)
	return nil
}

// listClinics fills in the clinics: those ticked, then those that match the
// search, nearest first.
func (f *Form) listClinics(v *visit, p *choicePage, ps places, w wish) {
	q := v.URL.Query()
	p.Query, p.All = strings.TrimSpace(q.Get("q")), q.Get("all") != ""
	if len(p.Query) > 200 {
		p.Query = ""
	}
	names := map[string]string{}
	for _, d := range v.campaign.Districts {
		for _, s := range d.Name {
			names[d.Code] += " " + s
		}
	}
	words := strings.Fields(plainSearch(p.Query))
	for _, k := range ps.clinics {
		view := p.clinicView(k)
		view.On = slices.Contains(w.Clinics, k.Key)
		switch {
		case view.On:
			p.Ticked = append(p.Ticked, view)
		case !k.matches(words, names[k.District]):
		case !p.All && len(p.Clinics) >= firstClinics:
			p.Hidden++
		default:
			p.Clinics = append(p.Clinics, view)
		}
	}
}

// clinicView is a clinic as it is listed.
func (p frame) clinicView(k place) clinicView {
	view := clinicView{Key: k.Key, Name: k.Name, Address: k.Address, Hours: hours(p, k.Hours), Kind: p.T("form.kind." + k.ClinicRow.Kind)}
	if p.Lang != "ko" && k.NameEn != "" {
		view.Name = k.NameEn
	}
	if k.known {
		view.Distance = p.book.Distance(p.Lang, k.metres)
	}
	return view
}

// hours writes opening hours ("0900-1800;sat 0900-1300") for people; what it
// does not understand it gives as it is.
func hours(p frame, s string) string {
	var out []string
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		day, span, ok := strings.Cut(part, " ")
		if !ok {
			day, span = "week", part
		}
		from, to, ok := strings.Cut(span, "-")
		if !ok || len(from) != 4 || len(to) != 4 || !p.book.Has(p.Lang, "form.hours."+day) {
			return s
		}
		out = append(out, p.T("form.hours."+day)+" "+from[:2]+":"+from[2:]+"–"+to[:2]+":"+to[2:])
	}
	return strings.Join(out, ", ")
}

// flawProblems writes flaws out, each at its field; several choices are told
// apart by their number.
func flawProblems(p frame, flaws []cohort.Flaw, ps places, numbered bool) []problem {
	var out []problem
	for _, fl := range flaws {
		field := map[string]string{
			"no_clinic": "where", "unknown_clinic": "where", "no_date": "dates", "no_part": "parts", "unknown_part": "parts", "no_slot": "dates", "same_twice": "where",
		}[fl.Code]
		value := fl.Value
		if fl.Code == "unknown_clinic" {
			if k, ok := ps.byKey(fl.Value); ok {
				value = k.Name
			}
		}
		text := p.T("flaws."+fl.Code, "value", value)
		if numbered && fl.Choice > 0 {
			field = "choice-" + strconv.Itoa(fl.Choice)
			text = p.T("form.review.flaw", "n", fl.Choice, "text", text)
		}
		if field == "" {
			field = "choices"
		}
		out = append(out, problem{field, text})
	}
	return out
}
