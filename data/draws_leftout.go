package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// LeftOutRow is a ballot that was left out of a draw, and the rank that its
// ticket would have had.
type LeftOutRow struct {
	Ticket    int // rank by which the tables know it
	Person    int64
	PID       [16]byte
	Revision  int
	Commit    [32]byte
	SaveIndex int64 // of its receipt in the log of saves
	Rank      int
	Choice    int // that the cut-offs grant; 0: none
	At        time.Time
}

// LeftOut lists a cohort's, in the order in which they were recorded.
func (tx *Tx) LeftOut(ctx context.Context, cohortID int) ([]LeftOutRow, error) {
	rows, err := tx.tx.Query(ctx, `
		SELECT ticket, person_id, pid, revision, commit, save_index, rank, choice, at FROM left_out WHERE cohort_id = $1 ORDER BY ticket`, cohortID)
	return many(rows, err, func(row pgx.CollectableRow) (LeftOutRow, error) {
		var l LeftOutRow
		var pid, commit []byte
		err := row.Scan(&l.Ticket, &l.Person, &pid, &l.Revision, &commit, &l.SaveIndex, &l.Rank, &l.Choice, &l.At)
		copy(l.PID[:], pid)
		copy(l.Commit[:], commit)
		l.At = l.At.UTC()
		return l, err
	}, fmt.Sprintf("ballots left out of cohort %d", cohortID))
}

// RankOf is the rank that a ticket would have had in a draw: one more than the
// tickets before it.
func (tx *Tx) RankOf(ctx context.Context, cohortID int, ticket [32]byte, entity [16]byte) (int, error) {
	var n int
	err := tx.tx.QueryRow(ctx, `
		SELECT count(*)::int + 1 FROM ticket WHERE cohort_id = $1 AND NOT late AND (ticket, entity) < ($2, $3)`, cohortID, ticket[:], entity[:]).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("rank in cohort %d: %w", cohortID, err)
	}
	return n, nil
}

// LateTicket is the ticket of a ballot that was left out.
type LateTicket struct {
	LeftOutRow
	Weight int
	Pool   string
	Value  [32]byte
}

// AddLeftOut records a ballot that was left out, by two officials, with its
// ticket. It answers the rank by which the tables know it.
func (tx *Tx) AddLeftOut(ctx context.Context, cohortID int, l LateTicket, by Actor) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("ballot left out of cohort %d: %w", cohortID, err) }
	var n int
	if err := tx.tx.QueryRow(ctx, `
		INSERT INTO left_out (cohort_id, ticket, person_id, pid, revision, commit, save_index, rank, choice, proposed_by, confirmed_by)
		SELECT $1, COALESCE((SELECT max(rank) FROM ticket WHERE cohort_id = $1), 0) + 1, $2, $3, $4, $5, $6, $7, $8, NULLIF($9, 0), NULLIF($10, 0)
		RETURNING ticket`,
		cohortID, l.Person, l.PID[:], l.Revision, l.Commit[:], l.SaveIndex, l.Rank, l.Choice, by.Official, by.Second).Scan(&n); err != nil {
		return fail(err)
	}
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO ticket (cohort_id, rank, entity, size, weight, pool, ticket, choice, late) VALUES ($1, $2, $3, 1, $4, $5, $6, 0, true)`,
		cohortID, n, l.PID[:], l.Weight, l.Pool, l.Value[:]); err != nil {
		return fail(err)
	}
	if _, err := tx.tx.Exec(ctx, `INSERT INTO ticket_member (cohort_id, person_id, rank) VALUES ($1, $2, $3)`, cohortID, l.Person, n); err != nil {
		return fail(err)
	}
	return n, nil
}

// RestoredBallot is a ballot as its receipt has it.
type RestoredBallot struct {
	Campaign, Cohort int
	Person           int64
	Revision         int
	Bytes            []byte
	Salt, Commit     [32]byte
	Official         int
	SavedAt          time.Time
}

// RestoreBallot puts a ballot that was left out back as its receipt has it;
// the database takes it where AddLeftOut has recorded it.
func (tx *Tx) RestoreBallot(ctx context.Context, b RestoredBallot) error {
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO ballot (campaign_id, person_id, cohort_id, revision, bytes, salt, commit, channel, official_id, saved_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'paper', $8, $9)
		ON CONFLICT (campaign_id, person_id) DO UPDATE
		   SET cohort_id = EXCLUDED.cohort_id, revision = EXCLUDED.revision, bytes = EXCLUDED.bytes, salt = EXCLUDED.salt, commit = EXCLUDED.commit,
		       channel = EXCLUDED.channel, official_id = EXCLUDED.official_id, session_id = NULL, party_id = NULL, withdrawn = false, saved_at = EXCLUDED.saved_at
		 WHERE ballot.commit <> EXCLUDED.commit OR ballot.withdrawn OR ballot.cohort_id <> EXCLUDED.cohort_id`,
		b.Campaign, b.Person, b.Cohort, b.Revision, b.Bytes, b.Salt[:], b.Commit[:], b.Official, b.SavedAt); err != nil {
		return fmt.Errorf("ballot of person %d: %w", b.Person, err)
	}
	return nil
}

// Wait puts a ticket on the waitlist, or back on it: first in line, where a
// place is owed to it.
func (tx *Tx) Wait(ctx context.Context, cohortID, rank int, first bool) error {
	if _, err := tx.tx.Exec(ctx, `
		INSERT INTO waiting AS w (cohort_id, rank, cancelled) VALUES ($1, $2, $3)
		ON CONFLICT (cohort_id, rank) DO UPDATE SET state = 'waiting', why = '', lapses = 0, cancelled = w.cancelled OR EXCLUDED.cancelled`, cohortID, rank, first); err != nil {
		return fmt.Errorf("waitlist of cohort %d, rank %d: %w", cohortID, rank, err)
	}
	return nil
}

// ListedPerson is a person of a campaign's list, as far as a pid needs her.
type ListedPerson struct {
	ID     int64
	Key    string
	Status string
	Weight int
}

// EachListed streams everyone on a campaign's list, in no order.
func (tx *Tx) EachListed(ctx context.Context, campaign int, do func(*ListedPerson) error) error {
	rows, err := tx.tx.Query(ctx, `SELECT id, key, status, weight FROM person WHERE campaign_id = $1`, campaign)
	if err != nil {
		return fmt.Errorf("list of campaign %d: %w", campaign, err)
	}
	var p ListedPerson
	var key pgtype.DriverBytes
	if _, err := pgx.ForEachRow(rows, []any{&p.ID, &key, &p.Status, &p.Weight}, func() error { p.Key = string(key); return do(&p) }); err != nil {
		return fmt.Errorf("list of campaign %d: %w", campaign, err)
	}
	return nil
}

// PoolOf is the first of the pools that a person is of, "" for none.
func (tx *Tx) PoolOf(ctx context.Context, person int64, pools []string) (pool string, err error) {
	err = tx.tx.QueryRow(ctx, `
		SELECT COALESCE((SELECT x.pool FROM person_detail d, unnest($2::text[]) WITH ORDINALITY AS x (pool, n)
		                  WHERE d.person_id = $1 AND x.pool = ANY (d.groups) ORDER BY x.n LIMIT 1), '')`, person, pools).Scan(&pool)
	if err != nil {
		return "", fmt.Errorf("pool of person %d: %w", person, err)
	}
	return pool, nil
}

// Withdrawn says whether a person's last act in a window was to withdraw, by
// her history.
func (tx *Tx) Withdrawn(ctx context.Context, cohortID int, person int64) (bool, error) {
	var ok bool
	err := tx.tx.QueryRow(ctx, `
		SELECT COALESCE((SELECT act = 'withdraw' FROM ballot_history WHERE cohort_id = $1 AND person_id = $2 ORDER BY revision DESC, id DESC LIMIT 1), false)`,
		cohortID, person).Scan(&ok)
	if err != nil {
		return false, fmt.Errorf("history of person %d: %w", person, err)
	}
	return ok, nil
}

// Logins names the officials of an act.
func (tx *Tx) Logins(ctx context.Context, by Actor) ([]string, error) {
	rows, err := tx.tx.Query(ctx, `SELECT name FROM official WHERE id = ANY ($1) ORDER BY name COLLATE "C"`, []int{by.Official, by.Second})
	return many(rows, err, pgx.RowTo[string], "the officials")
}

// claimLife is how long what was handed in is kept: longer than a proposal
// waits.
const claimLife = 2 * ProposalLife

// KeepClaim keeps what a citizen handed in for an act of two, and answers the
// digest by which ClaimFile finds it.
func (tx *Tx) KeepClaim(ctx context.Context, cohortID int, receipt, ballot []byte) ([32]byte, error) {
	digest := sha256.Sum256(append(append(binary.BigEndian.AppendUint64(nil, uint64(len(receipt))), receipt...), ballot...))
	if _, err := tx.sweepClaims(ctx); err != nil {
		return digest, err
	}
	if _, err := tx.tx.Exec(ctx, `DELETE FROM left_out_file WHERE digest = $1`, digest[:]); err != nil {
		return digest, fmt.Errorf("what was handed in: %w", err)
	}
	if _, err := tx.tx.Exec(ctx, `INSERT INTO left_out_file (digest, cohort_id, receipt, ballot) VALUES ($1, $2, $3, $4)`, digest[:], cohortID, receipt, ballot); err != nil {
		return digest, fmt.Errorf("what was handed in: %w", err)
	}
	return digest, nil
}

// sweepClaims forgets what was handed in for proposals that nobody confirmed,
// and says how many there were.
func (tx *Tx) sweepClaims(ctx context.Context) (int, error) {
	tag, err := tx.tx.Exec(ctx, `DELETE FROM left_out_file WHERE kept_at < jebi_now() - $1::interval`, claimLife)
	if err != nil {
		return 0, fmt.Errorf("what was handed in: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// TakeClaim gives what was handed in and forgets it: it is read by the act
// that serves it. The error is a *Refusal where it is not kept any more.
func (tx *Tx) TakeClaim(ctx context.Context, digest []byte) (receipt, ballot []byte, err error) {
	err = tx.tx.QueryRow(ctx, `DELETE FROM left_out_file WHERE digest = $1 RETURNING receipt, ballot`, digest).Scan(&receipt, &ballot)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, refuse("what was handed in is not kept any more: propose it again")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("what was handed in: %w", err)
	}
	return receipt, ballot, nil
}
