package cohort

import "time"

// Campaign is one vaccination effort as its campaign file states it, checked
// and compiled. The file is the only source: cohort/campaign parses it, and
// nothing changes a Campaign afterwards.
type Campaign struct {
	Key       string // [a-z0-9-]{1,40}, part of every draw_id
	Name      Text   // what citizens read, by language
	Authority string // origin of checkpoints, a domain-like name
	Sample    bool   // demo, rehearsal, example: every output says so
	Zone      string // IANA name; Location is loaded from it
	Location  *time.Location
	Languages []string // first is the default
	Contact   Contact
	DayParts  []DayPart // in order of the day, without gaps inside opening hours
	Districts []District
	Rules     Rules
	Recurring Recurring
	Senders   Senders
	Cohorts   []Cohort
	FileHash  [32]byte // H of the file's bytes
}

// Text is a text by language tag ("ko", "en").
type Text map[string]string

// In gives the text in a language, or in the first of fallbacks that has one.
func (t Text) In(lang string, fallbacks ...string) string {
	if s, ok := t[lang]; ok {
		return s
	}
	for _, f := range fallbacks {
		if s, ok := t[f]; ok {
			return s
		}
	}
	return ""
}

// Contact is where a citizen turns to who cannot use the form.
type Contact struct {
	Phone string
	Hours Text
	URL   string
}

// DayPart names a stretch of the day that a choice can ask for.
type DayPart struct {
	Key  string // "am", "pm", "evening"
	Name Text
	From string // "0000", hhmm, inclusive
	To   string // "1200", hhmm, exclusive
}

// District is an administrative area that a choice can name as a whole.
type District struct {
	Code string
	Name Text
}

// Rules are the numbers of the campaign that its file may set.
type Rules struct {
	MaxChoices  int           // 1–5
	MaxParty    int           // 1–4
	MaxProxied  int           // for how many people one proxy may answer
	MaxWeight   int           // 1–100, cap of carried-over weights
	MinSlots    int           // slots a ballot must have listed to carry weight over
	MinAnswer   time.Duration // an offer's shortest time to answer
	OfferHold   time.Duration // an offer's usual time to answer
	OfferLead   time.Duration // L: offers end at the latest this long before the slot starts
	CancelLead  time.Duration // an assigned person may cancel until this long before the slot starts
	MaxLapses   int           // lapses after which a ticket leaves the waitlist (2)
	AuditSample int           // >= 300
	Reserve     int           // seats kept for ballots that were left out, per cohort
	KeepFor     time.Duration // how long people's data is kept after their cohort has ended
	QuietFrom   string        // "2100": no message between QuietFrom and QuietTo, campaign time
	QuietTo     string        // "0800"
}

// Recurring holds the cron expressions of recurring work, in campaign time.
type Recurring struct {
	Refill    string // offers: "*/10 9-20 * * *"
	Reminders string // who has not answered, who has an appointment tomorrow
	Odds      string // trial draws for the form's estimates
	Retention string // purge of what is no longer needed
	Seal      string // hash chains of history, audit and board
}

// Senders says how messages leave. Passwords are never in the file: they are
// named by the environment variable that holds them.
type Senders struct {
	Email EmailSender
	SMS   SMSSender
}

// EmailSender is an SMTP relay.
type EmailSender struct {
	From        string // RFC 5322 address
	Host        string // host:port
	TLS         string // "starttls", "tls" or "none" (loopback only)
	User        string
	PasswordEnv string
}

// SMSSender is an HTTP gateway that takes JSON.
type SMSSender struct {
	From     string
	URL      string
	TokenEnv string
	DailyCap int // text messages a day, all told
}

// Cohort is a group of people who may answer together, with their window and
// their share of the supply.
type Cohort struct {
	Key       string // [a-z0-9-]{1,20}
	Name      Text
	BirthFrom int      // first birth year, inclusive
	BirthTo   int      // last birth year, inclusive
	Regions   []string // district codes; empty: all
	Groups    []string // any of; empty: no group needed
	Opens     time.Time
	Closes    time.Time
	Night     bool      // the window may open or close between 22:00 and 07:00
	DrawAt    time.Time // not before; the draw waits for its last source
	PublishAt time.Time
	ConfirmBy time.Time // who was drawn and has not accepted by then loses the place
	SettleAt  time.Time // the waitlist ends
	Supply    Release   // what of the imported supply this cohort's draw gets
	Seating   string    // "serial", "flexible" or "fixed"
	Doses     int       // 1 or 2: both or neither, the second at the same clinic 49–63 days after the first; 0 means 1
	Pools     []Pool
	Sources   []Source // of randomness, in manifest order
	Witnesses []Witness
	// MinWitnesses is how many of them must cosign the checkpoint before any
	// randomness is recorded; 0 only in a sample.
	MinWitnesses int
	// PartyPercent is the share of each slot's unreserved seats that parties
	// may take where the seating is fixed.
	PartyPercent int
}

// Witness is somebody outside the authority who checks the frozen ballots and
// cosigns the checkpoint.
type Witness struct {
	Name string
	Key  string // verifier key: name+hash+base64, as jebi draw witness new prints it
}

// Release is the share of the imported seats that goes to one draw.
type Release struct {
	Percent  int       // of each slot's seats, rounded cumulatively by clinic in slot order
	From, To time.Time // dates (campaign time, midnight), inclusive
	Vaccines []string  // empty: all
	// SecondFrom and SecondTo are the dates of second doses, whose seats are released for nothing else; zero where
	// there is one dose.
	SecondFrom, SecondTo time.Time
}

// SecondEarliest and SecondLatest are in how many days after the first dose
// the second one is due.
const (
	SecondEarliest = 49
	SecondLatest   = 63
)

// Second is the part of the release that second doses get; Percent is 0 where
// there is none.
func (r Release) Second() Release {
	if r.SecondFrom.IsZero() {
		return Release{}
	}
	return Release{Percent: r.Percent, From: r.SecondFrom, To: r.SecondTo, Vaccines: r.Vaccines}
}

// Pool is a share of each slot's seats held first for a group.
type Pool struct {
	Group   string
	Percent int
}

// Source is a source of randomness as the campaign file names it; see the
// protocol for types: 1 trustee, 2 public contributions, 3 dice, 4 drand.
type Source struct {
	Type      uint8
	Name      string // of the trustee or of the place where dice are thrown
	Index     uint16
	Commit    []byte // type 1: 32 bytes
	Key       []byte // type 1: Ed25519 public key, 32 bytes, optional offline
	Digits    int    // type 3
	ChainHash []byte // type 4
	Rounds    []uint64
}

// DrawID is the protocol's draw_id of a cohort's draw.
func (c *Campaign) DrawID(cohort string) string { return c.Key + "-" + cohort }

// CohortByKey finds a cohort by its key, or nil.
func (c *Campaign) CohortByKey(key string) *Cohort {
	for i := range c.Cohorts {
		if c.Cohorts[i].Key == key {
			return &c.Cohorts[i]
		}
	}
	return nil
}

// PartOf names the day part in which a block ("0900") starts, or "".
func (c *Campaign) PartOf(block string) string {
	for _, p := range c.DayParts {
		if p.From <= block && block < p.To {
			return p.Key
		}
	}
	return ""
}
