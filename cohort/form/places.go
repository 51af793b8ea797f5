package form

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/text/unicode/norm"

	"jebi/cohort"
	"jebi/data"
)

// places is what a cohort's people can choose from: clinics that have slots,
// nearest first, and the dates and day parts of the slots.
type places struct {
	clinics []place
	dates   []string
	parts   []string
	offered cohort.Offered
	sites   []cohort.Site
	home    *[2]float64        // nil: not known
	asked   map[string]float64 // requests per seat of each clinic, by the newest trial draws; nil: none yet
}

// demand says how many ask for each seat of a clinic, or "" where that is not
// known.
func (p places) demand(f frame, clinic string) string {
	if p.asked == nil {
		return ""
	}
	x, ok := p.asked[clinic]
	if !ok {
		return f.T("form.demand.few")
	}
	return f.T("form.demand", "n", perSeat(x))
}

// place is a clinic with its distance from the person's home.
type place struct {
	data.ClinicRow
	known  bool // the distance is
	metres float64
}

// clinicShelf remembers the clinics and slots of each cohort for a while.
type clinicShelf struct {
	mu      sync.Mutex
	cohorts map[int]*shelf
}

// shelf is one cohort's.
type shelf struct {
	reading sync.Mutex // held by who reads anew
	now     atomic.Pointer[shelved]
}

// shelved is what the people of a cohort can choose from, whoever they are.
type shelved struct {
	at      time.Time
	clinics []data.ClinicRow // that have slots
	offered cohort.Offered
	sites   []cohort.Site
	dates   []string
	parts   map[string]bool
}

func (s *shelved) fresh(now time.Time) bool {
	age := now.Sub(s.at)
	return age >= 0 && age < shelfFresh
}

// shelfFresh is how long clinics and slots are remembered: what is saved is
// checked against the database anyway.
const shelfFresh = 15 * time.Second

// reach is places without the list of clinics: what it takes to say which ones a
// wish means.
func (f *Form) reach(v *visit) (places, error) {
	s, err := f.shelf(v.Context(), v.row.ID, v.session.Cohort, v.session.Now)
	if err != nil {
		return places{}, err
	}
	p := places{offered: s.offered, sites: s.sites, dates: s.dates}
	if v.session.Lat != nil && v.session.Lon != nil {
		p.home = &[2]float64{*v.session.Lat, *v.session.Lon}
	}
	for _, d := range v.campaign.DayParts {
		if s.parts[d.Key] {
			p.parts = append(p.parts, d.Key)
		}
	}
	return p, nil
}

// places reads what the visitor can choose from.
func (f *Form) places(v *visit) (places, error) {
	p, err := f.reach(v)
	if err != nil {
		return p, err
	}
	s, err := f.shelf(v.Context(), v.row.ID, v.session.Cohort, v.session.Now)
	if err != nil {
		return p, err
	}
	p.clinics = make([]place, len(s.clinics))
	for i, c := range s.clinics {
		k := &p.clinics[i]
		k.ClinicRow = c
		if p.home != nil {
			k.known, k.metres = true, cohort.Distance(p.home[0], p.home[1], c.Lat, c.Lon)
		}
	}
	odds, known, err := f.oddsOf(v.Context(), v.session.Cohort, v.session.Now)
	if err != nil {
		return places{}, err
	}
	if known {
		p.asked = make(map[string]float64, len(odds.Odds.Clinics))
		for key, share := range odds.Odds.Clinics {
			p.asked[key] = share.PerSeat()
		}
	}
	slices.SortStableFunc(p.clinics, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.metres, b.metres), cmp.Compare(a.Name, b.Name))
	})
	return p, nil
}

// shelf gives what is remembered of a cohort. When it is old one visitor reads
// it anew, and the others go on with what there is.
func (f *Form) shelf(ctx context.Context, campaign, cohortID int, now time.Time) (*shelved, error) {
	f.clinics.mu.Lock()
	place := f.clinics.cohorts[cohortID]
	if place == nil {
		if f.clinics.cohorts == nil {
			f.clinics.cohorts = map[int]*shelf{}
		}
		place = &shelf{}
		f.clinics.cohorts[cohortID] = place
	}
	f.clinics.mu.Unlock()
	s := place.now.Load()
	switch {
	case s == nil:
		place.reading.Lock()
	case s.fresh(now) || !place.reading.TryLock():
		return s, nil
	}
	defer place.reading.Unlock()
	if s = place.now.Load(); s != nil && s.fresh(now) {
		return s, nil // somebody else was faster
	}
	s, err := f.readShelf(ctx, campaign, cohortID, now)
	if err == nil {
		place.now.Store(s)
	}
	return s, err
}

func (f *Form) readShelf(ctx context.Context, campaign, cohortID int, now time.Time) (*shelved, error) {
	clinics, err := f.DB.Clinics(ctx, campaign)
	if err != nil {
		return nil, err
	}
	offered, err := f.DB.Offered(ctx, cohortID)
	if err != nil {
		return nil, err
	}
	s := &shelved{at: now, offered: offered, parts: map[string]bool{}}
	dates := map[string]bool{}
	for _, c := range clinics {
		slots, ok := offered[c.Key]
		if !ok {
			continue
		}
		for k := range slots {
			date, part, _ := strings.Cut(k, "/")
			dates[date], s.parts[part] = true, true
		}
		s.clinics = append(s.clinics, c)
		s.sites = append(s.sites, cohort.Site{Key: c.Key, District: c.District, Lat: c.Lat, Lon: c.Lon})
	}
	s.dates = slices.Sorted(maps.Keys(dates))
	return s, nil
}

// byKey finds a clinic.
func (p places) byKey(key string) (place, bool) {
	i := slices.IndexFunc(p.clinics, func(k place) bool { return k.Key == key })
	if i < 0 {
		return place{}, false
	}
	return p.clinics[i], true
}

// slots counts the date and day part pairs with slots that a choice covers.
func (p places) slots(c cohort.Choice) int {
	n := 0
	for _, k := range c.Clinics {
		for _, d := range c.Dates {
			for _, part := range c.Parts {
				if p.offered[k][cohort.OfferedKey(d, part)] {
					n++
				}
			}
		}
	}
	return n
}

// help says what a choice that covers no slot could be changed to: the dates
// at the chosen times of day, else the times of day at the chosen dates, else
// the dates on which the chosen places have seats at all.
func (p places) help(f frame, c *cohort.Campaign, ch cohort.Choice) string {
	at := func(ds, parts []string) bool {
		return p.slots(cohort.Choice{Clinics: ch.Clinics, Dates: ds, Parts: parts}) > 0
	}
	var ds, times, all []string
	for _, d := range p.dates {
		if at([]string{d}, ch.Parts) {
			ds = append(ds, d)
		}
		if at([]string{d}, p.parts) {
			all = append(all, d)
		}
	}
	for _, part := range p.parts {
		if at(ch.Dates, []string{part}) {
			times = append(times, part)
		}
	}
	switch {
	case len(ds) > 0:
		return f.T("form.help_slot.dates", "dates", dates(f, ds, p))
	case len(times) > 0:
		return f.T("form.help_slot.parts", "parts", parts(f, c, times, p))
	case len(all) > 0:
		return f.T("form.help_slot.all", "dates", dates(f, all, p))
	}
	return f.T("form.help_slot.none")
}

// districts lists the campaign's districts that have clinics to choose.
func (p places) districts(c *cohort.Campaign) []cohort.District {
	var ds []cohort.District
	for _, d := range c.Districts {
		if slices.ContainsFunc(p.clinics, func(k place) bool { return k.District == d.Code }) {
			ds = append(ds, d)
		}
	}
	return ds
}

// matches says whether a clinic is meant by what was searched for: every word
// is in its names, address or district.
func (k place) matches(words []string, district string) bool {
	all := plainSearch(k.Name + " " + k.NameEn + " " + k.Address + " " + district)
	for _, w := range words {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}

func plainSearch(s string) string { return strings.ToLower(norm.NFKC.String(s)) }
