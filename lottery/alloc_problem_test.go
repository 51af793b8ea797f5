package lottery

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// contents says what random problems contain. The rest is small, so that places are scarce and orders matter.
type contents struct {
	parties, doses, pools bool
	slots, tickets        int // at most
}

// many checks the property on several problems a draw of rapid, which alone would be too few.
func many(t *testing.T, seating Seating, k contents, property func(t *rapid.T, p *Problem, got *Places)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		for range 8 {
			p := drawProblem(t, k)
			property(t, p, serve(t, p, seating))
		}
	})
}

func serve(t *rapid.T, p *Problem, seating Seating) *Places {
	got, err := Serve(p, seating)
	if err != nil {
		t.Fatalf("%v\n%s", err, show(p))
	}
	return got
}

func show(p *Problem) string {
	s := ""
	for x := range p.Slots {
		s += fmt.Sprintf("slot %d: %+v\n", x, p.Slots[x])
	}
	for i := range p.Tickets {
		s += fmt.Sprintf("rank %d: %+v\n", i+1, p.Tickets[i])
	}
	return s
}

func drawProblem(t *rapid.T, k contents) *Problem {
	number := func(lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, "n") }
	p := &Problem{}
	if k.pools {
		p.Pools = []string{"", "p", "g"}
	}
	n := number(1, k.slots)
	for range n {
		s := Slot{Clinic: int32(number(0, 1)), Day: int32(number(0, 3)), Seats: int32(number(0, 4)), Pair: None}
		if k.pools {
			r := number(0, int(s.Seats))
			s.Reserve = []int32{0, int32(r), int32(number(0, int(s.Seats)-r))}
		}
		if k.parties {
			s.Party = int32(number(0, int(s.Seats)))
		}
		p.Slots = append(p.Slots, s)
	}
	if k.doses {
		for x := range n {
			if number(0, 3) > 0 {
				s := p.Slots[x]
				p.Slots[x].Pair = int32(len(p.Slots))
				p.Slots = append(p.Slots, Slot{
					Clinic: s.Clinic, Day: s.Day + int32(number(49, 63)), Seats: s.Seats + int32(number(0, 1)), Second: true, Pair: None,
				})
			}
		}
	}
	for range number(0, k.tickets) {
		a := Applicant{Size: 1, Doses: 1}
		if k.parties && number(0, 3) == 0 {
			a.Size = uint8(number(2, MaxParty))
		}
		if k.doses && number(0, 3) == 0 {
			a.Doses = 2
		}
		if k.pools {
			a.Pool = uint16(max(0, number(-2, 2)))
		}
		a.Choices = drawChoices(t, n, 3)
		p.Tickets = append(p.Tickets, a)
	}
	return p
}

// drawChoices draws up to most sets of the first n slots, each in some order.
func drawChoices(t *rapid.T, n, most int) [][]int32 {
	var choices [][]int32
	for range rapid.IntRange(0, most).Draw(t, "choices") {
		set := rapid.IntRange(0, 1<<n-1).Draw(t, "set")
		choice := []int32{}
		for x := range n {
			if set>>x&1 == 1 {
				choice = append(choice, int32(x))
			}
		}
		if len(choice) > 1 {
			choice = Rotate(choice, uint64(rapid.IntRange(0, len(choice)-1).Draw(t, "rotation")))
		}
		choices = append(choices, choice)
	}
	return choices
}

func clone(p *Problem) *Problem {
	c := *p
	c.Slots = slices.Clone(p.Slots)
	c.Tickets = slices.Clone(p.Tickets)
	return &c
}

// better compares choices, of which 0 is none: whether a is as good as b.
func asGood(a, b int32) bool { return b == 0 || a != 0 && a <= b }

// seatings are the rules with the kinds of problems that they are for.
func seatings() map[Seating]contents {
	return map[Seating]contents{
		Flexible: {parties: true, doses: true, slots: 5, tickets: 14},
		Fixed:    {parties: true, doses: true, pools: true, slots: 5, tickets: 14},
		Serial:   {parties: true, doses: true, slots: 5, tickets: 14},
	}
}

// kept is how many seats of each slot are taken, and how many of each by members of each pool, singles only.
func kept(p *Problem, got *Places) (used []int32, members [][]int32) {
	used, members = make([]int32, len(p.Slots)), make([][]int32, len(p.Slots))
	for x := range members {
		members[x] = make([]int32, max(1, len(p.Pools)))
	}
	for i := range p.Tickets {
		a := &p.Tickets[i]
		if x := got.Slot[i]; x != None {
			used[x] += int32(a.Size)
			if a.Size == 1 {
				members[x][a.Pool]++
			}
		}
		if y := got.Second[i]; y != None {
			used[y] += int32(a.Size)
		}
	}
	return used, members
}
