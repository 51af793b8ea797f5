package lottery

import "bytes"

// scanCutOffs reads cutoffs.json where it is written as MarshalCutOffs writes it and ascends by slot, size, doses and
// pool: a nation's draw has hundreds of thousands of lines, and a tree of them would take more memory than the draw.
// Where it answers false, the file may be right all the same, and is read by JSON's rules.
func scanCutOffs(file []byte, entities int) ([]PublicCutOff, bool) {
	s := cutOffScan{rest: file, ok: true}
	list := []PublicCutOff{}
	s.literal(`{"cutoffs":[`)
	for s.ok && !bytes.HasPrefix(s.rest, []byte("]")) {
		if len(list) > 0 {
			s.literal(`,`)
		}
		var c PublicCutOff
		s.literal(`{"slot":"`)
		slot := s.text()
		s.literal(`,"size":`)
		c.Size = s.number(MaxParty)
		s.literal(`,"doses":`)
		c.Doses = s.number(2)
		s.literal(`,"pool":"`)
		pool := s.text()
		s.literal(`,"rank":`)
		c.Rank = s.number(uint64(entities))
		s.literal(`}`)
		if !s.ok {
			return nil, false
		}
		c.Pool = string(pool)
		if len(list) == 0 {
			c.Slot = string(slot)
		} else {
			last := &list[len(list)-1]
			if !last.before(slot, &c) {
				return nil, false
			}
			if c.Slot = last.Slot; last.Slot != string(slot) {
				c.Slot = string(slot)
			}
		}
		list = append(list, c)
	}
	s.literal(`]}`)
	if s.ok && len(s.rest) > 0 {
		s.literal("\n")
	}
	return list, s.ok && len(s.rest) == 0
}

// before says whether c stands before another class or slot; so none stands twice.
func (c *PublicCutOff) before(slot []byte, next *PublicCutOff) bool {
	switch {
	case c.Slot != string(slot):
		return c.Slot < string(slot)
	case c.Size != next.Size:
		return c.Size < next.Size
	case c.Doses != next.Doses:
		return c.Doses < next.Doses
	}
	return c.Pool < next.Pool
}

type cutOffScan struct {
	rest []byte
	ok   bool
}

func (s *cutOffScan) literal(is string) {
	if s.ok = s.ok && len(s.rest) >= len(is) && string(s.rest[:len(is)]) == is; s.ok {
		s.rest = s.rest[len(is):]
	}
}

// text is what follows up to a quotation mark, which is taken too: printable ASCII without escapes.
func (s *cutOffScan) text() []byte {
	for i, b := range s.rest {
		if b == '"' {
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return text
		}
		if b < 0x20 || b >= 0x7f || b == '\\' {
			break
		}
	}
	s.ok = false
	return nil
}

// number is a plain integer from 1 to the limit.
func (s *cutOffScan) number(limit uint64) uint64 {
	n, i := uint64(0), 0
	for ; i < len(s.rest) && i < 19 && '0' <= s.rest[i] && s.rest[i] <= '9'; i++ {
		if n = 10*n + uint64(s.rest[i]-'0'); n == 0 {
			break
		}
	}
	s.rest = s.rest[i:]
	s.ok = s.ok && n >= 1 && n <= limit
	return n
}
