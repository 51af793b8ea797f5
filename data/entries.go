package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// EntryRow is a link or a letter's code as it is found by its handle.
type EntryRow struct {
	ID        int64
	Person    int64
	Key       string // of the person, as in the list
	Name      string // "" after a purge
	BirthDate string // "1964-05-17"
	Hash      []byte // of the link or code: compare it in constant time
	Attempts  int    // before this one
	Used      bool
	Over      bool // expired
}

// maxAttempts is how often a code can be tried.
const maxAttempts = 5

// A link holds until the window of its person closes, as it stands now; a
// letter until her cohort is settled. Both end at their own time where she is
// in no cohort.
const selectEntry = `
	SELECT s.id, s.person_id, p.key, COALESCE(d.name, ''), COALESCE(to_char(d.birth_date, 'YYYY-MM-DD'), ''), s.code_hash, s.attempts, s.used_at IS NOT NULL,
	       GREATEST(s.expires_at, CASE s.way WHEN 'link' THEN c.closes_at ELSE c.settle_at END) <= jebi_now() OR p.status = 'dead'
	  FROM sign_in s JOIN person p ON p.id = s.person_id LEFT JOIN person_detail d ON d.person_id = p.id LEFT JOIN cohort c ON c.id = p.cohort_id
	 WHERE s.handle_hash = $1 AND s.campaign_id = $2 AND s.way = $3`

// Entry looks at a link without using it. The error wraps ErrNotFound.
func (db *DB) Entry(ctx context.Context, campaign int, way string, handle [32]byte) (EntryRow, error) {
	rows, err := db.pool.Query(ctx, selectEntry, handle[:], campaign, way)
	return one(rows, err, pgx.RowToStructByPos[EntryRow], way)
}

// EntryUse is an attempt to come in by a link or a letter's code.
type EntryUse struct {
	Campaign int
	Way      string // "link" or "letter"
	Handle   [32]byte
	Address  [32]byte // keyed hash of the network address
	Caps     EntryCaps
	Token    [32]byte      // hash of the session's token
	Idle     time.Duration // of the session
	// Next gives handle and hash of the code for the next visit, for letters; nil: none.
	Next func(EntryRow) (handle, hash [32]byte)
}

// EntryCaps bound failed attempts at links and codes; 0 is no bound.
type EntryCaps struct {
	AddressHour int // from one network address
	PersonHour  int // by one person who is signed in, at a party's codes
	CampaignTen int // in the campaign, in ten minutes
}

// EntryRefused says why a link or a code opens nothing: "wrong" (no such code,
// or another's), "used", "expired" or "attempts". Only "wrong" is said to
// somebody who has not shown that the code is hers.
type EntryRefused struct {
	Why  string
	Left int // attempts left, for "wrong" at a code that there is
}

func (e *EntryRefused) Error() string { return "entry refused: " + e.Why }

// UseEntry consumes one attempt of a link or a letter's code and, if same
// finds it right, begins a session, all in one transaction: an attempt counts
// even if the program dies at once. same compares in constant time. The error
// is *EntryRefused, *TooManyCodes, or the database's.
func (db *DB) UseEntry(ctx context.Context, u EntryUse, same func(EntryRow) bool) (session, person int64, err error) {
	var refused error
	err = db.Tx(ctx, func(tx *Tx) error {
		session, person, refused = 0, 0, nil
		try, err := tx.tryEntry(ctx, u.Campaign, u.Way, 0, u.Address, u.Caps)
		if err != nil {
			return err
		}
		rows, err := tx.tx.Query(ctx, selectEntry+` FOR UPDATE OF s`, u.Handle[:], u.Campaign, u.Way)
		e, err := one(rows, err, pgx.RowToStructByPos[EntryRow], u.Way)
		if errors.Is(err, ErrNotFound) {
			refused = &EntryRefused{Why: "wrong"}
			return nil
		}
		if err != nil {
			return err
		}
		if e.Attempts >= maxAttempts {
			refused = &EntryRefused{Why: "attempts"}
			return nil
		}
		if _, err := tx.tx.Exec(ctx, `UPDATE sign_in SET attempts = attempts + 1 WHERE id = $1`, e.ID); err != nil {
			return fmt.Errorf("use a %s: %w", u.Way, err)
		}
		switch {
		case !same(e):
			refused = &EntryRefused{Why: "wrong", Left: maxAttempts - 1 - e.Attempts}
		case e.Used:
			refused = &EntryRefused{Why: "used"}
		case e.Over:
			refused = &EntryRefused{Why: "expired"}
		}
		if refused != nil {
			return nil
		}
		if _, err := tx.tx.Exec(ctx, `
			WITH used AS (UPDATE sign_in SET used_at = jebi_now() WHERE id = $1)
			UPDATE entry_try SET failed = false WHERE id = $2`, e.ID, try); err != nil {
			return fmt.Errorf("use a %s: %w", u.Way, err)
		}
		if u.Next != nil {
			handle, hash := u.Next(e)
			if _, err := tx.tx.Exec(ctx, `
				INSERT INTO sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at)
				SELECT campaign_id, $2, person_id, way, $3, expires_at FROM sign_in WHERE id = $1`, e.ID, handle[:], hash[:]); err != nil {
				return fmt.Errorf("use a %s: %w", u.Way, err)
			}
		}
		person = e.Person
		session, err = tx.beginVisit(ctx, u.Campaign, e.Person, e.ID, u.Way, u.Token, u.Idle)
		return err
	})
	if err == nil {
		err = refused
	}
	return session, person, err
}

// tryEntry notes an attempt as a failed one, before anything is compared, and
// answers its id. *TooManyCodes: a cap is reached, and nothing is noted.
func (tx *Tx) tryEntry(ctx context.Context, campaign int, way string, person int64, address [32]byte, caps EntryCaps) (int64, error) {
	var byAddress, byPerson, inCampaign int
	err := tx.tx.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM entry_try WHERE failed AND address_hash = $2 AND at > jebi_now() - interval '1 hour'),
		       (SELECT count(*) FROM entry_try WHERE failed AND person_id IS NOT NULL AND person_id = NULLIF($3::bigint, 0) AND at > jebi_now() - interval '1 hour'),
		       (SELECT count(*) FROM (SELECT FROM entry_try WHERE failed AND campaign_id = $1 AND at > jebi_now() - interval '10 minutes' LIMIT $4::int + 1) x)`,
		campaign, address[:], person, caps.CampaignTen).Scan(&byAddress, &byPerson, &inCampaign)
	if err != nil {
		return 0, fmt.Errorf("attempts: %w", err)
	}
	switch {
	case caps.PersonHour > 0 && byPerson >= caps.PersonHour:
		return 0, &TooManyCodes{"person"}
	case caps.AddressHour > 0 && byAddress >= caps.AddressHour:
		return 0, &TooManyCodes{"tries"}
	case caps.CampaignTen > 0 && inCampaign >= caps.CampaignTen:
		return 0, &TooManyCodes{"campaign"}
	}
	var id int64
	err = tx.tx.QueryRow(ctx, `
		INSERT INTO entry_try (campaign_id, way, person_id, address_hash) VALUES ($1, $2, NULLIF($3::bigint, 0), $4) RETURNING id`, campaign, way, person, address[:]).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("attempts: %w", err)
	}
	return id, nil
}

// NewLink is a link that is about to be sent.
type NewLink struct {
	Person       int64
	Handle, Hash [32]byte
}

// IssueLinks notes links before they are sent. A link that is sent again is
// noted once, and one that was used stays so. It expires when the window of
// its person's cohort closes; people in no cohort get one that is over.
func (db *DB) IssueLinks(ctx context.Context, campaign int, links []NewLink) error {
	people, handles, hashes := make([]int64, len(links)), make([][]byte, len(links)), make([][]byte, len(links))
	for i := range links {
		people[i], handles[i], hashes[i] = links[i].Person, links[i].Handle[:], links[i].Hash[:]
	}
	_, err := db.pool.Exec(ctx, `
		INSERT INTO sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at)
		SELECT $1, x.handle, x.person, 'link', x.hash, COALESCE(c.closes_at, jebi_now())
		  FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) x (person, handle, hash)
		  JOIN person p ON p.id = x.person LEFT JOIN cohort c ON c.id = p.cohort_id
		ON CONFLICT (handle_hash) DO NOTHING`, campaign, people, handles, hashes)
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	return nil
}

// HasPlace says whether a person has a place in a campaign now.
func (db *DB) HasPlace(ctx context.Context, campaign int, person int64) (bool, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT EXISTS (SELECT FROM assignment WHERE campaign_id = $1 AND person_id = $2 AND state IN ('assigned', 'confirmed'))`, campaign, person)
	return one(rows, err, pgx.RowTo[bool], fmt.Sprintf("place of person %d", person))
}
