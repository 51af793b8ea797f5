package form

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The most that a page and a first visit may weigh, in bytes over the wire.
const (
	pageWeight  = 20 << 10
	visitWeight = 100 << 10
)

// wire fetches a page as a browser does, and says how much came: the status
// line, the headers and the body as it was compressed. A page that sends
// elsewhere is none.
func wire(t *testing.T, b *browser, path string) (weight int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip, deflate, br")
	c := &http.Client{Jar: b.c.Jar, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if to := res.Request.URL.RequestURI(); to != path {
		t.Errorf("%s leads to %s", path, to)
	}
	var head bytes.Buffer
	if err := res.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	return head.Len() + len(raw), plainBody(t, res.Header, raw)
}

func plainBody(t *testing.T, h http.Header, raw []byte) string {
	t.Helper()
	if h.Get("Content-Encoding") != "gzip" {
		return string(raw)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var asked = regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`)

// Every page in every state is light, and so is a first visit with all that
// the page asks for.
func TestWeights(t *testing.T) {
	for _, lang := range []string{"ko", "en"} {
		heaviest, name, first := 0, "", 0
		walk(t, lang, func(s stop) {
			if s.sent != "" {
				var b bytes.Buffer
				z := gzip.NewWriter(&b)
				if _, err := z.Write([]byte(s.sent)); err != nil {
					t.Fatal(err)
				}
				if err := z.Close(); err != nil {
					t.Fatal(err)
				}
				if b.Len() > pageWeight {
					t.Errorf("%s: %d bytes compressed", s.name, b.Len())
				}
				return
			}
			weight, body := wire(t, s.b, s.path)
			if weight > pageWeight {
				t.Errorf("%s: %d bytes over the wire, at most %d", s.name, weight, pageWeight)
			}
			if !strings.Contains(body, "</html>") {
				t.Errorf("%s: the page is not whole", s.name)
			}
			if weight > heaviest {
				heaviest, name = weight, s.name
			}
			all := weight
			for _, m := range asked.FindAllStringSubmatch(body, -1) {
				more, _ := wire(t, s.b, m[1])
				all += more
			}
			if all > visitWeight {
				t.Errorf("%s: a first visit takes %d bytes, at most %d", s.name, all, visitWeight)
			}
			first = max(first, all)
		})
		t.Logf("%s: the heaviest page is %s with %d bytes; a first visit at any of them takes at most %d", lang, name, heaviest, first)
	}
}
