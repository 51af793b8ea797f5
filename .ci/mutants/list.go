package main

// mutant is a mistake: in lottery/file, right becomes wrong.
type mutant struct{ name, file, right, wrong string }

// mutants are mistakes that somebody could make in good faith, or want to make.
var mutants = []mutant{
	// The protocol.
	{"a party has its greatest weight", "order.go", "e.Weight = min(e.Weight, leafWeight(u.leaves, int(m)))", "e.Weight = max(e.Weight, leafWeight(u.leaves, int(m)))"},
	{"order ties the other way", "order.go", "return x.ID.Compare(y.ID)", "return y.ID.Compare(x.ID)"},
	{"seed leaves out the presence", "entropy.go", "x = append(x, r.Type, present)", "x = append(x, r.Type, present&0)"},
	{"seed leaves out the leaf count", "entropy.go", "x := binary.BigEndian.AppendUint64(nil, leaves)", "x := binary.BigEndian.AppendUint64(nil, 0)"},
	{"a reveal need not match its commitment", "entropy.go", "c != s.Commit {\n\t\t\treturn fmt.Errorf(\"the value of trustee", "false {\n\t\t\treturn fmt.Errorf(\"the value of trustee"},
	{"any round of drand will do", "entropy.go", "!slices.Contains(s.Rounds, round)", "!slices.Contains(s.Rounds, round) && round == 0"},
	{"the dice may have any length", "entropy.go", "len(r.Value) != s.Digits", "false"},
	{"randomness need not be H(signature)", "entropy.go", "h != Hash(r.Value[40:])", "false"},
	{"a node hashed like a leaf", "tree.go", "buf[0] = 1\n", "buf[0] = 0\n"},
	{"pids may stand twice", "leaf.go", "Compare(ID(leaves[(i-1)*LeafSize+1:][:16])) <= 0", "Compare(ID(leaves[(i-1)*LeafSize+1:][:16])) < 0"},
	{"weights above the cap", "leaf.go", "w < 1 || w > maxWeight", "w < 1"},
	{"a weight of nothing", "leaf.go", "w < 1 || w > maxWeight", "w > maxWeight"},
	{"a party of one", "party.go", "end-at < 2 || end-at > MaxParty", "end-at > MaxParty"},
	{"a gid of other members", "party.go", "want != gid {", "false {"},
	{"the choice is not in the result", "result.go", "numbers[8] = o.Choice", "numbers[8] = 0"},
	{"the sample repeats a leaf", "sample_audit.go", "; repeated {", "; repeated && false {"},
	// The allocation.
	{"a slot one seat too large", "serial.go", "free[x] >= int32(k.Size) && (k.Doses", "free[x] >= int32(k.Size)-1 && (k.Doses"},
	{"two doses without a second seat", "serial.go", "(k.Doses == 1 || second != None)", "true"},
	{"cut-off of the last, not the lowest", "alloc_cutoffs.go", "old == 0 || rank < old", "old == 0 || rank > old"},
	{"reserves are not held", "fixed.go", "for i, r := range reserves(&d.p.Slots[x]) {", "for i, r := range reserves(&d.p.Slots[x])[:0] {"},
	{"the displaced are forgotten", "fixed.go", "return loser\n\t\t}\n\t}\n\treturn -1\n}\n\n// choose", "return -1\n\t\t}\n\t}\n\treturn -1\n}\n\n// choose"},
	{"parties take the singles' seats", "fixed.go", "share[x] = partySeats(&p.Slots[x])", "share[x] = p.Slots[x].Seats"},
	{"everything seen dies for all sizes", "flexible.go", "f.kill(v, int(f.free[x])+1, 1)", "f.kill(v, 1, 1)"},
	{"moved outside the committed choice", "flexible.go", "f.p.Tickets[t].Choices[f.committed[t]] {", "f.p.Tickets[t].Choices[len(f.p.Tickets[t].Choices)-1] {"},
	{"the second dose after 48 days", "flexible.go", "secondEarliest = 49", "secondEarliest = 48"},
	{"the earlier of two equal days", "flexible.go", "cmp.Compare(db, da))", "cmp.Compare(da, db))"},
	{"holders in the order they came", "flexible.go", "at, _ := slices.BinarySearch(f.holders[x], t)\n\tf.holders[x] = slices.Insert(f.holders[x], at, t)", "f.holders[x] = append(f.holders[x], t)"},
	{"a seat in two offers", "offers.go", "b.free[x] -= int32(w.Size)\n\tif w.Doses", "if w.Doses"},
	{"a declined slot is offered again", "offers.go", "case slices.Contains(w.Struck, x):", "case slices.Contains(w.Struck, -x):"},
	{"an offer too late to answer", "offers.go", "case b.late[x]:", "case false:"},
	{"a worse offer replaces a better", "offers.go", "return int(w.Live.Choice) - 1", "return len(w.Choices)"},
	{"weights grow for who declined", "offers.go", "gotPlace || declined || listed < minSlots", "gotPlace || listed < minSlots"},
}
