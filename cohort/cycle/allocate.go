package cycle

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// shelf turns the choices of ballots into lists of slots: those of a supply,
// by their position in it.
type shelf struct {
	slots   []lottery.Slot
	ids     []string // in public files
	rowIDs  []int64
	clinics map[string][]int32 // ascending positions
	// clinicOf numbers the clinics as slots do.
	clinicOf map[string]int32
	dayParts map[[2]int32][2]uint16 // date and part of a slot's day and block
	dates    map[string]uint16
	parts    map[string]uint16
	date     []uint16 // by position
	part     []uint16
	lists    map[string][]int32 // choices that were met before
	key      []byte
	wanted   []int32
}

// newShelf takes slots in supply order.
func newShelf(slots []data.SlotRow) (*shelf, error) {
	h := &shelf{
		clinics: map[string][]int32{}, dates: map[string]uint16{}, parts: map[string]uint16{}, lists: map[string][]int32{},
		dayParts: map[[2]int32][2]uint16{},
	}
	position := make(map[int64]int32, len(slots))
	for x, s := range slots {
		position[s.ID] = int32(x)
	}
	// Sorted, so that a clinic's slots stand in one order by their numbers and in the supply.
	number := func(of func(s *data.SlotRow) string) map[string]int32 {
		names := make([]string, len(slots))
		for x := range slots {
			names[x] = of(&slots[x])
		}
		slices.Sort(names)
		numbers := map[string]int32{}
		for i, name := range slices.Compact(names) {
			numbers[name] = int32(i)
		}
		return numbers
	}
	h.clinicOf = number(func(s *data.SlotRow) string { return s.ClinicKey })
	vaccines := number(func(s *data.SlotRow) string { return s.Vaccine })
	blocks := number(blockAndPart)
	for x, s := range slots {
		day, err := time.Parse(time.DateOnly, s.Date)
		if err != nil {
			return nil, fmt.Errorf("slot %d: %w", s.ID, err)
		}
		seats := s.Seats - s.Kept
		if s.Drawn != nil {
			seats = *s.Drawn
		}
		out := lottery.Slot{
			Clinic: h.clinicOf[s.ClinicKey], Vaccine: vaccines[s.Vaccine], Block: blocks[blockAndPart(&slots[x])],
			Day: int32(day.Unix() / (24 * 60 * 60)), Seats: int32(seats), Party: int32(s.PartySeats), Second: s.Second, Pair: lottery.None,
		}
		if s.Pair != 0 {
			out.Pair = position[s.Pair]
		}
		h.slots = append(h.slots, out)
		h.ids, h.rowIDs = append(h.ids, slotName(s)), append(h.rowIDs, s.ID)
		h.date, h.part = append(h.date, index(h.dates, s.Date)), append(h.part, index(h.parts, s.Part))
		h.dayParts[[2]int32{out.Day, out.Block}] = [2]uint16{h.date[x], h.part[x]}
		if !s.Second {
			h.clinics[s.ClinicKey] = append(h.clinics[s.ClinicKey], int32(x))
		}
	}
	return h, nil
}

// blockAndPart is what the block of a slot stands for: equal ones lie in the
// same part of the day.
func blockAndPart(s *data.SlotRow) string { return s.Block + " " + s.Part }

func index(names map[string]uint16, name string) uint16 {
	n, ok := names[name]
	if !ok {
		n = uint16(len(names))
		names[name] = n
	}
	return n
}

// choices gives the slots of each of a ballot's choices, in supply order. The
// lists are shared between ballots that choose the same: nobody changes them.
func (h *shelf) choices(ballot []byte) ([][]int32, error) {
	var b struct {
		Choices []cohort.Choice `json:"choices"`
	}
	if err := json.Unmarshal(ballot, &b); err != nil {
		return nil, fmt.Errorf("%w: %w", cohort.ErrBallot, err)
	}
	lists := make([][]int32, len(b.Choices))
	for i := range b.Choices {
		lists[i] = h.list(&b.Choices[i])
	}
	return lists, nil
}

func (h *shelf) list(c *cohort.Choice) []int32 {
	h.key = h.key[:0]
	for _, set := range [][]string{c.Clinics, c.Dates, c.Parts} {
		for _, s := range set {
			h.key = append(append(h.key, s...), 0)
		}
		h.key = append(h.key, 1)
	}
	if l, ok := h.lists[string(h.key)]; ok {
		return l
	}
	dates, parts := bits(h.dates, c.Dates), bits(h.parts, c.Parts)
	h.wanted = h.wanted[:0]
	for _, clinic := range c.Clinics {
		for _, x := range h.clinics[clinic] {
			if dates.has(h.date[x]) && parts.has(h.part[x]) {
				h.wanted = append(h.wanted, x)
			}
		}
	}
	slices.Sort(h.wanted) // supply order, whatever order clinics are named in
	l := slices.Clone(slices.Compact(h.wanted))
	if len(h.lists) < maxLists {
		h.lists[string(h.key)] = l
	}
	return l
}

// bitset holds which of a few names are in a set.
type bitset []uint64

func bits(names map[string]uint16, set []string) bitset {
	b := make(bitset, len(names)/64+1)
	for _, s := range set {
		if n, ok := names[s]; ok {
			b[n/64] |= 1 << (n % 64)
		}
	}
	return b
}

func (b bitset) has(n uint16) bool { return b[n/64]&(1<<(n%64)) != 0 }

// rotate puts a choice's slots in the order in which a draw with pools tries
// them: supply order, from the ticket's own starting point.
func rotate(list []int32, ticket lottery.Hash) []int32 {
	if len(list) < 2 {
		return list
	}
	start := int(binary.BigEndian.Uint64(ticket[24:]) % uint64(len(list)))
	return slices.Concat(list[start:], list[:start])
}

// seating is the allocation's rule by the campaign file's word.
func seating(word string) lottery.Seating { return lottery.Seating(word) }
