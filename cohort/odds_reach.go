package cohort

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Reach is what trial draws leave behind of which the chance of any ballot can
// be reckoned without another look at the ballots of others: for each trial,
// each class of ticket and each clinic, date and part of the day, how far down
// the order a seat could still be had there. It is immutable, and may be asked
// by many at once.
type Reach struct {
	head  reachHead
	index [3]map[string]int // clinics, dates, parts
	cell  []int32           // clinic × date × part → cell; -1: no slot
	cells int
	depth []byte // class × cell × trial
}

type reachHead struct {
	Trials  int          `json:"trials"`
	Clinics []string     `json:"clinics"`
	Dates   []string     `json:"dates"`
	Parts   []string     `json:"parts"`
	Classes []ReachClass `json:"classes"`
}

// ReachClass is a class of tickets: Size people, of a pool ("" for none; that
// of parties is not looked at).
type ReachClass struct {
	Size int    `json:"size"`
	Pool string `json:"pool"`
}

// ReachCell is a clinic's seats on a date in a part of the day.
type ReachCell struct{ Clinic, Date, Part string }

// NewReach begins a table in which nothing reaches anywhere. Cells may come
// more than once.
func NewReach(trials int, classes []ReachClass, cells []ReachCell) *Reach {
	h := reachHead{Trials: trials, Classes: classes}
	for _, c := range cells {
		h.Clinics, h.Dates, h.Parts = append(h.Clinics, c.Clinic), append(h.Dates, c.Date), append(h.Parts, c.Part)
	}
	h.Clinics, h.Dates, h.Parts = sortedSet(h.Clinics), sortedSet(h.Dates), sortedSet(h.Parts)
	r := &Reach{head: h}
	r.indexHead()
	for _, c := range cells {
		r.cell[r.at(c)] = 0
	}
	r.number()
	r.depth = make([]byte, len(classes)*r.cells*trials)
	return r
}

func (r *Reach) indexHead() {
	for i, names := range [][]string{r.head.Clinics, r.head.Dates, r.head.Parts} {
		r.index[i] = make(map[string]int, len(names))
		for n, name := range names {
			r.index[i][name] = n
		}
	}
	r.cell = make([]int32, len(r.head.Clinics)*len(r.head.Dates)*len(r.head.Parts))
	for i := range r.cell {
		r.cell[i] = -1
	}
}

// number counts the cells through, in their order.
func (r *Reach) number() {
	r.cells = 0
	for i, c := range r.cell {
		if c >= 0 {
			r.cell[i] = int32(r.cells)
			r.cells++
		}
	}
}

func (r *Reach) at(c ReachCell) int {
	return (r.index[0][c.Clinic]*len(r.head.Dates)+r.index[1][c.Date])*len(r.head.Parts) + r.index[2][c.Part]
}

func (r *Reach) depths(class int, cell int32) []byte {
	from := (class*r.cells + int(cell)) * r.head.Trials
	return r.depth[from : from+r.head.Trials]
}

// Set says that in a trial tickets of the class (by its place among the
// classes) could still be seated in the cell if their number in the drum, 0–1,
// was below depth. Of several depths of a cell the greatest counts.
func (r *Reach) Set(trial, class int, c ReachCell, depth float64) {
	d := r.depths(class, r.cell[r.at(c)])
	d[trial] = max(d[trial], byte(math.Round(255*min(1, max(0, depth)))))
}

// Trials is how many trial draws there were.
func (r *Reach) Trials() int { return r.head.Trials }

// Chance is the chance, 0–1, of a ballot with these choices to get its first
// one, one of its first two, and so on, if the ballots were those of the
// trials and this one: the share of the trials' drums from which its number
// could come. weight is its number of tickets in the drum (1 where it carried
// nothing over), size how many people it is for. known is false where the
// trials tell nothing of such a ticket; a single of a pool that no trial knows
// is reckoned as one of none. It takes microseconds.
func (r *Reach) Chance(size int, pool string, weight int, choices []Choice) (chance []float64, known bool) {
	class := r.class(size, pool)
	if class < 0 || r.head.Trials == 0 {
		return nil, false
	}
	best := make([]byte, r.head.Trials)
	chance = make([]float64, len(choices))
	for i, c := range choices {
		for _, clinic := range c.Clinics {
			a, ok := r.index[0][clinic]
			if !ok {
				continue
			}
			for _, date := range c.Dates {
				b, ok := r.index[1][date]
				if !ok {
					continue
				}
				row := (a*len(r.head.Dates) + b) * len(r.head.Parts)
				for _, part := range c.Parts {
					p, ok := r.index[2][part]
					if !ok || r.cell[row+p] < 0 {
						continue
					}
					for n, d := range r.depths(class, r.cell[row+p]) {
						best[n] = max(best[n], d)
					}
				}
			}
		}
		for _, d := range best {
			chance[i] += 1 - math.Pow(1-float64(d)/255, float64(max(1, weight)))
		}
		chance[i] /= float64(r.head.Trials)
	}
	return chance, true
}

func (r *Reach) class(size int, pool string) int {
	if size > 1 {
		pool = ""
	}
	i := slices.Index(r.head.Classes, ReachClass{size, pool})
	if i < 0 {
		i = slices.Index(r.head.Classes, ReachClass{size, ""})
	}
	return i
}

// Encode gives the bytes that ParseReach reads: the length of a JSON head and
// the head, a bit a cell, a byte a depth.
func (r *Reach) Encode() []byte {
	head, err := json.Marshal(r.head)
	if err != nil { // strings and ints only: cannot fail
		panic(err)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	b = append(b, head...)
	bits := make([]byte, (len(r.cell)+7)/8)
	for i, c := range r.cell {
		if c >= 0 {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	b = append(b, bits...)
	return append(b, r.depth...)
}

// maxReachCells bounds what ParseReach makes room for.
const maxReachCells = 1 << 26

// ParseReach reads what Encode wrote.
func ParseReach(b []byte) (*Reach, error) {
	bad := errors.New("odds: the table of reaches is damaged; the next trial draws write it anew")
	if len(b) < 4 {
		return nil, bad
	}
	n := int(binary.BigEndian.Uint32(b))
	if b = b[4:]; n > len(b) {
		return nil, bad
	}
	r := &Reach{}
	if err := json.Unmarshal(b[:n], &r.head); err != nil {
		return nil, fmt.Errorf("%w: %w", bad, err)
	}
	b = b[n:]
	h := &r.head
	size := 1
	for _, n := range []int{len(h.Clinics), len(h.Dates), len(h.Parts)} {
		if size *= n; size > maxReachCells {
			return nil, bad
		}
	}
	if h.Trials < 0 || (size+7)/8 > len(b) {
		return nil, bad
	}
	r.indexHead()
	for i := range r.cell {
		if b[i/8]&(1<<(i%8)) != 0 {
			r.cell[i] = 0
		}
	}
	r.number()
	if r.depth = b[(size+7)/8:]; len(r.depth) != len(h.Classes)*r.cells*h.Trials {
		return nil, bad
	}
	return r, nil
}
