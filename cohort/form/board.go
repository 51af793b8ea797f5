package form

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// boardPageSize is how many records one page of the board lists.
const boardPageSize = 50

type boardPage struct {
	frame
	Draws   []cohortView
	Records []recordView
	Older   int64 // the record before which the next page begins, or 0
}

type recordView struct {
	ID     int64
	Kind   string
	Cohort string
	At     string
	Hash   string
}

// board lists the public record, newest first.
func (f *Form) board(v *visit) error {
	p := boardPage{frame: f.frame(v, "form.board.title")}
	before, err := strconv.ParseInt(v.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	rows, err := f.DB.Cohorts(v.Context(), v.row.ID)
	if err != nil {
		return err
	}
	now, err := f.DB.Now(v.Context())
	if err != nil {
		return err
	}
	names := map[int]string{}
	for _, r := range rows {
		c := f.cohortView(p.frame, r, now)
		names[r.ID] = c.Name
		if r.State != cohort.Draft {
			p.Draws = append(p.Draws, c)
		}
	}
	entries, err := f.DB.BoardPage(v.Context(), v.row.ID, before, boardPageSize+1)
	if err != nil {
		return err
	}
	if len(entries) > boardPageSize {
		entries = entries[:boardPageSize]
		p.Older = entries[boardPageSize-1].ID
	}
	for _, e := range entries {
		p.Records = append(p.Records, f.recordView(p.frame, e, names))
	}
	f.show(v, http.StatusOK, "board.html", p)
	return nil
}

func (f *Form) recordView(p frame, e data.BoardEntry, names map[int]string) recordView {
	kind := "form.board.kind." + e.Kind
	r := recordView{ID: e.ID, Kind: e.Kind, Cohort: names[e.Cohort], At: p.When(e.At), Hash: hex.EncodeToString(e.Hash[:])}
	if p.book.Has(p.Lang, kind) {
		r.Kind = p.T(kind)
	}
	return r
}

// boardRecord serves a record's bytes as they are.
func (f *Form) boardRecord(v *visit) error {
	id, err := strconv.ParseInt(v.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return errNoPage
	}
	e, err := f.DB.BoardRecord(v.Context(), v.row.ID, id)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if json.Valid(e.Body) {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Jebi-Record", fmt.Sprintf("%d %s %s", e.ID, e.Kind, hex.EncodeToString(e.Hash[:])))
	v.w.Write(e.Body)
	return nil
}

type drawPage struct {
	frame
	Cohort   cohortView
	DrawID   string
	Facts    []fact
	Files    []fileView
	Archive  string
	Verified bool
	Result   string   // public name of the result that is shown
	Results  []string // of all, where the draw's was corrected
}

type fact struct{ Name, Value, Note string }

type fileView struct{ Name, Size, Text string }

// draw shows a draw: what is fixed so far, and the files of its bundle.
func (f *Form) draw(v *visit) error {
	d, row, result, err := f.drawOf(v)
	if err != nil {
		return err
	}
	p := drawPage{frame: f.frame(v, "form.draw.title"), DrawID: d.DrawID, Result: cohort.BundleName(d.DrawID, result)}
	now, err := f.DB.Now(v.Context())
	if err != nil {
		return err
	}
	p.Cohort = f.cohortView(p.frame, row, now)
	add := func(key, value string) { p.Facts = append(p.Facts, fact{p.T("form.draw." + key), value, ""}) }
	add("announced", p.When(d.AnnouncedAt))
	add("manifest_hash", lottery.ManifestHash(d.Manifest).String())
	add("k_commit", hex.EncodeToString(d.KCommit[:]))
	if d.FrozenAt != nil {
		add("frozen", p.When(*d.FrozenAt))
		add("leaves", p.Number(d.Leaves-1))
		add("root", hex.EncodeToString(d.Root[:]))
	}
	if d.PublishedAt != nil {
		add("seed", hex.EncodeToString(d.Seed[:]))
		add("published", p.When(*d.PublishedAt))
		p.Verified = d.VerifiedAt != nil
	}
	if d.PublishedAt != nil {
		corrections, err := f.DB.Corrections(v.Context(), d.Cohort)
		if err != nil {
			return err
		}
		for _, c := range corrections {
			p.Results = append(p.Results, cohort.BundleName(d.DrawID, c.Number))
		}
		if p.Results != nil {
			p.Results = append([]string{d.DrawID}, p.Results...)
		}
	}
	dir, err := f.bundle(v, d, result)
	if err != nil && (result > 0 || !errors.Is(err, data.ErrNotFound)) {
		return err
	}
	if err == nil {
		files, err := fs.ReadDir(dir, ".")
		if err != nil {
			return err
		}
		for _, e := range files {
			info, err := e.Info()
			if err != nil {
				return err
			}
			file := fileView{Name: e.Name(), Size: p.Number(int(info.Size()))}
			if key := "form.file." + strings.TrimRight(strings.TrimSuffix(e.Name(), path.Ext(e.Name())), "-0123456789"); p.book.Has(p.Lang, key) {
				file.Text = p.T(key)
			}
			p.Files = append(p.Files, file)
		}
		p.Archive = p.Result + ".zip"
	}
	f.show(v, http.StatusOK, "draw.html", p)
	return nil
}

// drawOf finds the draw that a path names, and which result of it: 0 as it was
// drawn, or the number of a correction.
func (f *Form) drawOf(v *visit) (d data.DrawRow, row data.CohortRow, result int, err error) {
	id, result := cohort.ParseBundleName(v.PathValue("draw"))
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // no text of the database's
		return d, row, result, errNoPage
	}
	if d, err = f.DB.DrawByID(v.Context(), id); err != nil {
		return d, row, result, err
	}
	rows, err := f.DB.Cohorts(v.Context(), v.row.ID)
	if err != nil {
		return d, row, result, err
	}
	for _, r := range rows {
		if r.ID == d.Cohort {
			return d, r, result, nil
		}
	}
	return d, row, result, errNoPage
}

// bundle opens the public files of a result that is published.
func (f *Form) bundle(v *visit, d data.DrawRow, result int) (fs.FS, error) {
	if f.Files == nil || d.PublishedAt == nil {
		return nil, fmt.Errorf("bundle of %s: %w", d.DrawID, data.ErrNotFound)
	}
	dir, err := f.Files(v.Context(), cohort.BundleName(d.DrawID, result))
	if err != nil {
		return nil, err
	}
	return publicBundle{dir}, nil
}

// drawFile serves one file of a bundle, or the whole as an archive.
func (f *Form) drawFile(v *visit) error {
	d, _, result, err := f.drawOf(v)
	if err != nil {
		return err
	}
	dir, err := f.bundle(v, d, result)
	if err != nil {
		return err
	}
	name := v.PathValue("file")
	h := v.w.Header()
	if name == cohort.BundleName(d.DrawID, result)+".zip" {
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
		h.Set("Cache-Control", "public, max-age=3600")
		f.unhurried(v)
		return lottery.WriteArchive(v.w, dir)
	}
	file, err := dir.Open(name)
	if err != nil || name == "." {
		return errNoPage
	}
	defer file.Close()
	h.Set("Content-Type", "application/octet-stream")
	switch path.Ext(name) {
	case ".json":
		h.Set("Content-Type", "application/json")
	case "":
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Cache-Control", "public, max-age=3600")
	f.unhurried(v)
	return copyTo(v.w, file)
}
