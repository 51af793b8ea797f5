package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrPartyChanged says that somebody joined or left a party while a ballot of
// it was written. Nothing was saved; the writer begins again.
var ErrPartyChanged = errors.New("the members of the party have changed")

// PartyRefused says why somebody cannot start, join or leave a party: "wrong"
// (no such code), "used", "cohort" (its members have another window),
// "already" (she is in one), "full" or "none" (she is in none).
type PartyRefused struct{ Why string }

func (e *PartyRefused) Error() string { return "party: " + e.Why }

// PartyCodeRow is a code that is not used yet: the code is derived from the
// nonce.
type PartyCodeRow struct {
	ID    int64
	Nonce []byte
}

// PartyView is a party as one of its members sees it.
type PartyView struct {
	ID      int64
	Cohort  int
	Members []PartyMate
	Codes   []PartyCodeRow
}

// PartyMate is a member with what the others need to know of her.
type PartyMate struct {
	Person   int64
	Name     string
	Status   string // "eligible" …
	Together bool   // her ballot is the party's
	JoinedAt time.Time
}

// Together says whether all have the party's ballot.
func (p PartyView) Together() bool {
	for _, m := range p.Members {
		if !m.Together {
			return false
		}
	}
	return len(p.Members) > 0
}

// Party reads the party of a person. The error wraps ErrNotFound where she is
// in none.
func (db *DB) Party(ctx context.Context, campaign int, person int64) (PartyView, error) {
	var v PartyView
	err := db.ReadTx(ctx, func(tx *Tx) error {
		v = PartyView{}
		err := tx.tx.QueryRow(ctx, `
			SELECT y.id, y.cohort_id FROM party_member m JOIN party y ON y.id = m.party_id WHERE m.campaign_id = $1 AND m.person_id = $2`, campaign, person).Scan(&v.ID, &v.Cohort)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("party of person %d: %w", person, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("party of person %d: %w", person, err)
		}
		rows, err := tx.tx.Query(ctx, `
			SELECT m.person_id, COALESCE(d.name, ''), p.status, COALESCE(NOT b.withdrawn AND b.party_id = m.party_id, false), m.joined_at
			  FROM party_member m JOIN person p ON p.id = m.person_id LEFT JOIN person_detail d ON d.person_id = p.id
			  LEFT JOIN ballot b ON b.campaign_id = m.campaign_id AND b.person_id = m.person_id
			 WHERE m.party_id = $1 ORDER BY m.joined_at, m.person_id`, v.ID)
		if v.Members, err = many(rows, err, pgx.RowToStructByPos[PartyMate], fmt.Sprintf("party %d", v.ID)); err != nil {
			return err
		}
		rows, err = tx.tx.Query(ctx, `SELECT id, nonce FROM party_code WHERE party_id = $1 AND used_at IS NULL ORDER BY id`, v.ID)
		v.Codes, err = many(rows, err, pgx.RowToStructByPos[PartyCodeRow], fmt.Sprintf("party %d", v.ID))
		return err
	})
	return v, err
}

// PartyOf gives the id of a person's party, or 0.
func (tx *Tx) PartyOf(ctx context.Context, campaign int, person int64) (int64, error) {
	var id int64
	err := tx.tx.QueryRow(ctx, `SELECT party_id FROM party_member WHERE campaign_id = $1 AND person_id = $2`, campaign, person).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("party of person %d: %w", person, err)
	}
	return id, nil
}

// StartParty makes a party of one, to whom others come by their codes, and
// answers its id. *PartyRefused where she is in one already.
func (tx *Tx) StartParty(ctx context.Context, campaign, cohort int, key string, person int64, by Actor, reason string) (int64, error) {
	var id int64
	err := tx.tx.QueryRow(ctx, `INSERT INTO party (campaign_id, cohort_id, key) VALUES ($1, $2, $3) RETURNING id`, campaign, cohort, key).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("party: %w", err)
	}
	if err := tx.addMember(ctx, campaign, id, person); err != nil {
		return 0, err
	}
	return id, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "party.start", Subject: fmt.Sprintf("party:%d", id), Reason: reason, After: map[string]any{"cohort": cohort, "person": person},
	})
}

func (tx *Tx) addMember(ctx context.Context, campaign int, party, person int64) error {
	tag, err := tx.tx.Exec(ctx, `INSERT INTO party_member (campaign_id, person_id, party_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, campaign, person, party)
	if err != nil {
		return fmt.Errorf("party %d: %w", party, err)
	}
	if tag.RowsAffected() == 0 {
		return &PartyRefused{"already"}
	}
	return nil
}

// AddPartyCodes makes as many codes as the party has free places without one.
// fresh gives a random nonce and the hash of the code that is derived from it.
func (tx *Tx) AddPartyCodes(ctx context.Context, campaign int, party int64, most int, fresh func() (nonce, hash [32]byte, err error)) error {
	var taken int
	err := tx.tx.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM party_member WHERE party_id = $1) + (SELECT count(*) FROM party_code WHERE party_id = $1 AND used_at IS NULL)`, party).Scan(&taken)
	for ; err == nil && taken < most; taken++ {
		var nonce, hash [32]byte
		if nonce, hash, err = fresh(); err == nil {
			_, err = tx.tx.Exec(ctx, `INSERT INTO party_code (campaign_id, party_id, nonce, code_hash) VALUES ($1, $2, $3, $4)`, campaign, party, nonce[:], hash[:])
		}
	}
	if err != nil {
		return fmt.Errorf("codes of party %d: %w", party, err)
	}
	return nil
}

// TryPartyCode notes an attempt of a person at a party's code and finds the
// party, whose code stays locked. *TooManyCodes: nothing is noted.
// *PartyRefused: the attempt counts, so the transaction is to be committed.
func (tx *Tx) TryPartyCode(ctx context.Context, campaign, cohort int, person int64, hash, address [32]byte, caps EntryCaps) (try, code, party int64, err error) {
	try, err = tx.tryEntry(ctx, campaign, "party", person, address, caps)
	if err != nil {
		return 0, 0, 0, err
	}
	var used bool
	var of int
	err = tx.tx.QueryRow(ctx, `
		SELECT k.id, k.party_id, k.used_at IS NOT NULL, y.cohort_id FROM party_code k JOIN party y ON y.id = k.party_id
		 WHERE k.code_hash = $1 AND k.campaign_id = $2 FOR UPDATE OF k`, hash[:], campaign).Scan(&code, &party, &used, &of)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return try, 0, 0, &PartyRefused{"wrong"}
	case err != nil:
		return try, 0, 0, fmt.Errorf("code of a party: %w", err)
	case used:
		return try, 0, 0, &PartyRefused{"used"}
	case of != cohort:
		return try, 0, 0, &PartyRefused{"cohort"}
	}
	return try, code, party, nil
}

// JoinParty makes a person a member by a code that TryPartyCode found.
func (tx *Tx) JoinParty(ctx context.Context, campaign int, party, person, code, try int64) error {
	if err := tx.addMember(ctx, campaign, party, person); err != nil {
		return err
	}
	_, err := tx.tx.Exec(ctx, `
		WITH used AS (UPDATE party_code SET used_at = jebi_now(), person_id = $2 WHERE id = $1)
		UPDATE entry_try SET failed = false WHERE id = $3`, code, person, try)
	if err != nil {
		return fmt.Errorf("party %d: %w", party, err)
	}
	return nil
}

// LeaveParty ends a person's membership and the codes of a party that nobody
// is left of.
func (tx *Tx) LeaveParty(ctx context.Context, campaign int, party, person int64) error {
	_, err := tx.tx.Exec(ctx, `DELETE FROM party_member WHERE campaign_id = $1 AND person_id = $2 AND party_id = $3`, campaign, person, party)
	if err == nil {
		_, err = tx.tx.Exec(ctx, `
			UPDATE party_code SET used_at = jebi_now() WHERE party_id = $1 AND used_at IS NULL AND NOT EXISTS (SELECT FROM party_member WHERE party_id = $1)`, party)
	}
	if err != nil {
		return fmt.Errorf("party %d: %w", party, err)
	}
	return nil
}

// PartyBallot is a member's ballot as it stands.
type PartyBallot struct {
	Person    int64
	Revision  int
	Bytes     []byte
	Party     int64
	Withdrawn bool
	SavedAt   time.Time
}

// HoldBallots reads the ballots of people and keeps others from changing them
// until the transaction ends. In the order in which saves take them.
func (tx *Tx) HoldBallots(ctx context.Context, campaign int, people []int64) ([]PartyBallot, error) {
	return tx.partyBallots(ctx, campaign, people, ` FOR UPDATE`)
}

func (tx *Tx) partyBallots(ctx context.Context, campaign int, people []int64, lock string) ([]PartyBallot, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT person_id, revision, bytes, COALESCE(party_id, 0), withdrawn, saved_at FROM ballot
		 WHERE campaign_id = $1 AND person_id = ANY ($2) ORDER BY person_id`+lock, campaign, people)
	return many(rows, err, pgx.RowToStructByPos[PartyBallot], "ballots of a party")
}

// HoldParty takes the party's row, the last thing that who joins or leaves
// does, and answers ErrPartyChanged if the ballots of its people are not those
// of revisions any more (none: no ballot): the transaction is begun again. The
// lock lets new members' references through, and no ballot of the party.
func (tx *Tx) HoldParty(ctx context.Context, campaign int, party int64, people []int64, revisions map[int64]int) error {
	if _, err := tx.tx.Exec(ctx, `SELECT FROM party WHERE id = $1 FOR NO KEY UPDATE`, party); err != nil {
		return fmt.Errorf("party %d: %w", party, err)
	}
	now, err := tx.partyBallots(ctx, campaign, people, "")
	if err != nil {
		return err
	}
	if len(now) != len(revisions) {
		return ErrPartyChanged
	}
	for _, b := range now {
		if revisions[b.Person] != b.Revision {
			return ErrPartyChanged
		}
	}
	return nil
}

// TellParty tells the members of a party but one about a change, and writes
// its audit row. event makes the message unique.
func (tx *Tx) TellParty(ctx context.Context, campaign int, party, person int64, kind, act string, by Actor, reason string, after map[string]any) error {
	rows, err := tx.tx.Query(ctx, `SELECT person_id FROM party_member WHERE party_id = $1 ORDER BY person_id`, party)
	members, err := many(rows, err, pgx.RowTo[int64], fmt.Sprintf("party %d", party))
	if err != nil {
		return err
	}
	var others []int64
	for _, m := range members {
		if m != person {
			others = append(others, m)
		}
	}
	var n int
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM audit WHERE subject = $1`, fmt.Sprintf("party:%d", party)).Scan(&n); err != nil {
		return fmt.Errorf("party %d: %w", party, err)
	}
	if err := tx.TellEach(ctx, Message{
		Campaign: campaign, Event: fmt.Sprintf("party/%d/%d", party, n), Kind: kind, Params: map[string]any{"members": len(members)},
	}, others); err != nil {
		return err
	}
	after["person"], after["members"] = person, len(members)
	return tx.Audit(ctx, AuditRow{Campaign: campaign, Actor: by, Act: act, Subject: fmt.Sprintf("party:%d", party), Reason: reason, After: after})
}
