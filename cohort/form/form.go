// Package form is the citizens' web form and the public board: signing in,
// putting a ballot together, the receipt, the result, and the record that
// anyone may read. It works wholly without JavaScript.
//
// It refuses to decide: who may answer and when is said by intake and the
// database's clock, whatever a request claims. It shows no queue and no rank
// before the result is published, sets no cookie before it needs one, asks
// nothing of third parties, and puts nothing personal into logs or addresses.
package form

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/cohort/intake"
	"jebi/cohort/words"
	"jebi/data"
)

// Config is what a Form stands on.
type Config struct {
	DB     *data.DB
	Intake *intake.Service
	Words  *words.Book
	Key    []byte    // the server's, at least 32 bytes: the same on every server
	Random io.Reader // crypto/rand.Reader outside tests
	Log    *slog.Logger

	// Campaign gives the campaign in force. It is called for every page, so it
	// remembers what it has parsed.
	Campaign func(context.Context) (*cohort.Campaign, data.CampaignRow, error)
	// Files opens the public folder of a draw's bundle. Its error wraps
	// data.ErrNotFound before there is one.
	Files func(ctx context.Context, drawID string) (fs.FS, error)
	// Explain says why a person got what she got, in a language; nil: pages explain nothing.
	Explain func(ctx context.Context, person int64, c *cohort.Campaign, lang string) (Explained, error)
	// Proof makes the file with which she can check it (receipt-N.json); nil: there is none to download. Its
	// error wraps ErrPreparing where it takes a while.
	Proof func(ctx context.Context, person int64, c *cohort.Campaign) ([]byte, error)
	// Now is the machine's clock, for the log's durations and the deadlines of
	// downloads; no rule looks at it. Nil: neither is there.
	Now func() time.Time

	TLS        bool           // cookies carry the __Host- prefix and Secure
	Proxied    bool           // the last X-Forwarded-For is the asker's address
	EntryCaps  data.EntryCaps // zero fields: 100 failures an hour for an address, 10 for a person, 3000 in ten minutes for the campaign
	Caps       data.CodeCaps  // zero fields: 5 an hour and 10 a day for a phone, 600 an hour for an address
	Concurrent int            // requests under way at once at most; 0: 256. Over 96 only while answers take no longer for it
	Lines      int            // connections open at once; 0: 10,000. The system must allow as many files
	Idle       time.Duration  // a session ends after so long without a page; 0: 30 minutes
	CodeLasts  time.Duration  // 0: 10 minutes
}

// The bounds on one-time codes where Config sets none. Many people stand
// behind one address of a mobile network.
const (
	capPhoneHour   = 5
	capPhoneDay    = 10
	capAddressHour = 600
	capAddressDay  = 6000

	capFailuresAddress  = 100
	capFailuresPerson   = 10
	capFailuresCampaign = 3000
)

// Form serves the pages.
type Form struct {
	Config
	pages     pages
	clinics   clinicShelf
	odds      oddsShelf
	gzip      squeezers
	texts     textBudget
	alarm     codeAlarm
	movable   bool
	gate      gate // of pages
	downloads gate // of the public files, which may take long
	lines     *lines
	known     remembered
	refusals  refusals
	patterns  []string // of all pages, as net/http writes them
	handler   http.Handler
}

// New makes the form. It reads once whether the database's clock can be
// moved, to say so on every page.
func New(ctx context.Context, c Config) (*Form, error) {
	if c.Caps.PhoneHour == 0 {
		c.Caps.PhoneHour = capPhoneHour
	}
	if c.Caps.PhoneDay == 0 {
		c.Caps.PhoneDay = capPhoneDay
	}
	if c.Caps.AddressHour == 0 {
		c.Caps.AddressHour = capAddressHour
	}
	if c.Caps.AddressDay == 0 {
		c.Caps.AddressDay = capAddressDay
	}
	if c.EntryCaps.AddressHour == 0 {
		c.EntryCaps.AddressHour = capFailuresAddress
	}
	if c.EntryCaps.PersonHour == 0 {
		c.EntryCaps.PersonHour = capFailuresPerson
	}
	if c.EntryCaps.CampaignTen == 0 {
		c.EntryCaps.CampaignTen = capFailuresCampaign
	}
	if c.Concurrent == 0 {
		c.Concurrent = 256
	}
	if c.Lines == 0 {
		c.Lines = 10_000
	}
	if c.Idle == 0 {
		c.Idle = 30 * time.Minute
	}
	if c.CodeLasts == 0 {
		c.CodeLasts = 10 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Key) < 32 {
		return nil, errors.New("form: the server's key is shorter than 32 bytes")
	}
	movable, err := c.DB.ClockMovable(ctx)
	if err != nil {
		return nil, err
	}
	ps, err := readPages()
	if err != nil {
		return nil, err
	}
	f := &Form{Config: c, pages: ps, movable: movable, gate: newGate(gateLeast, c.Concurrent), downloads: newGate(mostDownloads, mostDownloads), lines: newLines(c.Lines, c.Proxied)}
	f.handler = f.routes()
	return f, nil
}

// ServeHTTP answers a request.
func (f *Form) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.handler.ServeHTTP(w, r) }

// Server gives the HTTP server with its time-outs and limits.
func (f *Form) Server() *http.Server {
	return &http.Server{
		Handler:           f,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ConnState:         f.lines.state,
		ConnContext:       f.lines.context,
		ErrorLog:          slog.NewLogLogger(quiet{f.Log.Handler()}, slog.LevelDebug),
	}
}

// quiet keeps what net/http says about broken connections, which names
// addresses, out of the log unless it is asked for.
type quiet struct{ slog.Handler }

// Enabled is so only where the log shows everything.
func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

// address is the network address that a request comes from, as the caps count
// it.
func (f *Form) address(r *http.Request) string {
	if f.Proxied {
		if all := r.Header.Values("X-Forwarded-For"); len(all) > 0 {
			return counted(lastOf(all[len(all)-1]))
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return counted(host)
}

// counted is the part of an address by which one line is told from another:
// all of IPv4, the first 64 bits of IPv6, of which every line has a whole 64.
func counted(address string) string {
	a, err := netip.ParseAddr(strings.Trim(address, "[]"))
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// textBudget is how many text messages with codes went out today, as far as
// this server knows; it asks the database every few seconds.
type textBudget struct {
	mu    sync.Mutex
	day   string
	count int
	read  time.Time
}
