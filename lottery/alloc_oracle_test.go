package lottery

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// matching seats one-dose singles, each anywhere in her choice, by augmenting paths (Kuhn 1955) from nothing: an
// oracle that shares no code and no idea of dead slots with what it judges.
type matching struct {
	seats []int
	lists [][]int32
	at    [][]int // by slot
}

// perfect says whether everyone can be seated.
func (m *matching) perfect() bool { return m.most() == len(m.lists) }

// most is how many can be seated.
func (m *matching) most() int {
	m.at = make([][]int, len(m.seats))
	n := 0
	for i := range m.lists {
		if m.place(i, make([]bool, len(m.seats))) {
			n++
		}
	}
	return n
}

func (m *matching) place(i int, seen []bool) bool {
	for _, x := range m.lists[i] {
		if seen[x] || m.seats[x] <= 0 {
			continue
		}
		seen[x] = true
		if len(m.at[x]) < m.seats[x] {
			m.at[x] = append(m.at[x], i)
			return true
		}
		for h, j := range m.at[x] {
			if m.place(j, seen) {
				m.at[x][h] = i
				return true
			}
		}
	}
	return false
}

// oracleFlexible is the rule in words: each ticket gets its first choice that can still be served given that everyone
// before keeps her choice; parties and two-dose units sit in the first slot that can be cleared.
func oracleFlexible(p *Problem) *Places {
	out, refused := newPlaces(len(p.Tickets)), newRefusals(len(p.Slots))
	seconds := SecondSlots(p.Slots)
	seats := make([]int, len(p.Slots))
	for x := range p.Slots {
		seats[x] = int(p.Slots[x].Seats)
	}
	var committed [][]int32
	fits := func(more ...[]int32) bool {
		return (&matching{seats: seats, lists: append(slices.Clone(committed), more...)}).perfect()
	}
	for i := range p.Tickets {
		a := &p.Tickets[i]
		for c, choice := range a.Choices {
			if a.Size == 1 && a.Doses == 1 {
				if fits(choice) {
					committed = append(committed, choice)
					out.Choice[i] = int32(c) + 1
				}
			} else {
				for _, x := range choice {
					second := None
					if a.Doses == 2 {
						for _, y := range seconds[x] {
							if seats[y] >= int(a.Size) {
								second = y
								break
							}
						}
						if second == None {
							continue
						}
					}
					if seats[x] -= int(a.Size); seats[x] >= 0 && fits() {
						if second != None {
							seats[second] -= int(a.Size)
						}
						out.give(i, c, x, second)
						break
					}
					seats[x] += int(a.Size)
				}
			}
			if out.Choice[i] != 0 {
				break
			}
			for _, x := range choice {
				refused.refuse(x, a.class(Flexible), i)
			}
		}
	}
	out.CutOffs = refused.cutOffs(p)
	return out
}

func TestFlexibleEqualsMatchingOracle(t *testing.T) {
	many(t, Flexible, contents{parties: true, doses: true, slots: 6, tickets: 18}, func(t *rapid.T, p *Problem, got *Places) {
		want := oracleFlexible(p)
		for i := range p.Tickets {
			if a := &p.Tickets[i]; a.Size == 1 && a.Doses == 1 {
				want.Slot[i] = got.Slot[i] // the oracle knows only that there is one
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("oracle (-), reference (+)\n%s\n%s", diff, show(p))
		}
	})
}

func TestFlexibleIsNeverAboveTheLargestMatching(t *testing.T) {
	many(t, Flexible, contents{slots: 5, tickets: 16}, func(t *rapid.T, p *Problem, got *Places) {
		m := &matching{}
		for x := range p.Slots {
			m.seats = append(m.seats, int(p.Slots[x].Seats))
		}
		served := 0
		for i := range p.Tickets {
			m.lists = append(m.lists, slices.Concat(p.Tickets[i].Choices...))
			if got.Choice[i] != 0 {
				served++
			}
		}
		plain := 0
		for _, c := range serve(t, p, Serial).Choice {
			if c != 0 {
				plain++
			}
		}
		if served > m.most() {
			t.Fatalf("%d served, at most %d can be\n%s", served, m.most(), show(p))
		}
		if 2*served < m.most() || plain > m.most() {
			t.Fatalf("%d served and %d in plain order of %d: not maximal\n%s", served, plain, m.most(), show(p))
		}
	})
}

// searchAll is flexible seating as the pseudo-code has it but without dead slots: to forget them must change only the
// time it takes.
func searchAll(p *Problem) *Places {
	n := len(p.Slots)
	type pair struct {
		x int32
		t int
	}
	free, holders, committed := make([]int, n), make([][]int, n), make([]int, len(p.Tickets))
	out, refused, seconds := newPlaces(len(p.Tickets)), newRefusals(n), SecondSlots(p.Slots)
	for x := range p.Slots {
		free[x] = int(p.Slots[x].Seats)
	}
	search := func(roots []int32, ban int32) (int32, map[int32]pair) {
		parent := map[int32]pair{}
		queue := []int32{}
		for _, root := range roots {
			parent[root] = pair{None, -1}
			queue = append(queue, root)
			if free[root] > 0 && root != ban {
				return root, parent
			}
		}
		for len(queue) > 0 {
			x := queue[0]
			queue = queue[1:]
			slices.Sort(holders[x])
			for _, t := range holders[x] {
				for _, y := range p.Tickets[t].Choices[committed[t]] {
					if _, seen := parent[y]; seen {
						continue
					}
					parent[y] = pair{x, t}
					queue = append(queue, y)
					if free[y] > 0 {
						return y, parent
					}
				}
			}
		}
		return None, parent
	}
	pull := func(y int32, parent map[int32]pair) int32 {
		free[y]--
		for parent[y].t >= 0 {
			from := parent[y]
			holders[from.x] = slices.DeleteFunc(holders[from.x], func(t int) bool { return t == from.t })
			holders[y] = append(holders[y], from.t)
			out.Slot[from.t] = y
			y = from.x
		}
		free[y]++
		return y
	}
	for i := range p.Tickets {
		a := &p.Tickets[i]
	choices:
		for c, choice := range a.Choices {
			if a.Size == 1 && a.Doses == 1 {
				if goal, parent := search(choice, None); goal != None {
					x := pull(goal, parent)
					free[x]--
					holders[x], committed[i] = append(holders[x], i), c
					out.give(i, c, x, None)
					break
				}
			} else {
			slots:
				for _, x := range choice {
					second := None
					if a.Doses == 2 {
						at := slices.IndexFunc(seconds[x], func(y int32) bool { return free[y] >= int(a.Size) })
						if at < 0 {
							continue
						}
						second = seconds[x][at]
					}
					for free[x] < int(a.Size) {
						goal, parent := search([]int32{x}, x)
						if goal == None {
							continue slots
						}
						pull(goal, parent)
					}
					free[x] -= int(a.Size)
					if second != None {
						free[second] -= int(a.Size)
					}
					out.give(i, c, x, second)
					break choices
				}
			}
			for _, x := range choice {
				refused.refuse(x, a.class(Flexible), i)
			}
		}
	}
	out.CutOffs = refused.cutOffs(p)
	return out
}

func TestDeadSlotsOnlySaveTime(t *testing.T) {
	many(t, Flexible, contents{parties: true, doses: true, slots: 6, tickets: 20}, func(t *rapid.T, p *Problem, got *Places) {
		// The second of two moves that were made for a slot that then does not do stays in both or in neither only if
		// both try it; parties larger than two are where dead slots decide that, so they are left out here.
		if slices.ContainsFunc(p.Tickets, func(a Applicant) bool { return a.Size > 1 }) {
			got = &Places{Choice: got.Choice, CutOffs: got.CutOffs}
			want := searchAll(p)
			if diff := cmp.Diff(&Places{Choice: want.Choice, CutOffs: want.CutOffs}, got); diff != "" {
				t.Fatalf("without dead slots (-)\n%s\n%s", diff, show(p))
			}
			return
		}
		if diff := cmp.Diff(searchAll(p), got); diff != "" {
			t.Fatalf("without dead slots (-)\n%s\n%s", diff, show(p))
		}
	})
}

// oracleFixed is deferred acceptance with everyone proposing at once, and Ch by its definition.
func oracleFixed(p *Problem) *Places {
	out, refused := newPlaces(len(p.Tickets)), newRefusals(len(p.Slots))
	seats, party := make([]int, len(p.Slots)), make([]int, len(p.Slots))
	for x := range p.Slots {
		s := &p.Slots[x]
		seats[x] = int(s.Seats)
		party[x] = int(s.Seats)
		for _, r := range reserves(s) {
			party[x] -= int(r)
		}
		party[x] = min(party[x], int(s.Party))
	}
	type wish struct{ choice, slot int32 }
	wishes := make([][]wish, len(p.Tickets))
	for i := range p.Tickets {
		a := &p.Tickets[i]
		for c, choice := range a.Choices {
			for _, x := range choice {
				wishes[i] = append(wishes[i], wish{int32(c), x})
			}
		}
		for a.Size > 1 && len(wishes[i]) > 0 {
			w := wishes[i][0]
			wishes[i] = wishes[i][1:]
			if party[w.slot] >= int(a.Size) && (a.Doses == 1 || p.Slots[w.slot].Pair != None) {
				party[w.slot] -= int(a.Size)
				seats[w.slot] -= int(a.Size)
				second := None
				if a.Doses == 2 {
					second = p.Slots[w.slot].Pair
				}
				out.give(i, int(w.choice), w.slot, second)
				wishes[i] = nil
			} else {
				refused.refuse(w.slot, a.class(Fixed), i)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for x := range p.Slots {
			var a []int
			for i := range p.Tickets {
				if p.Tickets[i].Size == 1 && len(wishes[i]) > 0 && wishes[i][0].slot == int32(x) {
					a = append(a, i)
				}
			}
			chosen := oracleChoice(p, int32(x), seats[x], a)
			for _, i := range a {
				if !slices.Contains(chosen, i) {
					refused.refuse(int32(x), p.Tickets[i].class(Fixed), i)
					wishes[i] = wishes[i][1:]
					changed = true
				}
			}
		}
	}
	for i := range p.Tickets {
		if a := &p.Tickets[i]; a.Size == 1 && len(wishes[i]) > 0 {
			w, second := wishes[i][0], None
			if a.Doses == 2 {
				second = p.Slots[w.slot].Pair
			}
			out.give(i, int(w.choice), w.slot, second)
		}
	}
	out.CutOffs = refused.cutOffs(p)
	return out
}

// oracleChoice is Ch(slot, a): R, each pool's best r; then O, the best of the others.
func oracleChoice(p *Problem, x int32, q int, a []int) []int {
	a = slices.DeleteFunc(slices.Clone(a), func(i int) bool { return p.Tickets[i].Doses == 2 && p.Slots[x].Pair == None })
	var chosen []int
	for pool, r := range reserves(&p.Slots[x]) {
		for _, i := range a {
			if int(p.Tickets[i].Pool) == pool+1 && r > 0 {
				chosen = append(chosen, i)
				r--
			}
		}
	}
	for _, i := range a {
		if len(chosen) < q && !slices.Contains(chosen, i) {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

func TestFixedEqualsSimultaneousOracle(t *testing.T) {
	many(t, Fixed, contents{parties: true, doses: true, pools: true, slots: 6, tickets: 18}, func(t *rapid.T, p *Problem, got *Places) {
		if diff := cmp.Diff(oracleFixed(p), got); diff != "" {
			t.Fatalf("oracle (-), reference (+)\n%s\n%s", diff, show(p))
		}
	})
}

func TestPoolReserves(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		var slots []Slot
		for range 1 + r.IntN(12) {
			slots = append(slots, Slot{Clinic: r.Int32N(3), Seats: r.Int32N(9), Pair: None, Second: r.IntN(8) == 0})
		}
		percent := []int32{0, r.Int32N(60), r.Int32N(41)}
		got := PoolReserves(slots, percent)
		for clinic := range int32(3) {
			seats, given := int32(0), [3]int32{}
			for x := range slots {
				if slots[x].Clinic != clinic || slots[x].Second {
					continue
				}
				seats += slots[x].Seats
				left := slots[x].Seats
				for p := 1; p < 3; p++ {
					want := min(percent[p]*seats/100-given[p], left)
					if got[x][p] != want {
						t.Fatalf("seed %d: slot %d reserves %d for pool %d, not %d", seed, x, got[x][p], p, want)
					}
					given[p] += want
					left -= want
				}
				if left < 0 {
					t.Fatalf("seed %d: slot %d reserves more than it has", seed, x)
				}
			}
		}
	}
	if r := PoolReserves([]Slot{{Seats: 3, Second: true}}, []int32{0, 100}); r[0] != nil {
		t.Error("a second slot reserves nothing")
	}
	thirds := PoolReserves([]Slot{{Seats: 1}, {Seats: 1}, {Seats: 1}, {Seats: 1}}, []int32{0, 50})
	if diff := cmp.Diff([][]int32{{0, 0}, {0, 1}, {0, 0}, {0, 1}}, thirds); diff != "" {
		t.Error(diff)
	}
}

func TestRotate(t *testing.T) {
	list := []int32{4, 5, 6}
	for last8, want := range map[uint64][]int32{0: {4, 5, 6}, 1: {5, 6, 4}, 2: {6, 4, 5}, 1<<64 - 1: {4, 5, 6}} {
		if got := Rotate(list, last8); !slices.Equal(got, want) {
			t.Errorf("%d: %v", last8, got)
		}
	}
	if len(Rotate(nil, 7)) != 0 || !slices.Equal(list, []int32{4, 5, 6}) {
		t.Error("an empty choice, or a changed one")
	}
}
