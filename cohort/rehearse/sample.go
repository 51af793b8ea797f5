package rehearse

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Sample is a sample campaign as it lies in files: what MakeSample wrote.
type Sample struct {
	Campaign  []byte // campaign.toml
	Trustees  []Trustee
	Witnesses []Witness
	Round     []byte     // of drand, as a relay gives it
	Letters   []byte     // the public's contributions
	clinics   [][]string // with headers
	supply    [][]string
	cells     []cell
}

// LoadSample reads the sample's files from a folder.
func LoadSample(dir fs.FS) (*Sample, error) {
	s := &Sample{}
	var err error
	if s.Campaign, err = fs.ReadFile(dir, "campaign.toml"); err != nil {
		return nil, err
	}
	secrets, err := readSecrets(dir)
	if err != nil {
		return nil, err
	}
	s.Trustees, s.Witnesses = secrets.Trustees, secrets.Witnesses
	if s.Round, err = fs.ReadFile(dir, quicknetFile); err != nil {
		return nil, err
	}
	if s.Letters, err = fs.ReadFile(dir, lettersFile); err != nil {
		return nil, err
	}
	if s.clinics, err = readRows(dir, "clinics.csv"); err != nil {
		return nil, err
	}
	if s.supply, err = readRows(dir, "supply.csv"); err != nil {
		return nil, err
	}
	rows, err := readRows(dir, "population.csv")
	if err != nil {
		return nil, err
	}
	for i, r := range rows[1:] {
		c, err := parseCell(r)
		if err != nil {
			return nil, fmt.Errorf("population.csv: row %d: %w", i+2, err)
		}
		s.cells = append(s.cells, c)
	}
	return s, nil
}

func readRows(dir fs.FS, name string) ([][]string, error) {
	b, err := fs.ReadFile(dir, name)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(rows) < 2 {
		return nil, fmt.Errorf("%s: no rows", name)
	}
	return rows, nil
}

func parseCell(r []string) (cell, error) {
	if len(r) != len(populationHeader) {
		return cell{}, fmt.Errorf("%d columns, want %d", len(r), len(populationHeader))
	}
	c := cell{code: r[0], name: r[1], area: r[2], latS: r[3], lonS: r[4]}
	var err [5]error
	c.lat, err[0] = strconv.ParseFloat(r[3], 64)
	c.lon, err[1] = strconv.ParseFloat(r[4], 64)
	c.year, err[2] = strconv.Atoi(r[5])
	c.residents, err[3] = strconv.ParseFloat(r[6], 64)
	c.people, err[4] = strconv.Atoi(r[7])
	return c, cmp.Or(err[:]...)
}

// People is how many people stand on the whole sample's list.
func (s *Sample) People() int {
	n := 0
	for _, c := range s.cells {
		n += c.people
	}
	return n
}

// Citizens makes the people of the list, or n of them in the same proportions
// of neighbourhoods and birth years (n = 0: all). The seed decides everything
// about them.
func (s *Sample) Citizens(n int, seed uint64) []Citizen { return citizens(s.cells, n, seed) }

// Scaled gives the sample with clinics and seats for n people: fewer clinics
// and fewer sessions, each with as many seats as before, and fewer in reserve. n = 0, or more than
// there are: as it is.
func (s *Sample) Scaled(n int) (*Sample, error) {
	if n <= 0 || n >= s.People() {
		return s, nil
	}
	f := float64(n) / float64(s.People())
	keep := max(6, int(math.Ceil(float64(len(s.clinics)-1)*math.Sqrt(f))))
	total, err := sumSeats(s.supply[1:])
	if err != nil {
		return nil, err
	}
	small := *s
	reserve := int(math.Ceil(float64(sampleReserve) * f))
	small.Campaign = bytes.Replace(s.Campaign, reserveLine(sampleReserve), reserveLine(reserve), 1)
	small.clinics, small.supply = s.clinics[:1:1], s.supply[:1:1]

	// Every so many rows: clinics stand by key and sessions by clinic and date, so what is kept is spread out.
	kept := map[string]bool{}
	for i := range keep {
		row := s.clinics[1+i*(len(s.clinics)-1)/keep]
		small.clinics = append(small.clinics, row)
		kept[row[0]] = true
	}
	var rows [][]string
	for _, row := range s.supply[1:] {
		if kept[row[0]] {
			rows = append(rows, row)
		}
	}
	have, err := sumSeats(rows)
	if err != nil {
		return nil, err
	}
	want, given, at := int(math.Round(float64(total)*f)), 0, 0
	for _, row := range rows {
		k := atoi(row[4])
		at += k
		// What is given stays just ahead of the share that is due, and ends at it.
		if k = min(k, want-given); k > 0 && given*have < at*want {
			row = slices.Clone(row)
			row[4] = strconv.Itoa(k)
			small.supply = append(small.supply, row)
			given += k
		}
	}
	return &small, nil
}

// reserveLine is the campaign file's line of the seats that are kept back.
func reserveLine(seats int) []byte { return fmt.Appendf(nil, "\nreserve = %d\n", seats) }

func sumSeats(rows [][]string) (int, error) {
	n := 0
	for i, r := range rows {
		k, err := strconv.Atoi(r[4])
		if err != nil || k < 0 {
			return 0, fmt.Errorf("supply.csv: row %d: %q seats", i+2, r[4])
		}
		n += k
	}
	return n, nil
}

// Write puts the files that the program imports into the folder: clinics.csv,
// supply.csv and people.csv.
func (s *Sample) Write(dir string, people []Citizen) error {
	rows := [][]string{peopleHeader}
	for _, p := range people {
		rows = append(rows, p.record())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, rows := range map[string][][]string{"clinics.csv": s.clinics, "supply.csv": s.supply, "people.csv": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), csvBytes(rows), 0o644); err != nil {
			return err
		}
	}
	return nil
}
