package data

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SessionRow is a person's session with what pages need of her.
type SessionRow struct {
	ID        int64
	Campaign  int
	Person    int64
	Way       string
	CreatedAt time.Time
	ExpiresAt time.Time
	Consented bool
	Now       time.Time

	Key      string
	Status   string
	Cohort   int // 0: in none
	Name     string
	District string
	Language string
	Lat, Lon *float64
	Party    int64  // 0: alone
	Home     int    // the campaign on whose list she is; another than Campaign: she is only told so
	Proxy    int64  // who acts in it for her, 0: she herself
	Actor    string // the proxy's name, or ""
}

// Channel is how a ballot comes that this session saves.
func (s SessionRow) Channel() string {
	if s.Proxy != 0 {
		return ChannelProxy
	}
	return ChannelWeb
}

// maxSession bounds a session, however busy it is.
const maxSession = 12 * time.Hour

// beginVisit begins a person's session and writes its audit row.
func (tx *Tx) beginVisit(ctx context.Context, campaign int, person, signIn int64, way string, token [32]byte, idle time.Duration) (int64, error) {
	var id int64
	err := tx.tx.QueryRow(ctx, `
		INSERT INTO session (token_hash, campaign_id, person_id, sign_in_id, way, expires_at)
		VALUES ($1, $2, $3, NULLIF($4::bigint, 0), $5, jebi_now() + $6::interval) RETURNING id`,
		token[:], campaign, person, signIn, way, idle).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("begin a session: %w", err)
	}
	return id, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: Actor{Kind: "person"}, Act: "session.begin", Subject: subject("person", person),
		After: map[string]any{"session": id, "way": way},
	})
}

// Both find their rows by keys alone, one table after the other (see byKeys):
// when people begin to come these tables are empty.
const (
	selectSession = `
	SELECT s.id, s.campaign_id, s.person_id, s.way, s.created_at, s.expires_at, s.consented_at IS NOT NULL, jebi_now(),
	       p.key, p.status, COALESCE(p.cohort_id, 0), COALESCE(d.name, ''), COALESCE(d.district, ''), COALESCE(d.language, ''), d.lat, d.lon,
	       COALESCE((SELECT m.party_id FROM party_member m WHERE m.campaign_id = p.campaign_id AND m.person_id = p.id), 0),
	       p.campaign_id, COALESCE(s.proxy_id, 0), COALESCE((SELECT x.name FROM proxy x WHERE x.id = s.proxy_id), '')
	  FROM (SELECT s.* FROM session s WHERE s.token_hash = $1 OFFSET 0) s
	 CROSS JOIN LATERAL (SELECT p.* FROM person p WHERE p.id = s.person_id OFFSET 0) p
	  LEFT JOIN LATERAL (SELECT d.* FROM person_detail d WHERE d.person_id = s.person_id OFFSET 0) d ON true
	 WHERE s.ended_at IS NULL AND s.expires_at > jebi_now()`

	selectVisitorsDraft = `
	SELECT d.body, d.saved_at
	  FROM (SELECT s.campaign_id, s.person_id FROM session s WHERE s.token_hash = $1 OFFSET 0) s
	 CROSS JOIN LATERAL (SELECT d.body, d.saved_at FROM draft d WHERE d.campaign_id = s.campaign_id AND d.person_id = s.person_id OFFSET 0) d`
)

// Session finds a live session by its token's hash and keeps it alive for
// another idle, noting so at most once a minute. The error wraps ErrNotFound
// where it has ended or never was.
func (db *DB) Session(ctx context.Context, token [32]byte, idle time.Duration) (SessionRow, error) {
	rows, err := db.pages.Query(ctx, selectSession, token[:])
	s, err := one(rows, err, pgx.RowToStructByPos[SessionRow], "session")
	if err != nil {
		return s, err
	}
	return s, db.keepAlive(ctx, &s, idle)
}

// SessionAndDraft is Session, and in the same trip the draft of whose session
// it is, as DB.Draft reads it.
func (db *DB) SessionAndDraft(ctx context.Context, token [32]byte, idle time.Duration) (s SessionRow, d DraftRow, err error) {
	var q pgx.Batch
	q.Queue(selectSession, token[:])
	q.Queue(selectVisitorsDraft, token[:])
	r := db.pages.SendBatch(ctx, &q)
	rows, err := r.Query()
	s, err = one(rows, err, pgx.RowToStructByPos[SessionRow], "session")
	if err == nil {
		d, err = scanDraft(r.QueryRow())
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return s, d, err
	}
	return s, d, db.keepAlive(ctx, &s, idle)
}

// keepAlive is the rest of reading a session.
func (db *DB) keepAlive(ctx context.Context, s *SessionRow, idle time.Duration) error {
	if s.ExpiresAt.Sub(s.Now) < idle-time.Minute {
		err := db.pool.QueryRow(ctx, `
			UPDATE session SET seen_at = jebi_now(), expires_at = LEAST(jebi_now() + $2::interval, created_at + $3::interval)
			 WHERE id = $1 AND ended_at IS NULL RETURNING expires_at`, s.ID, idle, maxSession).Scan(&s.ExpiresAt)
		if errors.Is(err, pgx.ErrNoRows) { // signed out in this moment
			return fmt.Errorf("session %d: %w", s.ID, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("session %d: %w", s.ID, err)
		}
	}
	s.CreatedAt, s.ExpiresAt, s.Now = s.CreatedAt.UTC(), s.ExpiresAt.UTC(), s.Now.UTC()
	return nil
}

// Consent notes that the person has read the notice and agreed.
func (db *DB) Consent(ctx context.Context, s SessionRow) error {
	return db.Tx(ctx, func(tx *Tx) error {
		tag, err := tx.tx.Exec(ctx, `UPDATE session SET consented_at = jebi_now() WHERE id = $1 AND consented_at IS NULL`, s.ID)
		if err != nil {
			return fmt.Errorf("session %d: %w", s.ID, err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		return tx.Audit(ctx, AuditRow{
			Campaign: s.Campaign, Actor: Actor{Kind: "person"}, Act: "session.consent", Subject: subject("person", s.Person),
			After: map[string]any{"session": s.ID},
		})
	})
}

// EndSession ends a session. Ending it twice changes nothing.
func (db *DB) EndSession(ctx context.Context, id int64) error {
	if _, err := db.pool.Exec(ctx, `UPDATE session SET ended_at = jebi_now() WHERE id = $1 AND ended_at IS NULL`, id); err != nil {
		return fmt.Errorf("session %d: %w", id, err)
	}
	return nil
}
