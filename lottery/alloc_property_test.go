package lottery

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Every property named at the end of the specification of the allocation stands here or, for offers and the fast
// layout, beside their code.

func TestSeatsAreWithinCapacity(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				used, _ := kept(p, got)
				for x := range p.Slots {
					if used[x] > p.Slots[x].Seats {
						t.Fatalf("slot %d: %d seats taken of %d\n%s", x, used[x], p.Slots[x].Seats, show(p))
					}
				}
				if seating != Fixed {
					return
				}
				parties := make([]int32, len(p.Slots))
				for i := range p.Tickets {
					if x := got.Slot[i]; x != None && p.Tickets[i].Size > 1 {
						parties[x] += int32(p.Tickets[i].Size)
					}
				}
				for x := range p.Slots {
					s := &p.Slots[x]
					unreserved := s.Seats
					for _, r := range reserves(s) {
						unreserved -= r
					}
					if parties[x] > s.Party || parties[x] > unreserved {
						t.Fatalf("slot %d: parties took %d\n%s", x, parties[x], show(p))
					}
				}
			})
		})
	}
}

func TestSeatsAreInsideTheRecordedChoice(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				for i := range p.Tickets {
					a, c, x, y := &p.Tickets[i], got.Choice[i], got.Slot[i], got.Second[i]
					if (c == 0) != (x == None) || c == 0 && y != None {
						t.Fatalf("rank %d: choice %d, slot %d, second %d", i+1, c, x, y)
					}
					if c == 0 {
						continue
					}
					if !slices.Contains(a.Choices[c-1], x) {
						t.Fatalf("rank %d: slot %d is not in choice %d", i+1, x, c)
					}
					if (a.Doses == 2) != (y != None) {
						t.Fatalf("rank %d: %d doses, second %d", i+1, a.Doses, y)
					}
					if y == None {
						continue
					}
					first, second := &p.Slots[x], &p.Slots[y]
					days := second.Day - first.Day
					if days < 49 || days > 63 || first.Clinic != second.Clinic || !second.Second || seating != Flexible && first.Pair != y {
						t.Fatalf("rank %d: second dose after %d days, %+v then %+v", i+1, days, first, second)
					}
				}
			})
		})
	}
}

func TestNoEarlierTicketOfTheClassEnvies(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				for j := range p.Tickets {
					for i := range j {
						if got.Slot[j] == None || p.Tickets[i].class(seating) != p.Tickets[j].class(seating) {
							continue
						}
						for _, choice := range refused(p, got, i) {
							if slices.Contains(choice, got.Slot[j]) {
								t.Fatalf("rank %d envies rank %d\n%s", i+1, j+1, show(p))
							}
						}
					}
				}
			})
		})
	}
}

// refused are the choices that ticket i was refused.
func refused(p *Problem, got *Places, i int) [][]int32 {
	if c := got.Choice[i]; c > 0 {
		return p.Tickets[i].Choices[:c-1]
	}
	return p.Tickets[i].Choices
}

func TestNothingIsWasted(t *testing.T) {
	for _, seating := range []Seating{Flexible, Serial} {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, seatings()[seating], func(t *rapid.T, p *Problem, got *Places) {
				used, _ := kept(p, got)
				for i := range p.Tickets {
					if a := &p.Tickets[i]; a.Size != 1 || a.Doses != 1 {
						continue
					}
					for _, choice := range refused(p, got, i) {
						for _, x := range choice {
							if used[x] < p.Slots[x].Seats {
								t.Fatalf("rank %d was refused slot %d, which has room\n%s", i+1, x, show(p))
							}
						}
					}
				}
			})
		})
	}
}

func TestCutOffsTellWhoGotWhat(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				table := NewCutOffTable(got.CutOffs)
				for i := range p.Tickets {
					a := &p.Tickets[i]
					if c := table.Granted(a.class(seating), uint32(i)+1, a.Choices); c != int(got.Choice[i]) {
						t.Fatalf("rank %d got choice %d, by the cut-offs %d\n%s%+v", i+1, got.Choice[i], c, show(p), got.CutOffs)
					}
				}
				for _, c := range got.CutOffs {
					a := &p.Tickets[c.Rank-1]
					if a.class(seating) != c.Class || !slices.ContainsFunc(a.Choices, func(l []int32) bool { return slices.Contains(l, c.Slot) }) {
						t.Fatalf("cut-off %+v is not of a ticket that listed the slot\n%s", c, show(p))
					}
				}
				if !slices.IsSortedFunc(got.CutOffs, func(a, b CutOff) int {
					return cmpClass(p, a, b)
				}) {
					t.Fatalf("cut-offs out of order: %+v", got.CutOffs)
				}
			})
		})
	}
}

func cmpClass(p *Problem, a, b CutOff) int {
	text := func(c CutOff) string {
		return fmt.Sprintf("%05d %d %d %s", c.Slot, c.Class.Size, c.Class.Doses, p.poolName(c.Class.Pool))
	}
	switch x, y := text(a), text(b); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// A ballot that was left out is owed, by the cut-offs of the draw without it, at least what it would have been given.
func TestLeftOutIsOwedWhatItWouldHaveBeenGiven(t *testing.T) {
	many(t, Flexible, contents{slots: 4, tickets: 10}, func(t *rapid.T, p *Problem, got *Places) {
		for i := range p.Tickets {
			without := clone(p)
			without.Tickets = slices.Delete(without.Tickets, i, i+1)
			a := &p.Tickets[i]
			owed := NewCutOffTable(serve(t, without, Flexible).CutOffs).Granted(a.class(Flexible), uint32(i)+1, a.Choices)
			if !asGood(int32(owed), got.Choice[i]) {
				t.Fatalf("rank %d got %d, left out it is owed %d\n%s", i+1, got.Choice[i], owed, show(p))
			}
		}
	})
}

func TestFlexibleLaterTicketsChangeNoEarlierChoice(t *testing.T) {
	many(t, Flexible, seatings()[Flexible], func(t *rapid.T, p *Problem, got *Places) {
		for n := range p.Tickets {
			prefix := clone(p)
			prefix.Tickets = prefix.Tickets[:n]
			if before := serve(t, prefix, Flexible); !slices.Equal(before.Choice, got.Choice[:n]) {
				t.Fatalf("with %d tickets choices are %v, with all %v\n%s", n, before.Choice, got.Choice, show(p))
			}
		}
	})
}

func TestNamesChangeNothing(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				other := clone(p)
				for x := range other.Slots {
					s := &other.Slots[x]
					s.Clinic, s.Day, s.Block, s.Vaccine = 7-5*s.Clinic, s.Day+1000, -s.Block, s.Vaccine^3
				}
				if diff := cmp.Diff(got, serve(t, other, seating)); diff != "" {
					t.Fatal(diff)
				}
			})
		})
	}
}

// The product fills a layout in the order in which ballots come in; what it gives hangs on ranks alone.
func TestOrderOfInterningChangesNothing(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		slots := randomLayout(r, shapes()["all"]).slots
		build := func(first bool) *Layout {
			l, err := NewLayout(slots, []string{"", "p", "h", "g"})
			if err != nil {
				t.Fatal(err)
			}
			codes := make([]Code, 40)
			for n := range codes {
				if !first {
					n = len(codes) - 1 - n
				}
				codes[n] = l.Choice(l.Target([]int32{int32(n % 4), int32(n % 3)}), l.Times(func(day, block int32) bool { return (day+block+int32(n))%3 != 0 }))
			}
			for _, code := range codes {
				if err := l.Add(1, 1, 0, 5, code); err != nil {
					t.Fatal(err)
				}
			}
			return l
		}
		for _, seating := range []Seating{Serial, Flexible, Fixed} {
			a, err := build(true).Serve(seating)
			if err != nil {
				t.Fatal(err)
			}
			b, err := build(false).Serve(seating)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d, %s: %s", seed, seating, cmp.Diff(a, b))
			}
		}
	}
}

func TestAnyNumberOfWorkersGivesTheSame(t *testing.T) {
	for seed := range uint64(20) {
		l := randomLayout(rand.New(rand.NewPCG(seed, 4)), shapes()["all"])
		for _, seating := range []Seating{Serial, Flexible, Fixed} {
			const workers = 4
			var got [workers]*Places
			var failed [workers]error
			var wait sync.WaitGroup
			for w := range workers {
				wait.Go(func() { got[w], failed[w] = l.Serve(seating) })
			}
			wait.Wait()
			for w := range workers {
				if failed[w] != nil || !reflect.DeepEqual(got[0], got[w]) {
					t.Fatalf("seed %d, %s: worker %d: %v", seed, seating, w, failed[w])
				}
			}
		}
	}
}

// No ticket of a tiny instance gains by any other list of up to two choices.
func TestNoLiePays(t *testing.T) {
	const slots = 3
	var lists [][][]int32
	choice := func(set int) (c []int32) {
		for x := range slots {
			if set>>x&1 == 1 {
				c = append(c, int32(x))
			}
		}
		return c
	}
	for a := range 1 << slots {
		lists = append(lists, [][]int32{choice(a)})
		for b := range 1 << slots {
			if a != 0 && b != 0 && a != b {
				lists = append(lists, [][]int32{choice(a), choice(b)})
			}
		}
	}
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			k.slots, k.tickets = slots, 6
			rapid.Check(t, func(t *rapid.T) {
				p := drawProblem(t, k)
				n := int32(0)
				for x := range p.Slots {
					if !p.Slots[x].Second {
						n++
					}
				}
				truth := serve(t, p, seating)
				for i := range p.Tickets {
					for _, lie := range lists {
						if slices.ContainsFunc(lie, func(c []int32) bool { return slices.ContainsFunc(c, func(x int32) bool { return x >= n }) }) {
							continue
						}
						other := clone(p)
						other.Tickets[i].Choices = lie
						x := serve(t, other, seating).Slot[i]
						if worth := 1 + int32(slices.IndexFunc(p.Tickets[i].Choices, func(c []int32) bool { return slices.Contains(c, x) })); x != None && !asGood(truth.Choice[i], worth) {
							t.Fatalf("rank %d gains by %v: choice %d instead of %d\n%s", i+1, lie, worth, truth.Choice[i], show(p))
						}
					}
				}
			})
		})
	}
}

func TestAFurtherLastChoiceNeverWorsens(t *testing.T) {
	for seating, k := range seatings() {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				if len(p.Tickets) == 0 {
					return
				}
				i := rapid.IntRange(0, len(p.Tickets)-1).Draw(t, "ticket")
				longer := clone(p)
				longer.Tickets[i].Choices = append(slices.Clone(p.Tickets[i].Choices), drawChoices(t, 1, 1)...)
				if c := serve(t, longer, seating).Choice[i]; !asGood(c, got.Choice[i]) {
					t.Fatalf("rank %d got %d, with a further choice %d\n%s", i+1, got.Choice[i], c, show(p))
				}
			})
		})
	}
}

// A seat more, or a person less, hurts nobody: one-dose singles under Flexible, singles under Fixed.
func TestMoreSeatsAndFewerPeopleHurtNobody(t *testing.T) {
	for seating, k := range map[Seating]contents{
		Flexible: {slots: 4, tickets: 12}, Fixed: {slots: 4, tickets: 12, pools: true, doses: true},
	} {
		t.Run(string(seating), func(t *testing.T) {
			many(t, seating, k, func(t *rapid.T, p *Problem, got *Places) {
				for x := range p.Slots {
					if p.Slots[x].Second {
						continue
					}
					more := clone(p)
					more.Slots[x].Seats++
					if y := p.Slots[x].Pair; y != None {
						more.Slots[y].Seats++
					}
					for i, c := range serve(t, more, seating).Choice {
						if !asGood(c, got.Choice[i]) {
							t.Fatalf("a seat more in slot %d: rank %d falls from %d to %d\n%s", x, i+1, got.Choice[i], c, show(p))
						}
					}
				}
				for gone := range p.Tickets {
					fewer := clone(p)
					fewer.Tickets = slices.Delete(fewer.Tickets, gone, gone+1)
					for i, c := range serve(t, fewer, seating).Choice {
						if i >= gone {
							i++
						}
						if !asGood(c, got.Choice[i]) {
							t.Fatalf("without rank %d: rank %d falls from %d to %d\n%s", gone+1, i+1, got.Choice[i], c, show(p))
						}
					}
				}
			})
		})
	}
}

func TestPoolsAreFilledAndNoSeatIsEmptyForNothing(t *testing.T) {
	many(t, Fixed, seatings()[Fixed], func(t *rapid.T, p *Problem, got *Places) {
		used, members := kept(p, got)
		for i := range p.Tickets {
			a := &p.Tickets[i]
			if a.Size != 1 {
				continue
			}
			for _, x := range tried(p, got, i) {
				s := &p.Slots[x]
				if a.Doses == 2 && s.Pair == None {
					continue
				}
				if used[x] < s.Seats {
					t.Fatalf("rank %d was refused slot %d, which has room\n%s", i+1, x, show(p))
				}
				if a.Pool != 0 && members[x][a.Pool] < s.Reserve[a.Pool] {
					t.Fatalf("rank %d was refused slot %d, whose reserve is not filled\n%s", i+1, x, show(p))
				}
			}
		}
	})
}

// tried are the slots that ticket i was refused, one by one.
func tried(p *Problem, got *Places, i int) []int32 {
	list := slices.Concat(refused(p, got, i)...)
	if c := got.Choice[i]; c > 0 {
		choice := p.Tickets[i].Choices[c-1]
		list = append(list, choice[:slices.Index(choice, got.Slot[i])]...)
	}
	return list
}

func TestDeferredAcceptanceKnowsNoOrder(t *testing.T) {
	many(t, Fixed, contents{doses: true, pools: true, slots: 5, tickets: 14}, func(t *rapid.T, p *Problem, got *Places) {
		out, refused := newPlaces(len(p.Tickets)), newRefusals(len(p.Slots))
		d := newDeferred(p, out, refused)
		for x := range p.Slots {
			d.seats[x] = p.Slots[x].Seats
		}
		all := make([]int, len(p.Tickets))
		for i := range all {
			all[i] = i
		}
		for _, i := range rapid.Permutation(all).Draw(t, "order") {
			d.seat(i)
		}
		out.CutOffs = refused.cutOffs(p)
		if diff := cmp.Diff(got, out); diff != "" {
			t.Fatalf("%s\n%s", diff, show(p))
		}
	})
}

func TestWithoutPoolsAndPartiesFixedIsSerial(t *testing.T) {
	many(t, Fixed, contents{doses: true, slots: 5, tickets: 14}, func(t *rapid.T, p *Problem, got *Places) {
		if diff := cmp.Diff(serve(t, p, Serial), got); diff != "" {
			t.Fatalf("%s\n%s", diff, show(p))
		}
	})
}
