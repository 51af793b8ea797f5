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

// first is the lowest cell; the mask must not be empty. Without a branch: which word it is in cannot be predicted.
func (m mask) first() uint {
	lo, hi := uint(bits.TrailingZeros64(m.lo)), uint(bits.TrailingZeros64(m.hi))
	return lo + hi&-(lo>>6)
}

// withoutFirst drops the lowest cell.
func (m mask) withoutFirst() mask {
	if m.lo != 0 {
		return mask{m.lo & (m.lo - 1), m.hi}
	}
	return mask{0, m.hi & (m.hi - 1)}
}

// bit is the set of one cell. Shifts by 64 and more give 0.
func bit(cell uint) mask { return mask{1 << cell, 1 << (cell - 64)} }

// below is the set of all lower cells.
func below(cell uint) mask {
	return mask{1<<cell - 1, (1<<(cell&63) - 1) & -uint64(cell>>6)}
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
