package rehearse

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Arrivals is a model, not a measurement: the most requests a second that a
// site must answer when everybody comes at the opening and tries again until
// she is through, against a window in which nothing depends on the minute.
type Arrivals struct {
	Label       string         `json:"label"`
	Assumptions []string       `json:"assumptions"`
	Peaks       []ArrivalsPeak `json:"peaks"`
}

// ArrivalsPeak is the model's answer for one number of people.
type ArrivalsPeak struct {
	People     int     `json:"people"`
	FirstCome  float64 `json:"first_come_peak_per_second"` // with those who try again
	NoRetries  float64 `json:"first_come_without_retries"` // everybody asks once
	Hours      float64 `json:"window_8_hours_peak"`        // a second
	Days       float64 `json:"window_3_days_peak"`         // a second
	RatioHours float64 `json:"ratio_8_hours"`              // first come / window
	RatioDays  float64 `json:"ratio_3_days"`               // first come / window
}

// The model's numbers. Those of 2021 are of the opening for the birth years
// 1962–1966 on 12 July at midnight, as the papers reported them: 3,524,000
// people could book, about 1,100,000 stood in the waiting room at its peak, and
// the site let about 300,000 an hour book. The others are assumptions.
const (
	rushEligible = 3_524_000.0
	rushWaiting  = 1_100_000.0
	rushServed   = 300_000.0 / 3600 // a second

	rushSeconds = 300.0 // in which those come who are there at the opening
	retryEvery  = 30.0  // seconds between two tries of one who is not through

	lumpShare   = 0.20 // in the first, and again in the last, half hour of a window
	lumpMinutes = 30.0
)

// arrivalSizes are the cohort of the comparison, a large birth-year cohort, and everybody.
func arrivalSizes() []int { return []int{27_600, 3_500_000, 22_000_000} }

func modelArrivals() Arrivals {
	a := Arrivals{
		Label: "a model, not a measurement",
		Assumptions: []string{
			fmt.Sprintf("first come, after 12 July 2021: %.0f %% of all come evenly within the first %.0f minutes, and the site lets %.1f %% of all through an hour", 100*rushWaiting/rushEligible, rushSeconds/60, 100*3600*rushServed/rushEligible),
			fmt.Sprintf("one who is not through asks again every %.0f seconds", retryEvery),
			fmt.Sprintf("window: %.0f %% come evenly in the first and %.0f %% in the last %.0f minutes, all others evenly between", 100*lumpShare, 100*lumpShare, lumpMinutes),
			"a visit counts as one request on both sides",
		},
	}
	for _, people := range arrivalSizes() {
		n := float64(people)
		p := ArrivalsPeak{People: people, NoRetries: n * rushWaiting / rushEligible / rushSeconds, FirstCome: rushPeak(n), Hours: windowPeak(n, 8*60), Days: windowPeak(n, 3*24*60)}
		p.RatioHours, p.RatioDays = p.FirstCome/p.Hours, p.FirstCome/p.Days
		a.Peaks = append(a.Peaks, p)
	}
	return a
}

// rushPeak is the most requests a second of the first quarter of an hour: of
// those who come, and of those who are not through and ask again.
func rushPeak(people float64) float64 {
	scale := people / rushEligible
	waiting, most := 0.0, 0.0
	for second := range 15 * 60 {
		come := 0.0
		if second < rushSeconds {
			come = rushWaiting * scale / rushSeconds
		}
		most = max(most, come+waiting/retryEvery)
		waiting = max(0, waiting+come-rushServed*scale)
	}
	return most
}

// windowPeak is the most requests a second of a window of so many minutes.
func windowPeak(people, minutes float64) float64 {
	return max(lumpShare*people/(lumpMinutes*60), (1-2*lumpShare)*people/((minutes-2*lumpMinutes)*60))
}

// Table prints the model for people.
func (a Arrivals) Table(w io.Writer) error {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.SetTitle("arrivals (" + a.Label + "): most requests a second")
	t.AppendHeader(table.Row{"people", "first come", "without retries", "window of 8 h", "ratio", "window of 3 days", "ratio"})
	for _, p := range a.Peaks {
		t.AppendRow(table.Row{p.People, fmt.Sprintf("%.0f", p.FirstCome), fmt.Sprintf("%.0f", p.NoRetries), fmt.Sprintf("%.1f", p.Hours), fmt.Sprintf("%.0f", p.RatioHours), fmt.Sprintf("%.1f", p.Days), fmt.Sprintf("%.0f", p.RatioDays)})
	}
	t.Render()
	for _, s := range a.Assumptions {
		if _, err := fmt.Fprintln(w, " ", s); err != nil {
			return err
		}
	}
	return nil
}

// The picture's measures, in its own units.
const (
	pictureWidth, pictureHeight = 860.0, 420.0
	pictureLeft, pictureTop     = 90.0, 70.0
	plotWidth, plotHeight       = 750.0, 270.0
	barWidth                    = 62.0
)

// Picture draws the peaks as an SVG: three bars for each number of people, on a
// logarithmic scale.
func (a Arrivals) Picture() []byte {
	least, most := 1.0, 1.0
	for _, p := range a.Peaks {
		most = max(most, p.FirstCome)
	}
	decades := math.Ceil(math.Log10(most / least))
	y := func(v float64) float64 {
		return pictureTop + plotHeight*(1-math.Log10(max(v, least)/least)/decades)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="system-ui, sans-serif" font-size="13" fill="#1d1d1d" role="img" aria-labelledby="t d">`+"\n", pictureWidth, pictureHeight)
	fmt.Fprintf(&b, "<title id=\"t\">Most requests a second: first come against a window</title>\n<desc id=\"d\">%s.", a.Label)
	for _, p := range a.Peaks {
		fmt.Fprintf(&b, " %s people: first come %s, window of 8 hours %s, of 3 days %s.", thousands(float64(p.People)), thousands(p.FirstCome), thousands(p.Hours), thousands(p.Days))
	}
	b.WriteString("</desc>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n")
	fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"28\" font-size=\"17\" font-weight=\"600\">Most requests a second that must be answered</text>\n", pictureLeft)
	fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"48\" fill=\"#555555\">%s; logarithmic scale, each line ten times the one below</text>\n", pictureLeft, a.Label)
	for d := 0.0; d <= decades; d++ {
		v := least * math.Pow(10, d)
		fmt.Fprintf(&b, "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#cccccc\"/><text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			pictureLeft, pictureLeft+plotWidth, y(v), y(v), pictureLeft-8, y(v)+4, thousands(v))
	}
	group := plotWidth / float64(len(a.Peaks))
	for i, p := range a.Peaks {
		middle := pictureLeft + group*(float64(i)+0.5)
		for j, bar := range []struct {
			value float64
			fill  string
		}{{p.FirstCome, "#b3261e"}, {p.Hours, "#1f5fa8"}, {p.Days, "#2e7d32"}} {
			x := middle + (float64(j)-1.5)*(barWidth+6)
			fmt.Fprintf(&b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.1f\" fill=\"%s\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
				x, y(bar.value), barWidth, pictureTop+plotHeight-y(bar.value), bar.fill, x+barWidth/2, y(bar.value)-5, thousands(bar.value))
		}
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s people</text>\n", middle, pictureTop+plotHeight+20, thousands(float64(p.People)))
	}
	for j, key := range []struct{ name, fill string }{{"first come, with retries", "#b3261e"}, {"window of 8 hours", "#1f5fa8"}, {"window of 3 days", "#2e7d32"}} {
		x := pictureLeft + float64(j)*250
		fmt.Fprintf(&b, "<rect x=\"%.0f\" y=\"385\" width=\"14\" height=\"14\" fill=\"%s\"/><text x=\"%.0f\" y=\"397\">%s</text>\n", x, key.fill, x+20, key.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// thousands writes a number for the picture: two digits that count below 10,
// separators above 999.
func thousands(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
