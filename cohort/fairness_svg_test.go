package cohort

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// The picture is well-formed whatever the cells are called, says what it must, and stays inside its frame.
func TestFairnessSVG(t *testing.T) {
	var hours []FairnessCount
	for i := range 300 {
		hours = append(hours, FairnessCount{Value: fmt.Sprintf("h%03d", i), People: 20, Served: i % 21, Singles: 20, Lucky: 10})
	}
	f := NewFairness([]FairnessCounts{
		{By: "district", Counts: []FairnessCount{{"<Gwanak & 관악>", 50, 25, 50, 24}, {"b", 5950, 3000, 5950, 2976}}},
		{By: "hour", Ordered: true, Counts: hours},
		{By: "language", Counts: nil},
		{By: "shoe size", Counts: []FairnessCount{{"41", 6000, 3025, 0, 0}}},
	})
	svg, err := f.SVG(`The draw of "a" & <b>`, true, func(by, cell string) string { return by + ":" + cell })
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	circles := 0
	var texts []string
	height := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				switch {
				case e.Name.Local == "svg" && a.Name.Local == "height":
					fmt.Sscan(a.Value, &height)
				case e.Name.Local == "circle" && a.Name.Local == "cy":
					circles++
					var y int
					if fmt.Sscan(a.Value, &y); y <= 0 || y >= height {
						t.Errorf("a circle at %s of %d", a.Value, height)
					}
				}
			}
		case xml.CharData:
			if s := strings.TrimSpace(string(e)); s != "" {
				texts = append(texts, s)
			}
		}
	}
	if circles != 2+300+1 {
		t.Errorf("%d circles", circles)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{`The draw of "a" & <b>`, "SAMPLE", "3025 of 6000 people were served (50.4 %)", "district:<Gwanak & 관악>", "hour:h000", "50.0 %, 25 of 50", "trend: p = ", "shoe size"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(all, "Language") {
		t.Error("a cut without cells is drawn")
	}
	if height > 2000 {
		t.Errorf("%d pixels tall", height)
	}
}
