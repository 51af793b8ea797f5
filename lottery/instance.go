package lottery

import (
	"fmt"
	"slices"
	"time"
)

// Instance is one allocation problem as a file says it, with names for everything: for tests, auditors
// and papers. Slots stand in supply order, tickets in draw order.
type Instance struct {
	Seating Seating          `json:"seating"`
	Slots   []InstanceSlot   `json:"slots"`
	Tickets []InstanceTicket `json:"tickets"`
}

// InstanceSlot is a slot of an instance and of supply.json.
type InstanceSlot struct {
	ID      string `json:"id"`
	Clinic  string `json:"clinic"`
	Date    string `json:"date"` // 2021-07-26, or "" where no date matters
	Block   string `json:"block"`
	Vaccine string `json:"vaccine"`
	Seats   int32  `json:"seats"`
	// Reserve is the seats held first for each pool, by its name.
	Reserve map[string]int32 `json:"reserve"`
	Party   int32            `json:"party"`
	Second  bool             `json:"second"`
	// Pair names a second slot, or is nil.
	Pair *string `json:"pair"`
}

// InstanceTicket is a person or a party. Of Member, only the first counts.
type InstanceTicket struct {
	ID      string     `json:"id"`
	Size    uint8      `json:"size"`
	Doses   uint8      `json:"doses"`
	Member  []string   `json:"member"`
	Choices [][]string `json:"choices"`
}

// InstanceResult is what `jebi draw allocate --json` prints.
type InstanceResult struct {
	Assigned []Assigned     `json:"assigned"`
	CutOffs  []ResultCutOff `json:"cutoffs"`
}

// Assigned is what one ticket got. Choice counts from 1, 0 for none; Slot and Second are nil for none.
type Assigned struct {
	ID     string  `json:"id"`
	Choice int32   `json:"choice"`
	Slot   *string `json:"slot"`
	Second *string `json:"second"`
}

// ResultCutOff is a CutOff with names, as in a result and in cutoffs.json.
type ResultCutOff struct {
	Slot  string `json:"slot"`
	Size  uint8  `json:"size"`
	Doses uint8  `json:"doses"`
	Pool  string `json:"pool"`
	Rank  uint32 `json:"rank"`
}

// Allocate serves the instance by the reference implementation. The error names what cannot be served. Pairs are
// taken as they stand, because an instance states a question, not a release: whether a second slot holds all whom
// its pairs send there is for PairFlaw to say.
func Allocate(in Instance) (InstanceResult, error) {
	if in.Seating != Flexible && in.Seating != Fixed {
		return InstanceResult{}, fmt.Errorf("seating %q is neither %q nor %q", in.Seating, Flexible, Fixed)
	}
	p, err := in.Problem()
	if err != nil {
		return InstanceResult{}, err
	}
	if err := p.checkForm(in.Seating); err != nil {
		return InstanceResult{}, err
	}
	places, err := serveChecked(p, in.Seating)
	if err != nil {
		return InstanceResult{}, err
	}
	ids := make([]string, len(in.Slots))
	for x := range in.Slots {
		ids[x] = in.Slots[x].ID
	}
	name := func(x int32) *string {
		if x == None {
			return nil
		}
		return &ids[x]
	}
	result := InstanceResult{Assigned: make([]Assigned, len(in.Tickets)), CutOffs: p.NameCutOffs(ids, places.CutOffs)}
	for t := range in.Tickets {
		result.Assigned[t] = Assigned{
			ID: in.Tickets[t].ID, Choice: places.Choice[t], Slot: name(places.Slot[t]), Second: name(places.Second[t]),
		}
	}
	return result, nil
}

// JSON is the result as one line of JSON, keys in the order of the specification.
func (r InstanceResult) JSON() ([]byte, error) { return writeJSON(r) }

// NameCutOffs puts names to cut-offs; ids are the slots' names in supply order.
func (p *Problem) NameCutOffs(ids []string, list []CutOff) []ResultCutOff {
	named := make([]ResultCutOff, len(list))
	for i, c := range list {
		named[i] = ResultCutOff{
			Slot: ids[c.Slot], Size: c.Class.Size, Doses: c.Class.Doses, Pool: p.poolName(c.Class.Pool), Rank: c.Rank,
		}
	}
	return named
}

// Problem turns names into indices. Errors name the slot or ticket by its id.
func (in *Instance) Problem() (*Problem, error) {
	pools := in.pools()
	p := &Problem{Pools: pools, Tickets: make([]Applicant, len(in.Tickets))}
	var err error
	if p.Slots, err = NewSlots(in.Slots, pools); err != nil {
		return nil, err
	}
	position := make(map[string]int32, len(in.Slots))
	for x := range in.Slots {
		position[in.Slots[x].ID] = int32(x)
	}
	known := make(map[string]struct{}, len(in.Tickets))
	for t := range in.Tickets {
		k := &in.Tickets[t]
		if _, twice := known[k.ID]; twice || k.ID == "" {
			return nil, fmt.Errorf("ticket %q: %s", k.ID, twiceOrEmpty(twice))
		}
		known[k.ID] = struct{}{}
		a := Applicant{Size: k.Size, Doses: k.Doses, Choices: make([][]int32, len(k.Choices))}
		if len(k.Member) > 0 {
			pool, _ := slices.BinarySearch(pools, k.Member[0])
			a.Pool = uint16(pool)
		}
		if err := p.checkTicket(&a); err != nil {
			return nil, fmt.Errorf("ticket %q: %w", k.ID, err)
		}
		for c, choice := range k.Choices {
			if a.Choices[c], err = p.choiceOf(choice, position); err != nil {
				return nil, fmt.Errorf("ticket %q: choice %d: %w", k.ID, c+1, err)
			}
		}
		p.Tickets[t] = a
	}
	return p, nil
}

func (p *Problem) choiceOf(ids []string, position map[string]int32) ([]int32, error) {
	list := make([]int32, len(ids))
	seen := make(map[int32]struct{}, len(ids))
	for i, id := range ids {
		x, ok := position[id]
		if !ok {
			return nil, fmt.Errorf("slot %q is not in the supply", id)
		}
		if p.Slots[x].Second {
			return nil, fmt.Errorf("slot %q is for second doses only", id)
		}
		if _, twice := seen[x]; twice {
			return nil, fmt.Errorf("slot %q stands twice", id)
		}
		seen[x] = struct{}{}
		list[i] = x
	}
	return list, nil
}

// pools are the names that count, "" first, sorted.
func (in *Instance) pools() []string {
	pools := []string{""}
	for x := range in.Slots {
		for name := range in.Slots[x].Reserve {
			pools = append(pools, name)
		}
	}
	for t := range in.Tickets {
		if m := in.Tickets[t].Member; len(m) > 0 {
			pools = append(pools, m[0])
		}
	}
	slices.Sort(pools)
	return slices.Compact(pools)
}

// NewSlots turns the slots of a supply into those of a Problem. pools are the pools' names in the
// manifest's order, after "" for none. Errors name the slot by its id.
func NewSlots(list []InstanceSlot, pools []string) ([]Slot, error) {
	number := make(map[string]int32, len(list))
	for x := range list {
		if _, twice := number[list[x].ID]; twice || list[x].ID == "" {
			return nil, fmt.Errorf("slot %q: %s", list[x].ID, twiceOrEmpty(twice))
		}
		number[list[x].ID] = int32(x)
	}
	clinics, vaccines, blocks := map[string]int32{}, map[string]int32{}, map[string]int32{}
	slots := make([]Slot, len(list))
	for x := range list {
		in := &list[x]
		s := Slot{
			Clinic: numberOf(clinics, in.Clinic), Vaccine: numberOf(vaccines, in.Vaccine), Block: numberOf(blocks, in.Block),
			Seats: in.Seats, Party: in.Party, Second: in.Second, Pair: None,
		}
		var err error
		if s.Day, err = dayNumber(in.Date); err != nil {
			return nil, fmt.Errorf("slot %q: %w", in.ID, err)
		}
		for name, r := range in.Reserve {
			pool := slices.Index(pools, name)
			if pool <= 0 {
				return nil, fmt.Errorf("slot %q: reserve for pool %q, which is not known", in.ID, name)
			}
			if s.Reserve == nil {
				s.Reserve = make([]int32, len(pools))
			}
			s.Reserve[pool] = r
		}
		if in.Pair != nil {
			y, ok := number[*in.Pair]
			if !ok {
				return nil, fmt.Errorf("slot %q: pair %q is not in the supply", in.ID, *in.Pair)
			}
			if !list[y].Second {
				return nil, fmt.Errorf("slot %q: pair %q is not marked as a second slot", in.ID, *in.Pair)
			}
			s.Pair = y
		}
		slots[x] = s
	}
	check := Problem{Slots: slots, Pools: pools}
	for x := range slots {
		if err := check.checkSlot(int32(x)); err != nil {
			return nil, fmt.Errorf("slot %q: %w", list[x].ID, err)
		}
	}
	return slots, nil
}

// dayNumber is the number of days from 1970-01-01 to an ISO date, or NoDay for "".
func dayNumber(date string) (int32, error) {
	if date == "" {
		return NoDay, nil
	}
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return 0, fmt.Errorf("date %q is not like 2021-07-26", date)
	}
	return int32(day.Unix() / (24 * 60 * 60)), nil
}

func numberOf(numbers map[string]int32, name string) int32 {
	n, ok := numbers[name]
	if !ok {
		n = int32(len(numbers))
		numbers[name] = n
	}
	return n
}

func twiceOrEmpty(twice bool) string {
	if twice {
		return "the id stands twice"
	}
	return "has no id"
}
