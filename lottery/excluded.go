package lottery

import (
	"fmt"
	"slices"
)

// minReason is the least count under which a reason for exclusion is named; rarer ones are merged, because they
// would point at people.
const minReason = 10

// otherReasons is the name under which rare reasons are merged.
const otherReasons = "other"

// Excluded is excluded.json: the ballots that were not admitted.
type Excluded struct {
	PIDs    []ID           `json:"pids"`
	Reasons map[string]int `json:"reasons"`
}

// NewExcluded sorts the pids and counts the reasons, merging those that were given fewer than ten times.
func NewExcluded(reasons map[ID]string) Excluded {
	e := Excluded{PIDs: []ID{}, Reasons: map[string]int{}}
	counts := map[string]int{}
	for pid, reason := range reasons {
		e.PIDs = append(e.PIDs, pid)
		counts[reason]++
	}
	slices.SortFunc(e.PIDs, ID.Compare)
	for reason, n := range counts {
		if n < minReason {
			reason = otherReasons
		}
		e.Reasons[reason] += n
	}
	return e
}

// Marshal returns the bytes of excluded.json.
func (e Excluded) Marshal() ([]byte, error) { return writeJSON(e) }

// ParseExcluded reads the pids of excluded.json; they may stand in any order, but none twice.
func ParseExcluded(file []byte) ([]ID, error) {
	o, err := parseObject("excluded.json", file)
	if err != nil {
		return nil, err
	}
	list := o.list("pids")
	pids := make([]ID, len(list))
	seen := make(map[ID]struct{}, len(list))
	for i, v := range list {
		at := fmt.Sprintf("pids[%d]", i)
		text, ok := v.(string)
		if !ok {
			o.fail(at, "a text is needed")
			break
		}
		if err := fromHex(pids[i][:], []byte(text)); err != nil {
			o.fail(at, "%v", err)
			break
		}
		if _, double := seen[pids[i]]; double {
			o.fail(at, "%s stands twice", pids[i])
			break
		}
		seen[pids[i]] = struct{}{}
	}
	return pids, o.failure()
}
