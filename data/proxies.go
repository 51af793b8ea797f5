package data

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewProxy is somebody who says that she answers for the person of a session.
type NewProxy struct {
	Session   SessionRow
	Name      string
	Relation  string // "child", "spouse", "parent", "sibling", "relative", "carer" or "other"
	Phone     string // E.164
	PhoneHash [32]byte
	Language  string
	Address   [32]byte // keyed hash of the network address
	Handle    [32]byte // of her code
	CodeHash  [32]byte
	Lasts     time.Duration // of her code
	Most      int           // for how many people one proxy may answer
}

// TooManyProxied says that a proxy answers for as many people as she may.
type TooManyProxied struct{ Most int }

func (e *TooManyProxied) Error() string { return fmt.Sprintf("a proxy for %d people already", e.Most) }

// proxyCodes is how many codes one session may have sent to proxies' phones:
// they are not on the list, so they go out for somebody who is signed in only.
const proxyCodes = 3

// AskProxy notes who wants to answer for the session's person and queues the
// code that shows that the phone is hers. The caps are those of codes; beyond
// them a session gets three. It answers the proxy's id.
func (db *DB) AskProxy(ctx context.Context, n NewProxy, caps CodeCaps) (int64, error) {
	var id int64
	err := db.Tx(ctx, func(tx *Tx) error {
		if err := tx.lockPhone(ctx, n.PhoneHash); err != nil {
			return err
		}
		var phoneHour, phoneDay, addressHour, bySession int
		err := tx.tx.QueryRow(ctx, `
			SELECT (SELECT count(*) FROM sign_in WHERE phone_hash = $1 AND created_at > jebi_now() - interval '1 hour'),
			       (SELECT count(*) FROM sign_in WHERE phone_hash = $1 AND created_at > jebi_now() - interval '1 day'),
			       (SELECT count(*) FROM sign_in WHERE address_hash = $2 AND created_at > jebi_now() - interval '1 hour'),
			       (SELECT count(*) FROM sign_in s JOIN proxy x ON x.id = s.proxy_id WHERE x.person_id = $3 AND s.created_at >= $4)`,
			n.PhoneHash[:], n.Address[:], n.Session.Person, n.Session.CreatedAt).Scan(&phoneHour, &phoneDay, &addressHour, &bySession)
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		switch {
		case bySession >= proxyCodes, caps.PhoneHour > 0 && phoneHour >= caps.PhoneHour, caps.PhoneDay > 0 && phoneDay >= caps.PhoneDay:
			return &TooManyCodes{"phone"}
		case caps.AddressHour > 0 && addressHour >= caps.AddressHour:
			return &TooManyCodes{"address"}
		}
		if err := tx.mayProxy(ctx, n.Session.Campaign, n.Session.Person, n.PhoneHash, n.Most); err != nil {
			return err
		}
		err = tx.tx.QueryRow(ctx, `
			INSERT INTO proxy AS x (campaign_id, person_id, name, relation, phone, phone_hash, language)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (campaign_id, person_id, phone_hash) DO UPDATE
			   SET name = excluded.name, relation = excluded.relation, phone = excluded.phone, language = excluded.language
			RETURNING id`, n.Session.Campaign, n.Session.Person, n.Name, n.Relation, n.Phone, n.PhoneHash[:], n.Language).Scan(&id)
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		// An older code of the same proxy is over: the newest is the one that is compared.
		if _, err := tx.tx.Exec(ctx, `UPDATE sign_in SET used_at = jebi_now() WHERE proxy_id = $1 AND used_at IS NULL`, id); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		_, err = tx.tx.Exec(ctx, `
			WITH asked AS (
			  INSERT INTO sign_in (campaign_id, handle_hash, proxy_id, way, code_hash, phone_hash, address_hash, expires_at)
			  VALUES ($1, $2, $3, 'sms', $4, $5, $6, jebi_now() + $7::interval) RETURNING id
			)
			INSERT INTO message (campaign_id, recipient, event, channel, kind, params, urgent)
			SELECT $1, 'proxy:' || $3::bigint, 'code/' || id, 'sms', 'proxy_code', jsonb_build_object('sign_in', id), true FROM asked`,
			n.Session.Campaign, n.Handle[:], id, n.CodeHash[:], n.PhoneHash[:], n.Address[:], n.Lasts)
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		return nil
	})
	return id, err
}

// lockPhone holds others off who count or add what belongs to one phone.
func (tx *Tx) lockPhone(ctx context.Context, hash [32]byte) error {
	_, err := tx.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, $2)`, int32(lockPhone), int32(binary.BigEndian.Uint32(hash[:4])))
	if err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	return nil
}

// mayProxy answers *TooManyProxied where the phone's owner answers for as many
// others as she may. The phone is locked.
func (tx *Tx) mayProxy(ctx context.Context, campaign int, person int64, phone [32]byte, most int) error {
	var others int
	err := tx.tx.QueryRow(ctx, `
		SELECT count(*) FROM proxy WHERE campaign_id = $1 AND phone_hash = $2 AND person_id <> $3 AND verified_at IS NOT NULL AND ended_at IS NULL`,
		campaign, phone[:], person).Scan(&others)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if others >= most {
		return &TooManyProxied{most}
	}
	return nil
}

// UseProxyCode consumes one attempt of the code that was sent to a proxy and,
// if same finds it right, lets the session act as hers from now on and tells
// the person, all in one transaction. The errors are ErrCodeOver, *WrongCode, *TooManyProxied, or the
// database's.
func (db *DB) UseProxyCode(ctx context.Context, s SessionRow, proxy int64, most int, same func(handle, codeHash []byte) bool) error {
	var wrong error
	err := db.Tx(ctx, func(tx *Tx) error {
		wrong = nil
		var phone []byte
		err := tx.tx.QueryRow(ctx, `SELECT phone_hash FROM proxy WHERE id = $1 AND campaign_id = $2 AND person_id = $3`, proxy, s.Campaign, s.Person).Scan(&phone)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("proxy: %w", ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		if err := tx.lockPhone(ctx, [32]byte(phone)); err != nil {
			return err
		}
		var id int64
		var left int
		var handle, hash []byte
		err = tx.tx.QueryRow(ctx, `
			UPDATE sign_in SET attempts = attempts + 1
			 WHERE id = (SELECT max(id) FROM sign_in WHERE proxy_id = $1) AND attempts < 5 AND used_at IS NULL AND expires_at > jebi_now()
			RETURNING id, handle_hash, code_hash, 5 - attempts`, proxy).Scan(&id, &handle, &hash, &left)
		if errors.Is(err, pgx.ErrNoRows) {
			wrong = ErrCodeOver
			return nil
		}
		if err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
		if !same(handle, hash) {
			wrong = &WrongCode{left}
			return nil
		}
		if err := tx.mayProxy(ctx, s.Campaign, s.Person, [32]byte(phone), most); err != nil {
			return err
		}
		return tx.beginProxy(ctx, s, proxy, id)
	})
	if err == nil {
		err = wrong
	}
	return err
}

func (tx *Tx) beginProxy(ctx context.Context, s SessionRow, proxy, signIn int64) error {
	var relation string
	err := tx.tx.QueryRow(ctx, `
		WITH used AS (
		  UPDATE sign_in SET used_at = jebi_now() WHERE id = $1
		), acting AS (
		  UPDATE session SET proxy_id = $2 WHERE id = $3
		)
		UPDATE proxy x
		   SET phone = NULL, ended_at = NULL,
		       former = CASE WHEN x.ended_at IS NULL THEN x.former END, former_at = CASE WHEN x.ended_at IS NULL THEN x.former_at END,
		       verified_at = CASE WHEN x.ended_at IS NULL THEN COALESCE(x.verified_at, jebi_now()) ELSE jebi_now() END
		 WHERE id = $2 RETURNING relation`, signIn, proxy, s.ID).Scan(&relation)
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if err := tx.TellEach(ctx, Message{
		Campaign: s.Campaign, Event: fmt.Sprintf("proxy/%d/%d", proxy, s.ID), Kind: "proxy_begun", Params: map[string]any{"session": s.ID},
	}, []int64{s.Person}); err != nil {
		return err
	}
	return tx.Audit(ctx, AuditRow{
		Campaign: s.Campaign, Actor: Actor{Kind: "proxy"}, Act: "proxy.begin", Subject: subject("person", s.Person),
		After: map[string]any{"proxy": proxy, "session": s.ID, "relation": relation},
	})
}

// ProxyRow is somebody who answers for a person, as the person sees her.
type ProxyRow struct {
	ID       int64
	Name     string
	Relation string
	Since    time.Time
	Saved    bool   // the ballot as it stands is hers
	Former   []byte // the person's own ballot that she replaced; nil: none
}

// Proxies lists who answers for a person now; who replaced her own ballot last
// comes first.
func (db *DB) Proxies(ctx context.Context, campaign int, person int64) ([]ProxyRow, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT x.id, x.name, x.relation, x.verified_at,
		       EXISTS (SELECT FROM ballot b JOIN session s ON s.id = b.session_id WHERE b.campaign_id = x.campaign_id AND b.person_id = x.person_id AND b.channel = 'proxy' AND s.proxy_id = x.id),
		       x.former
		  FROM proxy x WHERE x.campaign_id = $1 AND x.person_id = $2 AND x.verified_at IS NOT NULL AND x.ended_at IS NULL ORDER BY x.former_at DESC NULLS LAST, x.verified_at, x.id`, campaign, person)
	return many(rows, err, pgx.RowToStructByPos[ProxyRow], fmt.Sprintf("proxies of person %d", person))
}

// ProxyAsked is the newest proxy of a session's person who waits for her code,
// asked for in this session. The error wraps ErrNotFound.
func (db *DB) ProxyAsked(ctx context.Context, s SessionRow) (id int64, name string, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT x.id, x.name FROM proxy x JOIN sign_in c ON c.proxy_id = x.id
		 WHERE x.campaign_id = $1 AND x.person_id = $2 AND x.phone IS NOT NULL AND c.created_at >= $3 ORDER BY c.id DESC LIMIT 1`,
		s.Campaign, s.Person, s.CreatedAt).Scan(&id, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, "", fmt.Errorf("proxy: %w", ErrNotFound)
	}
	if err != nil {
		return 0, "", fmt.Errorf("proxy: %w", err)
	}
	return id, name, nil
}

// EndProxies ends what others may do for a person, and their sessions, in one
// transaction with its audit row, and answers how many there were.
func (db *DB) EndProxies(ctx context.Context, s SessionRow) (int, error) {
	var n int
	err := db.Tx(ctx, func(tx *Tx) error {
		rows, err := tx.tx.Query(ctx, `
			WITH over AS (
			  UPDATE proxy SET ended_at = jebi_now() WHERE campaign_id = $1 AND person_id = $2 AND verified_at IS NOT NULL AND ended_at IS NULL RETURNING id
			), out AS (
			  UPDATE session SET ended_at = jebi_now() WHERE proxy_id IN (SELECT id FROM over) AND id <> $3 AND ended_at IS NULL
			)
			SELECT id FROM over ORDER BY id`, s.Campaign, s.Person, s.ID)
		ids, err := many(rows, err, pgx.RowTo[int64], fmt.Sprintf("proxies of person %d", s.Person))
		if err != nil {
			return err
		}
		if n = len(ids); n == 0 {
			return nil
		}
		return tx.Audit(ctx, AuditRow{
			Campaign: s.Campaign, Actor: Actor{Kind: "person"}, Act: "proxy.end", Subject: subject("person", s.Person),
			After: map[string]any{"proxies": ids, "session": s.ID},
		})
	})
	return n, err
}
