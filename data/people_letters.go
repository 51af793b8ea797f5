package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// LetterFilter says who gets a letter with a sign-in code.
type LetterFilter struct {
	Cohort string // key; "": everyone in a cohort
	Person string // key; "": all
	Again  bool   // also who has had one: her old code is void
}

// LetterRow is a person to write to.
type LetterRow struct {
	Person   int64
	Key      string
	Name     string
	Address  string
	Language string
	Cohort   int // id
}

// letterPage is how many people a page of letters has.
const letterPage = 2000

// IssueLetters gives every eligible person of the filter to letter, in
// the order in which they came onto the list, which makes her code and answers what is stored of it
// (cohort.EntryHandle, by which it is found, and cohort.LetterHash). A code that she had before is void.
// People without an address get no letter unless asked for by key. It answers
// how many there were. The codes exist nowhere but in what letter writes: a
// letter that is lost is made again.
func (tx *Tx) IssueLetters(ctx context.Context, campaign int, filter LetterFilter, letter func(LetterRow) (handle, hash [32]byte, err error), reason string, by Actor) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("letters of campaign %d: %w", campaign, err) }
	if err := tx.Lock(ctx, LockImport, campaign); err != nil {
		return 0, err
	}
	n, last := 0, int64(0)
	for {
		rows, err := tx.tx.Query(ctx, `
			SELECT p.id, p.key, d.name, d.address, d.language, c.id
			  FROM person p JOIN person_detail d ON d.person_id = p.id JOIN cohort c ON c.id = p.cohort_id
			 WHERE p.campaign_id = $1 AND p.status = 'eligible' AND p.id > $2 AND ($3 = '' OR c.key = $3)
			   AND CASE WHEN $4 = '' THEN d.address <> '' ELSE p.key = $4 END AND ($5 OR d.letter_hash IS NULL)
			 ORDER BY p.id LIMIT $6`, campaign, last, filter.Cohort, filter.Person, filter.Again, letterPage)
		page, err := many(rows, err, pgx.RowToStructByPos[LetterRow], fmt.Sprintf("letters of campaign %d", campaign))
		if err != nil {
			return 0, err
		}
		if len(page) == 0 {
			break
		}
		ids, handles, hashes := make([]int64, len(page)), make([][]byte, len(page)), make([][]byte, len(page))
		for i, p := range page {
			handle, hash, err := letter(p)
			if err != nil {
				return 0, err
			}
			ids[i], handles[i], hashes[i] = p.Person, handle[:], hash[:]
		}
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{`UPDATE person_detail d SET letter_hash = x.hash FROM unnest($1::bigint[], $2::bytea[]) AS x (id, hash) WHERE d.person_id = x.id`, []any{ids, hashes}},
			{`UPDATE sign_in SET used_at = jebi_now() WHERE person_id = ANY ($1) AND way = 'letter' AND used_at IS NULL`, []any{ids}},
			{`
			INSERT INTO sign_in (campaign_id, handle_hash, person_id, way, code_hash, expires_at)
			SELECT $1, x.handle, x.id, 'letter', x.hash, c.settle_at
			  FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS x (id, handle, hash) JOIN person p ON p.id = x.id JOIN cohort c ON c.id = p.cohort_id
			 ORDER BY x.id`, []any{campaign, ids, handles, hashes}},
		} {
			if _, err := tx.tx.Exec(ctx, q.sql, q.args...); err != nil {
				return fail(err)
			}
		}
		n, last = n+len(page), page[len(page)-1].Person
	}
	if n == 0 {
		return 0, nil
	}
	about := subject("campaign", campaign)
	if filter.Person != "" {
		p, err := tx.PersonByKey(ctx, campaign, filter.Person)
		if err != nil {
			return 0, err
		}
		about = subject("person", p.ID)
	}
	return n, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "letters.issue", Subject: about, Reason: reason,
		After: map[string]any{"letters": n, "cohort": filter.Cohort, "again": filter.Again},
	})
}
