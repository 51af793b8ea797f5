package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"jebi/data"
)

// IntakeConfig is what a bench of the intake is given.
type IntakeConfig struct {
	Quick    bool             // one repeat, shorter runs
	Seed     uint64           // of everything that is generated
	Clock    func() time.Time // the machine's
	Random   io.Reader        // of salts and keys
	Revision string           // of the program
	Server   string           // URL of a server's database to give commands in; the login needs CREATEDB
	Pgbench  string           // PostgreSQL's own program
	Dir      string           // an existing folder to work in; what is put there is removed again
	Progress io.Writer        // a line a run; nil: none
}

// ErrNotDurable is wrapped where the database does not keep what it
// acknowledges: no figure of such a one says anything.
var ErrNotDurable = errors.New("the bench is refused")

// Spread is a figure of several repeats.
type Spread struct{ Median, Min, Max float64 }

// spread of the values of the repeats; at least one.
func spread(values []float64) Spread {
	v := slices.Sorted(slices.Values(values))
	return Spread{(v[(len(v)-1)/2] + v[len(v)/2]) / 2, v[0], v[len(v)-1]}
}

// Sheet is a set of figures by name. In JSON each is its median, with NAME_min
// and NAME_max beside it; what is plain stands as it is.
type Sheet struct {
	Plain   map[string]any
	Figures map[string]Spread
}

// MarshalJSON writes one object, keys in alphabetical order.
func (s Sheet) MarshalJSON() ([]byte, error) {
	all := map[string]any{}
	for k, v := range s.Plain {
		all[k] = v
	}
	for k, f := range s.Figures {
		all[k], all[k+"_min"], all[k+"_max"] = f.Median, f.Min, f.Max
	}
	return json.Marshal(all)
}

// runs collects the figures of repeats until they are made a sheet.
type runs map[string][]float64

func (r runs) add(name string, value float64) { r[name] = append(r[name], value) }

func (r runs) sheet(plain map[string]any) Sheet {
	s := Sheet{Plain: plain, Figures: map[string]Spread{}}
	for name, values := range r {
		s.Figures[name] = spread(values)
	}
	return s
}

// IntakeReport is what `jebi bench intake` prints.
type IntakeReport struct {
	Save      Sheet             `json:"save"`
	HTTP      []Sheet           `json:"http"`
	Overload  Sheet             `json:"overload"`
	Pages     []Sheet           `json:"pages"`
	FirstCome Sheet             `json:"first_come"` // Zipf 1.1
	Uniform   Sheet             `json:"first_come_uniform"`
	Ample     Sheet             `json:"first_come_ample"`
	Arrivals  Arrivals          `json:"arrivals"`
	Lost      int               `json:"lost"`         // acknowledged, and not there as acknowledged
	Saved     int               `json:"acknowledged"` // against which Lost was counted
	Cores     int               `json:"cores"`
	Revision  string            `json:"revision"`
	Quick     bool              `json:"quick"`
	Repeats   int               `json:"repeats"`
	Seconds   float64           `json:"seconds"` // that the whole bench took
	Notes     map[string]string `json:"notes"`   // what a key means, where its name does not say it
}

// intakeBench is a bench under way.
type intakeBench struct {
	IntakeConfig
	report  IntakeReport
	repeats int
	names   int // databases made so far
}

// How much is done: the people of the first-come comparison, and how long the
// runs take.
const (
	benchPeople  = 27_600
	benchSavers  = 64  // pgbench's clients, and who saves or books at once
	limitSavers  = 256 // the same, of keys that end in _of_256
	fullRepeats  = 3
	quickRepeats = 1
)

// BenchIntake measures what the intake can do on this machine, and what
// closing the race is worth.
func BenchIntake(ctx context.Context, c IntakeConfig) (IntakeReport, error) {
	b := &intakeBench{IntakeConfig: c, repeats: fullRepeats}
	if c.Quick {
		b.repeats = quickRepeats
	}
	start := c.Clock()
	r := &b.report
	r.Cores, r.Revision, r.Quick, r.Repeats, r.Notes = runtime.NumCPU(), c.Revision, c.Quick, b.repeats, intakeNotes()
	r.Arrivals = modelArrivals()
	for _, part := range []func(context.Context) error{b.limits, b.firstCome} {
		if err := part(ctx); err != nil {
			return b.report, fmt.Errorf("bench: %w", err)
		}
	}
	r.Seconds = c.Clock().Sub(start).Seconds()
	return b.report, nil
}

func (b *intakeBench) say(format string, args ...any) {
	if b.Progress != nil {
		fmt.Fprintf(b.Progress, format+"\n", args...)
	}
}

// for short runs and long ones.
func (b *intakeBench) lasts(full, quick time.Duration) time.Duration {
	if b.Quick {
		return quick
	}
	return full
}

// database makes a database of the bench's own and answers its URL and how to
// drop it again.
func (b *intakeBench) database(ctx context.Context) (url string, drop func() error, err error) {
	b.names++
	name := fmt.Sprintf("%d_%d_%d", os.Getpid(), b.Clock().UnixNano(), b.names)
	if url, err = data.CreateBench(ctx, b.Server, name, ""); err != nil {
		return "", nil, err
	}
	return url, func() error { return data.DropBench(context.WithoutCancel(ctx), b.Server, name) }, nil
}

// intakeNotes say what the keys mean.
func intakeNotes() map[string]string {
	return map[string]string{
		"save":                       "ballots saved without HTTP by 64 callers at once, and by 256 (keys that end in _of_256); pgbench: its single-row upsert of the same bytes into a table with nothing but a primary key, -M prepared, 64 clients; the first second of each turn is left out, and each ratio is within one repeat, whose modes take turns of seconds",
		"http":                       "open loop: latency from the moment a request was due, generator on the same cores; errors are all that is not a receipt, refused those of them that were answered 503",
		"overload":                   "three times the saves a second that HTTP sustained, offered in an open loop; milliseconds of what was accepted and of what was refused, from the moment a request was due, and on the server",
		"pages":                      "server time of a page, one asker",
		"first_come":                 "1,000 slots of 28 seats, 27,600 people with five ordered wishes each, popularity by Zipf 1.1; transactions of the product: saves, close, freeze, draw, publication with a message to each, and one look of each person at her result",
		"first_come_uniform":         "the same with every slot equally popular; with --quick a quarter of the people and of the seats",
		"first_come_ample":           "the same as first_come with twice the seats; with --quick a quarter of the people and of the seats",
		"transactions_ratio_unasked": "as transactions_ratio_weak, without the look of each person at her result: she is told by message",
		"arrivals":                   "a model, not a measurement",
		"lost":                       "acknowledged saves of this bench that are not stored as they were acknowledged, by count and by content, against a record kept in a file outside the database",
	}
}

// Names are the names of the figures, in order.
func (s Sheet) Names() []string { return slices.Sorted(maps.Keys(s.Figures)) }

// Heading is what is plain, for the title of a table.
func (s Sheet) Heading() string {
	out := ""
	for _, k := range slices.Sorted(maps.Keys(s.Plain)) {
		out += fmt.Sprintf(", %s %v", k, s.Plain[k])
	}
	return out
}
