package lottery

import "math/bits"

// mask is a set of up to 128 cells of one row, lowest first.
type mask struct{ lo, hi uint64 }

const cellsPerRow = 128

func (m mask) and(o mask) mask    { return mask{m.lo & o.lo, m.hi & o.hi} }
func (m mask) or(o mask) mask     { return mask{m.lo | o.lo, m.hi | o.hi} }
func (m mask) andNot(o mask) mask { return mask{m.lo &^ o.lo, m.hi &^ o.hi} }
func (m mask) empty() bool        { return m.lo|m.hi == 0 }
func (m mask) count() int         { return bits.OnesCount64(m.lo) + bits.OnesCount64(m.hi) }

// first is the lowest cell; the mask must not be empty.
func (m mask) first() uint {
	if m.lo != 0 {
		return uint(bits.TrailingZeros64(m.lo))
	}
	return 64 + uint(bits.TrailingZeros64(m.hi))
}

// withoutFirst drops the lowest cell.
func (m mask) withoutFirst() mask {
	if m.lo != 0 {
		return mask{m.lo & (m.lo - 1), m.hi}
	}
	return mask{0, m.hi & (m.hi - 1)}
}

// bit is the set of one cell.
func bit(cell uint) mask {
	if cell < 64 {
		return mask{1 << cell, 0}
	}
	return mask{0, 1 << (cell - 64)}
}

// below is the set of all lower cells.
func below(cell uint) mask {
	if cell < 64 {
		return mask{1<<cell - 1, 0}
	}
	return mask{^uint64(0), 1<<(cell-64) - 1}
}

func (m mask) has(cell uint) bool { return !m.and(bit(cell)).empty() }

// nth is the n-th lowest cell, from 0; there must be so many.
func (m mask) nth(n int) uint {
	word, from := m.lo, uint(0)
	if low := bits.OnesCount64(m.lo); n >= low {
		word, from, n = m.hi, 64, n-low
	}
	for range n {
		word &= word - 1
	}
	return from + uint(bits.TrailingZeros64(word))
}
