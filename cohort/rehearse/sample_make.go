package rehearse

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"jebi/lottery"
)

// SampleSeed is the seed that the committed sample was made with.
const SampleSeed uint64 = 20210726

// The sample's cohorts, by birth years, as in the summer of 2021.
var sampleCohorts = []struct {
	key      string
	from, to int
}{
	{"1962-66", 1962, 1966},
	{"1969-71", 1969, 1971},
}

// sampleCampaign is the campaign's key.
const sampleCampaign = "gwanak-2021"

// sampleTrustees hold the envelopes of each draw.
var sampleTrustees = []string{"관악구의회", "관악구의사회", "서울대학교 통계학과"}

// Trustee is what one trustee of a sample draw would reveal: it is published
// with the sample, which only a sample may do.
type Trustee struct {
	DrawID string       `json:"draw_id"`
	Index  uint16       `json:"index"`
	Name   string       `json:"name"`
	Value  lottery.Hash `json:"r"`
	Commit lottery.Hash `json:"commit"`
}

// trusteesFile is trustees.json.
type trusteesFile struct {
	Sample   bool      `json:"sample"`
	Note     string    `json:"note"`
	Trustees []Trustee `json:"trustees"`
}

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
	trustees := makeTrustees(seed)

	files := map[string][]byte{
		"campaign.toml":  campaignFile(trustees),
		"clinics.csv":    clinicsFile(places),
		"supply.csv":     supplyFile(supply),
		"population.csv": populationFile(cells),
	}
	if files["trustees.json"], err = trusteesJSON(trustees); err != nil {
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

func makeTrustees(seed uint64) []Trustee {
	var ts []Trustee
	for _, c := range sampleCohorts {
		draw := sampleCampaign + "-" + c.key
		for i, name := range sampleTrustees {
			j := uint16(i + 1)
			r := sha256.Sum256(fmt.Appendf(nil, "sample trustee, not secret: %d %s %d", seed, draw, j))
			ts = append(ts, Trustee{DrawID: draw, Index: j, Name: name, Value: r, Commit: lottery.TrusteeCommit(draw, j, r)})
		}
	}
	return ts
}

func trusteesJSON(ts []Trustee) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(trusteesFile{
		Sample:   true,
		Note:     "SAMPLE. The values that real trustees keep in sealed envelopes until the dice have fallen. These are public, so they protect nothing.",
		Trustees: ts,
	})
	return b.Bytes(), err
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
