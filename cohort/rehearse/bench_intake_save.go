package rehearse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/data"
	"jebi/lottery"
)

// limits measures how fast ballots are saved, without HTTP beside pgbench's
// upsert, and over HTTP.
func (b *intakeBench) limits(ctx context.Context) (err error) {
	people := benchPeople
	if !b.Quick {
		people = 60_000 // so that in a minute of 1,000 saves a second each is another person's
	}
	start := b.Clock()
	t, err := b.newBenchTown(ctx, people, townSeats)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	copies, err := data.OpenBenchCopies(ctx, t.url)
	if err != nil {
		return err
	}
	defer copies.Close(ctx)
	kept, err := newRecord(b.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.close()) }()
	b.say("%d people, %d slots in %.1f s", people, townSlots, b.Clock().Sub(start).Seconds())

	s := &saving{intakeBench: b, town: t, copies: copies, kept: kept, want: newDemand(b.Seed, zipf)}
	if err := s.warmUp(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.compare(ctx), s.http(ctx)); err != nil {
		return err
	}
	lost, acknowledged, err := kept.lost(ctx, t.db, t.cohort.ID, s.asked)
	b.report.Lost += lost
	b.report.Saved += acknowledged
	return err
}

// zipf is the exponent of the slots' popularity.
const zipf = 1.1

// saving is the part of the bench that saves as fast as it can.
type saving struct {
	*intakeBench
	town   *benchTown
	copies *data.BenchCopies
	kept   *record
	want   *demand
	web    *benchSite
	round  int // every round of ballots asks for something else
}

// service is the product's, with a pool of its own.
func (s *saving) service(db *data.DB, signed bool) *intake.Service {
	c := intake.Config{DB: db, Random: s.Random}
	if signed {
		c.Operator = &s.town.operator
	}
	return intake.New(c)
}

// choices of a person in a round.
func (s *saving) choices(i, round int) []cohort.Choice {
	return s.town.choices(s.want.wishes(i + round*s.town.people))
}

// asked is choices by the person's id.
func (s *saving) asked(person int64, round int) []cohort.Choice {
	return s.choices(int(person-1), round)
}

// save is one save of one person, noted once it is acknowledged.
func (s *saving) save(ctx context.Context, service *intake.Service, i int, signed bool) error {
	r, err := service.Save(ctx, intake.Request{
		Campaign: s.town.campaign, Person: int64(i + 1), Key: townKey(i), Cohort: s.town.cohort.ID, Choices: s.choices(i, s.round), Channel: data.ChannelWeb, Session: int64(i + 1),
	})
	if err != nil {
		return err
	}
	if signed != (r.Signed != nil) {
		return fmt.Errorf("a receipt is signed: %v, and should be: %v", r.Signed != nil, signed)
	}
	s.kept.add(int64(i+1), r.Revision, s.round)
	return nil
}

// warmUp lets everyone save once, and fills pgbench's table as well.
func (s *saving) warmUp(ctx context.Context) error {
	start := s.Clock()
	service := s.service(s.town.db, true)
	if err := each(ctx, benchSavers, upTo(s.town.people), func(ctx context.Context, i int) error { return s.save(ctx, service, i, true) }); err != nil {
		return err
	}
	s.say("warm-up: everyone saved once, %.0f a second", float64(s.town.people)/s.Clock().Sub(start).Seconds())
	if err := s.copies.MakeUpsert(ctx, s.town.people, s.body()); err != nil {
		return err
	}
	if err := s.copies.Settle(ctx); err != nil {
		return err
	}
	_, err := s.upserts(ctx, time.Second)
	return err
}

// body is a ballot of the usual size.
func (s *saving) body() []byte {
	return cohort.Ballot{Draw: s.town.campaign.DrawID("a"), Person: townKey(0), Choices: s.choices(0, 0)}.Encode()
}

// compare runs the modes in short turns, each round of them beginning with
// another, and every other round backwards: a machine that is shared changes its
// speed within seconds, and so what is compared must lie close together, and not
// always after the same.
func (s *saving) compare(ctx context.Context) error {
	turns, turn := 4, s.lasts(2*time.Second, time.Second)
	if s.Quick {
		turns = 3
	}
	// As many callers as pgbench has clients; beside them more than a commit takes, as they wait when a window opens or
	// closes.
	modes := []struct {
		name, key string // in the output, and in the report
		ratio     string // to pgbench's, whose own mode has none
		savers    int
		signed    bool
	}{
		{"pgbench", "pgbench_per_second", "", benchSavers, false},
		{"save", "per_second", "ratio_to_pgbench", benchSavers, true},
		{"save without signature", "per_second_without_signature", "ratio_without_signature", benchSavers, false},
		{"save, 256 callers", "per_second_of_256", "ratio_to_pgbench_of_256", limitSavers, true},
		{"save without signature, 256 callers", "per_second_without_signature_of_256", "ratio_without_signature_of_256", limitSavers, false},
	}
	figures := runs{}
	for repeat := range s.repeats {
		rate := map[string]float64{} // mean of the turns
		took := map[string][]float64{}
		for t := range turns {
			if err := s.copies.Settle(ctx); err != nil {
				return err
			}
			first := (t + repeat) % len(modes)
			round := slices.Concat(modes[first:], modes[:first])
			if t%2 == 1 {
				slices.Reverse(round)
			}
			for _, m := range round {
				var perSecond float64
				var ms []float64
				var err error
				if m.ratio == "" {
					perSecond, err = s.upserts(ctx, turn)
				} else {
					perSecond, ms, err = s.saves(ctx, turn, m.savers, m.signed)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
				rate[m.key] += perSecond / float64(turns)
				took[m.key] = append(took[m.key], ms...)
			}
		}
		for _, m := range modes {
			s.say("repeat %d: %-35s %8.0f a second", repeat+1, m.name, rate[m.key])
			figures.add(m.key, rate[m.key])
			if m.ratio != "" {
				figures.add(m.ratio, rate[m.key]/rate["pgbench_per_second"])
			}
		}
		figures.add("p99_ms", percentile(took["per_second"], 0.99))
		figures.add("p99_ms_of_256", percentile(took["per_second_of_256"], 0.99))
	}
	s.report.Save = figures.sheet(map[string]any{"savers": benchSavers, "pgbench_clients": benchSavers})
	return nil
}

// benchLead is how long the callers of a turn are at work before it is counted,
// pgbench's as well as the product's: the first to come after a checkpoint pay
// for whole pages in the log, and connections begin with empty caches.
const benchLead = time.Second

// saves lets callers save ballots of people picked at random, each one after
// the other, and answers how many a second, and how many milliseconds each took,
// but for those of the lead.
func (s *saving) saves(ctx context.Context, run time.Duration, savers int, signed bool) (perSecond float64, took []float64, err error) {
	s.round++
	service := s.service(s.town.db, signed)
	start := s.Clock().Add(benchLead)
	end := start.Add(run)
	var mu sync.Mutex
	err = each(ctx, savers, upTo(savers), func(ctx context.Context, n int) error {
		pick := rand.New(rand.NewPCG(s.Seed, uint64(s.round*limitSavers+n)))
		var own []float64
		for at := s.Clock(); at.Before(end); {
			if err := s.save(ctx, service, pick.IntN(s.town.people), signed); err != nil {
				return err
			}
			now := s.Clock()
			if now.After(start) {
				own = append(own, milliseconds(now.Sub(at)))
			}
			at = now
		}
		mu.Lock()
		took = append(took, own...)
		mu.Unlock()
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return float64(len(took)) / s.Clock().Sub(start).Seconds(), took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile sorts the values; of none it is 0.
func percentile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(share*float64(len(values))), len(values)-1)]
}

// pgbenchSecond is pgbench's word of one second of its run.
var pgbenchSecond = regexp.MustCompile(`(?m)^progress: ([0-9.]+) s, ([0-9.]+) tps`)

// upserts runs pgbench's single-row upsert and answers how many a second, but for
// those of the lead, which pgbench tells second by second.
func (s *saving) upserts(ctx context.Context, run time.Duration) (float64, error) {
	script := filepath.Join(s.Dir, "upsert.sql")
	if err := os.WriteFile(script, []byte(data.BenchUpsert), 0o644); err != nil {
		return 0, err
	}
	env, err := data.BenchEnvironment(s.town.url)
	if err != nil {
		return 0, err
	}
	salt := [32]byte{1}
	commit := lottery.BallotCommit(salt, s.body())
	cmd := exec.CommandContext(ctx, s.Pgbench, "-n", "-M", "prepared", "-c", strconv.Itoa(benchSavers), "-j", "2", "-T", strconv.Itoa(int((benchLead + run).Seconds())), "-P", "1", "-f", script,
		"-D", "people="+strconv.Itoa(s.town.people), "-D", "body="+string(s.body()), "-D", `salt=\x`+hex.EncodeToString(salt[:]), "-D", `commit=\x`+hex.EncodeToString(commit[:]))
	cmd.Env = append(env, "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, said)
	}
	seconds := pgbenchSecond.FindAllSubmatch(said, -1)
	if len(seconds) < 2 {
		return 0, fmt.Errorf("pgbench says %q", said)
	}
	var sum float64
	for _, m := range seconds[1:] {
		tps, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return 0, fmt.Errorf("pgbench says %q", said)
		}
		sum += tps
	}
	return sum / float64(len(seconds)-1), nil
}
