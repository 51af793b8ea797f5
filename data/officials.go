package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// The roles of officials.
const (
	RoleOperator   = "operator"    // runs the campaign
	RoleApprover   = "approver"    // proposes and confirms acts of two
	RoleCallCentre = "call_centre" // enters ballots for people
	RoleAuditor    = "auditor"     // reads the audit trail
)

// roles lists them; nothing changes it.
var roles = []string{RoleOperator, RoleApprover, RoleCallCentre, RoleAuditor}

// Official is a person with a role, known to the program by a login.
type Official struct {
	ID          int        `json:"id"`
	Name        string     `json:"name"`
	Role        string     `json:"role"`
	Password    bool       `json:"password"`   // has one
	PublicKey   []byte     `json:"public_key"` // Ed25519, or nil
	DisabledAt  *time.Time `json:"disabled_at"`
	LockedUntil *time.Time `json:"locked_until"`
	CreatedAt   time.Time  `json:"created_at"`
}

// Actor is the official acting alone.
func (o Official) Actor() Actor { return Actor{Kind: "official", Official: o.ID} }

const selectOfficial = `
	SELECT id, name, role, secret_hash IS NOT NULL, public_key, disabled_at, CASE WHEN locked_until > jebi_now() THEN locked_until END, created_at
	  FROM official`

func scanOfficial(row pgx.CollectableRow) (Official, error) {
	var o Official
	err := row.Scan(&o.ID, &o.Name, &o.Role, &o.Password, &o.PublicKey, &o.DisabledAt, &o.LockedUntil, &o.CreatedAt)
	return o, err
}

// Officials lists all officials, those that are disabled too.
func (db *DB) Officials(ctx context.Context) ([]Official, error) {
	rows, err := db.pool.Query(ctx, selectOfficial+` ORDER BY id`)
	return many(rows, err, scanOfficial, "officials")
}

// OfficialByName finds an official by the login. The error wraps ErrNotFound.
func (db *DB) OfficialByName(ctx context.Context, name string) (Official, error) {
	rows, err := db.pool.Query(ctx, selectOfficial+` WHERE name = $1`, name)
	return one(rows, err, scanOfficial, "official "+name)
}

func (tx *Tx) official(ctx context.Context, id int) (Official, error) {
	rows, err := tx.tx.Query(ctx, selectOfficial+` WHERE id = $1 FOR UPDATE`, id)
	return one(rows, err, scanOfficial, fmt.Sprintf("official %d", id))
}

// NewOfficial is what AddOfficial takes: a login, a role, and a password's
// hash or an Ed25519 public key, or both.
type NewOfficial struct {
	Name       string
	Role       string
	SecretHash string
	PublicKey  []byte
}

// AddOfficial adds an official. An operator does it; the very first official
// of a database is an operator whom the system adds. Unless apply is set it
// only says whether it could be done.
func (db *DB) AddOfficial(ctx context.Context, n NewOfficial, by Actor, apply bool) (o Official, first bool, err error) {
	if !slices.Contains(roles, n.Role) {
		return o, false, refuse("there is no role %q; the roles are %v", n.Role, roles)
	}
	run := db.Try
	if apply {
		run = db.Tx
	}
	err = run(ctx, func(tx *Tx) error {
		// Two who both find nobody here would both be the first.
		if _, err := tx.tx.Exec(ctx, `LOCK TABLE official IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		var known int
		if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM official`).Scan(&known); err != nil {
			return err
		}
		first = known == 0
		switch {
		case first && n.Role != RoleOperator:
			return refuse("the first official is an operator, who then adds the others")
		case first:
			by = System
		default:
			if err := tx.needRole(ctx, by, RoleOperator); err != nil {
				return err
			}
		}
		err := tx.tx.QueryRow(ctx, `
			INSERT INTO official (name, role, secret_hash, public_key) VALUES ($1, $2, NULLIF($3, ''), $4) RETURNING id`,
			n.Name, n.Role, n.SecretHash, n.PublicKey).Scan(&o.ID)
		switch {
		case violated(err, "official_name_key"):
			return refuse("there is an official %s already", n.Name)
		case violated(err, "official_name_check"):
			return refuse("a login is 2 to 40 of a-z, 0-9, dot, - and _, and begins with a letter or digit")
		case violated(err, "official_key"):
			return refuse("this key belongs to another official: one key is one identity")
		case err != nil:
			return fmt.Errorf("add official: %w", err)
		}
		if o, err = tx.official(ctx, o.ID); err != nil {
			return err
		}
		return tx.Audit(ctx, AuditRow{
			Actor: by, Act: "official.add", Subject: fmt.Sprintf("official:%d", o.ID),
			After: map[string]any{"name": o.Name, "role": o.Role, "password": o.Password, "key": o.PublicKey != nil, "first": first},
		})
	})
	return o, first, err
}

// needRole refuses unless the actor is an official in one of the roles who may
// act now.
func (tx *Tx) needRole(ctx context.Context, by Actor, roles ...string) error {
	if by.Official == 0 {
		return refuse("this is for a signed-in official")
	}
	o, err := tx.official(ctx, by.Official)
	if err != nil {
		return err
	}
	if o.DisabledAt != nil || !slices.Contains(roles, o.Role) {
		return refuse("official %s is %s; this is for one who is %v", o.Name, o.Role, roles)
	}
	return nil
}

// DisableOfficial takes away an official's rights and ends her sessions; her
// name stays in the audit trail. The last operator stays. Unless apply is set
// it only says whether it could be done.
func (db *DB) DisableOfficial(ctx context.Context, name, reason string, by Actor, apply bool) error {
	run := db.Try
	if apply {
		run = db.Tx
	}
	return run(ctx, func(tx *Tx) error {
		if _, err := tx.tx.Exec(ctx, `LOCK TABLE official IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		if err := tx.needRole(ctx, by, RoleOperator); err != nil {
			return err
		}
		var id, operators int
		var disabled bool
		var role string
		err := tx.tx.QueryRow(ctx, `
			SELECT id, role, disabled_at IS NOT NULL, (SELECT count(*) FROM official WHERE role = 'operator' AND disabled_at IS NULL)
			  FROM official WHERE name = $1`, name).Scan(&id, &role, &disabled, &operators)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("official %s: %w", name, ErrNotFound)
		case err != nil:
			return fmt.Errorf("disable official: %w", err)
		case disabled:
			return refuse("official %s is disabled already", name)
		case role == RoleOperator && operators == 1:
			return refuse("%s is the last operator: add another one first", name)
		}
		if _, err := tx.tx.Exec(ctx, `UPDATE official SET disabled_at = jebi_now() WHERE id = $1`, id); err != nil {
			return fmt.Errorf("disable official: %w", err)
		}
		if err := tx.endOfficialSessions(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, AuditRow{Actor: by, Act: "official.disable", Subject: fmt.Sprintf("official:%d", id), Reason: reason})
	})
}

// SetPassword replaces an official's password and ends her sessions: her own,
// or, by an operator, another's.
func (db *DB) SetPassword(ctx context.Context, id int, hash string, by Actor) error {
	return db.Tx(ctx, func(tx *Tx) error {
		if by.Official != id {
			if err := tx.needRole(ctx, by, RoleOperator); err != nil {
				return err
			}
		}
		if _, err := tx.official(ctx, id); err != nil {
			return err
		}
		if _, err := tx.tx.Exec(ctx, `UPDATE official SET secret_hash = $2, failures = 0, locked_until = NULL WHERE id = $1`, id, hash); err != nil {
			return fmt.Errorf("password of official %d: %w", id, err)
		}
		if err := tx.endOfficialSessions(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, AuditRow{Actor: by, Act: "official.password", Subject: fmt.Sprintf("official:%d", id)})
	})
}

func (tx *Tx) endOfficialSessions(ctx context.Context, official int) error {
	_, err := tx.tx.Exec(ctx, `UPDATE official_session SET ended_at = jebi_now() WHERE official_id = $1 AND ended_at IS NULL`, official)
	if err != nil {
		return fmt.Errorf("sessions of official %d: %w", official, err)
	}
	return nil
}
