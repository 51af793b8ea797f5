package lottery

import "fmt"

// Serve gives what the reference Serve gives on Problem(seating). The layout is not changed; the outcome does not
// depend on the machine.
func (l *Layout) Serve(seating Seating) (*Places, error) {
	p := Problem{Slots: l.slots, Pools: l.pools}
	if err := p.Check(seating); err != nil {
		return nil, err
	}
	var t taken
	cuts := newCutPass(l, seating)
	switch seating {
	case Serial:
		s := newSerialPass(l)
		s.run()
		t = s.taken
		cuts.tried(t, false)
	case Flexible:
		f := newFlexiblePass(l)
		f.run()
		t = f.taken
		cuts.wholeChoices(t)
	case Fixed:
		d, err := newFixedPass(l)
		if err != nil {
			return nil, err
		}
		d.run()
		t = d.taken
		cuts.tried(t, true)
	default:
		return nil, fmt.Errorf("unknown seating %q", seating)
	}
	return l.places(t, cuts.list()), nil
}

// places turns numbers of slots into positions in supply order.
func (l *Layout) places(t taken, cuts []CutOff) *Places {
	out := newPlaces(len(l.ballots))
	for i := range l.ballots {
		if x := t.slot[i]; x != 0 {
			out.Choice[i], out.Slot[i] = int32(t.choice[i]), l.supply[x-1]
		}
		if t.second != nil && t.second[i] != 0 {
			out.Second[i] = l.supply[t.second[i]-1]
		}
	}
	out.CutOffs = cuts
	return out
}
