package lottery

import "fmt"

// State is what verifying says of a part of a bundle.
type State string

// The states of a part.
const (
	Holds  State = "holds"
	Fails  State = "fails"
	Absent State = "absent" // not there, or there was nothing to check it with
)

// Part is one part of a bundle and what was found; Detail names the first byte, record or rule that is wrong.
type Part struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// Report is what verifying a bundle found.
type Report struct {
	DrawID string `json:"draw_id"`
	Sample bool   `json:"sample"`
	Parts  []Part `json:"parts"`
}

// OK reports whether nothing fails; where strict, whether nothing is absent either.
func (r Report) OK(strict bool) bool {
	for _, p := range r.Parts {
		if p.State == Fails || strict && p.State == Absent {
			return false
		}
	}
	return len(r.Parts) > 0
}

// Find returns the first part of that name; its State is empty if there is none.
func (r Report) Find(name string) Part {
	for _, p := range r.Parts {
		if p.Name == name {
			return p
		}
	}
	return Part{Name: name}
}

func (r *Report) holds(name, format string, args ...any) { r.add(name, Holds, format, args...) }

func (r *Report) fails(name, format string, args ...any) { r.add(name, Fails, format, args...) }

func (r *Report) absent(name, format string, args ...any) { r.add(name, Absent, format, args...) }

func (r *Report) add(name string, state State, format string, args ...any) {
	r.Parts = append(r.Parts, Part{name, state, fmt.Sprintf(format, args...)})
}
