package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile bounds a campaign file, in bytes. A country's campaign has some 30.
const maxFile = 1 << 20

// document is a TOML text with the place of every key and value, and what was
// found wrong in it. Its paths look like "cohorts[1].sources[0].commit".
type document struct {
	text     []byte
	root     map[string]any
	places   map[string]int // path of a key or an element → offset
	problems []Problem
}

// readDocument parses the text. The document has a nil root where that fails;
// its problems then say where.
func readDocument(text []byte) *document {
	d := &document{text: text, places: map[string]int{"": 0}}
	switch {
	case len(text) > maxFile:
		d.problems = []Problem{{1, 1, Error, fmt.Sprintf("the file has %d bytes, more than the %d that a campaign file may have", len(text), maxFile)}}
		return d
	case !utf8.Valid(text):
		offset := 0
		for r, n := utf8.DecodeRune(text); r != utf8.RuneError || n != 1; r, n = utf8.DecodeRune(text[offset:]) {
			offset += n
		}
		d.add(Error, offset, "the file is not UTF-8 here; save it as UTF-8")
		return d
	}
	root := map[string]any{}
	if err := toml.Unmarshal(text, &root); err != nil {
		var at *toml.DecodeError
		if !errors.As(err, &at) {
			d.problems = []Problem{{1, 1, Error, err.Error()}}
			return d
		}
		line, column := at.Position()
		d.problems = []Problem{{max(line, 1), max(column, 1), Error, strings.TrimPrefix(at.Error(), "toml: ")}}
		return d
	}
	d.root = root
	d.findPlaces()
	return d
}

// findPlaces walks the text once more, for the offsets that decoding drops.
func (d *document) findPlaces() {
	p := unstable.Parser{}
	p.Reset(d.text)
	counts := map[string]int{} // tables seen in an array of tables, by path
	header := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			d.placeKeyValue(header, e)
		case unstable.Table, unstable.ArrayTable:
			header = ""
			for it := e.Key(); it.Next(); {
				header = join(header, string(it.Node().Data))
				if !it.IsLast() || e.Kind == unstable.Table {
					if n := counts[header]; n > 0 {
						header = fmt.Sprintf("%s[%d]", header, n-1)
					}
					d.place(header, it.Node())
					continue
				}
				d.place(header, it.Node())
				counts[header]++
				header = fmt.Sprintf("%s[%d]", header, counts[header]-1)
				d.place(header, it.Node())
			}
		}
	}
}

func (d *document) placeKeyValue(prefix string, e *unstable.Node) {
	path := prefix
	for it := e.Key(); it.Next(); {
		path = join(path, string(it.Node().Data))
		d.place(path, it.Node())
	}
	d.placeValue(path, e.Value())
}

func (d *document) placeValue(path string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				d.placeKeyValue(path, it.Node())
			}
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			d.place(element, it.Node())
			d.placeValue(element, it.Node())
			i++
		}
	}
}

// place notes where a path stands, the first time that it is met.
func (d *document) place(path string, n *unstable.Node) {
	if _, ok := d.places[path]; !ok && n.Raw.Length > 0 {
		d.places[path] = int(n.Raw.Offset)
	}
}

// at finds the offset of a path, or of the nearest thing around it.
func (d *document) at(path string) int {
	for {
		if offset, ok := d.places[path]; ok {
			return offset
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

func (d *document) add(severity string, offset int, format string, args ...any) {
	before := d.text[:min(offset, len(d.text))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	d.problems = append(d.problems, Problem{line, column, severity, fmt.Sprintf(format, args...)})
}

func (d *document) fail(path, format string, args ...any) {
	d.add(Error, d.at(path), format, args...)
}

func (d *document) warn(path, format string, args ...any) {
	d.add(Warning, d.at(path), format, args...)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// table reads the keys of one table, each once, and notes what is wrong with
// them. What it answers then is the zero value.
type table struct {
	*document
	path string
	keys map[string]any
	read map[string]bool
}

func (d *document) table(path string, keys map[string]any) *table {
	return &table{d, path, keys, map[string]bool{}}
}

func (t *table) has(key string) bool {
	_, ok := t.keys[key]
	return ok
}

func (t *table) in(key string) string { return join(t.path, key) }

// value answers a key's value, or nil; a missing one is an error if wanted.
func (t *table) value(key string, wanted bool) any {
	t.read[key] = true
	v, ok := t.keys[key]
	if !ok && wanted {
		where := ""
		if t.path != "" {
			where = " in " + t.path
		}
		t.fail(t.path, "%s is missing%s", key, where)
	}
	return v
}

func (t *table) wrongType(path string, v any, want string) {
	t.fail(path, "%s is %s, not %s", path, typeName(v), want)
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	}
	return "a date or time"
}

func (t *table) optionalText(key string) string { return t.textValue(key, t.value(key, false)) }
func (t *table) text(key string) string         { return t.textValue(key, t.value(key, true)) }

func (t *table) textValue(key string, v any) string {
	if v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		t.wrongType(t.in(key), v, `a text in "quotes"`)
		return ""
	}
	if strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.fail(t.in(key), "%s begins or ends with a space, or holds a control character", t.in(key))
		return ""
	}
	return s
}

func (t *table) boolean(key string, wanted bool) bool {
	v := t.value(key, wanted)
	b, ok := v.(bool)
	if v != nil && !ok {
		t.wrongType(t.in(key), v, "true or false")
	}
	return b
}

// number reads a whole number from low to high; without one it is usual.
func (t *table) number(key string, usual, low, high int) int {
	if !t.has(key) {
		t.read[key] = true
		return usual
	}
	return t.wantedNumber(key, low, high)
}

func (t *table) wantedNumber(key string, low, high int) int {
	v := t.value(key, true)
	if v == nil {
		return 0
	}
	n, ok := v.(int64)
	if !ok {
		t.wrongType(t.in(key), v, "a whole number")
		return 0
	}
	if n < int64(low) || n > int64(high) {
		t.fail(t.in(key), "%s is %d; it must be from %d to %d", t.in(key), n, low, high)
		return 0
	}
	return int(n)
}

func (t *table) list(key string) []any {
	v := t.value(key, false)
	l, ok := v.([]any)
	if v != nil && !ok {
		t.wrongType(t.in(key), v, "a list in [brackets]")
	}
	return l
}

// texts reads a list of texts without repetition.
func (t *table) texts(key string) []string {
	var ss []string
	for i, v := range t.list(key) {
		path := fmt.Sprintf("%s[%d]", t.in(key), i)
		s, ok := v.(string)
		switch {
		case !ok:
			t.wrongType(path, v, `a text in "quotes"`)
		case s == "" || strings.TrimSpace(s) != s:
			t.fail(path, "%s is empty or begins or ends with a space", path)
		case slices.Contains(ss, s):
			t.fail(path, "%q stands twice in %s", s, t.in(key))
		default:
			ss = append(ss, s)
		}
	}
	return ss
}

// table reads a sub-table; without one it answers nil.
func (t *table) sub(key string, wanted bool) *table {
	v := t.value(key, wanted)
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		t.wrongType(t.in(key), v, "a table")
	}
	if !ok {
		return nil
	}
	return t.table(t.in(key), m)
}

// tables reads an array of tables.
func (t *table) tables(key string) []*table {
	var ts []*table
	for i, v := range t.list(key) {
		path := fmt.Sprintf("%s[%d]", t.in(key), i)
		m, ok := v.(map[string]any)
		if !ok {
			t.wrongType(path, v, "a table")
			continue
		}
		ts = append(ts, t.table(path, m))
	}
	return ts
}

// secretWords are parts of keys that would hold a secret.
var secretWords = []string{"password", "passwd", "secret", "token", "api_key", "apikey", "credential"}

// done names the keys that nobody has read.
func (t *table) done() {
	for _, key := range slices.Sorted(maps.Keys(t.keys)) {
		if t.read[key] {
			continue
		}
		lower := strings.ToLower(key)
		if slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(lower, w) }) {
			t.fail(t.in(key), "%s: a secret does not belong in the campaign file, which is hashed, shown and kept; put it into the environment and name the variable with password_env or token_env", t.in(key))
			continue
		}
		hint := ""
		if near := t.nearest(key); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		t.fail(t.in(key), "unknown key %s%s", t.in(key), hint)
	}
}

// nearest finds the known key that is at most two letters away.
func (t *table) nearest(key string) string {
	best, least := "", 3
	for _, known := range slices.Sorted(maps.Keys(t.read)) {
		if d := distance(key, known); d < least && d < len(known) {
			best, least = known, d
		}
	}
	return best
}

// distance counts the letters to add, drop or change between a and b.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
