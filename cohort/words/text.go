package words

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A text with places to fill:
//
//	{name}              the argument
//	{name:은/는}          the argument and the Korean particle that fits its last letter
//	{name?seat|seats}   the first where the argument is 1, the second otherwise
//
// A brace itself is not needed by any text and is refused elsewhere.
type text []piece

type piece struct {
	literal  string
	name     string // of the argument; empty: literal
	particle [2]string
	choice   [2]string
}

var errBrace = errors.New("a brace that opens or closes nothing")

func parse(s string) (text, error) {
	var t text
	for s != "" {
		open := strings.IndexAny(s, "{}")
		if open < 0 {
			return append(t, piece{literal: s}), nil
		}
		if s[open] == '}' {
			return nil, errBrace
		}
		if open > 0 {
			t = append(t, piece{literal: s[:open]})
		}
		end := strings.IndexAny(s[open+1:], "{}")
		if end < 0 || s[open+1+end] == '{' {
			return nil, errBrace
		}
		p, err := parsePlace(s[open+1 : open+1+end])
		if err != nil {
			return nil, err
		}
		t = append(t, p)
		s = s[open+1+end+1:]
	}
	return t, nil
}

func parsePlace(s string) (piece, error) {
	if name, forms, ok := strings.Cut(s, "?"); ok {
		one, other, ok := strings.Cut(forms, "|")
		if !ok || name == "" {
			return piece{}, fmt.Errorf("{%s} needs two forms parted by |", s)
		}
		return piece{name: name, choice: [2]string{one, other}}, nil
	}
	if name, forms, ok := strings.Cut(s, ":"); ok {
		with, without, ok := strings.Cut(forms, "/")
		if !ok || name == "" || with == "" || without == "" {
			return piece{}, fmt.Errorf("{%s} needs two particles parted by /", s)
		}
		return piece{name: name, particle: [2]string{with, without}}, nil
	}
	if s == "" {
		return piece{}, errors.New("{} names nothing")
	}
	return piece{name: s}, nil
}

func (t text) names() []string {
	var names []string
	for _, p := range t {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (t text) fill(args map[string]any) string {
	var w strings.Builder
	for _, p := range t {
		switch {
		case p.name == "":
			w.WriteString(p.literal)
		case p.choice != [2]string{}:
			if fmt.Sprint(args[p.name]) == "1" {
				w.WriteString(p.choice[0])
			} else {
				w.WriteString(p.choice[1])
			}
		default:
			v := ""
			if a, ok := args[p.name]; ok {
				v = fmt.Sprint(a)
			}
			w.WriteString(v)
			if p.particle != [2]string{} {
				w.WriteString(particle(v, p.particle))
			}
		}
	}
	return w.String()
}

// particle picks 은 or 는, 을 or 를 … by whether the last letter ends in a
// consonant. Before 로, ㄹ counts as none.
func particle(s string, forms [2]string) string {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, ")] "))
	final := 0 // index of the final consonant, 0: none
	switch {
	case r >= '가' && r <= '힣':
		final = int(r-'가') % 28
	case strings.ContainsRune("136780", r): // 일 삼 육 칠 팔 영 end in a consonant
		final = 1
		if strings.ContainsRune("178", r) {
			final = 8 // ㄹ
		}
	case strings.ContainsRune("lmnrLMNR", r):
		final = 1
		if strings.ContainsRune("lrLR", r) {
			final = 8
		}
	}
	if final == 0 || forms[1] == "로" && final == 8 {
		return forms[1]
	}
	return forms[0]
}
