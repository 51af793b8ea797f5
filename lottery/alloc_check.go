package lottery

import (
	"errors"
	"fmt"
)

// Check says whether the problem can be allocated in a draw under the seating; the error names the first slot
// (position in supply order from 0) or ticket (rank from 1) that cannot be.
func (p *Problem) Check(seating Seating) error {
	if err := p.checkForm(seating); err != nil {
		return err
	}
	if seating != Flexible {
		if x, err := p.checkPairs(); err != nil {
			return fmt.Errorf("slot %d: %w", x, err)
		}
	}
	return nil
}

// checkForm is Check without what only a release has to see to: that pairs can hold every second dose.
func (p *Problem) checkForm(seating Seating) error {
	if seating != Flexible && seating != Fixed && seating != Serial {
		return fmt.Errorf("unknown seating %q", seating)
	}
	for x := range p.Slots {
		if err := p.checkSlot(int32(x)); err != nil {
			return fmt.Errorf("slot %d: %w", x, err)
		}
	}
	seen := make([]int, len(p.Slots))
	mark := 0
	for t := range p.Tickets {
		k := &p.Tickets[t]
		if err := p.checkTicket(k); err != nil {
			return fmt.Errorf("ticket of rank %d: %w", t+1, err)
		}
		for c, choice := range k.Choices {
			mark++
			for _, x := range choice {
				switch {
				case x < 0 || int(x) >= len(p.Slots):
					return fmt.Errorf("ticket of rank %d: choice %d names slot %d, which is not in the supply", t+1, c+1, x)
				case p.Slots[x].Second:
					return fmt.Errorf("ticket of rank %d: choice %d names slot %d, which is for second doses only", t+1, c+1, x)
				case seen[x] == mark:
					return fmt.Errorf("ticket of rank %d: choice %d names slot %d twice", t+1, c+1, x)
				}
				seen[x] = mark
			}
		}
	}
	return nil
}

func (p *Problem) checkSlot(x int32) error {
	s := &p.Slots[x]
	if s.Seats < 0 {
		return errors.New("negative seats")
	}
	if s.Party < 0 {
		return errors.New("negative party share")
	}
	if len(s.Reserve) > 1 && len(s.Reserve) > len(p.Pools) {
		return errors.New("reserve for an unknown pool")
	}
	reserved := int64(0)
	for _, r := range reserves(s) {
		if r < 0 {
			return errors.New("negative reserve")
		}
		reserved += int64(r)
	}
	if reserved > int64(s.Seats) {
		return fmt.Errorf("%d seats reserved of %d", reserved, s.Seats)
	}
	if s.Pair == None {
		return nil
	}
	if s.Pair < 0 || int(s.Pair) >= len(p.Slots) {
		return fmt.Errorf("pair %d is not in the supply", s.Pair)
	}
	if !p.Slots[s.Pair].Second {
		return fmt.Errorf("pair %d is not marked as a second slot", s.Pair)
	}
	return nil
}

// checkPairs makes sure that counting a two-dose unit as one seat can never overfill a second slot, and
// that a pair is what a second dose may be: same clinic, same vaccine, 49–63 days later where both
// dates are known. It returns the first slot whose pair is not.
func (p *Problem) checkPairs() (int, error) {
	need := make([]int64, len(p.Slots))
	for x := range p.Slots {
		s := &p.Slots[x]
		if s.Pair == None || s.Second {
			continue
		}
		second := &p.Slots[s.Pair]
		if s.Clinic != second.Clinic || s.Vaccine != second.Vaccine {
			return x, errors.New("its pair has another clinic or vaccine")
		}
		if s.Day != NoDay && second.Day != NoDay && !secondDoseInterval(s, second) {
			return x, fmt.Errorf("its pair is %d days later, not %d–%d", second.Day-s.Day, secondEarliest, secondLatest)
		}
		need[s.Pair] += int64(s.Seats)
		if need[s.Pair] > int64(second.Seats) {
			return x, fmt.Errorf("its pair has %d seats, but what it is the pair of has %d", second.Seats, need[s.Pair])
		}
	}
	return 0, nil
}

func (p *Problem) checkTicket(t *Applicant) error {
	switch {
	case t.Size < 1 || t.Size > MaxParty:
		return fmt.Errorf("size %d is not 1–%d", t.Size, MaxParty)
	case t.Doses != 1 && t.Doses != 2:
		return fmt.Errorf("doses %d is not 1 or 2", t.Doses)
	case t.Pool != 0 && int(t.Pool) >= len(p.Pools):
		return fmt.Errorf("unknown pool %d", t.Pool)
	}
	return nil
}

// reserves are the slot's reserved seats by pool, without the unused entry for "no pool".
func reserves(s *Slot) []int32 {
	if len(s.Reserve) < 2 {
		return nil
	}
	return s.Reserve[1:]
}

// partySeats is how many seats parties may take under Fixed.
func partySeats(s *Slot) int32 {
	free := s.Seats
	for _, r := range reserves(s) {
		free -= r
	}
	return min(free, s.Party)
}
