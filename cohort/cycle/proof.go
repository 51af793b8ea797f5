package cycle

import (
	"context"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Proof makes a citizen's proof of a published draw: her leaf, her ticket and
// rank, what she got with the cut-offs of her choices, and the receipt of the
// save that counted. operator signs that receipt as it was signed then; nil
// leaves it out.
func Proof(ctx context.Context, db *data.DB, c *cohort.Campaign, person int64, operator *lottery.Key) (lottery.Proof, error) {
	return NewProvers(db, operator).Proof(ctx, c, person)
}

// nameResult adds the slots' names to a proof's result.
func (d *computed) nameResult(p *lottery.Proof) {
	if p.Result == nil {
		return
	}
	if p.Result.Slot > 0 {
		p.Result.SlotID = d.shelf.ids[p.Result.Slot-1]
	}
	if p.Result.Second > 0 {
		p.Result.SecondID = d.shelf.ids[p.Result.Second-1]
	}
}

// addCutOffs adds the cut-offs of her class at the slots of her choices.
func (d *computed) addCutOffs(p *lottery.Proof, ballot []byte) error {
	choices, err := d.shelf.choices(ballot)
	if err != nil {
		return err
	}
	e := &d.order[p.Rank-1]
	pool := poolOf(e, d.pools)
	mine := map[int32]bool{}
	for _, c := range choices {
		for _, x := range c {
			mine[x] = true
		}
	}
	for i, c := range d.places.CutOffs {
		if mine[c.Slot] && c.Class.Size == e.Size && c.Class.Pool == pool {
			p.CutOffs = append(p.CutOffs, d.publicCutOffs(d.places.CutOffs[i:i+1])...)
		}
	}
	return nil
}
