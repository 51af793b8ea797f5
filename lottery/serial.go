package lottery

// serveSerial seats everyone, singles and parties, in one pass: the first slot with room for the
// ticket, in the order in which the choice lists them. A two-dose unit takes the slot's pair too.
func serveSerial(p *Problem) *Places {
	free := make([]int32, len(p.Slots))
	for x := range p.Slots {
		free[x] = p.Slots[x].Seats
	}
	out, refused := newPlaces(len(p.Tickets)), newRefusals(len(p.Slots))
	for t := range p.Tickets {
		firstWithRoom(p, Serial, t, free, out, refused)
	}
	out.CutOffs = refused.cutOffs(p)
	return out
}

// firstWithRoom seats ticket t in the first listed slot with as many free seats as it has members, and
// records every slot that it tried before as a refusal. It never looks at what others want.
func firstWithRoom(p *Problem, seating Seating, t int, free []int32, out *Places, refused *refusals) {
	k := &p.Tickets[t]
	for c, choice := range k.Choices {
		for _, x := range choice {
			second := None
			if k.Doses == 2 {
				second = p.Slots[x].Pair
			}
			if free[x] >= int32(k.Size) && (k.Doses == 1 || second != None) {
				free[x] -= int32(k.Size)
				out.give(t, c, x, second)
				return
			}
			refused.refuse(x, k.class(seating), t)
		}
	}
}
