package lottery

// Claims is claims.json: what the operator says that the rest of the bundle gives. Every verifier compares it with
// what it recomputed.
type Claims struct {
	Size        uint64 // the number of leaves, leaf 0 included
	Root        Hash
	Seed        Hash
	TicketKey   Hash
	OutcomeRoot Hash // zero where no allocation was done
	CutOffs     Hash // H of cutoffs.json; zero where there is none
	Excluded    Hash // H of excluded.json; zero where there is none
	Sample      bool
	Counts      *Counts // nil where there are none
}

// Counts are the numbers that the public may know; nil where a bundle does not say.
type Counts struct {
	Ballots  *uint64 `json:"ballots,omitempty"`  // ballot leaves
	Entities *uint64 `json:"entities,omitempty"` // tickets: people who are alone, and parties
	Parties  *uint64 `json:"parties,omitempty"`
	Assigned *uint64 `json:"assigned,omitempty"` // people with a slot; checked where outcome.bin is
}

// unreadableCount stands for a number that only auditors compare, and that is none.
const unreadableCount = 1<<64 - 1

// Count counts a draw; outcomes is nil where no allocation was done.
func Count(order []Entity, outcomes []Outcome) *Counts {
	var ballots, parties, assigned uint64
	entities := uint64(len(order))
	for i := range order {
		ballots += uint64(order[i].Size)
		if order[i].Size > 1 {
			parties++
		}
		if outcomes != nil && outcomes[i].Slot != 0 {
			assigned += uint64(order[i].Size)
		}
	}
	c := &Counts{Ballots: &ballots, Entities: &entities, Parties: &parties}
	if outcomes != nil {
		c.Assigned = &assigned
	}
	return c
}

// ParseClaims reads claims.json.
func ParseClaims(file []byte) (Claims, error) {
	o, err := parseObject("claims.json", file)
	if err != nil {
		return Claims{}, err
	}
	c := Claims{
		Size: o.number("size", 1<<32-1),
		Root: o.hash("root"), Seed: o.hash("seed"), TicketKey: o.hash("ticket_key"),
	}
	for _, optional := range []struct {
		key string
		dst *Hash
	}{{"outcome_root", &c.OutcomeRoot}, {"cutoffs", &c.CutOffs}, {"excluded", &c.Excluded}} {
		if o.has(optional.key) {
			if *optional.dst = o.hash(optional.key); optional.dst.IsZero() {
				o.fail(optional.key, "zeros are no hash")
			}
		}
	}
	if o.has("sample") {
		c.Sample = o.boolean("sample")
	}
	if o.has("counts") {
		n := o.object("counts")
		c.Counts = &Counts{
			n.optionalNumber("ballots"), n.optionalNumber("entities"), n.optionalNumber("parties"), nil,
		}
		if n.has("assigned") {
			assigned, err := plainInteger(n.fields["assigned"], 1<<32-1)
			if err != nil {
				assigned = unreadableCount
			}
			c.Counts.Assigned = &assigned
		}
	}
	return c, o.failure()
}

// Marshal returns the bytes of claims.json.
func (c Claims) Marshal() ([]byte, error) {
	return writeJSON(struct {
		Counts      *Counts `json:"counts,omitempty"`
		CutOffs     *Hash   `json:"cutoffs,omitempty"`
		Excluded    *Hash   `json:"excluded,omitempty"`
		OutcomeRoot *Hash   `json:"outcome_root,omitempty"`
		Root        Hash    `json:"root"`
		Sample      bool    `json:"sample"`
		Seed        Hash    `json:"seed"`
		Size        uint64  `json:"size"`
		TicketKey   Hash    `json:"ticket_key"`
	}{
		c.Counts, orNil(c.CutOffs), orNil(c.Excluded), orNil(c.OutcomeRoot), c.Root, c.Sample, c.Seed, c.Size,
		c.TicketKey,
	})
}
