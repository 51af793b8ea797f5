package cohort

// State is how far a cohort has come. The course is draft → announced → open →
// closed → frozen → drawn → published → settled; void leaves it for good, and
// only before the first die or reveal.
type State string

// The states, in the order of the course.
const (
	Draft     State = "draft"     // in the campaign file; nothing is promised yet
	Announced State = "announced" // the manifest is on the board
	Open      State = "open"      // ballots are taken while it is not paused
	Closed    State = "closed"    // no ballot counts any more
	Frozen    State = "frozen"    // leaves and root stand; sources may be recorded
	Drawn     State = "drawn"     // order and places stand, verified, not yet told
	Published State = "published" // told; offers go round
	Settled   State = "settled"   // the waitlist has ended
	Void      State = "void"      // given up with a reason, before the first die or reveal
)

// course gives every state its place; Void has none.
var course = [...]State{Draft, Announced, Open, Closed, Frozen, Drawn, Published, Settled}

// Known says whether s is one of the states.
func (s State) Known() bool { return s == Void || s.place() >= 0 }

// Since says whether a cohort in state s has reached the state from. A void
// cohort has reached nothing.
func (s State) Since(from State) bool {
	return s.place() >= 0 && from.place() >= 0 && s.place() >= from.place()
}

// CanVoid says whether the state allows giving the draw up. In Frozen it also
// takes that no die was thrown and no envelope opened, which Void of the
// program and a trigger of the database look at.
func (s State) CanVoid() bool {
	return s == Announced || s == Open || s == Closed || s == Frozen
}

// Next is the state after s on the course, or "" after the last.
func (s State) Next() State {
	if p := s.place(); p >= 0 && p+1 < len(course) {
		return course[p+1]
	}
	return ""
}

func (s State) place() int {
	for i, c := range course {
		if c == s {
			return i
		}
	}
	return -1
}
