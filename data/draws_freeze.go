package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// ClosedBallot is a ballot as it stands when its window has closed. Its
// slices are valid until the next one is read.
type ClosedBallot struct {
	Person    int64
	Key       string // person_id of the protocol
	Status    string // "eligible", or why not
	Weight    int
	Revision  int
	Commit    [32]byte
	Party     int64 // 0: alone
	Withdrawn bool
	Bytes     []byte // of party members only: they must want the same
	Pool      string // the first of the cohort's pools that she is of, "" for none
}

// EachClosedBallot streams the ballots of a closed window in the order of the
// people's ids. pools are the cohort's, by the order in which they count.
func (tx *Tx) EachClosedBallot(ctx context.Context, cohortID int, pools []string, do func(*ClosedBallot) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT b.person_id, p.key, p.status, p.weight, b.revision, b.commit, COALESCE(b.party_id, 0), b.withdrawn,
		       CASE WHEN b.party_id IS NOT NULL THEN b.bytes END,
		       CASE WHEN cardinality($2::text[]) = 0 THEN '' ELSE COALESCE((
		         SELECT x.pool FROM person_detail d, unnest($2::text[]) WITH ORDINALITY AS x (pool, n)
		          WHERE d.person_id = p.id AND x.pool = ANY (d.groups) ORDER BY x.n LIMIT 1), '') END
		  FROM ballot b JOIN person p ON p.id = b.person_id
		 WHERE b.cohort_id = $1 ORDER BY b.person_id`, cohortID, pools)
	if err != nil {
		return fmt.Errorf("ballots of cohort %d: %w", cohortID, err)
	}
	var b ClosedBallot
	var commit pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&b.Person, &b.Key, &b.Status, &b.Weight, &b.Revision, &commit, &b.Party, &b.Withdrawn, (*pgtype.DriverBytes)(&b.Bytes), &b.Pool}, func() error {
		copy(b.Commit[:], commit)
		return do(&b)
	})
	if err != nil {
		return fmt.Errorf("ballots of cohort %d: %w", cohortID, err)
	}
	return nil
}

// BallotsWithoutSignIn counts the ballots of a cohort that no sign-in of the
// same person or party stands behind, and names the first few by person id.
func (tx *Tx) BallotsWithoutSignIn(ctx context.Context, cohortID int) (n int, first []int64, err error) {
	err = tx.tx.QueryRow(ctx, `
		SELECT count(*)::int, COALESCE((array_agg(person_id ORDER BY person_id))[1:20], '{}')
		  FROM ballot_without_sign_in WHERE cohort_id = $1`, cohortID).Scan(&n, &first)
	if err != nil {
		return 0, nil, fmt.Errorf("ballots without sign-in of cohort %d: %w", cohortID, err)
	}
	return n, first, nil
}

// LeafRow is a frozen ballot; its position in leaves.bin is its place among
// all, from 1.
type LeafRow struct {
	Person   int64
	PID      [16]byte
	GID      [16]byte
	Weight   int
	Revision int
	Commit   [32]byte
	Pool     string
}

// CopyLeaves writes the frozen ballots, ascending by pid.
func (tx *Tx) CopyLeaves(ctx context.Context, cohortID int, n int, at func(i int) LeafRow) error {
	row := make([]any, 9)
	i := 0
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"draw_leaf"},
		[]string{"cohort_id", "position", "person_id", "pid", "gid", "weight", "revision", "commit", "pool"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i == n {
				return nil, nil
			}
			l := at(i)
			i++
			row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8] = cohortID, i, l.Person, l.PID[:], l.GID[:], l.Weight, l.Revision, l.Commit[:], l.Pool
			return row, nil
		}))
	if err != nil {
		return fmt.Errorf("leaves of cohort %d: %w", cohortID, err)
	}
	return nil
}

// EachLeaf streams the frozen ballots, as the freeze wrote them, in the order
// of the leaves; the first has position 1.
func (tx *Tx) EachLeaf(ctx context.Context, cohortID int, do func(position int, l *LeafRow) error) error {
	rows, err := tx.tx.Query(ctx, `
		SELECT position, person_id, pid, gid, weight, revision, commit, pool FROM draw_leaf WHERE cohort_id = $1 ORDER BY position`, cohortID)
	if err != nil {
		return fmt.Errorf("leaves of cohort %d: %w", cohortID, err)
	}
	var l LeafRow
	var position int
	var pid, gid, commit pgtype.DriverBytes
	_, err = pgx.ForEachRow(rows, []any{&position, &l.Person, &pid, &gid, &l.Weight, &l.Revision, &commit, &l.Pool}, func() error {
		copy(l.PID[:], pid)
		copy(l.GID[:], gid)
		copy(l.Commit[:], commit)
		return do(position, &l)
	})
	if err != nil {
		return fmt.Errorf("leaves of cohort %d: %w", cohortID, err)
	}
	return nil
}

// FrozenBallot is what opens a leaf. Its slices are valid until the next one
// is read.
type FrozenBallot struct {
	Person int64
	Salt   []byte
	Bytes  []byte
}

// EachFrozenBallot streams the ballots of a frozen cohort in no order, those
// that were not admitted among them. None is joined to its leaf: of millions
// the caller finds it sooner.
func (tx *Tx) EachFrozenBallot(ctx context.Context, c CohortRow, do func(*FrozenBallot) error) error {
	rows, err := tx.tx.Query(ctx, `SELECT person_id, salt, bytes FROM ballot WHERE cohort_id = $1 AND campaign_id = $2`, c.ID, c.Campaign)
	if err != nil {
		return fmt.Errorf("ballots of cohort %d: %w", c.ID, err)
	}
	var b FrozenBallot
	_, err = pgx.ForEachRow(rows, []any{&b.Person, (*pgtype.DriverBytes)(&b.Salt), (*pgtype.DriverBytes)(&b.Bytes)}, func() error {
		return do(&b)
	})
	if err != nil {
		return fmt.Errorf("ballots of cohort %d: %w", c.ID, err)
	}
	return nil
}
