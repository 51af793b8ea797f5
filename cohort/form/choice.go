package form

import (
	"cmp"
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
	Seen      string   // mark of the wish as this page shows it
	Query     string
	Sort      string
	Sorts     []option
	Map       string       // address of the picture
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
	N                                                        int // in the list and on the map
	Key, Name, Address, Distance, Hours, Kind, Demand, Phone string
	On                                                       bool
	Second                                                   bool
}

// number reads which choice a page is about: 1 … the most that there may be.
func (v *visit) number() (int, error) {
	n, err := strconv.Atoi(v.PathValue("n"))
	if err != nil || n < 1 || n > v.campaign.Rules.MaxChoices {
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
	n, err := v.number()
	if err != nil || n > len(d.Choices)+1 {
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
	n, err := v.number()
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
	w.Dates = pickDates(act, w.Dates, ps.dates)
	d, err := f.edit(v, s.Ballot, func(d *draft) error {
		if n > len(d.Choices)+1 && len(w.Clinics)+len(w.Dates)+len(w.Parts) == 0 {
			return goTo("/ballot") // nothing is lost
		}
		if n = d.put(n, v.field("seen", 32), w, v.campaign.Rules.MaxChoices); n == 0 {
			return goTo("/ballot?stale=1")
		}
		return nil
	})
	if err != nil {
		return err
	}
	here := "/ballot/choice/" + strconv.Itoa(n)
	switch act {
	case "search", "more":
		q := url.Values{}
		for _, name := range []string{"q", "sort"} {
			if x := v.field(name, 60); x != "" {
				q.Set(name, x)
			}
		}
		if act == "more" {
			q.Set("all", "1")
		}
		if len(q) > 0 {
			here += "?" + q.Encode()
		}
		return goTo(here + "#clinics")
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

// pickDates is what the buttons below the dates do with those ticked.
func pickDates(act string, ticked, all []string) []string {
	switch act {
	case "all_dates":
		return slices.Clone(all)
	case "no_dates":
		return nil
	case "weekdays", "weekend":
		var some []string
		for _, date := range all {
			t, err := time.Parse(time.DateOnly, date)
			if err == nil && (t.Weekday() == time.Saturday || t.Weekday() == time.Sunday) == (act == "weekend") {
				some = append(some, date)
			}
		}
		return some
	}
	return ticked
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
		Home: ps.home != nil, Seen: newMark,
	}
	if !p.New {
		p.Seen = markOf(d.Choices[n-1])
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
	for i, fl := range flaws {
		if fl.Code == "no_slot" {
			p.Problems[i].Text += " " + ps.help(p.frame, v.campaign, w.choice(ps))
		}
	}
	f.show(v, status, "choice.html", p)
	return nil
}

// listClinics fills in the clinics: those ticked, then those that match the
// search, in the order that was asked for. What was searched for is in the
// address; where she lives is not.
func (f *Form) listClinics(v *visit, p *choicePage, ps places, w wish) {
	q := v.URL.Query()
	p.Query, p.All = strings.TrimSpace(q.Get("q")), q.Get("all") != ""
	if len(p.Query) > 200 {
		p.Query = ""
	}
	sorts := []string{"near", "name", "asked"}
	if !p.Home {
		sorts = sorts[1:]
	}
	if ps.asked == nil {
		sorts = sorts[:len(sorts)-1]
	}
	p.Sort = sorts[0]
	if slices.Contains(sorts, q.Get("sort")) {
		p.Sort = q.Get("sort")
	}
	for _, s := range sorts {
		p.Sorts = append(p.Sorts, option{Value: s, Text: p.T("form.sort." + s), On: s == p.Sort})
	}
	ticked, others := ps.listed(v.campaign, p.Query, p.Sort, w)
	if !p.All && len(others) > firstClinics {
		p.Hidden = len(others) - firstClinics
		others = others[:firstClinics]
	}
	for i, k := range slices.Concat(ticked, others) {
		view := p.clinicView(k)
		view.N, view.Demand = i+1, ps.demand(p.frame, k.Key)
		if view.On = i < len(ticked); view.On {
			p.Ticked = append(p.Ticked, view)
		} else {
			p.Clinics = append(p.Clinics, view)
		}
	}
	shown := url.Values{"q": {p.Query}, "sort": {p.Sort}}
	if p.All {
		shown.Set("all", "1")
	}
	p.Map = "/ballot/choice/" + strconv.Itoa(p.N) + "/map.svg?" + shown.Encode()
}

// listed gives the clinics that are ticked, and the others that match what
// was searched for, both sorted.
func (p places) listed(c *cohort.Campaign, query, sort string, w wish) (ticked, others []place) {
	names := map[string]string{}
	for _, d := range c.Districts {
		for _, s := range d.Name {
			names[d.Code] += " " + s
		}
	}
	words := strings.Fields(plainSearch(query))
	for _, k := range p.clinics { // nearest first
		switch {
		case slices.Contains(w.Clinics, k.Key):
			ticked = append(ticked, k)
		case k.matches(words, names[k.District]):
			others = append(others, k)
		}
	}
	for _, list := range [][]place{ticked, others} {
		slices.SortStableFunc(list, func(a, b place) int {
			switch sort {
			case "name":
				return cmp.Compare(a.Name, b.Name)
			case "asked":
				return cmp.Compare(p.asked[a.Key], p.asked[b.Key])
			}
			return 0
		})
	}
	return ticked, others
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
