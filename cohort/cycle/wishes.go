package cycle

import (
	"bytes"
	"encoding/json"
	"fmt"

	"jebi/cohort"
	"jebi/lottery"
)

// wishes puts the choices of ballots into a draw's layout. Millions of ballots
// name the same few lists of clinics, dates and parts: each list is looked at
// once and known again by its bytes.
type wishes struct {
	shelf   *shelf
	layout  *lottery.Layout
	targets map[string]lottery.Target // by a list of clinics, as it stands in a ballot
	times   map[string]lottery.Times  // by the lists of dates and parts
	codes   []lottery.Code
}

// maxLists bounds how many different lists are known by their bytes.
const maxLists = 1 << 18

func newWishes(h *shelf, l *lottery.Layout) *wishes {
	return &wishes{shelf: h, layout: l, targets: map[string]lottery.Target{}, times: map[string]lottery.Times{}}
}

// read gives the person that a ballot names and what each of its choices is in
// the layout, valid until the next is read.
func (w *wishes) read(ballot []byte) (person []byte, choices []lottery.Code, err error) {
	w.codes = w.codes[:0]
	s := newScan(ballot)
	s.ballot(w.know)
	if s.ok {
		return s.person, w.codes, nil
	}
	// Not as Encode writes it: whatever it is, JSON's own rules tell.
	var b struct {
		Person  string          `json:"person"`
		Choices []cohort.Choice `json:"choices"`
	}
	if err := json.Unmarshal(ballot, &b); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", cohort.ErrBallot, err)
	}
	w.codes = w.codes[:0]
	for _, c := range b.Choices {
		w.codes = append(w.codes, w.layout.Choice(w.target(c.Clinics), w.timesOf(c.Dates, c.Parts)))
	}
	return []byte(b.Person), w.codes, nil
}

// know adds the choice whose lists are these bytes: clinics, and dates with
// parts.
func (w *wishes) know(clinics, times []byte) bool {
	target, ok := w.targets[string(clinics)]
	if !ok {
		var list []string
		if json.Unmarshal(clinics, &list) != nil {
			return false
		}
		target = w.target(list)
		if len(w.targets) < maxLists {
			w.targets[string(clinics)] = target
		}
	}
	at, ok := w.times[string(times)]
	if !ok {
		var c cohort.Choice
		if json.Unmarshal(append(append([]byte("{"), times...), '}'), &c) != nil {
			return false
		}
		at = w.timesOf(c.Dates, c.Parts)
		if len(w.times) < maxLists {
			w.times[string(times)] = at
		}
	}
	w.codes = append(w.codes, w.layout.Choice(target, at))
	return true
}

// target is the set of the clinics that the supply knows.
func (w *wishes) target(clinics []string) lottery.Target {
	set := make([]int32, 0, len(clinics))
	for _, key := range clinics {
		if n, ok := w.shelf.clinicOf[key]; ok {
			set = append(set, n)
		}
	}
	return w.layout.Target(set)
}

func (w *wishes) timesOf(dates, parts []string) lottery.Times {
	inDates, inParts := bits(w.shelf.dates, dates), bits(w.shelf.parts, parts)
	return w.layout.Times(func(day, block int32) bool {
		at := w.shelf.dayParts[[2]int32{day, block}]
		return inDates.has(at[0]) && inParts.has(at[1])
	})
}

// scan walks over a ballot that is written as cohort.Ballot.Encode writes it,
// without taking it apart. ok falls where it is written otherwise.
type scan struct {
	rest   []byte
	person []byte
	ok     bool
}

// newScan refuses what strings may not hold as it is, and what JSON might read
// as something else: escapes, and bytes above ASCII.
func newScan(ballot []byte) scan {
	for _, b := range ballot {
		if b < 0x20 || b >= 0x7f || b == '\\' {
			return scan{}
		}
	}
	return scan{rest: ballot, ok: true}
}

// ballot calls choice for each choice in turn.
func (s *scan) ballot(choice func(clinics, times []byte) bool) {
	s.literal(`{"v":1,"draw":`)
	s.text()
	s.literal(`,"person":`)
	s.person = s.text()
	if s.begins(`,"party":`) {
		s.literal(`,"party":`)
		s.text()
	}
	s.literal(`,"choices":[`)
	for first := true; s.ok && !s.begins(`]`); first = false {
		if !first {
			s.literal(`,`)
		}
		s.literal(`{"target":`)
		s.text()
		s.literal(`,"clinics":`)
		clinics := s.list()
		s.literal(`,`)
		from := s.rest
		s.literal(`"dates":`)
		s.list()
		s.literal(`,"parts":`)
		s.list()
		times := from[:len(from)-len(s.rest)]
		s.literal(`}`)
		s.ok = s.ok && choice(clinics, times)
	}
	s.literal(`]}`)
	s.ok = s.ok && len(s.rest) == 0
}

func (s *scan) begins(with string) bool {
	return len(s.rest) >= len(with) && string(s.rest[:len(with)]) == with
}

func (s *scan) literal(is string) {
	if s.ok = s.ok && s.begins(is); s.ok {
		s.rest = s.rest[len(is):]
	}
}

// text is what a string holds.
func (s *scan) text() []byte {
	s.literal(`"`)
	end := -1
	if s.ok {
		end = bytes.IndexByte(s.rest, '"')
	}
	if s.ok = end >= 0; !s.ok {
		return nil
	}
	text := s.rest[:end]
	s.rest = s.rest[end+1:]
	return text
}

// list is a list of strings, brackets included.
func (s *scan) list() []byte {
	from := s.rest
	s.literal(`[`)
	for first := true; s.ok && !s.begins(`]`); first = false {
		if !first {
			s.literal(`,`)
		}
		s.text()
	}
	s.literal(`]`)
	if !s.ok {
		return nil
	}
	return from[:len(from)-len(s.rest)]
}
