package lottery

import (
	"cmp"
	"slices"
	"strings"
)

// refusals gathers the lowest refused rank by slot and class.
type refusals struct {
	classes map[Class]int
	lowest  [][]uint32 // by class, then slot; 0 where nobody was refused
	slots   int
}

func newRefusals(slots int) *refusals {
	return &refusals{classes: map[Class]int{}, slots: slots}
}

// refuse records that slot x refused the ticket of index t (rank t+1). Order does not matter.
func (r *refusals) refuse(x int32, c Class, t int) {
	i, ok := r.classes[c]
	if !ok {
		i = len(r.lowest)
		r.classes[c] = i
		r.lowest = append(r.lowest, make([]uint32, r.slots))
	}
	rank := uint32(t) + 1
	if old := r.lowest[i][x]; old == 0 || rank < old {
		r.lowest[i][x] = rank
	}
}

// cutOffs lists what was gathered by slot, size, doses and the pool's name.
func (r *refusals) cutOffs(p *Problem) []CutOff {
	classes := make([]Class, 0, len(r.classes))
	for c := range r.classes {
		classes = append(classes, c)
	}
	p.sortClasses(classes)
	list := []CutOff{}
	for x := range r.slots {
		for _, c := range classes {
			if rank := r.lowest[r.classes[c]][x]; rank != 0 {
				list = append(list, CutOff{Slot: int32(x), Class: c, Rank: rank})
			}
		}
	}
	return list
}

// sortClasses puts classes into the order in which cut-offs stand.
func (p *Problem) sortClasses(classes []Class) {
	slices.SortFunc(classes, func(a, b Class) int {
		return cmp.Or(
			cmp.Compare(a.Size, b.Size),
			cmp.Compare(a.Doses, b.Doses),
			strings.Compare(p.poolName(a.Pool), p.poolName(b.Pool)),
		)
	})
}

// CutOffTable answers what a person asks of the public cut-offs: which of my choices was it?
type CutOffTable struct {
	rank map[cutOffKey]uint32
}

type cutOffKey struct {
	slot  int32
	class Class
}

// NewCutOffTable indexes the cut-offs of one draw.
func NewCutOffTable(list []CutOff) *CutOffTable {
	t := &CutOffTable{rank: make(map[cutOffKey]uint32, len(list))}
	for _, c := range list {
		t.rank[cutOffKey{c.Slot, c.Class}] = c.Rank
	}
	return t
}

// Rank is the slot's cut-off for the class, and whether there is one.
func (t *CutOffTable) Rank(slot int32, class Class) (uint32, bool) {
	r, ok := t.rank[cutOffKey{slot, class}]
	return r, ok
}

// Granted is the choice, counted from 1, that the rule gives to a ticket of that class and rank: the
// first that has a slot with no cut-off or one above the rank. 0 means none. A ballot that was wrongly
// left out is owed what is granted to the rank that its ticket would have had, one more than the number
// of entities with lesser tickets; it is served from the draw's reserve.
func (t *CutOffTable) Granted(class Class, rank uint32, choices [][]int32) int {
	for c, choice := range choices {
		for _, x := range choice {
			if cut, ok := t.Rank(x, class); !ok || rank < cut {
				return c + 1
			}
		}
	}
	return 0
}
