package rehearse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// cell is one line of population.csv: who lives in a neighbourhood of the
// district, born in a year.
type cell struct {
	code, name string  // administrative neighbourhood
	area       string  // district code of the campaign
	lat, lon   float64 // of the neighbourhood's centroid
	year       int
	residents  float64 // mid-year estimate
	people     int     // of them on the sample's list
	latS, lonS string
}

// The sample's list holds this share of the residents, in per cent: the size
// with which the design was measured, 27,600. The share is not a fact: in a
// real list those are missing who had a dose before or stand on another list.
const sampleShare = 51

// samplePopulation makes the cells from the registration statistics: at
// mid-year, half of those who are Y completed years old in June were born
// 2021-Y, half the year before.
func samplePopulation(dir string) ([]cell, error) {
	t, err := readTable(dir, "population_202106_emd.csv")
	if err != nil {
		return nil, err
	}
	if err := t.need("emd_code", "sigungu_code", "emd_ko", "lat", "lon"); err != nil {
		return nil, err
	}
	var cells []cell
	for _, r := range t.where("sigungu_code", sampleDistrict) {
		for _, c := range sampleCohorts {
			for year := c.from; year <= c.to; year++ {
				a, err := t.number(r, fmt.Sprintf("age_%d", 2021-year))
				if err != nil {
					return nil, err
				}
				b, err := t.number(r, fmt.Sprintf("age_%d", 2020-year))
				if err != nil {
					return nil, err
				}
				cells = append(cells, cell{
					code: t.get(r, "emd_code"), name: t.get(r, "emd_ko"), latS: t.get(r, "lat"), lonS: t.get(r, "lon"),
					year: year, residents: float64(a+b) / 2,
				})
			}
		}
	}
	weights, sum := make([]float64, len(cells)), 0.0
	for i, c := range cells {
		weights[i] = c.residents
		sum += c.residents
	}
	for i, n := range shares(weights, int(math.Round(sum*sampleShare/100))) {
		cells[i].people = n
	}
	return cells, nil
}

// Citizen is a synthetic person with what her choices come from.
type Citizen struct {
	Key      string
	Name     string
	Birth    time.Time
	Phone    string // +82 10 0xxx xxxx or +82 10 1xxx xxxx: Korean mobile numbers go on with 2 to 9, so nobody has it
	Email    string // at a domain that cannot exist
	Address  string
	District string
	Lat, Lon float64
	Language string
}

// metre is a metre in degrees of latitude.
const metre = 1 / 111_320.0

// citizens makes n people in the proportions of the cells (all of them where n is 0).
func citizens(cells []cell, n int, seed uint64) []Citizen {
	weights, all := make([]float64, len(cells)), 0
	for i, c := range cells {
		weights[i] = float64(c.people)
		all += c.people
	}
	if n == 0 || n > all {
		n = all
	}
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]Citizen, 0, n)
	for i, k := range shares(weights, n) {
		for range k {
			out = append(out, cells[i].citizen(r))
		}
	}
	// Where somebody stands on the list says nothing about her.
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	numbers := r.Perm(20_000_000 / 400)
	for i := range out {
		c := &out[i]
		c.Key = fmt.Sprintf("S%06d", i+1)
		if c.Phone != "" {
			c.Phone = fmt.Sprintf("+8210%08d", numbers[i%len(numbers)]*400+i%400)
		}
		if c.Email != "" {
			c.Email = fmt.Sprintf("%s@citizens.invalid", lower(c.Key))
		}
	}
	return out
}

func lower(key string) string { return "s" + key[1:] }

func (c cell) citizen(r *rand.Rand) Citizen {
	first := time.Date(c.year, 1, 1, 0, 0, 0, 0, time.UTC)
	days := int(first.AddDate(1, 0, 0).Sub(first).Hours()) / 24
	distance, turn := math.Abs(r.NormFloat64())*350, 2*math.Pi*r.Float64() // metres, a neighbourhood is some 700 m wide
	p := Citizen{
		Name:     koreanName(r),
		Birth:    first.AddDate(0, 0, r.IntN(days)),
		Phone:    "yes",
		Address:  "서울특별시 관악구 " + c.name,
		District: c.area,
		Lat:      c.lat + distance*math.Cos(turn)*metre,
		Lon:      c.lon + distance*math.Sin(turn)*metre/math.Cos(c.lat*math.Pi/180),
		Language: "ko",
	}
	switch x := r.Float64(); {
	case x < 0.03: // no mobile phone
		p.Phone, p.Email = "", "yes"
	case x < 0.53:
		p.Email = "yes"
	}
	if r.Float64() < 0.02 {
		p.Language = "en"
	}
	return p
}

// record is the person's line in people.csv.
func (p Citizen) record() []string {
	return []string{
		p.Key, p.Name, p.Birth.Format(time.DateOnly), p.Phone, p.Email, p.Address, p.District,
		strconv.FormatFloat(p.Lat, 'f', 5, 64), strconv.FormatFloat(p.Lon, 'f', 5, 64), "", p.Language,
	}
}

// peopleHeader names the columns of people.csv.
var peopleHeader = []string{"key", "name", "birth_date", "phone", "email", "address", "district", "lat", "lon", "groups", "language"}

// areaOfNeighbourhood says in which legal neighbourhood an administrative one
// lies: those of Bongcheon and Namhyeon by name, the others are Sillim's.
func areaOfNeighbourhood(name string) string {
	bongcheon := []string{"보라매동", "은천동", "성현동", "중앙동", "청림동", "행운동", "청룡동", "낙성대동", "인헌동"}
	switch {
	case slices.Contains(bongcheon, name):
		return sampleAreas[0].code
	case name == "남현동":
		return sampleAreas[2].code
	}
	return sampleAreas[1].code
}
