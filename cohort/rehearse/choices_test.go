package rehearse

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

// sampleMarket is the market of the whole sample's supply.
func sampleMarket(t *testing.T) (*cohort.Campaign, market, *Sample) {
	t.Helper()
	s := loadSample(t)
	c, problems := campaign.Parse(s.Campaign)
	if c == nil {
		t.Fatalf("the sample's campaign file: %v", problems)
	}
	var clinics []data.ClinicRow
	for _, r := range s.clinics[1:] {
		cl, err := parseCell([]string{"", "", "", r[6], r[7], "0", "0", "0"})
		if err != nil {
			t.Fatal(err)
		}
		clinics = append(clinics, data.ClinicRow{Key: r[0], Kind: r[3], District: r[5], Lat: cl.lat, Lon: cl.lon})
	}
	var slots []data.SlotRow
	for _, r := range s.supply[1:] {
		slots = append(slots, data.SlotRow{ClinicKey: r[0], Date: r[1], Block: r[2], Part: c.PartOf(r[2]), Seats: atoi(r[4])})
	}
	return c, newMarket(c, clinics, slots, 5), s
}

func TestTheSamplesCampaignFileHasNoErrors(t *testing.T) {
	c, _, _ := sampleMarket(t)
	if !c.Sample || len(c.Cohorts) != 2 {
		t.Errorf("sample %v, %d cohorts; want a sample of 2", c.Sample, len(c.Cohorts))
	}
	// Trustees' envelopes and then dice in one cohort, online with drand last in the other.
	for i, want := range [][]uint8{{1, 1, 1, 3}, {1, 1, 1, 2, 4}} {
		x := c.Cohorts[i]
		var types []uint8
		keys := 0
		for _, s := range x.Sources {
			types = append(types, s.Type)
			if s.Key != nil {
				keys++
			}
		}
		if !slices.Equal(types, want) || keys != 3*i {
			t.Errorf("cohort %s: sources of types %v, %d trustees' keys; want %v, %d", x.Key, types, keys, want, 3*i)
		}
		if x.MinWitnesses != 2 || len(x.Witnesses) < 2 {
			t.Errorf("cohort %s: %d of %d witnesses, want at least 2", x.Key, x.MinWitnesses, len(x.Witnesses))
		}
	}
}

func TestEveryBallotOfTheModelCanBeSaved(t *testing.T) {
	c, m, s := sampleMarket(t)
	offered := cohort.Offered{}
	for _, p := range m.places {
		offered[p.key] = map[string]bool{}
		for _, cell := range p.cells {
			offered[p.key][cohort.OfferedKey(cell.date, cell.part)] = true
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, who := range s.Citizens(3000, 4) {
		b := cohort.Ballot{Choices: m.choose(r, who.Lat, who.Lon)}
		b.Normalize(c.DayParts)
		if flaws := c.Check(b, offered); len(flaws) > 0 {
			t.Fatalf("%v: %v", b.Choices, flaws)
		}
	}
}

func TestEveryBallotOfASmallTownCanBeSaved(t *testing.T) {
	c, whole, s := sampleMarket(t)
	for n := 1; n <= 4; n++ {
		m := whole
		m.places = whole.places[:n]
		offered := cohort.Offered{}
		for _, p := range m.places {
			offered[p.key] = map[string]bool{}
			for _, cell := range p.cells {
				offered[p.key][cohort.OfferedKey(cell.date, cell.part)] = true
			}
		}
		r := rand.New(rand.NewPCG(1, 1))
		for _, who := range s.Citizens(2000, 4) {
			b := cohort.Ballot{Choices: m.choose(r, who.Lat, who.Lon)}
			b.Normalize(c.DayParts)
			if flaws := c.Check(b, offered); len(flaws) > 0 {
				t.Fatalf("%d places: %v: %v", n, b.Choices, flaws)
			}
		}
	}
}

func TestTheModelsPreferencesAreThoseOfItsDescription(t *testing.T) {
	_, m, s := sampleMarket(t)
	r := rand.New(rand.NewPCG(1, 1))
	people := s.Citizens(6000, 4)
	choices, near, hospitals, special := 0, 0.0, 0, 0
	for _, who := range people {
		cs := m.choose(r, who.Lat, who.Lon)
		choices += len(cs)
		first := m.places[slices.IndexFunc(m.places, func(p venue) bool { return p.key == cs[0].Clinics[0] })]
		near += kilometres(who.Lat, who.Lon, first.lat, first.lon)
		if first.liked > 0 && slices.Equal(cs[0].Parts, []string{"evening"}) || onlySaturdays(cs[0]) {
			special++
		}
		if first.key < "A1100300" { // the hospitals have the lowest keys
			hospitals++
		}
	}
	n := float64(len(people))
	if mean := float64(choices) / n; mean < 2.9 || mean > 3.1 {
		t.Errorf("%.2f choices in the mean, want 3", mean)
	}
	if mean := near / n; mean > 2.2 {
		t.Errorf("first choices are %.2f km away in the mean, want near ones", mean)
	}
	if share := float64(hospitals) / n; share < 0.15 {
		t.Errorf("%.2f of first choices are hospitals, want more than their 10 per cent of the places", share)
	}
	if share := float64(special) / n; share < strictShare {
		t.Errorf("%.2f of first choices are Saturdays or evenings only, want at least %.2f", share, strictShare)
	}
}

func onlySaturdays(c cohort.Choice) bool {
	return !slices.ContainsFunc(c.Dates, func(d string) bool {
		t, err := time.Parse(time.DateOnly, d)
		return err != nil || t.Weekday() != time.Saturday
	})
}
