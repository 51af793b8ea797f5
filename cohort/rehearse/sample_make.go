package rehearse

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// SampleSeed is the seed that the committed sample was made with.
const SampleSeed uint64 = 20210726

// The sample's cohorts, by birth years, as in the summer of 2021. One is drawn
// with envelopes and dice in a hall, the other online.
var sampleCohorts = []struct {
	key      string
	from, to int
	online   bool
}{
	{"1962-66", 1962, 1966, false},
	{"1969-71", 1969, 1971, true},
}

// sampleCampaign is the campaign's key.
const sampleCampaign = "gwanak-2021"

// SampleReport says what MakeSample wrote.
type SampleReport struct {
	Seed      uint64 `json:"seed"`
	Clinics   int    `json:"clinics"`
	Slots     int    `json:"slots"`
	Seats     int    `json:"seats"`
	Residents int    `json:"residents"`
	People    int    `json:"people"`
	Bytes     int64  `json:"bytes"`
}

// MakeSample makes the files of the sample campaign in the folder to, out of
// the shared lists in the folder from. The same lists and seed give the same
// bytes. README.md and sample.go are not made, they are kept by hand.
func MakeSample(from, to string, seed uint64) (SampleReport, error) {
	report := SampleReport{Seed: seed}
	places, err := samplePlaces(from)
	if err != nil {
		return report, fmt.Errorf("sample: %w", err)
	}
	cells, err := samplePopulation(from)
	if err != nil {
		return report, fmt.Errorf("sample: %w", err)
	}
	supply := sampleSupply(places, seed)
	secrets, err := makeSecrets(seed)
	if err != nil {
		return report, fmt.Errorf("sample: %w", err)
	}

	files := map[string][]byte{
		"campaign.toml":  campaignFile(secrets),
		"clinics.csv":    clinicsFile(places),
		"supply.csv":     supplyFile(supply),
		"population.csv": populationFile(cells),
		quicknetFile:     []byte(quicknetRound),
		lettersFile:      []byte(sampleLetters),
	}
	if files["trustees.json"], err = secrets.marshal(); err != nil {
		return report, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return report, err
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(to, name), body, 0o644); err != nil {
			return report, err
		}
		report.Bytes += int64(len(body))
	}
	report.Clinics, report.Slots = len(places), len(supply)
	for _, s := range supply {
		report.Seats += s.n
	}
	residents := 0.0
	for _, c := range cells {
		residents += c.residents
		report.People += c.people
	}
	report.Residents = int(residents)
	return report, nil
}

func clinicsFile(ps []place) []byte {
	rows := [][]string{{"key", "name", "name_en", "kind", "address", "district", "lat", "lon", "phone", "email", "hours"}}
	for _, p := range ps {
		rows = append(rows, []string{p.key, p.name, p.nameEn, p.kind, p.address, p.area, p.lat, p.lon, "", "", p.hours()})
	}
	return csvBytes(rows)
}

func supplyFile(ss []seats) []byte {
	slices.SortFunc(ss, func(a, b seats) int {
		return cmp.Or(cmp.Compare(a.clinic, b.clinic), cmp.Compare(a.date, b.date), cmp.Compare(a.block, b.block))
	})
	rows := [][]string{{"clinic", "date", "block", "vaccine", "seats"}}
	for _, s := range ss {
		rows = append(rows, []string{s.clinic, s.date, s.block, sampleVaccine, strconv.Itoa(s.n)})
	}
	return csvBytes(rows)
}

func populationFile(cells []cell) []byte {
	rows := [][]string{populationHeader}
	for _, c := range cells {
		rows = append(rows, []string{
			c.code, c.name, areaOfNeighbourhood(c.name), c.latS, c.lonS,
			strconv.Itoa(c.year), strconv.FormatFloat(c.residents, 'f', -1, 64), strconv.Itoa(c.people),
		})
	}
	return csvBytes(rows)
}

var populationHeader = []string{"emd_code", "emd_ko", "district", "lat", "lon", "birth_year", "residents", "people"}

// csvBytes writes rows; a bytes.Buffer takes everything.
func csvBytes(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		panic(err)
	}
	return b.Bytes()
}
