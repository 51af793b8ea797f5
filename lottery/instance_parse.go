package lottery

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// ParseInstance reads an instance file. Missing keys and null mean 0, false, none and empty; size and
// doses 1. Keys that it does not know are ignored; a key that stands twice, a number that is no plain
// integer and everything that an instance may not say are errors that name the slot or ticket.
func ParseInstance(file []byte) (Instance, error) {
	o, err := parseObject("instance", file)
	if err != nil {
		return Instance{}, err
	}
	in := Instance{Seating: Seating(o.textOr("seating", ""))}
	if o.failure() == nil && in.Seating != Flexible && in.Seating != Fixed {
		return Instance{}, fmt.Errorf("instance: seating %q is neither %q nor %q", in.Seating, Flexible, Fixed)
	}
	in.Slots = o.slots()
	if !o.isNull("tickets") {
		for _, t := range o.objects("tickets") {
			in.Tickets = append(in.Tickets, t.ticket())
		}
	}
	if err := o.failure(); err != nil {
		return Instance{}, err
	}
	if _, err := in.Problem(); err != nil {
		return Instance{}, fmt.Errorf("instance: %w", err)
	}
	return in, nil
}

// PairFlaw says why the instance's pairs could not be a release's, naming the slot: a second slot with fewer seats than
// the slots that it is the pair of, at another clinic, of another vaccine, or not 49–63 days later. Nil if they could.
func (in Instance) PairFlaw() error {
	if in.Seating != Fixed {
		return nil
	}
	p, err := in.Problem()
	if err != nil {
		return err
	}
	if x, err := p.checkPairs(); err != nil {
		return fmt.Errorf("slot %q: %w", in.Slots[x].ID, err)
	}
	return nil
}

// ParseSupply reads the slots of supply.json, in supply order.
func ParseSupply(file []byte) ([]InstanceSlot, error) {
	o, err := parseObject("supply.json", file)
	if err != nil {
		return nil, err
	}
	slots := o.slots()
	return slots, o.failure()
}

func (o object) slots() []InstanceSlot {
	if o.isNull("slots") {
		return nil
	}
	list := o.objects("slots")
	slots := make([]InstanceSlot, len(list))
	for x, s := range list {
		slots[x] = s.slot()
	}
	return slots
}

func (o object) slot() InstanceSlot {
	id := o.textOr("id", "")
	o.path = fmt.Sprintf("slot %q", id)
	s := InstanceSlot{
		ID: id, Clinic: o.textOr("clinic", ""), Date: o.textOr("date", ""), Block: o.textOr("block", ""),
		Vaccine: o.textOr("vaccine", ""), Seats: int32(o.numberOr("seats", 0)), Party: int32(o.numberOr("party", 0)),
	}
	if !o.isNull("second") {
		s.Second = o.boolean("second")
	}
	if !o.isNull("pair") {
		pair := o.text("pair")
		s.Pair = &pair
	}
	if !o.isNull("reserve") {
		reserve := o.object("reserve")
		for _, pool := range sortedKeys(reserve.fields) {
			if s.Reserve == nil {
				s.Reserve = map[string]int32{}
			}
			s.Reserve[pool] = int32(reserve.numberOr(pool, 0))
		}
	}
	return s
}

func (o object) ticket() InstanceTicket {
	id := o.textOr("id", "")
	o.path = fmt.Sprintf("ticket %q", id)
	t := InstanceTicket{
		ID: id, Size: o.small("size"), Doses: o.small("doses"), Member: o.textsIn("member", o.fields["member"]),
	}
	if o.isNull("choices") {
		return t
	}
	for c, choice := range o.list("choices") {
		t.Choices = append(t.Choices, o.textsIn(fmt.Sprintf("choices[%d]", c), choice))
	}
	return t
}

// small reads size or doses: 1 where missing. What is above a byte cannot be right and becomes 255.
func (o object) small(key string) uint8 {
	return uint8(min(o.numberOr(key, 1), math.MaxUint8))
}

func (o object) isNull(key string) bool { return o.fields[key] == nil }

func (o object) textOr(key, missing string) string {
	if o.isNull(key) {
		return missing
	}
	return o.text(key)
}

func (o object) numberOr(key string, missing uint64) uint64 {
	if o.isNull(key) {
		return missing
	}
	return o.number(key, math.MaxInt32)
}

// textsIn reads a list of texts; null is an empty one.
func (o object) textsIn(key string, value any) []string {
	if value == nil {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		o.fail(key, "a list of texts is needed")
		return nil
	}
	texts := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case string:
			texts[i] = v
		case json.Number:
			o.fail(key, "a text is needed, there is the number %s", v)
		default:
			o.fail(key, "a text is needed")
		}
	}
	return texts
}

func sortedKeys(fields map[string]any) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
