package data

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"jebi/cohort"
)

// The channels by which a ballot comes in.
const (
	ChannelWeb        = "web"         // the person's own session
	ChannelProxy      = "proxy"       // someone who answers for her
	ChannelCallCentre = "call_centre" // an official, on the telephone
	ChannelPaper      = "paper"       // an official, from a sheet
	ChannelSample     = "sample"      // synthetic citizens of a sample campaign
)

// WindowRow is a window at one moment of the database's clock.
type WindowRow struct {
	CohortRow
	CampaignKey string
	Sample      bool
	Now         time.Time
	Durable     bool // fsync, full_page_writes and synchronous_commit are on
}

// TakesBallots is cohort.TakesBallots of this window. One that the scheduler
// has not opened yet takes none where acknowledged would not mean durable.
func (w WindowRow) TakesBallots() bool {
	return cohort.TakesBallots(w.State, w.Opens, w.Closes, w.PausedAt != nil, w.Now) && (w.State == cohort.Open || w.Durable)
}

// Voter is what a save must know of a person.
type Voter struct {
	Person       int64
	Key          string
	Campaign     int
	Cohort       int    // 0: in none
	Status       string // "eligible", "dead", "vaccinated", "moved", "removed"
	Party        int64  // 0: alone
	PartyKey     string
	Revision     int // of her ballot; 0: she has none
	Withdrawn    bool
	BallotCohort int
}

// Ballot is the row to be saved. The salt and the commitment belong to the
// bytes; a withdrawal has none of the three.
type Ballot struct {
	Person   int64
	Withdraw bool
	Bytes    []byte
	Salt     [32]byte
	Commit   [32]byte
	Party    int64 // 0: alone
	Channel  string
	Official int   // for call_centre and paper
	Session  int64 // for web and proxy
	Reason   string
	Draft    time.Time // when the draft was kept that becomes this ballot: it goes, unless it was changed since. Zero: none
}

// SavedBallot tells what became of a Ballot.
type SavedBallot struct {
	Person   int64
	Revision int
	Commit   [32]byte
}

// BallotRow is a ballot as it stands.
type BallotRow struct {
	Person    int64
	PersonKey string
	Cohort    int
	Revision  int
	Bytes     []byte
	Salt      [32]byte
	Commit    [32]byte
	Party     int64
	Withdrawn bool
	Channel   string
	SavedAt   time.Time
	// ReplacedAt is when the answer was saved that this one replaced; zero where it was her first, or followed a
	// withdrawal.
	ReplacedAt time.Time
}

const (
	selectWindow = `
	SELECT c.id, c.campaign_id, c.key, c.ordinal, c.state, c.opens_at, c.closes_at, c.draw_at, c.publish_at, c.confirm_by, c.settle_at, c.paused_at, c.state_at,
	       g.key, g.sample, jebi_now(),
	       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AND current_setting('synchronous_commit') <> 'off'
	  FROM cohort c JOIN campaign g ON g.id = c.campaign_id
	 WHERE c.id = $1`

	votersAsked = `
	WITH asked AS (
	  SELECT id FROM unnest($1::bigint[]) a (id)
	), everyone AS (
	  SELECT id FROM asked
	   UNION
	  SELECT n.person_id
	    FROM asked a
	    JOIN person p ON p.id = a.id
	    JOIN party_member m ON m.campaign_id = p.campaign_id AND m.person_id = p.id
	    JOIN party_member n ON n.party_id = m.party_id
	)
	SELECT p.id, p.key, p.campaign_id, COALESCE(p.cohort_id, 0), p.status, COALESCE(m.party_id, 0), COALESCE(y.key, ''), `

	votersFrom = `
	  FROM everyone e
	  JOIN person p ON p.id = e.id
	  LEFT JOIN party_member m ON m.campaign_id = p.campaign_id AND m.person_id = p.id
	  LEFT JOIN party y ON y.id = m.party_id`

	selectVoters = votersAsked + `
	       COALESCE(b.revision, 0), COALESCE(b.withdrawn, false), COALESCE(b.cohort_id, 0)` + votersFrom + `
	  LEFT JOIN ballot b ON b.campaign_id = p.campaign_id AND b.person_id = p.id
	 ORDER BY p.id`

	// To look for each ballot is most of the work of selectVoters.
	selectSavers = votersAsked + `0, false, 0` + votersFrom + ` ORDER BY p.id`
)

// EnterWindow takes the window's lock, shared with all other savers, and only
// then reads its state, the time, and the people with the members of their
// parties, by id. Until the transaction ends nobody closes or freezes the
// window. The error wraps ErrNotFound where there is no such cohort.
func (tx *Tx) EnterWindow(ctx context.Context, id int, people []int64) (WindowRow, []Voter, error) {
	return tx.window(ctx, id, people, selectVoters, true)
}

// EnterToSave is EnterWindow without a look at the ballots that the people
// have, which are left out of the voters: SaveBallots writes over none of
// another cohort.
func (tx *Tx) EnterToSave(ctx context.Context, id int, people []int64) (WindowRow, []Voter, error) {
	return tx.window(ctx, id, people, selectSavers, true)
}

// Window reads the same without the lock: to show it, never to save by it.
func (tx *Tx) Window(ctx context.Context, id int, people []int64) (WindowRow, []Voter, error) {
	return tx.window(ctx, id, people, selectVoters, false)
}

func (tx *Tx) window(ctx context.Context, id int, people []int64, voters string, lock bool) (w WindowRow, vs []Voter, err error) {
	var b pgx.Batch // one round trip; the server takes a new snapshot for each statement, after the wait for the lock
	if lock {
		b.Queue(`SELECT pg_advisory_xact_lock_shared($1, $2)`, int32(LockWindow), int32(id))
	}
	b.Queue(selectWindow, id)
	b.Queue(voters, people)
	r := tx.tx.SendBatch(ctx, &b)
	defer func() {
		if e := r.Close(); err == nil && e != nil {
			err = fmt.Errorf("window %d: %w", id, e)
		}
	}()
	if lock {
		if _, err := r.Exec(); err != nil {
			return w, nil, fmt.Errorf("window %d: %w", id, err)
		}
	}
	rows, err := r.Query()
	w, err = one(rows, err, scanWindow, fmt.Sprintf("window %d", id))
	if err != nil {
		return w, nil, err
	}
	rows, err = r.Query()
	vs, err = many(rows, err, pgx.RowToStructByPos[Voter], fmt.Sprintf("people of window %d", id))
	return w, vs, err
}

func scanWindow(row pgx.CollectableRow) (WindowRow, error) {
	var w WindowRow
	c := &w.CohortRow
	err := row.Scan(&c.ID, &c.Campaign, &c.Key, &c.Ordinal, &c.State, &c.Opens, &c.Closes, &c.DrawAt, &c.PublishAt, &c.ConfirmBy, &c.SettleAt, &c.PausedAt, &c.StateAt,
		&w.CampaignKey, &w.Sample, &w.Now, &w.Durable)
	for _, t := range []*time.Time{&c.Opens, &c.Closes, &c.DrawAt, &c.PublishAt, &c.ConfirmBy, &c.SettleAt, c.PausedAt, &c.StateAt, &w.Now} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return w, err
}

// ErrWindowShut says that the database refused ballots because their window
// was closed, frozen or paused in the meantime.
var ErrWindowShut = errors.New("the window is not open")

// RowFault says whether err is the database's refusal of what a row holds, so
// that its neighbours could be saved without it.
func RowFault(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23"))
}

const (
	// One row a person, in the order of their ids, so that two batches never wait for each other in a ring.
	saveBallots = `
	WITH input AS (
	  SELECT * FROM unnest($4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::text[], $10::int[], $11::bigint[], $12::text[])
	    AS i (person_id, bytes, salt, commit, party_id, channel, official_id, session_id, reason)
	), saved AS (
	  INSERT INTO ballot AS b (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, party_id, channel, official_id, session_id, saved_at)
	  SELECT $1, person_id, $2, 1, bytes, salt, commit, NULLIF(party_id, 0), channel, NULLIF(official_id, 0), NULLIF(session_id, 0), $3
	    FROM input
	  ON CONFLICT (campaign_id, person_id) DO UPDATE
	     SET revision = b.revision + 1, bytes = excluded.bytes, salt = excluded.salt, commit = excluded.commit, party_id = excluded.party_id,
	         withdrawn = false, channel = excluded.channel, official_id = excluded.official_id, session_id = excluded.session_id, saved_at = excluded.saved_at,
	         replaced_at = ` + replacedAt + `
	   WHERE b.cohort_id = excluded.cohort_id
	  RETURNING b.person_id, b.revision, b.commit, b.channel, b.official_id, b.session_id, b.salt
	), dropped AS (
	  DELETE FROM draft d USING unnest($4::bigint[], $14::timestamptz[]) i (person_id, kept)
	   WHERE i.kept IS NOT NULL AND d.campaign_id = $1 AND d.person_id = i.person_id AND d.saved_at = i.kept
	)` + recordBallots

	withdrawBallots = `
	WITH input AS (
	  SELECT * FROM unnest($4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::text[], $10::int[], $11::bigint[], $12::text[])
	    AS i (person_id, bytes, salt, commit, party_id, channel, official_id, session_id, reason)
	), locked AS (
	  SELECT b.campaign_id, b.person_id FROM ballot b JOIN input i ON i.person_id = b.person_id
	   WHERE b.campaign_id = $1 AND b.cohort_id = $2 AND NOT b.withdrawn
	   ORDER BY b.person_id FOR UPDATE OF b
	), saved AS (
	  UPDATE ballot b
	     SET revision = b.revision + 1, withdrawn = true, channel = i.channel, official_id = NULLIF(i.official_id, 0), session_id = NULLIF(i.session_id, 0), saved_at = $3,
	         replaced_at = ` + replacedAt + `
	    FROM locked l JOIN input i ON i.person_id = l.person_id
	   WHERE b.campaign_id = l.campaign_id AND b.person_id = l.person_id
	  RETURNING b.person_id, b.revision, b.commit, b.channel, b.official_id, b.session_id, NULL::bytea AS salt
	)` + recordBallots

	// When the answer was saved that stands in row b until now, if one does.
	replacedAt = `CASE WHEN NOT b.withdrawn THEN b.saved_at END`

	// What the audit trail says of a saved row s: who acted, and what was before and after.
	ballotActor  = `CASE s.channel WHEN 'web' THEN 'person' WHEN 'proxy' THEN 'proxy' WHEN 'sample' THEN 'system' ELSE 'official' END`
	ballotChange = `
	         CASE WHEN s.revision > 1 THEN jsonb_build_object('revision', s.revision - 1) END,
	         jsonb_build_object('revision', s.revision, 'commit', encode(s.commit, 'hex'), 'channel', s.channel)`

	// $13 is the act: "save" or "withdraw".
	recordBallots = `, history AS (
	  INSERT INTO ballot_history (campaign_id, cohort_id, person_id, revision, act, commit, channel, official_id, session_id, saved_at, salt)
	  SELECT $1, $2, person_id, revision, $13, commit, channel, official_id, session_id, $3, salt FROM saved
	), audited AS (
	  INSERT INTO audit (campaign_id, actor, official_id, act, subject, reason, before, after)
	  SELECT $1, ` + ballotActor + `, s.official_id, 'ballot.' || $13, 'person:' || s.person_id, i.reason,` + ballotChange + `
	    FROM saved s JOIN input i USING (person_id)
	)
	SELECT person_id, revision, commit FROM saved`
)

// SaveBallots writes the ballots of one window with their history and audit
// rows: one row a person, by rising ids, so that no two writers wait for each
// other; saved at the time that EnterWindow read. It answers those that were
// written; one that is not among them had its ballot in another cohort or,
// withdrawing, none. ErrWindowShut and ErrPartyChanged come from the database's
// own checks.
func (tx *Tx) SaveBallots(ctx context.Context, w WindowRow, ballots []Ballot) ([]SavedBallot, error) {
	var saved []SavedBallot
	for _, act := range []struct {
		name, sql string
		withdraw  bool
	}{{"save", saveBallots, false}, {"withdraw", withdrawBallots, true}} {
		args, n := columns(ballots, act.withdraw)
		if n == 0 {
			continue
		}
		args = append(append([]any{w.Campaign, w.ID, w.Now}, args...), act.name)
		if !act.withdraw {
			args = append(args, drafts(ballots))
		}
		rows, err := tx.tx.Query(ctx, act.sql, args...)
		s, err := many(rows, err, scanSaved, fmt.Sprintf("%s %d ballots of cohort %d", act.name, n, w.ID))
		if violated(err, "ballot_window_open") {
			return nil, ErrWindowShut
		}
		if violated(err, "ballot_party_members") {
			return nil, ErrPartyChanged
		}
		if err != nil {
			return nil, err
		}
		saved = append(saved, s...)
	}
	return saved, nil
}

// columns turns the ballots of one act into the arrays of unnest.
func columns(ballots []Ballot, withdraw bool) ([]any, int) {
	var (
		people, parties, sessions []int64
		bytes, salts, commits     [][]byte
		channels, reasons         []string
		officials                 []int32
	)
	for i := range ballots {
		b := &ballots[i]
		if b.Withdraw != withdraw {
			continue
		}
		people = append(people, b.Person)
		bytes = append(bytes, b.Bytes)
		salts = append(salts, b.Salt[:])
		commits = append(commits, b.Commit[:])
		parties = append(parties, b.Party)
		channels = append(channels, b.Channel)
		officials = append(officials, int32(b.Official))
		sessions = append(sessions, b.Session)
		reasons = append(reasons, b.Reason)
	}
	return []any{people, bytes, salts, commits, parties, channels, officials, sessions, reasons}, len(people)
}

// drafts is the further column of saves.
func drafts(ballots []Ballot) []*time.Time {
	var kept []*time.Time
	for i := range ballots {
		switch b := &ballots[i]; {
		case b.Withdraw:
		case b.Draft.IsZero():
			kept = append(kept, nil)
		default:
			kept = append(kept, &b.Draft)
		}
	}
	return kept
}

func scanSaved(row pgx.CollectableRow) (SavedBallot, error) {
	var s SavedBallot
	var commit []byte
	err := row.Scan(&s.Person, &s.Revision, &commit)
	copy(s.Commit[:], commit)
	return s, err
}

const selectBallot = `
	SELECT b.person_id, p.key, b.cohort_id, b.revision, b.bytes, b.salt, b.commit, COALESCE(b.party_id, 0), b.withdrawn, b.channel, b.saved_at, b.replaced_at
	  FROM ballot b JOIN person p ON p.id = b.person_id
	 WHERE b.campaign_id = $1 AND b.person_id = $2`

func scanBallot(row pgx.CollectableRow) (BallotRow, error) {
	var b BallotRow
	var salt, commit []byte
	var replaced *time.Time
	err := row.Scan(&b.Person, &b.PersonKey, &b.Cohort, &b.Revision, &b.Bytes, &salt, &commit, &b.Party, &b.Withdrawn, &b.Channel, &b.SavedAt, &replaced)
	copy(b.Salt[:], salt)
	copy(b.Commit[:], commit)
	b.SavedAt = b.SavedAt.UTC()
	if replaced != nil {
		b.ReplacedAt = replaced.UTC()
	}
	return b, err
}

// Ballot reads a person's ballot as it stands. The error wraps ErrNotFound
// where she has none.
func (tx *Tx) Ballot(ctx context.Context, campaign int, person int64) (BallotRow, error) {
	rows, err := tx.tx.Query(ctx, selectBallot, campaign, person)
	return one(rows, err, scanBallot, fmt.Sprintf("ballot of person %d", person))
}

// Ballot is Tx.Ballot on its own.
func (db *DB) Ballot(ctx context.Context, campaign int, person int64) (BallotRow, error) {
	rows, err := db.pages.Query(ctx, selectBallot, campaign, person)
	return one(rows, err, scanBallot, fmt.Sprintf("ballot of person %d", person))
}

// Window is Tx.Window on its own, without people.
func (db *DB) Window(ctx context.Context, id int) (WindowRow, error) {
	rows, err := db.pages.Query(ctx, selectWindow, id)
	return one(rows, err, scanWindow, fmt.Sprintf("window %d", id))
}

// Standing reads a person's ballot (nil: none) and the window that it belongs
// to, or the one that is named where she has none, in one go. Without either
// the window is empty.
func (db *DB) Standing(ctx context.Context, campaign int, person int64, cohortID int) (w WindowRow, ballot *BallotRow, err error) {
	var q pgx.Batch
	q.Queue(selectBallot, campaign, person)
	q.Queue(selectWindow, cohortID)
	r := db.pages.SendBatch(ctx, &q)
	rows, err := r.Query()
	b, err := one(rows, err, scanBallot, fmt.Sprintf("ballot of person %d", person))
	if err == nil {
		ballot = &b
	} else if !errors.Is(err, ErrNotFound) {
		return w, nil, errors.Join(err, r.Close())
	}
	rows, err = r.Query()
	w, err = one(rows, err, scanWindow, fmt.Sprintf("window %d", cohortID))
	if errors.Is(err, ErrNotFound) && cohortID == 0 {
		err = nil
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return w, ballot, err
	}
	if ballot != nil && ballot.Cohort != cohortID {
		w, err = db.Window(ctx, ballot.Cohort)
	}
	return w, ballot, err
}

// PersonCohort gives the cohort in which a person may answer, or 0. The error
// wraps ErrNotFound where there is no such person.
func (db *DB) PersonCohort(ctx context.Context, person int64) (int, error) {
	rows, err := db.pool.Query(ctx, `SELECT COALESCE(cohort_id, 0) FROM person WHERE id = $1`, person)
	return one(rows, err, pgx.RowTo[int], fmt.Sprintf("person %d", person))
}

// Offered lists what a cohort's ballots may ask for: its slots with seats, by
// clinic.
func (db *DB) Offered(ctx context.Context, id int) (cohort.Offered, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT c.key, to_char(s.date, 'YYYY-MM-DD'), s.part
		  FROM slot s JOIN clinic c ON c.id = s.clinic_id
		 WHERE s.cohort_id = $1 AND s.seats > 0 AND NOT s.second
		 GROUP BY 1, 2, 3`, id)
	if err != nil {
		return nil, fmt.Errorf("slots of cohort %d: %w", id, err)
	}
	o := cohort.Offered{}
	var clinic, date, part string
	_, err = pgx.ForEachRow(rows, []any{&clinic, &date, &part}, func() error {
		if o[clinic] == nil {
			o[clinic] = map[string]bool{}
		}
		o[clinic][cohort.OfferedKey(date, part)] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("slots of cohort %d: %w", id, err)
	}
	return o, nil
}
