package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"jebi/data"
	"jebi/data/local"
)

// finding is one thing that the doctor looked at.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // "ok", "warning", "wrong"
	Text  string `json:"text"`
}

const (
	fine  = "ok"
	warn  = "warning"
	wrong = "wrong"
)

func newDoctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything that a campaign needs is in order",
		Long: `Look whether everything that a campaign needs is in order: versions, the database's settings
and clock, the schema, the server key, officials, senders, disk. Exit code 0: nothing is wrong
(there may be warnings); 1: something is.`,
		Example: "  jebi doctor\n  jebi doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			fs, err := a.examine(cc.Context())
			if err != nil {
				return err
			}
			bad := 0
			for _, f := range fs {
				if f.State == wrong {
					bad++
				}
			}
			err = a.show(map[string]any{"ok": bad == 0, "findings": fs}, func(w io.Writer) error {
				for _, f := range fs {
					fmt.Fprintf(w, "%-8s %-12s %s\n", map[string]string{fine: "ok", warn: "WARNING", wrong: "WRONG"}[f.State], f.Check, f.Text)
				}
				return nil
			})
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d things are wrong", bad)
			}
			return err
		},
	}
}

// examine looks at everything; its error is that of a database that cannot be
// reached.
func (a *app) examine(ctx context.Context) ([]finding, error) {
	fs := []finding{{"program", fine, fmt.Sprintf("jebi %s, %s, %d CPUs", programVersion().Version, runtime.Version(), runtime.NumCPU())}}
	fs = append(fs, a.examineDisk())
	db, err := a.database(ctx)
	if err != nil {
		return nil, err
	}
	before := time.Now()
	h, err := db.Health(ctx)
	if err != nil {
		return nil, err
	}
	took := time.Since(before)
	fs = append(fs, examineServer(h)...)
	durable, why, err := db.Durable(ctx)
	if err != nil {
		return nil, err
	}
	if durable {
		fs = append(fs, finding{"durability", fine, "what is acknowledged survives a crash"})
	} else {
		fs = append(fs, finding{"durability", wrong, why + "; no window is opened on it"})
	}
	clock, err := examineClock(ctx, db, h, before.Add(took/2), took)
	if err != nil {
		return nil, err
	}
	fs = append(fs, clock, a.examineKey(ctx, db, h))
	fs = append(fs, examineWork(h)...)
	if h.Campaigns > 0 {
		senders, err := a.examineSenders(ctx, db)
		if err != nil {
			return nil, err
		}
		fs = append(fs, senders...)
	}
	return fs, nil
}

// freeWanted is the space under which a disk counts as nearly full, in bytes.
const freeWanted = 1 << 30

func (a *app) examineDisk() finding {
	dir := a.varDir()
	for _, err := os.Stat(dir); err != nil && dir != "." && dir != "/"; _, err = os.Stat(dir) {
		dir = filepath.Dir(dir)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return finding{"disk", warn, fmt.Sprintf("%s: %v", dir, err)}
	}
	free := int64(s.Bavail) * int64(s.Bsize)
	text := fmt.Sprintf("%.1f GB free where var/ lies", float64(free)/1e9)
	if free < freeWanted {
		return finding{"disk", wrong, text + ": too little"}
	}
	return finding{"disk", fine, text}
}

func examineServer(h data.Health) []finding {
	server := finding{"database", fine, fmt.Sprintf("PostgreSQL %s, %.1f MB, %d of %d connections", h.Version, float64(h.Size)/1e6, h.Connections, h.MaxConnections)}
	switch {
	case h.VersionNum < local.MinVersion*10000:
		server.State, server.Text = wrong, fmt.Sprintf("PostgreSQL %s is too old: %d or later", h.Version, local.MinVersion)
	case h.Encoding != "UTF8":
		server.State, server.Text = wrong, "the database's encoding is "+h.Encoding+": make one with ENCODING 'UTF8'"
	case h.Recovery || h.ReadOnly:
		server.State, server.Text = wrong, "the database is read-only (a standby?)"
	case h.MaxConnections-h.Connections < 20:
		server.State, server.Text = warn, server.Text+": few are left"
	case !h.Checksums:
		server.State, server.Text = warn, server.Text+"; data checksums are off"
	}
	rights := finding{"rights", fine, "the program's role owns nothing"}
	if h.Owner || h.Superuser {
		rights = finding{"rights", wrong, "the program's role jebi_app owns tables or is superuser: append-only tables could be changed"}
	}
	schema := finding{"schema", fine, fmt.Sprintf("migration %d", h.Migration)}
	if h.Migration != h.Newest {
		schema = finding{"schema", wrong, fmt.Sprintf("the database is at migration %d, this program knows %d: use the newer program", h.Migration, h.Newest)}
	}
	return []finding{server, rights, schema}
}

// maxDrift is how far the database's clock may be from this machine's.
const maxDrift = 2 * time.Second

func examineClock(ctx context.Context, db *data.DB, h data.Health, here time.Time, took time.Duration) (finding, error) {
	movable, err := db.ClockMovable(ctx)
	if err != nil {
		return finding{}, err
	}
	drift := h.Clock.Sub(here).Round(time.Millisecond)
	switch {
	case movable && h.RealCampaigns > 0:
		return finding{"clock", wrong, "THE CLOCK OF THIS DATABASE CAN BE MOVED, and it holds a campaign that is no sample: do not use it"}, nil
	case movable:
		return finding{"clock", warn, fmt.Sprintf("THE CLOCK OF THIS DATABASE CAN BE MOVED: it is for samples, rehearsals and tests only; it shows %s", h.Now.UTC().Format(time.RFC3339))}, nil
	case drift.Abs() > maxDrift+took:
		return finding{"clock", warn, fmt.Sprintf("the database's clock is %v from this machine's; the database's counts: look after its time server", drift)}, nil
	}
	return finding{"clock", fine, fmt.Sprintf("%s, %v from this machine's", h.Now.UTC().Format(time.RFC3339), drift)}, nil
}

// examineKey looks at the server key without making one.
func (a *app) examineKey(ctx context.Context, db *data.DB, h data.Health) finding {
	if !h.HasKey {
		return finding{"key", fine, "no server key yet: the first jebi serve makes one"}
	}
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return finding{"key", wrong, err.Error()}
	}
	f := data.KeyFingerprint(key)
	return finding{"key", fine, fmt.Sprintf("fingerprint %x, the database's", f[:4])}
}

func examineWork(h data.Health) []finding {
	fs := []finding{{"officials", fine, fmt.Sprintf("%d", h.Officials)}}
	switch {
	case h.Officials == 0:
		fs[0] = finding{"officials", warn, "there is none: jebi official add NAME --role operator --apply"}
	case h.Officials == 1:
		fs[0] = finding{"officials", warn, "there is only one: acts of two need another"}
	}
	messages := finding{"messages", fine, fmt.Sprintf("%d due, %d undelivered", h.Queued, h.Undelivered)}
	if h.QueuedSince != nil && h.Now.Sub(*h.QueuedSince) > time.Hour {
		messages.State, messages.Text = warn, fmt.Sprintf("%s; the oldest since %s: does jebi serve or notify run?", messages.Text, h.QueuedSince.UTC().Format(time.RFC3339))
	}
	return append(fs, messages)
}

func (a *app) examineSenders(ctx context.Context, db *data.DB) ([]finding, error) {
	c, row, err := a.campaign(ctx, db)
	var f failure
	if errors.As(err, &f) && f.code == exitUsage && a.only == "" {
		return []finding{{"campaigns", warn, "there are several; see each with --campaign KEY"}}, nil
	}
	if err != nil {
		return nil, err
	}
	fs := []finding{{"campaign", fine, fmt.Sprintf("%s, version %d, %d cohorts", row.Key, row.Version, len(c.Cohorts))}}
	var missing, has []string
	for _, e := range []struct{ sender, variable string }{{c.Senders.Email.Host, c.Senders.Email.PasswordEnv}, {c.Senders.SMS.URL, c.Senders.SMS.TokenEnv}} {
		if e.sender == "" {
			continue
		}
		has = append(has, e.sender)
		if e.variable != "" && a.env(e.variable) == "" {
			missing = append(missing, e.variable)
		}
	}
	switch {
	case len(has) == 0:
		fs = append(fs, finding{"senders", warn, "the campaign names none: nobody is told anything"})
	case len(missing) > 0:
		fs = append(fs, finding{"senders", wrong, "not set in the environment: " + strings.Join(missing, ", ")})
	default:
		fs = append(fs, finding{"senders", fine, strings.Join(has, ", ")})
	}
	return fs, nil
}
