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
// inside one row is a row and a pattern; several clinics that follow each other in the supply are an *area*, a list
// of rows, and again a pattern; any other set of slots is a *group*, a list of runs in supply order, each a row and
// a pattern.
type Layout struct {
	slots []Slot
	pools []string

	// By row.
	rows     []clinicRow
	paired   []mask // by row: slots with a pair
	rowPage  []uint16
	straight []bool             // its slots ascend in supply order as they do by cell
	last     []int32            // its last slot in supply order
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

	ownRow []uint32 // ownRow[r] = r: a row as a list of rows
	areas  []span   // of areaRows
	groups []span   // of runs

	areaRows []uint32
	runs     []run

	ballots []ballot
	last8   []uint64     // by ticket; nil while all are 0
	levels  [levels]bool // which sizes and doses the tickets have

	interned interned
}

// cell is what a clinic has at most one slot of.
type cell struct{ day, block, vaccine int32 }

// clinicRow is a clinic's slots: offered by cell, numbered on from base.
type clinicRow struct {
	offered mask
	base    uint32
}

// run is a part of a group: those slots of a row that are in the pattern.
type run struct{ row, pattern uint32 }

// span is a part of a list.
type span struct{ from, to uint32 }

// A target is a row, or with one of these bits an area or a group.
const (
	areaBit  = 1 << 30
	groupBit = 1 << 31
)

// levels are the sizes 1–4 with one dose, then with two.
const levels = 2 * MaxParty

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

func (b *ballot) class(seating Seating) Class {
	a := Applicant{Size: uint8(b.size()), Doses: b.doses(), Pool: b.pool()}
	return a.class(seating)
}

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
	l := &Layout{slots: slots, pools: pools, rowsOf: map[int32][]uint32{}, interned: newInterned()}
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
	highest := []uint{}
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
			row = uint32(len(l.rows))
			rows[place{s.Clinic, page}] = row
			l.rows, l.paired = append(l.rows, clinicRow{}), append(l.paired, mask{})
			l.rowPage, l.straight = append(l.rowPage, uint16(page)), append(l.straight, true)
			l.rowsOf[s.Clinic] = append(l.rowsOf[s.Clinic], row)
			highest, l.last = append(highest, 0), append(l.last, 0)
			l.ownRow = append(l.ownRow, row)
		}
		if l.rows[row].offered.has(at) {
			return fmt.Errorf("slot %d: its clinic has another of the same day, block and vaccine: %w", x, ErrLayout)
		}
		l.straight[row] = l.straight[row] && at >= highest[row]
		highest[row], l.last[row] = at, int32(x)
		l.rows[row].offered = l.rows[row].offered.or(bit(at))
		if s.Pair != None {
			l.paired[row] = l.paired[row].or(bit(at))
		}
	}
	return nil
}

// laySlots numbers the slots: by row and cell, then second slots.
func (l *Layout) laySlots() {
	for at := range l.rows {
		r := &l.rows[at]
		r.base = uint32(l.firsts)
		l.firsts += r.offered.count()
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
	r := &l.rows[row]
	return r.base + uint32(r.offered.and(below(at)).count())
}

// Len is the number of tickets.
func (l *Layout) Len() int { return len(l.ballots) }
