package form

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// squeezeFrom is the length from which a page is compressed: a shorter one
// goes in one packet anyhow.
const squeezeFrom = 1200

// squeezers are gzip writers to be used again: one takes a quarter of a
// megabyte to make.
type squeezers struct{ pool sync.Pool }

// squeeze compresses an answer for who takes it so.
func (f *Form) squeeze(r *http.Request, body []byte) ([]byte, bool) {
	if len(body) < squeezeFrom || !takesGzip(r.Header.Get("Accept-Encoding")) {
		return nil, false
	}
	var b bytes.Buffer
	b.Grow(len(body) / 3)
	z, ok := f.gzip.pool.Get().(*gzip.Writer)
	if !ok {
		z = gzip.NewWriter(&b)
	}
	defer f.gzip.pool.Put(z)
	z.Reset(&b)
	if _, err := z.Write(body); err != nil {
		return nil, false // a buffer takes everything
	}
	if err := z.Close(); err != nil {
		return nil, false
	}
	return b.Bytes(), true
}

// takesGzip reads an Accept-Encoding header (RFC 9110, 12.5.3).
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "gzip" && name != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if weight, err := strconv.ParseFloat(q, 64); found && (err != nil || weight == 0) {
			return false
		}
		return true
	}
	return false
}
