package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"jebi/lottery"
)

// BenchConfig is what a bench of the draw is given.
type BenchConfig struct {
	People int              // at least 1
	Seed   uint64           // of everything that is generated
	Clock  func() time.Time // the machine's
	Peak   func() uint64    // most memory that the process held since it was last asked, in bytes; 0: not known
	// Server gives the URL of a server's database to give commands in; the login needs CREATEDB. It is asked
	// when the stage "whole" begins.
	Server   func(context.Context) (string, error)
	Dir      string    // an existing folder to work in; what is put there is removed again
	Progress io.Writer // a line a stage; nil: none
}

// BenchReport is what `jebi bench draw` prints.
type BenchReport struct {
	People int          `json:"people"`
	Slots  int          `json:"slots"`
	Seed   uint64       `json:"seed"`
	Cores  int          `json:"cores"`
	Stages []BenchStage `json:"stages"`
}

// BenchStage is one stage, timed beside what it cannot be faster than, or
// against what it must be compared with, in the same run.
type BenchStage struct {
	Name            string  `json:"name"`
	Seconds         float64 `json:"seconds"`        // the least of several runs where one is short
	Bytes           uint64  `json:"bytes"`          // allocated in one run
	Allocs          uint64  `json:"allocs"`         // how many times, in one run
	Peak            uint64  `json:"peak_rss_bytes"` // of the process while it ran, what it was given included
	Baseline        string  `json:"baseline"`
	BaselineSeconds float64 `json:"baseline_seconds"`
	// Ratio is seconds / baseline_seconds: how much slower the stage is than its baseline. That of "naive"
	// likewise: how much slower it is than serial order.
	Ratio float64 `json:"ratio"`

	// Of "whole" only.
	BareSeconds float64     `json:"bare_copy_seconds,omitempty"` // the same rows into tables without indexes, constraints and triggers
	BareRatio   float64     `json:"bare_copy_ratio,omitempty"`
	Parts       []BenchPart `json:"parts,omitempty"`
}

// BenchPart is a part of a stage.
type BenchPart struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// naivePeople is the size at which the naive way is timed.
const naivePeople = 100_000

// BenchDraw times the draw, stage by stage, on a made-up country.
func BenchDraw(ctx context.Context, c BenchConfig) (BenchReport, error) {
	if c.People < 1 {
		return BenchReport{}, errors.New("a bench needs people")
	}
	b := &bench{BenchConfig: c}
	b.report = BenchReport{People: c.People, Seed: c.Seed, Cores: runtime.GOMAXPROCS(0)}
	for _, part := range []func(context.Context) error{b.hashes, b.naive, b.seatings, b.whole} {
		if err := part(ctx); err != nil {
			return b.report, fmt.Errorf("bench: %w", err)
		}
		debug.FreeOSMemory() // what one part held is not the next one's
	}
	order := []string{"tree", "order", "serial", "naive", "flexible", "deferred", "whole"}
	slices.SortStableFunc(b.report.Stages, func(x, y BenchStage) int {
		return slices.Index(order, x.Name) - slices.Index(order, y.Name)
	})
	return b.report, nil
}

type bench struct {
	BenchConfig
	report BenchReport
}

func (b *bench) say(format string, args ...any) {
	if b.Progress != nil {
		fmt.Fprintf(b.Progress, format+"\n", args...)
	}
}

// timed is something that can be run again and again; only run is timed.
type timed struct {
	name       string
	reset, run func()
	sum        func() uint64 // depends on all that run did; nil where nothing is compared
}

func ofLottery(s lottery.BenchStage) timed { return timed{s.Name, s.Reset, s.Run, s.Sum} }

// How long a stage and its baseline are run, in turns, until the least time of
// each counts: a machine that does other things as well disturbs both.
const (
	leastRounds = 3
	enoughTime  = time.Second
	mostRounds  = 200
)

// compare runs stage and baseline in turns and notes the stage.
func (b *bench) compare(stage, baseline timed) BenchStage {
	out := BenchStage{Name: stage.name, Baseline: baseline.name}
	var least, base time.Duration
	var total time.Duration
	for round := 0; round < leastRounds || round < mostRounds && total < enoughTime; round++ {
		stage.reset()
		if round == 0 {
			runtime.GC()
			b.Peak()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d := b.time(stage.run)
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; round == 0 || bytes < out.Bytes {
			out.Bytes = bytes
		}
		if n := after.Mallocs - before.Mallocs; round == 0 || n < out.Allocs {
			out.Allocs = n
		}
		if round == 0 {
			out.Peak = b.Peak()
		}
		baseline.reset()
		e := b.time(baseline.run)
		if round == 0 || d < least {
			least = d
		}
		if round == 0 || e < base {
			base = e
		}
		total += d + e
	}
	out.Seconds, out.BaselineSeconds = least.Seconds(), base.Seconds()
	out.Ratio = out.Seconds / max(out.BaselineSeconds, 1e-9)
	b.note(out)
	return out
}

func (b *bench) time(f func()) time.Duration {
	start := b.Clock()
	f()
	return b.Clock().Sub(start)
}

func (b *bench) note(s BenchStage) {
	b.report.Stages = append(b.report.Stages, s)
	b.say("%-9s %10.4f s   %s: %.4f s   ratio %.2f", s.Name, s.Seconds, s.Baseline, s.BaselineSeconds, s.Ratio)
}

// naive is timed at one size whatever the bench's: it grows with people ×
// slots.
func (b *bench) naive(context.Context) error {
	small, err := lottery.NewBench(naivePeople, b.Seed, true)
	if err != nil {
		return err
	}
	naive, serial := ofLottery(small.Naive()), ofLottery(small.Serial())
	naive.name, serial.name = "naive", fmt.Sprintf("serial order of the same %d people", naivePeople)
	b.compare(naive, serial)
	if naive.sum() != serial.sum() {
		return errors.New("the naive way does not give what serial order gives")
	}
	return nil
}

// seatings times the three rules on the fast layout.
func (b *bench) seatings(context.Context) error {
	made, err := lottery.NewBench(b.People, b.Seed, false)
	if err != nil {
		return err
	}
	b.report.Slots = made.Slots()
	deferred, err := made.Deferred()
	if err != nil {
		return err
	}
	bound, serial, flexible, pools := ofLottery(made.StreamBound()), ofLottery(made.Serial()), ofLottery(made.Flexible()), ofLottery(deferred)
	bound.name = "stream the ballots and one random byte a choice"
	b.compare(serial, bound)
	serial.name = "serial"
	b.compare(flexible, serial)
	b.compare(pools, serial)
	return nil
}
