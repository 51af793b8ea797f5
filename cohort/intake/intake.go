// Package intake saves ballots: the one use case that the form, the command
// and the rehearsal call, with its group commit.
//
// A save holds the window's invariant: its transaction takes the window's lock
// before it looks at state and time, and it is acknowledged after the commit,
// so that every acknowledged ballot is in the draw and none comes in after the
// close. It refuses a ballot of anybody who may not answer, one that no slot
// can serve, and any clock but the database's. It never queues without bound:
// what it cannot take soon it refuses at once.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// Config is what a Service stands on.
type Config struct {
	DB     *data.DB
	Random io.Reader // of salts; crypto/rand.Reader outside tests
	// Operator signs receipts, where the manifest announces its key; nil: they have no signature.
	Operator *lottery.Key
	Queue    int // saves that may wait for one window; 0: 1024
	Batch    int // saves in one commit at most; 0: 256
	Lanes    int // commits of one window under way at once; 0: 2
	// Limit bounds one commit, however long a caller would wait; 0: 10 seconds.
	Limit time.Duration
}

// Service saves ballots. It may be shared; it has goroutines only while
// somebody waits for a save.
type Service struct {
	cfg     Config
	mu      sync.Mutex
	windows map[int]*window // by cohort
	offered map[int]cohort.Offered
	draws   map[int]draw // by cohort

	random sync.Mutex // guards cfg.Random

	// Seams for the tests that show why each is there.
	unlocked bool                  // leave the window's lock out
	between  func(context.Context) // runs between the rows and their commit
}

// New makes a service.
func New(c Config) *Service {
	if c.Queue == 0 {
		c.Queue = 1024
	}
	if c.Batch == 0 {
		c.Batch = 256
	}
	if c.Lanes == 0 {
		c.Lanes = 2
	}
	if c.Limit == 0 {
		c.Limit = 10 * time.Second
	}
	return &Service{cfg: c, windows: map[int]*window{}, offered: map[int]cohort.Offered{}, draws: map[int]draw{}}
}

// Request is one answer to be saved. A person who is in a party answers for
// all its members: theirs are saved with hers, all or none.
type Request struct {
	Campaign *cohort.Campaign
	Person   int64  // her id
	Key      string // her key in the official list, or "": saves of people whose keys are known go faster
	Cohort   int    // id of her cohort, or 0 to look it up
	Choices  []cohort.Choice
	Channel  string // data.ChannelWeb …
	Session  int64  // for web and proxy
	Official int    // for call_centre and paper
	Reason   string // for call_centre and paper
	// Draft is when the draft was kept that the choices come from: it goes with the save, unless it was changed
	// since. Zero: there is none.
	Draft time.Time
}

// Receipt says what was saved. It is given only after the commit.
type Receipt struct {
	Number    string // to read out: cohort.ReceiptNumber
	Draw      string // draw_id
	Person    string // person key
	Party     string // party key, or ""
	Revision  int
	Commit    [32]byte
	Salt      [32]byte
	Ballot    []byte // the bytes that were committed to
	SavedAt   time.Time
	Withdrawn bool
	// Signed is the receipt with the operator's signature: what she keeps. Nil where no key was announced,
	// and of a withdrawal.
	Signed *lottery.SavedBallot
}

// ErrBusy says that more saves wait than can be served soon. Nothing was
// saved; the caller may try again.
var ErrBusy = errors.New("more answers are coming in than can be saved at once")

// ErrNoBallot says that there is nothing to withdraw.
var ErrNoBallot = errors.New("there is no ballot to withdraw")

// ErrRequest is wrapped where a caller left out what a channel needs.
var ErrRequest = errors.New("incomplete request")

// Closed says that the window takes no ballots now, and when it does.
type Closed struct {
	State         cohort.State
	Opens, Closes time.Time
	Paused        bool
	Now           time.Time
}

func (e *Closed) Error() string {
	const layout = "2006-01-02 15:04:05Z07:00"
	if e.Paused {
		return fmt.Sprintf("the window is paused (it is %s; it runs from %s to %s)", e.Now.Format(layout), e.Opens.Format(layout), e.Closes.Format(layout))
	}
	return fmt.Sprintf("the window is not open at %s: it runs from %s to %s", e.Now.Format(layout), e.Opens.Format(layout), e.Closes.Format(layout))
}

// Flawed says what is wrong with the choices.
type Flawed struct{ Flaws []cohort.Flaw }

func (e *Flawed) Error() string {
	if len(e.Flaws) == 0 {
		return "ballot: flawed"
	}
	return e.Flaws[0].Error()
}

// NotEligible says that a person, or a member of her party, may not answer in
// this campaign.
type NotEligible struct {
	Status string // as in data.Voter, or "no_cohort", "other_cohort", "party"
}

func (e *NotEligible) Error() string { return "not eligible: " + e.Status }

// Save checks the choices, and saves them as the person's ballot, or as her
// party's. The errors are *Flawed, *Closed, *NotEligible, ErrBusy, or the
// database's; only with a nil error was anything saved, save that a broken
// connection can leave the caller in doubt, as with any commit.
func (s *Service) Save(ctx context.Context, r Request) (Receipt, error) {
	if err := r.check(); err != nil {
		return Receipt{}, err
	}
	if err := s.place(ctx, &r); err != nil {
		return Receipt{}, err
	}
	choices, err := s.normalize(ctx, r)
	if err != nil {
		// Who may not answer at all is told so before what is wrong with the choices.
		if e := s.mayAnswer(ctx, r, false); e != nil {
			return Receipt{}, e
		}
		return Receipt{}, err
	}
	return s.submit(ctx, r.Cohort, &item{person: r.Person, choices: choices, request: r})
}

// Withdraw takes the ballot back, or the party's ballots. It counts as a
// revision, and a later Save brings the next.
func (s *Service) Withdraw(ctx context.Context, r Request) (Receipt, error) {
	if err := r.check(); err != nil {
		return Receipt{}, err
	}
	if err := s.place(ctx, &r); err != nil {
		return Receipt{}, err
	}
	return s.submit(ctx, r.Cohort, &item{person: r.Person, withdraw: true, request: r})
}

// Check is what Save would say about the choices, without saving.
func (s *Service) Check(ctx context.Context, r Request) ([]cohort.Choice, error) {
	if err := s.place(ctx, &r); err != nil {
		return nil, err
	}
	return s.normalize(ctx, r)
}

// Allowed answers the error that Save would answer now, without saving: for
// those who want to see first what would be done.
func (s *Service) Allowed(ctx context.Context, r Request) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := s.place(ctx, &r); err != nil {
		return err
	}
	if err := s.mayAnswer(ctx, r, false); err != nil {
		return err
	}
	_, err := s.normalize(ctx, r)
	return err
}

// MayWithdraw answers the error that Withdraw would answer now.
func (s *Service) MayWithdraw(ctx context.Context, r Request) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := s.place(ctx, &r); err != nil {
		return err
	}
	return s.mayAnswer(ctx, r, true)
}

func (r Request) check() error {
	byOfficial := r.Channel == data.ChannelCallCentre || r.Channel == data.ChannelPaper
	bySession := r.Channel == data.ChannelWeb || r.Channel == data.ChannelProxy
	switch {
	case r.Campaign == nil || r.Person <= 0:
		return fmt.Errorf("%w: no campaign or person", ErrRequest)
	case !byOfficial && !bySession && r.Channel != data.ChannelSample:
		return fmt.Errorf("%w: channel %q", ErrRequest, r.Channel)
	case byOfficial && (r.Official <= 0 || r.Reason == ""):
		return fmt.Errorf("%w: channel %s needs an official and a reason", ErrRequest, r.Channel)
	case bySession && r.Session <= 0:
		return fmt.Errorf("%w: channel %s needs a session", ErrRequest, r.Channel)
	case !byOfficial && r.Official != 0:
		return fmt.Errorf("%w: channel %s has no official", ErrRequest, r.Channel)
	case r.Channel == data.ChannelSample && !r.Campaign.Sample:
		return fmt.Errorf("%w: channel sample in a campaign that is none", ErrRequest)
	}
	return nil
}

// place finds the person's window.
func (s *Service) place(ctx context.Context, r *Request) error {
	if r.Cohort != 0 {
		return nil
	}
	id, err := s.cfg.DB.PersonCohort(ctx, r.Person)
	if errors.Is(err, data.ErrNotFound) {
		return &NotEligible{"unknown"}
	}
	if err != nil {
		return err
	}
	if id == 0 {
		return &NotEligible{"no_cohort"}
	}
	r.Cohort = id
	return nil
}

// normalize brings the choices into canonical form and checks them against the
// slots of the cohort. The slots are remembered, and read again before a
// choice is refused by them.
func (s *Service) normalize(ctx context.Context, r Request) ([]cohort.Choice, error) {
	b := cohort.Ballot{Choices: r.Choices}
	if !b.Normal(r.Campaign.DayParts) { // the caller's own choices stay as they are
		b.Choices = cloneChoices(r.Choices)
		b.Normalize(r.Campaign.DayParts)
	}
	s.mu.Lock()
	offered := s.offered[r.Cohort]
	s.mu.Unlock()
	if offered != nil {
		if flaws := r.Campaign.Check(b, offered); len(flaws) == 0 {
			return b.Choices, nil
		}
	}
	offered, err := s.cfg.DB.Offered(ctx, r.Cohort)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.offered[r.Cohort] = offered
	s.mu.Unlock()
	if flaws := r.Campaign.Check(b, offered); len(flaws) > 0 {
		return nil, &Flawed{flaws}
	}
	return b.Choices, nil
}

// mayAnswer answers *Closed or *NotEligible where the person could not save
// anything now.
func (s *Service) mayAnswer(ctx context.Context, r Request, withdraw bool) error {
	var refused error
	err := s.cfg.DB.Tx(ctx, func(tx *data.Tx) error {
		w, voters, err := tx.Window(ctx, r.Cohort, []int64{r.Person})
		if err == nil {
			_, refused = admit(w, voters, &item{person: r.Person, request: r, withdraw: withdraw})
		}
		return err
	})
	return errors.Join(err, refused)
}

func cloneChoices(cs []cohort.Choice) []cohort.Choice {
	out := make([]cohort.Choice, len(cs))
	for i, c := range cs {
		out[i] = cohort.Choice{Target: c.Target, Clinics: append([]string{}, c.Clinics...), Dates: append([]string{}, c.Dates...), Parts: append([]string{}, c.Parts...)}
	}
	return out
}
