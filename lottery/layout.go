package lottery

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxChoices is how many choices a ballot of a Layout can rank.
const MaxChoices = 5

// Layout is a draw in memory as the fast allocation wants it: a ballot is 32 bytes, a choice one AND, a slot two
// bytes, nothing holds a pointer. It gives what Serve gives, byte for byte, on what Problem returns.
//
// The slots that first doses use are ordered as *rows* of up to 128 *cells*: a row is a clinic, a cell is day ×
// block × vaccine; a clinic with more cells has several rows. A *pattern* is a set of cells of any row. A choice
// inside one row is a row and a pattern; any other set of slots is a *group*: a list of runs, each a row and a
// mask, in supply order.
type Layout struct {
	slots []Slot
	pools []string

	// By row.
	offered  []mask   // its slots
	paired   []mask   // those with a pair
	rowBase  []uint32 // its first slot's number; the others follow by cell
	rowPage  []uint16
	straight []bool             // its slots ascend in supply order as they do by cell
	rowsOf   map[int32][]uint32 // by clinic

	// By slot number: rows' slots row by row, then second slots in supply order.
	supply []int32 // position in supply order
	seats  []uint16
	firsts int // how many are not second slots

	numbers []uint32 // by position in supply order

	pages    int
	cellOf   map[cell]uint32 // page and cell in one number
	cells    []cell
	patterns []mask

	// By group.
	runs      []run
	runFrom   []uint32 // a group's runs are runs[runFrom[g]:runFrom[g+1]]
	groupSize []uint32 // slots

	ballots  []ballot
	last8    []uint64 // by ticket; nil while all are 0
	twoDoses bool     // some ticket is a two-dose unit

	interned interned
}

// cell is what a clinic has at most one slot of.
type cell struct{ day, block, vaccine int32 }

type run struct {
	row   uint32
	cells mask
}

// ballot is one ticket in draw order, half a cache line.
type ballot struct {
	target  [MaxChoices]uint32 // a row, or rows + a group
	pattern [MaxChoices]uint16 // of a row
	meta    uint16             // choices:3, size-1:2, doses-1:1, pool:10
}

const maxLayoutPools = 1 << 10

func (b *ballot) choices() int { return int(b.meta & 7) }
func (b *ballot) size() uint16 { return b.meta>>3&3 + 1 }
func (b *ballot) level() int   { return int(b.meta >> 3 & 7) } // size-1 + 4 × (doses-1)
func (b *ballot) doses() uint8 { return uint8(b.meta>>5&1) + 1 }
func (b *ballot) pool() uint16 { return b.meta >> 6 }

// ErrLayout says that a draw does not fit the fast layout; Serve can still serve it.
var ErrLayout = errors.New("does not fit the fast layout")

// NewLayout lays out a supply. pools are the pools' names, "" first, as in Problem. An error that is ErrLayout
// means that a slot has too many seats, that one clinic has two slots of the same day, block and vaccine, or that
// there are too many pools; any other error that the supply is wrong.
func NewLayout(slots []Slot, pools []string) (*Layout, error) {
	p := Problem{Slots: slots, Pools: pools}
	if err := p.Check(Flexible); err != nil {
		return nil, err
	}
	if len(pools) > maxLayoutPools {
		return nil, fmt.Errorf("%d pools: %w", len(pools), ErrLayout)
	}
	l := &Layout{slots: slots, pools: pools, rowsOf: map[int32][]uint32{}, runFrom: []uint32{0}, interned: newInterned()}
	l.layCells()
	if err := l.layRows(); err != nil {
		return nil, err
	}
	l.laySlots()
	return l, nil
}

// layCells numbers the cells by day, block and vaccine.
func (l *Layout) layCells() {
	l.cellOf = map[cell]uint32{}
	for x := range l.slots {
		if s := &l.slots[x]; !s.Second {
			l.cellOf[cell{s.Day, s.Block, s.Vaccine}] = 0
		}
	}
	for c := range l.cellOf {
		l.cells = append(l.cells, c)
	}
	slices.SortFunc(l.cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.block, b.block), cmp.Compare(a.vaccine, b.vaccine))
	})
	for i, c := range l.cells {
		l.cellOf[c] = uint32(i)
	}
	l.pages = max(1, (len(l.cells)+cellsPerRow-1)/cellsPerRow)
}

// layRows makes the rows, in the order in which the supply first names them.
func (l *Layout) layRows() error {
	type place struct {
		clinic int32
		page   uint32
	}
	rows := map[place]uint32{}
	last := []uint{}
	for x := range l.slots {
		s := &l.slots[x]
		if s.Seats > math.MaxUint16 {
			return fmt.Errorf("slot %d has %d seats: %w", x, s.Seats, ErrLayout)
		}
		if s.Second {
			continue
		}
		page, at := l.place(s)
		row, ok := rows[place{s.Clinic, page}]
		if !ok {
			row = uint32(len(l.offered))
			rows[place{s.Clinic, page}] = row
			l.offered, l.paired = append(l.offered, mask{}), append(l.paired, mask{})
			l.rowPage, l.straight = append(l.rowPage, uint16(page)), append(l.straight, true)
			l.rowsOf[s.Clinic] = append(l.rowsOf[s.Clinic], row)
			last = append(last, 0)
		}
		if l.offered[row].has(at) {
			return fmt.Errorf("slot %d: its clinic has another of the same day, block and vaccine: %w", x, ErrLayout)
		}
		l.straight[row] = l.straight[row] && at >= last[row]
		last[row] = at
		l.offered[row] = l.offered[row].or(bit(at))
		if s.Pair != None {
			l.paired[row] = l.paired[row].or(bit(at))
		}
	}
	return nil
}

// laySlots numbers the slots: by row and cell, then second slots.
func (l *Layout) laySlots() {
	l.rowBase = make([]uint32, len(l.offered))
	for row := range l.offered {
		l.rowBase[row] = uint32(l.firsts)
		l.firsts += l.offered[row].count()
	}
	l.supply, l.seats, l.numbers = make([]int32, len(l.slots)), make([]uint16, len(l.slots)), make([]uint32, len(l.slots))
	seconds := uint32(l.firsts)
	for x := range l.slots {
		n := seconds
		if l.slots[x].Second {
			seconds++
		} else {
			n = l.number(l.rowAndCell(int32(x)))
		}
		l.supply[n], l.seats[n], l.numbers[x] = int32(x), uint16(l.slots[x].Seats), n
	}
}

// place is where a slot stands: page, and cell in it.
func (l *Layout) place(s *Slot) (page uint32, at uint) {
	c := l.cellOf[cell{s.Day, s.Block, s.Vaccine}]
	return c / cellsPerRow, uint(c % cellsPerRow)
}

// rowAndCell are the row and the cell of a slot, by its position in supply order; it is no second slot.
func (l *Layout) rowAndCell(x int32) (uint32, uint) {
	s := &l.slots[x]
	page, at := l.place(s)
	for _, row := range l.rowsOf[s.Clinic] {
		if uint32(l.rowPage[row]) == page {
			return row, at
		}
	}
	panic("lottery: a slot without a row") // layRows gave every slot one
}

// number is the number of the slot that stands in a row's cell.
func (l *Layout) number(row uint32, at uint) uint32 {
	return l.rowBase[row] + uint32(l.offered[row].and(below(at)).count())
}

// Len is the number of tickets.
func (l *Layout) Len() int { return len(l.ballots) }
