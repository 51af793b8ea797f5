package cohort

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Site is a clinic as targets see it.
type Site struct {
	Key      string
	District string // code
	Lat, Lon float64
}

// TargetClinics says which of the sites a target means: "district:CODE" those
// in the district, "near:METRES" those within so many metres of home (degrees;
// nil: none), "clinics" those that are named. The keys come ascending; an
// unknown target means none.
func TargetClinics(target string, named []string, sites []Site, home *[2]float64) []string {
	var in func(Site) bool
	code, isDistrict := strings.CutPrefix(target, "district:")
	radius, isNear := strings.CutPrefix(target, "near:")
	metres, err := strconv.Atoi(radius)
	switch {
	case target == "clinics":
		in = func(s Site) bool { return slices.Contains(named, s.Key) }
	case isDistrict:
		in = func(s Site) bool { return s.District == code }
	case isNear && err == nil && home != nil:
		in = func(s Site) bool { return Distance(home[0], home[1], s.Lat, s.Lon) <= float64(metres) }
	default:
		return nil
	}
	var keys []string
	for _, s := range sites {
		if in(s) {
			keys = append(keys, s.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Distance is metres between two points, in degrees, along the globe
// (haversine, mean radius).
func Distance(lat1, lon1, lat2, lon2 float64) float64 {
	const earth, rad = 6371008.8, math.Pi / 180
	dLat, dLon := (lat2-lat1)*rad, (lon2-lon1)*rad
	a := math.Sin(dLat/2)*math.Sin(dLat/2) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*math.Sin(dLon/2)*math.Sin(dLon/2)
	return 2 * earth * math.Asin(math.Min(1, math.Sqrt(a)))
}
