package form

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"jebi/cohort"
)

// The map's size, in its own units, and what is left free at its edges.
const (
	mapSide  = 600
	mapSpace = 40
	mapDot   = 15 // of a clinic with its number
)

// placeMap draws the listed clinics where they lie to each other and to home:
// an extra beside the list, which says the same in words. It has no streets:
// nothing is asked of anybody else.
func (f *Form) placeMap(v *visit) error {
	s, err := f.mustBeOpen(v)
	if err != nil {
		return err
	}
	d, _, err := f.draftOf(v, s.Ballot)
	if err != nil {
		return err
	}
	n, err := v.number()
	if err != nil {
		return err
	}
	ps, err := f.places(v)
	if err != nil {
		return err
	}
	var w wish
	if n <= len(d.Choices) {
		w = d.Choices[n-1]
	}
	p := choicePage{frame: f.frame(v, "form.choice.title"), N: n, Home: ps.home != nil}
	f.listClinics(v, &p, ps, w)
	var shown []dot
	for _, c := range slices.Concat(p.Ticked, p.Clinics) {
		if k, ok := ps.byKey(c.Key); ok {
			shown = append(shown, dot{c.N, c.On, k.Lat, k.Lon})
		}
	}
	h := v.w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Vary", "Cookie")
	v.w.WriteHeader(http.StatusOK)
	fmt.Fprint(v.w, drawMap(p.frame, shown, ps.home))
	return nil
}

// dot is a clinic on the map.
type dot struct {
	n        int
	on       bool
	lat, lon float64
}

// drawMap makes the picture: north above, home in the middle with a ring of a
// whole distance around it, where it is known.
func drawMap(p frame, dots []dot, home *[2]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="18">`, mapSide, mapSide)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#f2f5f9"/>`, mapSide, mapSide)
	if len(dots) == 0 {
		return b.String() + "</svg>"
	}
	lat, lon := dots[0].lat, dots[0].lon
	if home != nil {
		lat, lon = home[0], home[1]
	} else {
		least, most := [2]float64{lat, lon}, [2]float64{lat, lon}
		for _, d := range dots {
			least = [2]float64{min(least[0], d.lat), min(least[1], d.lon)}
			most = [2]float64{max(most[0], d.lat), max(most[1], d.lon)}
		}
		lat, lon = (least[0]+most[0])/2, (least[1]+most[1])/2
	}
	furthest := 100.0 // metres
	for _, d := range dots {
		furthest = max(furthest, cohort.Distance(lat, lon, d.lat, d.lon))
	}
	scale := (mapSide/2 - mapSpace) / furthest // units a metre
	const metresADegree = 111_195              // of latitude
	at := func(d dot) (x, y float64) {
		return mapSide/2 + (d.lon-lon)*metresADegree*math.Cos(lat*math.Pi/180)*scale, mapSide/2 - (d.lat-lat)*metresADegree*scale
	}
	ring := ringOf(furthest)
	fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="%.1f" fill="none" stroke="#5a6675" stroke-dasharray="6 6"/>`, mapSide/2, mapSide/2, ring*scale)
	fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="middle" fill="#1a1f26">%s</text>`, mapSide/2, mapSide/2-ring*scale-6, p.book.Distance(p.Lang, ring))
	// Where numbers would cover each other the nearer clinic has its number, and the others are dots.
	var big, small strings.Builder
	type point struct{ x, y float64 }
	var taken []point
	for _, d := range dots {
		x, y := at(d)
		fill, ink := "#ffffff", "#16447f"
		if d.on {
			fill, ink = "#16447f", "#ffffff"
		}
		if slices.ContainsFunc(taken, func(t point) bool { return math.Hypot(t.x-x, t.y-y) < 2*mapDot }) {
			fmt.Fprintf(&small, `<circle cx="%.1f" cy="%.1f" r="5" fill="%s" stroke="#16447f" stroke-width="2"/>`, x, y, fill)
			continue
		}
		taken = append(taken, point{x, y})
		fmt.Fprintf(&big, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s" stroke="#16447f" stroke-width="2"/>`, x, y, mapDot, fill)
		fmt.Fprintf(&big, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="%s">%d</text>`, x, y+6, ink, d.n)
	}
	b.WriteString(small.String() + big.String())
	if home != nil {
		fmt.Fprintf(&b, `<path d="M%d %d l12 -12 l12 12 v12 h-24 z" fill="#a3161a" stroke="#ffffff" stroke-width="2"/>`, mapSide/2-12, mapSide/2)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#a3161a" font-weight="bold" stroke="#f2f5f9" stroke-width="4" paint-order="stroke">%s</text>`, mapSide/2, mapSide/2+32, p.T("form.map.home"))
	}
	return b.String() + "</svg>"
}

// ringOf is a round distance, in metres, not beyond the furthest clinic.
func ringOf(furthest float64) float64 {
	ring := 100.0
	for _, r := range []float64{200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000} {
		if r <= furthest {
			ring = r
		}
	}
	return ring
}
