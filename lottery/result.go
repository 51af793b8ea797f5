package lottery

import (
	"encoding/binary"
	"fmt"
	"runtime"
)

// Outcome is what one entity got, in the coding of result leaves and of outcome.bin.
type Outcome struct {
	Choice uint8  // the number of the choice that gave the slot, from 1; 0 for none
	Slot   uint32 // position in the supply + 1; 0 for none
	Second uint32 // the same for the slot of the second dose
}

// OutcomeSize is the length of an entity's record in outcome.bin.
const OutcomeSize = 9

// ResultLeafSize is the length of a result leaf: 0x02 and a hash.
const ResultLeafSize = 33

// OutcomeBytes is outcome.bin: u8 choice || u32 slot + 1 or 0 || u32 second + 1 or 0, in rank order.
func OutcomeBytes(outcomes []Outcome) []byte {
	out := make([]byte, 0, OutcomeSize*len(outcomes))
	for _, o := range outcomes {
		out = append(out, o.Choice)
		out = binary.BigEndian.AppendUint32(out, o.Slot)
		out = binary.BigEndian.AppendUint32(out, o.Second)
	}
	return out
}

// ParseOutcomes reads outcome.bin.
func ParseOutcomes(file []byte) ([]Outcome, error) {
	if len(file)%OutcomeSize != 0 {
		return nil, fmt.Errorf("%d bytes are not a whole number of records of %d bytes", len(file), OutcomeSize)
	}
	out := make([]Outcome, len(file)/OutcomeSize)
	for i := range out {
		b := file[i*OutcomeSize:]
		out[i] = Outcome{b[0], binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:])}
	}
	return out, nil
}

// ResultSalt is salt′: HMAC-SHA256(K_draw, "slotdraw/v1/result" || 0x00 || id). It is told to the person herself.
func ResultSalt(k [32]byte, id ID) [32]byte {
	var message [19 + len(id)]byte
	copy(message[:], "slotdraw/v1/result\x00")
	copy(message[19:], id[:])
	return keyed(&k, message[:])
}

// ResultLeaf is 0x02 || D("result", salt′ || id || u32 slot + 1 || u32 second + 1 || u8 choice).
func ResultLeaf(salt [32]byte, id ID, o Outcome) [ResultLeafSize]byte {
	var numbers [9]byte
	binary.BigEndian.PutUint32(numbers[:], o.Slot)
	binary.BigEndian.PutUint32(numbers[4:], o.Second)
	numbers[8] = o.Choice
	h := D("result", salt[:], id[:], numbers[:])
	var leaf [ResultLeafSize]byte
	leaf[0] = leafResult
	copy(leaf[1:], h[:])
	return leaf
}

// ResultLeaves returns the result leaves in rank order, joined; RootOf over them is the outcome_root and NewTree
// over them gives the proofs.
func ResultLeaves(k [32]byte, order []Entity, outcomes []Outcome) ([]byte, error) {
	if len(order) != len(outcomes) {
		return nil, fmt.Errorf("%d outcomes for %d entities", len(outcomes), len(order))
	}
	out := make([]byte, ResultLeafSize*len(order))
	eachChunk((len(order)+chunkLeaves-1)/chunkLeaves, runtime.GOMAXPROCS(0), func(c int) {
		for i := c * chunkLeaves; i < min(len(order), (c+1)*chunkLeaves); i++ {
			leaf := ResultLeaf(ResultSalt(k, order[i].ID), order[i].ID, outcomes[i])
			copy(out[i*ResultLeafSize:], leaf[:])
		}
	})
	return out, nil
}

// OutcomeRoot is the root of the tree of the result leaves.
func OutcomeRoot(k [32]byte, order []Entity, outcomes []Outcome) (Hash, error) {
	leaves, err := ResultLeaves(k, order, outcomes)
	if err != nil {
		return Hash{}, err
	}
	return RootOf(leaves, ResultLeafSize, runtime.GOMAXPROCS(0)), nil
}
