package rehearse

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"jebi/lottery"
)

//go:embed page.html
var pageFile string

// PageFile is the page of a rehearsal in its folder.
const PageFile = "index.html"

// program is where make puts it.
const program = "var/bin/jebi"

// Commands are what checks a draw, to be typed in the folder of the repository:
// the public bundle with the proof, by both verifiers, and the auditor's whole.
// dir is the rehearsal's folder.
func (r Record) Commands(dir string) []string {
	bundle, auditor, proof := filepath.Join(dir, r.Bundle), filepath.Join(dir, r.Auditor), filepath.Join(dir, r.Proof)
	key := filepath.Join(dir, OperatorPublic)
	return []string{
		fmt.Sprintf("%s draw verify %s --receipt %s --key %s", program, bundle, proof, key),
		fmt.Sprintf("python3 docs/verify.py %s %s", bundle, proof),
		fmt.Sprintf("%s draw verify %s --receipt %s --key %s --strict", program, auditor, proof, key),
	}
}

// drawView is a draw on the page.
type drawView struct {
	Record
	Parts    []partView
	Commands []string
}

type partView struct {
	lottery.Part
	By      string
	Private bool // not everybody can
}

// writePage puts the page into the rehearsal's folder.
func (s Summary) writePage(dir string) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"share": with,
		"used":  func(c Counts) string { return percent(c.Seats-c.SeatsLeft, c.Seats) },
	}).Parse(pageFile)
	if err != nil {
		return err
	}
	view := struct {
		Summary
		Sentences []string
		Draws     []drawView
	}{s, s.sentences(), nil}
	for _, r := range s.Records {
		d := drawView{Record: r, Commands: r.Commands(dir)}
		for _, p := range r.Private {
			if p.Name == "manifest" && r.Sample {
				p.Detail = strings.TrimPrefix(p.Detail+", a sample", ", ")
			}
			by := whoChecks(r.Public, p.Name)
			p.Detail = short(p.Detail)
			d.Parts = append(d.Parts, partView{p, by, by != byEverybody})
		}
		view.Draws = append(view.Draws, d)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, PageFile), b.Bytes(), 0o644)
}
