package cohort

import (
	"cmp"
	"math"
	"slices"
)

// Fairness says how many of those who took part in a draw were served, by what
// they are and by when and how they answered; and whether luck had anything to
// do with it. Shares of the served may differ for good reasons (more seats in
// a district, bolder wishes). Luck may not: whoever has one kind of ticket is in
// the better half of its order with one chance in two, whatever she is.
type Fairness struct {
	People     int          `json:"people"`
	Served     int          `json:"served"`
	Share      Share        `json:"share"`
	Dimensions []FairnessBy `json:"dimensions"`
}

// FairnessBy is the same people, cut by one thing.
type FairnessBy struct {
	By    string         `json:"by"` // "birth_year", "district", "group", "language", "channel", "hour"
	Cells []FairnessCell `json:"cells"`
	// SharePValue is how often chance alone makes shares differ so much, were they the same in all cells; LuckPValue
	// the same of luck. Nil where fewer than two cells can be compared.
	SharePValue *float64 `json:"share_p_value"`
	LuckPValue  *float64 `json:"luck_p_value"`
	// TrendPValue is the same of luck that grows or falls along values that have an order (earlier is better, older is
	// better): it sees much less of it. Nil where there is no order.
	TrendPValue *float64 `json:"luck_trend_p_value,omitempty"`
}

// FairnessCell is a part of the people, never fewer than FairnessLeast.
type FairnessCell struct {
	Cell   string `json:"cell"`
	People int    `json:"people"`
	Served int    `json:"served"`
	Share  Share  `json:"share"`
	// Luck is the share of its single people in the better half of their kind of ticket; nil where they are too few.
	Luck *float64 `json:"luck"`
}

// Share is a part of a whole with its confidence interval.
type Share struct {
	Of   float64 `json:"of"`   // 0–1
	Low  float64 `json:"low"`  // Wilson, 95 %
	High float64 `json:"high"` // Wilson, 95 %
}

// FairnessLeast is the fewest people that a cell of published statistics has.
const FairnessLeast = 10

// FairnessCount is what is counted of the people who share one value. Singles
// are those of them who are in no party; Lucky are the singles whose rank is in
// the better half of all singles with as many tickets in the drum.
type FairnessCount struct {
	Value                          string
	People, Served, Singles, Lucky int
}

func (c FairnessCount) plus(o FairnessCount) FairnessCount {
	c.People, c.Served, c.Singles, c.Lucky = c.People+o.People, c.Served+o.Served, c.Singles+o.Singles, c.Lucky+o.Lucky
	return c
}

// FairnessCounts is one cut of the people: each is counted in one value.
type FairnessCounts struct {
	By      string
	Ordered bool // values that are merged are neighbours, as in a row of years
	Counts  []FairnessCount
}

// NewFairness makes statistics of counts, with no cell of fewer than
// FairnessLeast people, and none whose size follows from the others': in every
// cut all people are in cells, and all cells are large enough.
func NewFairness(cuts []FairnessCounts) Fairness {
	f := Fairness{Dimensions: []FairnessBy{}}
	for i, cut := range cuts {
		total := FairnessCount{}
		for _, c := range cut.Counts {
			total = total.plus(c)
		}
		if i == 0 && total.People >= FairnessLeast {
			f.People, f.Served, f.Share = total.People, total.Served, NewShare(total.Served, total.People)
		}
		by := FairnessBy{By: cut.By, Cells: []FairnessCell{}}
		merged := cut.merge()
		var served, lucky [][2]int
		for _, c := range merged {
			cell := FairnessCell{Cell: c.Value, People: c.People, Served: c.Served, Share: NewShare(c.Served, c.People)}
			served = append(served, [2]int{c.Served, c.People - c.Served})
			if c.Singles >= FairnessLeast {
				luck := round3(float64(c.Lucky) / float64(c.Singles))
				cell.Luck = &luck
				lucky = append(lucky, [2]int{c.Lucky, c.Singles - c.Lucky})
			}
			by.Cells = append(by.Cells, cell)
		}
		by.SharePValue, by.LuckPValue = independence(served), independence(lucky)
		if cut.Ordered {
			by.TrendPValue = trend(lucky)
		}
		f.Dimensions = append(f.Dimensions, by)
	}
	return f
}

// others names what was merged of values that have no order.
const others = "(others)"

// merge makes cells of at least FairnessLeast people, or none at all where all
// together are fewer.
func (c FairnessCounts) merge() []FairnessCount {
	counts := slices.Clone(c.Counts)
	slices.SortFunc(counts, func(a, b FairnessCount) int { return cmp.Compare(a.Value, b.Value) })
	if c.Ordered {
		return mergeNeighbours(counts)
	}
	// The fewest go first to the others, until it is large enough itself: of a single small cell the rest and the
	// total would tell.
	bySize := slices.Clone(counts)
	slices.SortStableFunc(bySize, func(a, b FairnessCount) int { return cmp.Compare(a.People, b.People) })
	rest := FairnessCount{Value: others}
	small := 0
	for small < len(bySize) && (bySize[small].People < FairnessLeast || rest.People > 0 && rest.People < FairnessLeast) {
		rest = rest.plus(bySize[small])
		small++
	}
	if rest.People == 0 {
		return counts
	}
	var out []FairnessCount
	for _, c := range counts {
		if !slices.ContainsFunc(bySize[:small], func(s FairnessCount) bool { return s.Value == c.Value }) {
			out = append(out, c)
		}
	}
	if rest.People < FairnessLeast {
		return nil
	}
	return append(out, rest)
}

// mergeNeighbours walks along the values and closes a cell when it is large
// enough; what is left at the end goes to the last.
func mergeNeighbours(counts []FairnessCount) []FairnessCount {
	type stretch struct {
		FairnessCount
		from, to string
	}
	var cells []stretch
	var open stretch
	for _, c := range counts {
		if open.People == 0 {
			open.from = c.Value
		}
		open.FairnessCount, open.to = open.plus(c), c.Value
		if open.People >= FairnessLeast {
			cells, open = append(cells, open), stretch{}
		}
	}
	if open.People > 0 && len(cells) > 0 {
		last := &cells[len(cells)-1]
		last.FairnessCount, last.to = last.plus(open.FairnessCount), open.to
	}
	out := make([]FairnessCount, len(cells))
	for i, c := range cells {
		out[i] = c.FairnessCount
		out[i].Value = c.from
		if c.to != c.from {
			out[i].Value += " … " + c.to
		}
	}
	return out
}

// NewShare is k of n with the interval of Wilson (1927), "Probable inference,
// the law of succession, and statistical inference", for 95 %. n is at least 1.
func NewShare(k, n int) Share {
	const z = 1.959963984540054
	p, size := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*size)) / (1 + z*z/size)
	half := z / (1 + z*z/size) * math.Sqrt(p*(1-p)/size+z*z/(4*size*size))
	return Share{round6(p), round6(max(0, middle-half)), round6(min(1, middle+half))}
}

func round3(x float64) float64 { return math.Round(x*1e3) / 1e3 }
func round6(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// independence is Pearson's χ² test that rows of yes and no come from one
// share: the probability of a table as uneven as this. Nil where there are
// fewer than two rows, or only yes or no.
func independence(rows [][2]int) *float64 {
	yes, no := 0, 0
	for _, r := range rows {
		yes, no = yes+r[0], no+r[1]
	}
	if len(rows) < 2 || yes == 0 || no == 0 {
		return nil
	}
	chi, all := 0.0, float64(yes+no)
	for _, r := range rows {
		n := float64(r[0] + r[1])
		for i, total := range []int{yes, no} {
			expected := n * float64(total) / all
			d := float64(r[i]) - expected
			chi += d * d / expected
		}
	}
	p := round6(chiSquareAbove(chi, len(rows)-1))
	return &p
}

// trend is the test of Cochran (1954) and Armitage (1955) that the share of yes
// does not change along the rows; a row's score is how many people stand
// before its middle. Nil as for independence.
func trend(rows [][2]int) *float64 {
	yes, all := 0, 0
	for _, r := range rows {
		yes, all = yes+r[0], all+r[0]+r[1]
	}
	if len(rows) < 2 || yes == 0 || yes == all {
		return nil
	}
	share := float64(yes) / float64(all)
	before, sum, sumOfSquares, excess := 0.0, 0.0, 0.0, 0.0
	for _, r := range rows {
		n := float64(r[0] + r[1])
		score := before + n/2
		sum, sumOfSquares = sum+n*score, sumOfSquares+n*score*score
		excess += score * (float64(r[0]) - n*share)
		before += n
	}
	variance := share * (1 - share) * (sumOfSquares - sum*sum/float64(all))
	p := round6(chiSquareAbove(excess*excess/variance, 1))
	return &p
}

// chiSquareAbove is the probability that χ² with so many degrees of freedom is
// above x: the upper incomplete gamma function Q(df/2, x/2), by its series and
// its continued fraction (Abramowitz and Stegun 6.5.29, 6.5.31).
func chiSquareAbove(x float64, df int) float64 {
	a, x := float64(df)/2, x/2
	if x <= 0 {
		return 1
	}
	const enough, most = 1e-15, 10_000
	gamma, _ := math.Lgamma(a)
	front := math.Exp(-x + a*math.Log(x) - gamma)
	if x < a+1 {
		term := 1 / a
		sum := term
		for n := 1; n < most && term > sum*enough; n++ {
			term *= x / (a + float64(n))
			sum += term
		}
		return max(0, 1-front*sum)
	}
	// Lentz's way to evaluate the fraction from the front.
	const tiny = 1e-300
	b := x + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for n := 1; n < most; n++ {
		k := -float64(n) * (float64(n) - a)
		b += 2
		d = 1 / nonZero(k*d+b, tiny)
		c = nonZero(b+k/c, tiny)
		h *= d * c
		if math.Abs(d*c-1) < enough {
			break
		}
	}
	return front * h
}

func nonZero(x, tiny float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}
