package lottery

import (
	"encoding/hex"
	"fmt"
)

// Proof is receipt-N.json: what one citizen holds to check her own result.
type Proof struct {
	Leaf   [LeafSize]byte
	Index  uint64 // of the leaf
	Size   uint64 // of the tree
	Proof  []Hash
	Root   Hash
	Salt   [32]byte
	Ballot []byte
	Entity ID     // her pid, or her party's gid
	Weight uint16 // of her own leaf
	Ticket Hash   // of the entity: of a party, with the least weight of its members
	Rank   uint32

	Sample  bool
	Result  *ResultProof   // nil where no allocation was done
	CutOffs []PublicCutOff // of her choices
	Save    *SavedBallot   // nil where the draw has no log of saves
}

// ResultProof is what the entity got, with the proof that it stood under the outcome_root.
type ResultProof struct {
	Outcome
	SlotID      string // of the supply; empty for none
	SecondID    string
	Salt        [32]byte // salt′
	Proof       []Hash
	OutcomeRoot Hash
}

// Prover makes the proofs of one draw; it keeps the trees and ranks, 68 bytes a leaf and 64 an entity.
type Prover struct {
	leaves   []byte
	tree     *Tree
	order    []Entity
	ranks    []uint32
	outcomes []Outcome
	results  *Tree
	k        [32]byte
	sample   bool
}

// NewProver hashes the trees. outcomes is nil where no allocation was done; k is then not used.
func NewProver(leaves []byte, order []Entity, k [32]byte, outcomes []Outcome, sample bool, workers int) (*Prover, error) {
	p := &Prover{
		leaves: leaves, tree: NewTree(leaves, LeafSize, workers), order: order,
		ranks: RankByLeaf(order, leafCount(leaves)), outcomes: outcomes, k: k, sample: sample,
	}
	if outcomes != nil {
		results, err := ResultLeaves(k, order, outcomes)
		if err != nil {
			return nil, err
		}
		p.results = NewTree(results, ResultLeafSize, workers)
	}
	return p, nil
}

// Proof makes the proof of the ballot leaf at index; slot ids, cut-offs and the receipt of the save are the
// caller's to add.
func (p *Prover) Proof(index int, salt [32]byte, ballot []byte) (Proof, error) {
	if index < 1 || index >= leafCount(p.leaves) {
		return Proof{}, fmt.Errorf("there is no ballot leaf %d", index)
	}
	leaf := [LeafSize]byte(p.leaves[index*LeafSize:])
	rank := p.ranks[index]
	e := p.order[rank-1]
	if c := BallotCommit(salt, ballot); c != Hash(leaf[35:]) {
		return Proof{}, fmt.Errorf("leaf %d commits to another ballot or salt", index)
	}
	proof := Proof{
		Leaf: leaf, Index: uint64(index), Size: uint64(p.tree.Size()), Proof: p.tree.Prove(index),
		Root: p.tree.Root(), Salt: salt, Ballot: ballot, Entity: e.ID, Weight: leafWeight(p.leaves, index),
		Ticket: e.Ticket, Rank: rank, Sample: p.sample,
	}
	if p.results != nil {
		proof.Result = &ResultProof{
			Outcome: p.outcomes[rank-1], Salt: ResultSalt(p.k, e.ID),
			Proof: p.results.Prove(int(rank - 1)), OutcomeRoot: p.results.Root(),
		}
	}
	return proof, nil
}

type resultJSON struct {
	Choice      uint8  `json:"choice"`
	OutcomeRoot Hash   `json:"outcome_root"`
	Proof       []Hash `json:"proof"`
	Salt        Hash   `json:"salt"`
	Second      uint32 `json:"second"` // position in the supply + 1, 0 for none
	SecondID    string `json:"second_id,omitempty"`
	Slot        uint32 `json:"slot"`
	SlotID      string `json:"slot_id,omitempty"`
}

// Marshal returns the bytes of receipt-N.json.
func (p Proof) Marshal() ([]byte, error) {
	var result *resultJSON
	if r := p.Result; r != nil {
		result = &resultJSON{r.Choice, r.OutcomeRoot, notNil(r.Proof), r.Salt, r.Second, r.SecondID, r.Slot, r.SlotID}
	}
	return writeJSON(struct {
		Ballot  string         `json:"ballot"`
		CutOffs []PublicCutOff `json:"cutoffs,omitempty"`
		Entity  ID             `json:"entity"`
		Index   uint64         `json:"index"`
		Leaf    string         `json:"leaf"`
		Proof   []Hash         `json:"proof"`
		Rank    uint32         `json:"rank"`
		Result  *resultJSON    `json:"result,omitempty"`
		Root    Hash           `json:"root"`
		Salt    Hash           `json:"salt"`
		Sample  bool           `json:"sample,omitempty"`
		Save    *SavedBallot   `json:"save,omitempty"`
		Size    uint64         `json:"size"`
		Ticket  Hash           `json:"ticket"`
		Weight  uint16         `json:"weight"`
	}{
		hex.EncodeToString(p.Ballot), p.CutOffs, p.Entity, p.Index, hex.EncodeToString(p.Leaf[:]), notNil(p.Proof),
		p.Rank, result, p.Root, p.Salt, p.Sample, p.Save, p.Size, p.Ticket, p.Weight,
	})
}

func notNil(proof []Hash) []Hash {
	if proof == nil {
		return []Hash{}
	}
	return proof
}

// ParseProof reads receipt-N.json; only the fields up to rank must be there.
func ParseProof(file []byte) (Proof, error) {
	o, err := parseObject("receipt", file)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{
		Index: o.number("index", 1<<32-1), Size: o.number("size", 1<<32-1), Proof: o.hashes("proof"),
		Root: o.hash("root"), Salt: o.hash("salt"), Ballot: o.bytes("ballot"), Entity: o.id("entity"),
		Weight: uint16(o.number("weight", 1<<16-1)), Ticket: o.hash("ticket"), Rank: uint32(o.number("rank", 1<<32-1)),
	}
	o.hexInto("leaf", p.Leaf[:])
	if o.has("sample") {
		p.Sample = o.boolean("sample")
	}
	if o.has("result") {
		r := o.object("result")
		p.Result = &ResultProof{
			Outcome: Outcome{
				uint8(r.number("choice", 255)), uint32(r.number("slot", 1<<32-1)), uint32(r.number("second", 1<<32-1)),
			},
			Salt: r.hash("salt"), Proof: r.hashes("proof"), OutcomeRoot: r.hash("outcome_root"),
		}
		p.Result.SlotID = r.optionalName("slot_id")
		p.Result.SecondID = r.optionalName("second_id")
	}
	if o.has("cutoffs") {
		p.CutOffs = readCutOffs(o, 1<<32-1)
	}
	if o.has("save") {
		s := readSavedBallot(o.object("save"))
		p.Save = &s
	}
	return p, o.failure()
}
