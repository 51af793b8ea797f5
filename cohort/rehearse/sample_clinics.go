package rehearse

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// What the sample takes from the lists.
const (
	sampleDistrict = "11620" // Gwanak-gu, Seoul
	sampleClinics  = 98      // clinics and hospitals, beside the vaccination centres
)

// The specialties that stand closest to the contracted clinics of 2021.
var sampleSpecialties = []string{"internal_medicine", "family_medicine", "ent", "paediatrics", "orthopaedics"}

// The legal neighbourhoods of Gwanak-gu, which the clinics' addresses name, with their administrative codes.
var sampleAreas = []struct{ code, ko, en string }{
	{"1162010100", "봉천동", "Bongcheon-dong"},
	{"1162010200", "신림동", "Sillim-dong"},
	{"1162010300", "남현동", "Namhyeon-dong"},
}

// place is a clinic of the sample with its opening hours, "0900" and so on; empty: shut.
type place struct {
	key, name, nameEn, kind, address, area, lat, lon string
	open, close, satOpen, satClose                   string
}

func samplePlaces(dir string) ([]place, error) {
	centres, err := sampleCentres(dir)
	if err != nil {
		return nil, err
	}
	t, err := readTable(dir, "clinics_seoul.csv")
	if err != nil {
		return nil, err
	}
	if err := t.need("inst_id", "name_ko", "type_en", "specialty_hint", "sigungu_code", "address_ko", "lat", "lon", "weekday_open_hhmm",
		"weekday_close_hhmm", "sat_open_hhmm", "sat_close_hhmm", "sat_closed_note", "coord_in_sigungu"); err != nil {
		return nil, err
	}
	var hospitals, clinics []place
	for _, r := range t.where("sigungu_code", sampleDistrict) {
		if t.get(r, "coord_in_sigungu") != "1" || t.get(r, "weekday_open_hhmm") == "" {
			continue
		}
		p := place{
			key: t.get(r, "inst_id"), name: t.get(r, "name_ko"), kind: "clinic", address: t.get(r, "address_ko"), area: areaOf(t.get(r, "address_ko")),
			lat: t.get(r, "lat"), lon: t.get(r, "lon"), open: t.get(r, "weekday_open_hhmm"), close: t.get(r, "weekday_close_hhmm"),
		}
		if t.get(r, "sat_closed_note") == "0" {
			p.satOpen, p.satClose = t.get(r, "sat_open_hhmm"), t.get(r, "sat_close_hhmm")
		}
		switch {
		case p.area == "":
			return nil, fmt.Errorf("clinics_seoul.csv: %s: its address names no neighbourhood of the district", p.key)
		case t.get(r, "type_en") != "clinic":
			p.kind = "hospital"
			hospitals = append(hospitals, p)
		case slices.Contains(sampleSpecialties, t.get(r, "specialty_hint")):
			clinics = append(clinics, p)
		}
	}
	if len(hospitals)+len(clinics) < sampleClinics {
		return nil, fmt.Errorf("clinics_seoul.csv: %d clinics of the district, want %d", len(hospitals)+len(clinics), sampleClinics)
	}
	// Which of the clinics take part is as good as chance, and the same each time.
	slices.SortFunc(clinics, func(a, b place) int {
		x, y := sha256.Sum256([]byte("sample/"+a.key)), sha256.Sum256([]byte("sample/"+b.key))
		return bytes.Compare(x[:], y[:])
	})
	all := slices.Concat(centres, hospitals, clinics[:sampleClinics-len(hospitals)])
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.key, b.key) })
	return all, nil
}

// sampleCentres lists the district's vaccination centres. The list has no hours: those are the usual ones of 2021.
func sampleCentres(dir string) ([]place, error) {
	t, err := readTable(dir, "vaccination_centers_2021.csv")
	if err != nil {
		return nil, err
	}
	if err := t.need("center_id", "facility_name_ko", "sigungu_code", "sido_ko", "sigungu_ko", "lat", "lon"); err != nil {
		return nil, err
	}
	// Names in English and neighbourhoods, which the list does not have.
	known := map[string][2]string{
		"80":  {"Gwanak-gu Sports Centre", "1162010100"},
		"278": {"Gwanak-gu Civil Defence Training Centre", "1162010200"},
	}
	var ps []place
	for _, r := range t.where("sigungu_code", sampleDistrict) {
		id := t.get(r, "center_id")
		k, ok := known[id]
		if !ok {
			return nil, fmt.Errorf("vaccination_centers_2021.csv: centre %s of the district has no English name here", id)
		}
		ps = append(ps, place{
			key: "VC" + id, name: t.get(r, "facility_name_ko"), nameEn: k[0], kind: "centre", address: t.get(r, "sido_ko") + " " + t.get(r, "sigungu_ko"),
			area: k[1], lat: t.get(r, "lat"), lon: t.get(r, "lon"), open: "0900", close: "1800", satOpen: "0900", satClose: "1500",
		})
	}
	return ps, nil
}

func areaOf(address string) string {
	for _, a := range sampleAreas {
		if strings.Contains(address, "("+a.ko) {
			return a.code
		}
	}
	return ""
}

// hours tells people when the place is open, on weekdays and on Saturdays.
func (p place) hours() string {
	s := p.open + "-" + p.close
	if p.satOpen != "" {
		s += ";sat " + p.satOpen + "-" + p.satClose
	}
	return s
}

// opens says whether the place is open for the whole hour that begins at block.
func (p place) opens(block string, saturday bool) bool {
	from, to := p.open, p.close
	if saturday {
		from, to = p.satOpen, p.satClose
	}
	end := fmt.Sprintf("%02d%s", hour(block)+1, block[2:])
	return from != "" && from <= block && end <= to
}

func hour(block string) int { return int(block[0]-'0')*10 + int(block[1]-'0') }
