package cohort

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"text/template"
)

// Where things stand in the picture, in pixels.
const (
	plotLeft  = 230 // of the axis: names stand before it
	plotWidth = 520
	plotRight = 200 // numbers stand behind it
	plotHead  = 64
	plotGap   = 46 // between two cuts: the next one's title
	rowHigh   = 18
	rowLow    = 4   // of cuts with many cells
	plotTall  = 760 // a cut is made no taller than about this
)

type plotPage struct {
	Title, Note, Sample string
	Width, Height       int
	Panels              []plotPanel
}

type plotPanel struct {
	Title             string
	Top, Bottom, Base int
	All               string // x of the share of all
	Ticks             []plotTick
	Rows              []plotRow
}

type plotTick struct {
	X    string
	Text string
}

type plotRow struct {
	Y                int
	Text             int // y of the text
	Name, Numbers    string
	Of, Low, High, R string
}

const plotSVG = `<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img" font-family="sans-serif" font-size="12">
<title>{{esc .Title}}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="24" font-size="16" font-weight="bold">{{esc .Title}}</text>
<text x="16" y="44" fill="#444">{{esc .Note}}</text>
{{- if .Sample}}
<text x="{{.Width}}" y="24" dx="-16" text-anchor="end" font-weight="bold" fill="#b00020">{{esc .Sample}}</text>
{{- end}}
{{- range .Panels}}
<g>
<text x="16" y="{{.Base}}" font-weight="bold">{{esc .Title}}</text>
{{- $top := .Top}}{{$bottom := .Bottom}}
{{- range .Ticks}}
<line x1="{{.X}}" x2="{{.X}}" y1="{{$top}}" y2="{{$bottom}}" stroke="#ddd"/>
<text x="{{.X}}" y="{{$top}}" dy="-4" text-anchor="middle" font-size="10" fill="#666">{{.Text}}</text>
{{- end}}
<line x1="{{.All}}" x2="{{.All}}" y1="{{.Top}}" y2="{{.Bottom}}" stroke="#b00020" stroke-dasharray="4 3"/>
{{- range .Rows}}
<line x1="{{.Low}}" x2="{{.High}}" y1="{{.Y}}" y2="{{.Y}}" stroke="#1a5276" stroke-width="1.5"/>
<circle cx="{{.Of}}" cy="{{.Y}}" r="{{.R}}" fill="#1a5276"/>
{{- if .Name}}
<text x="222" y="{{.Text}}" text-anchor="end">{{esc .Name}}</text>
<text x="758" y="{{.Text}}" fill="#444">{{esc .Numbers}}</text>
{{- end}}
{{- end}}
</g>
{{- end}}
</svg>
`

// SVG draws the statistics: each cell's share of the served with its interval,
// the share of all as a dashed line. name gives what a cell is called for
// people; a sample says so.
func (f Fairness) SVG(title string, sample bool, name func(by, cell string) string) ([]byte, error) {
	p := plotPage{
		Title: title, Width: plotLeft + plotWidth + plotRight,
		Note: fmt.Sprintf("%d of %d people were served (%s); lines are 95 %% confidence intervals (Wilson)", f.Served, f.People, percent(f.Share.Of)),
	}
	if sample {
		p.Sample = "SAMPLE"
	}
	x := func(share float64) string { return fmt.Sprintf("%.1f", plotLeft+share*plotWidth) }
	at := plotHead
	for _, d := range f.Dimensions {
		if len(d.Cells) == 0 {
			continue
		}
		row := min(rowHigh, max(rowLow, plotTall/len(d.Cells)))
		labels := (11 + row) / row // a label on every so manieth row
		panel := plotPanel{Title: fairnessTitle(d), Base: at + 16, Top: at + plotGap - 8, All: x(f.Share.Of)}
		for i := range 5 {
			share := float64(i) / 4
			panel.Ticks = append(panel.Ticks, plotTick{x(share), percent(share)})
		}
		at += plotGap
		for i, c := range d.Cells {
			y := at + row/2
			r := plotRow{Y: y, Text: y + 4, Of: x(c.Share.Of), Low: x(c.Share.Low), High: x(c.Share.High), R: fmt.Sprintf("%.1f", min(3.5, float64(row)/2))}
			if i%labels == 0 {
				r.Name, r.Numbers = name(d.By, c.Cell), fmt.Sprintf("%s, %d of %d", percent(c.Share.Of), c.Served, c.People)
			}
			panel.Rows = append(panel.Rows, r)
			at += row
		}
		panel.Bottom = at + 4
		at += 12
		p.Panels = append(p.Panels, panel)
	}
	p.Height = at + 8
	t, err := template.New("plot").Funcs(template.FuncMap{"esc": escapeXML}).Parse(plotSVG)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func fairnessTitle(d FairnessBy) string {
	title := map[string]string{
		"birth_year": "Birth year", "district": "District", "group": "Group", "language": "Language", "channel": "Channel of the answer",
		"hour": "Hour of the answer",
	}[d.By]
	if title == "" {
		title = d.By
	}
	if d.LuckPValue != nil {
		title += fmt.Sprintf(" – luck as uneven as this by chance: p = %.3f", *d.LuckPValue)
	}
	if d.TrendPValue != nil {
		title += fmt.Sprintf("; trend: p = %.3f", *d.TrendPValue)
	}
	return title
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}
