package form

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
)

//go:embed templates
var templates embed.FS

// pages are the parsed templates, by file name, each with the layout.
type pages struct {
	byName  map[string]*template.Template
	version string // of the static files, part of their address
}

// staticFiles are the files that pages ask for.
func staticFiles() []string { return []string{"icon.svg", "session.js", "style.css"} }

func readPages() (pages, error) {
	ps := pages{byName: map[string]*template.Template{}}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return ps, err
	}
	for _, n := range names {
		base := strings.TrimPrefix(n, "templates/")
		if base == "layout.html" || base == "parts.html" {
			continue
		}
		t, err := template.New("layout.html").Funcs(template.FuncMap{"tel": tel}).ParseFS(templates, "templates/layout.html", "templates/parts.html", n)
		if err != nil {
			return ps, fmt.Errorf("form: %w", err)
		}
		ps.byName[base] = t
	}
	sum := sha256.New()
	for _, n := range staticFiles() {
		b, err := fs.ReadFile(static, "static/"+n)
		if err != nil {
			return ps, fmt.Errorf("form: %w", err)
		}
		sum.Write(b)
	}
	ps.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return ps, nil
}

// frame is what every page shows; pages embed it.
type frame struct {
	book     *words.Book
	campaign *cohort.Campaign

	Lang        string
	Title       string
	Campaign    string // its name
	Sample      bool
	Movable     bool
	Now         string // where the clock is movable
	Here        string // the page's path, for the switch of languages
	Languages   []languageLink
	Static      string
	SignedIn    bool
	Ends        string    // when the session ends if nothing is done
	EndsIn      int       // in how many seconds that is
	Actor       string    // who acts in this session for the person, or ""
	Next        string    // the code for her next visit, where she came with a letter
	Problems    []problem // the summary of errors
	CentrePhone string
	CentreHours string
}

type languageLink struct {
	Tag, Name string
	Current   bool
}

// problem is one thing to correct, with the id of its field.
type problem struct{ Field, Text string }

// T is a text of the page's language; pairs are names and values.
func (p frame) T(key string, pairs ...any) string {
	var args map[string]any
	if len(pairs) > 0 {
		args = make(map[string]any, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			args[fmt.Sprint(pairs[i])] = pairs[i+1]
		}
	}
	return p.book.Text(p.Lang, key, args)
}

// Call is T of a text that names a telephone number, which can be called from
// the page.
func (p frame) Call(key string, pairs ...any) template.HTML {
	const mark = "\uFFFC" // stands in no text
	var number string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "phone" {
			number = fmt.Sprint(pairs[i+1])
			pairs[i+1] = mark
		}
	}
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(p.T(key, pairs...)), mark, string(tel(number))))
}

// aNumber is a text that is one telephone number, and nothing else.
var aNumber = regexp.MustCompile(`^\+?[0-9][0-9 ()-]*$`)

// dialled is a number as a telephone takes it.
var dialled = strings.NewReplacer(" ", "", "(", "", ")", "", "-", "")

// tel writes a telephone number as a link that calls it; what is not one number
// stays text.
func tel(number string) template.HTML {
	text := template.HTMLEscapeString(number)
	if !aNumber.MatchString(number) {
		return template.HTML(text)
	}
	return template.HTML(`<a href="tel:` + dialled.Replace(number) + `">` + text + `</a>`)
}

// When writes a moment in campaign time.
func (p frame) When(t time.Time) string { return p.book.When(p.Lang, t, p.zone()) }

// Span writes a stretch of time in campaign time.
func (p frame) Span(from, to time.Time) string { return p.book.Span(p.Lang, from, to, p.zone()) }

// Number writes a number with separators.
func (p frame) Number(n int) string { return p.book.Number(p.Lang, n) }

// Wrong is the text of a field's error, or "".
func (p frame) Wrong(field string) string {
	for _, w := range p.Problems {
		if w.Field == field {
			return w.Text
		}
	}
	return ""
}

func (p frame) zone() *time.Location {
	if p.campaign == nil {
		return nil
	}
	return p.campaign.Location
}

// in picks a campaign's own text in the page's language.
func (p frame) in(t cohort.Text) string {
	if p.campaign == nil {
		return t.In(p.Lang)
	}
	return t.In(p.Lang, p.campaign.Languages...)
}

// frame makes the frame of a page whose title is a text's key.
func (f *Form) frame(v *visit, title string) frame {
	p := frame{book: f.Words, campaign: v.campaign, Lang: v.lang, Movable: f.movable && !v.early, Here: "/", Static: "/static/" + f.pages.version + "/"}
	p.Title = p.T(title)
	switch {
	case v.Method == http.MethodGet:
		p.Here = local(v.URL.RequestURI())
	case v.URL.Path != "/sign-out":
		p.Here = local(v.URL.Path) // every form is posted to its own page
	}
	offered := f.Words.Languages()
	if c := v.campaign; c != nil {
		offered = c.Languages
		p.Campaign, p.Sample = p.in(c.Name), c.Sample
		p.CentrePhone, p.CentreHours = c.Contact.Phone, p.in(c.Contact.Hours)
	}
	for _, tag := range offered {
		if f.Words.Speaks(tag) {
			p.Languages = append(p.Languages, languageLink{tag, f.Words.Text(tag, "time.language", nil), tag == v.lang})
		}
	}
	if s := v.session; s != nil {
		p.SignedIn, p.Actor, p.Next = true, s.Actor, f.nextCode(v)
		p.Ends = p.book.Clock(p.Lang, s.ExpiresAt.In(zoneOr(p.zone())))
		p.EndsIn = max(0, int(s.ExpiresAt.Sub(s.Now)/time.Second))
	}
	if p.Movable && v.campaign != nil {
		if now, err := f.DB.Now(v.Context()); err == nil {
			p.Now = p.book.FullDate(p.Lang, now.In(zoneOr(p.zone()))) + " " + p.book.Clock(p.Lang, now.In(zoneOr(p.zone())))
		}
	}
	return p
}

func zoneOr(z *time.Location) *time.Location {
	if z == nil {
		return time.UTC
	}
	return z
}

// show renders a page into a buffer and then sends it: a page that fails is
// not half sent.
func (f *Form) show(v *visit, status int, name string, page any) {
	var b bytes.Buffer
	t := f.pages.byName[name]
	if t == nil {
		f.Log.Error("page missing", "page", name)
		http.Error(v.w, strconv.Itoa(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if err := t.Execute(&b, page); err != nil {
		f.Log.Error("page cannot be shown", "page", name, "error", err.Error())
		http.Error(v.w, strconv.Itoa(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang)
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	body := b.Bytes()
	if squeezed, ok := f.squeeze(v.Request, body); ok {
		h.Set("Content-Encoding", "gzip")
		body = squeezed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	v.w.Write(body)
}
