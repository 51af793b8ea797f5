package lottery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// maxDepth bounds how deep JSON may nest; nothing in a bundle comes near it.
const maxDepth = 64

// object is a JSON object whose keys are known to be distinct, also when case is ignored. Its methods read one
// field each and keep the first error, with the path of the field; the values of a failed read are zero.
type object struct {
	path   string
	fields map[string]any // string, bool, json.Number, nil, []any or map[string]any
	err    *error
}

// parseObject reads a whole file that is one JSON object.
func parseObject(name string, file []byte) (object, error) {
	if !utf8.Valid(file) {
		return object{}, fmt.Errorf("%s: byte %d: not UTF-8", name, firstInvalid(file))
	}
	if err := json.Unmarshal(file, new(json.RawMessage)); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return object{}, fmt.Errorf("%s: byte %d: %v", name, syntax.Offset, err)
		}
		return object{}, fmt.Errorf("%s: %v", name, err)
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.UseNumber()
	value, err := readValue(d, 0)
	if err != nil {
		return object{}, fmt.Errorf("%s: byte %d: %w", name, d.InputOffset(), err)
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return object{}, fmt.Errorf("%s: not a JSON object", name)
	}
	return object{path: name, fields: fields, err: new(error)}, nil
}

func firstInvalid(b []byte) int {
	at := 0
	for at < len(b) {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at
}

// readValue reads one value from text that is known to be valid JSON.
func readValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	fields := map[string]any{}
	folded := map[string]struct{}{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key := token.(string)
		if strings.ContainsRune(key, utf8.RuneError) {
			return nil, fmt.Errorf("key %q is not Unicode text", key)
		}
		if _, double := folded[fold(key)]; double {
			return nil, fmt.Errorf("key %q stands twice, or again in another case", key)
		}
		folded[fold(key)] = struct{}{}
		if fields[key], err = readValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return fields, err
}

// fold is Unicode's full case folding: keys that differ only in case fold to one text.
func fold(key string) string {
	for i := 0; i < len(key); i++ {
		if key[i] >= utf8.RuneSelf {
			return cases.Fold().String(key)
		}
	}
	return strings.ToLower(key)
}

// failure is the first error of the reads so far.
func (o object) failure() error { return *o.err }

func (o object) fail(key, format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s: %s: %s", o.path, key, fmt.Sprintf(format, args...))
	}
}

func (o object) has(key string) bool {
	_, ok := o.fields[key]
	return ok
}

func (o object) text(key string) string {
	s, ok := o.fields[key].(string)
	if !ok {
		o.fail(key, "a text is needed, there is %s", jsonKind(o.fields, key))
	}
	return s
}

// optionalName is "" where the key is missing; where it is not, the text is not empty.
func (o object) optionalName(key string) string {
	if !o.has(key) {
		return ""
	}
	s := o.text(key)
	if s == "" {
		o.fail(key, "is empty")
	}
	return s
}

func (o object) boolean(key string) bool {
	b, ok := o.fields[key].(bool)
	if !ok {
		o.fail(key, "true or false is needed, there is %s", jsonKind(o.fields, key))
	}
	return b
}

// number reads a plain integer of at most limit: digits only, no sign, no leading zero, no point, no exponent.
func (o object) number(key string, limit uint64) uint64 {
	n, err := plainInteger(o.fields[key], limit)
	if err != nil {
		if !o.has(key) {
			err = errors.New("is missing")
		}
		o.fail(key, "%v", err)
	}
	return n
}

// optionalNumber is nil where the key is missing.
func (o object) optionalNumber(key string) *uint64 {
	if !o.has(key) {
		return nil
	}
	n := o.number(key, 1<<32-1)
	return &n
}

func plainInteger(value any, limit uint64) (uint64, error) {
	literal, ok := value.(json.Number)
	if !ok {
		return 0, errors.New("a plain integer is needed")
	}
	for _, c := range []byte(literal) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%s is not a plain integer", literal)
		}
	}
	n, err := strconv.ParseUint(string(literal), 10, 64)
	if err != nil || n > limit {
		return 0, fmt.Errorf("%s is above %d", literal, limit)
	}
	return n, nil
}

func (o object) hash(key string) Hash {
	var h Hash
	o.hexInto(key, h[:])
	return h
}

func (o object) id(key string) ID {
	var id ID
	o.hexInto(key, id[:])
	return id
}

func (o object) hexInto(key string, dst []byte) {
	s := o.text(key)
	if err := fromHex(dst, []byte(s)); err != nil {
		o.fail(key, "%v", err)
	}
}

// bytes reads lower-case hex of any length.
func (o object) bytes(key string) []byte {
	s := o.text(key)
	if len(s)%2 != 0 {
		o.fail(key, "%d hex digits are no whole number of bytes", len(s))
		return nil
	}
	b := make([]byte, len(s)/2)
	if err := fromHex(b, []byte(s)); err != nil {
		o.fail(key, "%v", err)
		return nil
	}
	return b
}

func (o object) list(key string) []any {
	l, ok := o.fields[key].([]any)
	if !ok {
		o.fail(key, "a list is needed, there is %s", jsonKind(o.fields, key))
	}
	return l
}

// hashes reads a list of hashes.
func (o object) hashes(key string) []Hash {
	list := o.list(key)
	out := make([]Hash, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			o.fail(fmt.Sprintf("%s[%d]", key, i), "a text is needed")
			return nil
		}
		if err := fromHex(out[i][:], []byte(s)); err != nil {
			o.fail(fmt.Sprintf("%s[%d]", key, i), "%v", err)
			return nil
		}
	}
	return out
}

// objects reads a list of objects; the reads of each report into the same first error.
func (o object) objects(key string) []object {
	list := o.list(key)
	out := make([]object, 0, len(list))
	for i, v := range list {
		fields, ok := v.(map[string]any)
		if !ok {
			o.fail(fmt.Sprintf("%s[%d]", key, i), "an object is needed")
			return nil
		}
		out = append(out, object{path: fmt.Sprintf("%s: %s[%d]", o.path, key, i), fields: fields, err: o.err})
	}
	return out
}

// object reads one object.
func (o object) object(key string) object {
	fields, ok := o.fields[key].(map[string]any)
	if !ok {
		o.fail(key, "an object is needed, there is %s", jsonKind(o.fields, key))
	}
	return object{path: o.path + ": " + key, fields: fields, err: o.err}
}

func jsonKind(fields map[string]any, key string) string {
	v, ok := fields[key]
	switch v.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	if ok {
		return "null"
	}
	return "nothing"
}

// writeJSON encodes v compactly, keys in the order of its fields, no HTML escapes, with a line end.
func writeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
