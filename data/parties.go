package data

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrParty says that people cannot be made a party: one of them is not of the
// cohort, cannot answer, or is in another.
var ErrParty = errors.New("these people cannot answer together")

// MakeParty lets two to four people of one cohort answer together, under a
// key that is unique in the campaign, and answers the party's id. It writes an
// audit row. Ballots that they have stand until the party saves one.
func (tx *Tx) MakeParty(ctx context.Context, campaign, cohort int, key string, people []int64, by Actor, reason string) (int64, error) {
	var id int64
	err := tx.tx.QueryRow(ctx, `INSERT INTO party (campaign_id, cohort_id, key) VALUES ($1, $2, $3) RETURNING id`, campaign, cohort, key).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("party: %w", err)
	}
	tag, err := tx.tx.Exec(ctx, `
		INSERT INTO party_member (campaign_id, person_id, party_id)
		SELECT $1, p.id, $3 FROM person p
		 WHERE p.id = ANY ($4) AND p.campaign_id = $1 AND p.cohort_id = $2 AND p.status = 'eligible'
		 ORDER BY p.id
		ON CONFLICT DO NOTHING`, campaign, cohort, id, people)
	if err != nil {
		return 0, fmt.Errorf("party %d: %w", id, err)
	}
	if n := tag.RowsAffected(); n != int64(len(people)) || n < 2 || n > 4 {
		return 0, ErrParty
	}
	return id, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "party.make", Subject: fmt.Sprintf("party:%d", id), Reason: reason,
		After: map[string]any{"cohort": cohort, "people": people},
	})
}

// PartyMember is a member as the others may see her.
type PartyMember struct {
	Person int64
	Name   string
}

// PartyMembers lists the members of a person's party, herself among them, by
// id; none where she is alone.
func (db *DB) PartyMembers(ctx context.Context, campaign int, person int64) ([]PartyMember, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT n.person_id, COALESCE(d.name, '')
		  FROM party_member m JOIN party_member n ON n.party_id = m.party_id
		  LEFT JOIN person_detail d ON d.person_id = n.person_id
		 WHERE m.campaign_id = $1 AND m.person_id = $2 ORDER BY n.person_id`, campaign, person)
	return many(rows, err, pgx.RowToStructByPos[PartyMember], fmt.Sprintf("party of person %d", person))
}
