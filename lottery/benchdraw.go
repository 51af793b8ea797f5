package lottery

// BenchStage is one way to do a part of the draw, to be timed by the caller: Reset, then Run, as often as wanted.
// Reset makes ready, and only Run is timed. Sum is a number that depends on everything that Run did; stages that
// must agree have the same.
type BenchStage struct {
	Name       string
	Reset, Run func()
	Sum        func() uint64
}

// People and Slots are the sizes of the generated draw.
func (b *Bench) People() int { return b.layout.Len() }

// Slots is how many slots the generated supply has.
func (b *Bench) Slots() int { return len(b.layout.slots) }

// Layout is the generated draw itself.
func (b *Bench) Layout() *Layout { return b.layout }

// Serial is plain serial order, one thread, on the fast layout: first slot with room, nobody moves. It allocates
// nothing.
func (b *Bench) Serial() BenchStage {
	s := newSerialPass(b.layout)
	return BenchStage{Name: "serial", Reset: s.reset, Run: s.run, Sum: func() uint64 { return s.taken.sum(b.layout) }}
}

// StreamBound is what no serial order that reads the ballots can be faster than: every ballot is read, and for each
// choice one byte at a place of a table of the slots' size that only the ballot tells.
func (b *Bench) StreamBound() BenchStage {
	table := make([]byte, len(b.layout.slots)+1)
	for i := range table {
		table[i] = byte(i)
	}
	total := uint64(0)
	return BenchStage{Name: "stream", Reset: func() {}, Run: func() {
		sum, size := uint64(0), uint64(len(table))
		for i := range b.layout.ballots {
			k := &b.layout.ballots[i]
			for c := range min(k.choices(), MaxChoices) {
				// A multiplicative hash spreads target and pattern over the table.
				at := uint32(k.target[c]*2654435761 + uint32(k.pattern[c])*40503)
				sum += uint64(table[uint64(at)*size>>32])
			}
		}
		total = sum
	}, Sum: func() uint64 { return total }}
}

// Flexible is serial order with flexible seating on the fast layout.
func (b *Bench) Flexible() BenchStage {
	f := newFlexiblePass(b.layout)
	return BenchStage{Name: "flexible", Reset: f.reset, Run: f.run, Sum: func() uint64 { return f.taken.sum(b.layout) }}
}

// Deferred is deferred acceptance with a tenth of each clinic's seats held first for a pool of a tenth of the
// people.
func (b *Bench) Deferred() (BenchStage, error) {
	f, err := newFixedPass(b.layout)
	if err != nil {
		return BenchStage{}, err
	}
	return BenchStage{Name: "deferred", Reset: f.reset, Run: f.run, Sum: func() uint64 { return f.taken.sum(b.layout) }}, nil
}

// CutOffs is what finding the cut-offs of a serial pass adds.
func (b *Bench) CutOffs() BenchStage {
	s := newSerialPass(b.layout)
	var list []CutOff
	return BenchStage{Name: "cutoffs", Reset: func() {
		s.reset()
		s.run()
	}, Run: func() {
		c := newCutPass(b.layout, Serial)
		c.tried(s.taken, false)
		list = c.list()
	}, Sum: func() uint64 {
		sum := uint64(0)
		for _, cut := range list {
			sum = sum*31 + uint64(cut.Rank) + uint64(cut.Slot)
		}
		return sum
	}}
}

// Naive is serial order as a first program does it: for each choice of each person, scan all slots for the first
// that fits and has room. It gives what Serial gives.
func (b *Bench) Naive() BenchStage {
	type slot struct{ clinic, district, day, block, free int32 }
	slots := make([]slot, len(b.layout.slots))
	t := taken{choice: make([]uint8, len(b.wants)), slot: make([]uint32, len(b.wants))}
	reset := func() {
		for x := range slots {
			s := &b.layout.slots[x]
			slots[x] = slot{s.Clinic, b.district[s.Clinic], s.Day, s.Block, s.Seats}
		}
		clear(t.choice)
		clear(t.slot)
	}
	fits := func(s *slot, w *naiveChoice) bool {
		return s.free > 0 && (s.clinic == w.clinic || w.clinic == None && s.district == w.district) &&
			s.day >= w.from && s.day <= w.to && w.parts.has(s.day, s.block)
	}
	return BenchStage{Name: "naive", Reset: reset, Run: func() {
		for i := range b.wants {
		choices:
			for c := range b.wants[i].choices {
				for x := range slots {
					if s := &slots[x]; fits(s, &b.wants[i].choices[c]) {
						s.free--
						t.choice[i], t.slot[i] = uint8(c)+1, b.layout.numbers[x]+1
						break choices
					}
				}
			}
		}
	}, Sum: func() uint64 { return t.sum(b.layout) }}
}

// sum depends on who got what: on choices, and on slots by their position in supply order.
func (t taken) sum(l *Layout) uint64 {
	sum := uint64(0)
	for i, c := range t.choice {
		x := uint64(0)
		if t.slot[i] != 0 {
			x = uint64(l.supply[t.slot[i]-1]) + 1
		}
		sum = (sum ^ x<<8 ^ uint64(c)) * 0x9e3779b97f4a7c15
		sum ^= sum >> 29
	}
	return sum
}
