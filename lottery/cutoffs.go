package lottery

import "fmt"

// PublicCutOff is one line of cutoffs.json: the lowest rank of a class that a slot refused.
type PublicCutOff struct {
	Slot  string `json:"slot"`
	Size  uint64 `json:"size"`
	Doses uint64 `json:"doses"`
	Pool  string `json:"pool"`
	Rank  uint64 `json:"rank"`
}

// MarshalCutOffs returns the bytes of cutoffs.json; list stands by slot in supply order, size, doses, pool.
func MarshalCutOffs(list []PublicCutOff) ([]byte, error) {
	if list == nil {
		list = []PublicCutOff{}
	}
	return writeJSON(struct {
		CutOffs []PublicCutOff `json:"cutoffs"`
	}{list})
}

// ParseCutOffs reads cutoffs.json; ranks are at most entities, classes at most once a slot.
func ParseCutOffs(file []byte, entities int) ([]PublicCutOff, error) {
	if list, ok := scanCutOffs(file, entities); ok {
		return list, nil
	}
	return parseCutOffs(file, entities)
}

func parseCutOffs(file []byte, entities int) ([]PublicCutOff, error) {
	o, err := parseObject(FileCutOffs, file)
	if err != nil {
		return nil, err
	}
	list := readCutOffs(o, entities)
	return list, o.failure()
}

func readCutOffs(o object, entities int) []PublicCutOff {
	var list []PublicCutOff
	seen := map[PublicCutOff]bool{}
	for i, c := range o.objects("cutoffs") {
		cut := PublicCutOff{
			c.text("slot"), c.number("size", MaxParty), c.number("doses", 2), c.text("pool"),
			c.number("rank", uint64(entities)),
		}
		if cut.Size == 0 || cut.Doses == 0 || cut.Rank == 0 {
			o.fail(fmt.Sprintf("cutoffs[%d]", i), "size, doses and rank count from 1")
		}
		class := cut
		class.Rank = 0
		if seen[class] {
			o.fail(fmt.Sprintf("cutoffs[%d]", i), "its slot and class stand twice")
		}
		seen[class] = true
		list = append(list, cut)
	}
	return list
}
