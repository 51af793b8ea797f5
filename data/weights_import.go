package data

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// WeightRow is the weight that a person carries over, by her key.
type WeightRow struct {
	Key    string `json:"key"`
	Weight int    `json:"weight"`
}

// Weights lists the people of a campaign who carry more than 1, by key. It
// does so after a purge as well: keys and weights are no personal data that a
// purge deletes.
func (db *DB) Weights(ctx context.Context, campaign int) ([]WeightRow, error) {
	rows, err := db.pool.Query(ctx, `SELECT key, weight FROM person WHERE campaign_id = $1 AND weight > 1 ORDER BY key COLLATE "C"`, campaign)
	return many(rows, err, pgx.RowToStructByPos[WeightRow], fmt.Sprintf("weights of campaign %d", campaign))
}

// WeightColumns are those of a file of weights.
func WeightColumns() []Column {
	return []Column{{"key", true, []string{"id", "번호", "관리번호"}}, {"weight", true, []string{"가중치"}}}
}

// ImportWeights takes weights that people carry over from an earlier campaign,
// as its export gives them; a weight of 1 takes one back. People who are not on
// the list are counted and left out. A weight stands once the person's cohort
// is announced, and is no more than the campaign file allows: other rows are
// errors, and then nothing is imported.
func (db *DB) ImportWeights(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, apply bool) (ImportReport, error) {
	r := ImportReport{Kind: "weights"}
	err := db.importTx(ctx, campaign, apply, func(tx *Tx) error { return tx.importWeights(ctx, c, campaign, lines, actor, &r) })
	r.Applied = err == nil && apply
	return r, err
}

func (tx *Tx) importWeights(ctx context.Context, c *cohort.Campaign, campaign int, lines Lines, actor Actor, r *ImportReport) error {
	fail := func(err error) error { return fmt.Errorf("import weights: %w", withoutValues(err)) }
	if _, err := tx.tx.Exec(ctx, `
		DROP TABLE IF EXISTS pg_temp.stage; CREATE TEMP TABLE stage (row int, key text, weight int) ON COMMIT DROP`); err != nil {
		return fail(err)
	}
	err := tx.stage(ctx, "stage", []string{"row", "key", "weight"}, lines, r, WeightColumns(), func(f *fields) ([]any, bool) {
		key, code := readKey(f.must(0))
		f.check(0, code)
		text := f.must(1)
		weight, err := strconv.Atoi(digits(text))
		if text != "" && (err != nil || weight < 1 || weight > c.Rules.MaxWeight) {
			f.check(1, "weight")
		}
		return []any{f.line.Row, key, weight}, key != ""
	})
	if err != nil {
		return err
	}
	if err := tx.doubles(ctx, r, "stage", "key", "key"); err != nil {
		return fail(err)
	}
	rows, err := tx.tx.Query(ctx, `
		SELECT s.row, 0 FROM stage s JOIN person p ON p.campaign_id = $1 AND p.key = s.key JOIN cohort o ON o.id = p.cohort_id
		 WHERE o.state <> 'draft' AND p.weight <> s.weight ORDER BY s.row`, campaign)
	if err != nil {
		return fail(err)
	}
	if err := r.rowErrors(rows, "weight", "weight_stands"); err != nil {
		return fail(err)
	}
	if err := r.finish(); err != nil {
		return err
	}
	if err := tx.tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE p.id IS NULL), count(*) FILTER (WHERE p.weight <> s.weight), count(*) FILTER (WHERE p.weight = s.weight)
		  FROM stage s LEFT JOIN person p ON p.campaign_id = $1 AND p.key = s.key`, campaign).Scan(&r.Unknown, &r.Changed, &r.Same); err != nil {
		return fail(err)
	}
	if r.Changed == 0 {
		return nil
	}
	if _, err := tx.tx.Exec(ctx, `
		WITH changed AS (
		  UPDATE person p SET weight = s.weight FROM stage s, person old
		   WHERE p.campaign_id = $1 AND p.key = s.key AND old.id = p.id AND p.weight <> s.weight
		  RETURNING p.id, old.weight AS before, p.weight AS after
		)
		INSERT INTO audit (campaign_id, actor, official_id, act, subject, reason, before, after)
		SELECT $1, $2, NULLIF($3, 0), 'person.weight', 'person:' || id, 'carried over from an earlier campaign', jsonb_build_object('weight', before), jsonb_build_object('weight', after)
		  FROM changed ORDER BY id`, campaign, actor.Kind, actor.Official); err != nil {
		return fail(err)
	}
	return tx.auditImport(ctx, campaign, actor, r)
}
