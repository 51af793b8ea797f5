package cycle

import (
	"cmp"
	"slices"
)

// leafIndex finds a person's leaf: four bytes a person beside the list itself.
type leafIndex struct {
	people []int64  // by leaf
	sorted []uint32 // leaves but the first, by person
}

// newIndex takes the people of the leaves, each at most once; leaf 0 is
// nobody's.
func newIndex(people []int64) leafIndex {
	x := leafIndex{people, make([]uint32, len(people)-1)}
	for i := range x.sorted {
		x.sorted[i] = uint32(i + 1)
	}
	slices.SortFunc(x.sorted, func(a, b uint32) int { return cmp.Compare(people[a], people[b]) })
	return x
}

// find answers 0 where the person has no leaf.
func (x leafIndex) find(person int64) uint32 {
	i, ok := slices.BinarySearchFunc(x.sorted, person, func(at uint32, p int64) int { return cmp.Compare(x.people[at], p) })
	if !ok {
		return 0
	}
	return x.sorted[i]
}
