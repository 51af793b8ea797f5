package data

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"jebi/cohort"
	"jebi/cohort/campaign"
)

// Application is what applying a campaign file does, or did.
type Application struct {
	Campaign CampaignRow       // as it stands afterwards
	Changes  []campaign.Change // against the version before; empty: the same file, nothing done
	People   int               // people who come into another cohort
	Slots    bool              // slots of draft cohorts are made anew
}

// errDry ends a transaction that was only to show what it would do.
var errDry = errors.New("dry run")

// ApplyCampaign is Tx.ApplyCampaign on its own; unless apply is set it leaves
// everything as it was.
func (db *DB) ApplyCampaign(ctx context.Context, c *cohort.Campaign, file []byte, by Actor, apply bool) (a Application, err error) {
	err = db.Tx(ctx, func(tx *Tx) error {
		if a, err = tx.ApplyCampaign(ctx, c, file, by); err == nil && !apply {
			return errDry
		}
		return err
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	return a, err
}

// ApplyCampaign makes a checked campaign file the version in force: its
// cohorts that are new or still drafts follow it, people and slots follow
// them. It answers *Refusal where the file changes what an announced cohort
// was promised.
func (tx *Tx) ApplyCampaign(ctx context.Context, c *cohort.Campaign, file []byte, by Actor) (Application, error) {
	var a Application
	id, err := tx.claimCampaign(ctx, c)
	if err != nil {
		return a, err
	}
	if err := tx.Lock(ctx, LockCampaign, id); err != nil {
		return a, err
	}
	old, before, err := tx.versionInForce(ctx, c.Key)
	if err != nil {
		return a, err
	}
	if old.Version > 0 && old.Hash == c.FileHash {
		a.Campaign = old
		return a, nil
	}
	a.Changes = campaign.Diff(before, c)
	rows, err := tx.Cohorts(ctx, id)
	if err != nil {
		return a, err
	}
	if err := tx.checkApplication(ctx, c, old, a.Changes, rows); err != nil {
		return a, err
	}
	if err := tx.writeVersion(ctx, id, old.Version+1, file, c.FileHash, by); err != nil {
		return a, err
	}
	if err := tx.writeCohorts(ctx, id, c, rows); err != nil {
		return a, err
	}
	if a.People, err = tx.placePeople(ctx, id, c); err != nil {
		return a, err
	}
	if a.Slots, err = tx.MakeSlots(ctx, c, id); err != nil {
		return a, err
	}
	if a.Campaign, err = tx.Campaign(ctx, c.Key); err != nil {
		return a, err
	}
	var from any
	if old.Version > 0 {
		from = versionAudit(old)
	}
	return a, tx.Audit(ctx, AuditRow{
		Campaign: id, Actor: by, Act: "campaign.apply", Subject: fmt.Sprintf("campaign:%d", id),
		Before: from, After: versionAudit(a.Campaign),
	})
}

func versionAudit(c CampaignRow) any {
	return map[string]any{"version": c.Version, "hash": hex.EncodeToString(c.Hash[:])}
}

// claimCampaign finds the campaign's id, or makes the row.
func (tx *Tx) claimCampaign(ctx context.Context, c *cohort.Campaign) (int, error) {
	var id int
	err := tx.tx.QueryRow(ctx, `
		WITH made AS (
			INSERT INTO campaign (key, version, sample) VALUES ($1, 1, $2) ON CONFLICT (key) DO NOTHING RETURNING id)
		SELECT id FROM made UNION ALL SELECT id FROM campaign WHERE key = $1 LIMIT 1`, c.Key, c.Sample).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("campaign %s: %w", c.Key, err)
	}
	return id, nil
}

// versionInForce gives the last applied version, or zeroes before the first.
func (tx *Tx) versionInForce(ctx context.Context, key string) (CampaignRow, *cohort.Campaign, error) {
	old, err := tx.Campaign(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return CampaignRow{}, nil, nil
	}
	if err != nil {
		return old, nil, err
	}
	c, problems := campaign.Parse(old.File)
	if c == nil {
		return old, nil, fmt.Errorf("campaign %s: its version %d cannot be read by this program: %s", key, old.Version, campaign.Errors(problems)[0])
	}
	return old, c, nil
}

func (tx *Tx) checkApplication(ctx context.Context, c *cohort.Campaign, old CampaignRow, changes []campaign.Change, rows []CohortRow) error {
	if !c.Sample {
		var movable bool
		if err := tx.tx.QueryRow(ctx, `SELECT to_regclass('jebi.clock_shift') IS NOT NULL`).Scan(&movable); err != nil {
			return err
		}
		if movable {
			return refuse("the clock of this database can be moved, so it holds samples only, and campaign %s is none", c.Key)
		}
	}
	states := map[string]cohort.State{}
	for _, r := range rows {
		states[r.Key] = r.State
	}
	if no := campaign.Forbidden(changes, states); len(no) > 0 {
		var lines []string
		for _, n := range no {
			lines = append(lines, "  "+n.String())
		}
		return refuse("version %d of campaign %s is announced; these changes would break what it promised:\n%s\nMake a new campaign, or a new cohort, for other rules; a window is changed by: jebi window",
			old.Version, c.Key, strings.Join(lines, "\n"))
	}
	if c.Sample {
		return nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	for _, x := range c.Cohorts {
		if s, ok := states[x.Key]; (!ok || s == cohort.Draft) && !x.Opens.After(now) {
			return refuse("the window of cohort %s would have opened already, on %s, and it must be announced before: choose a later time", x.Key, x.Opens.In(c.Location).Format("2006-01-02 15:04"))
		}
	}
	return nil
}

func (tx *Tx) writeVersion(ctx context.Context, id, version int, file []byte, hash [32]byte, by Actor) error {
	_, err := tx.tx.Exec(ctx, `
		INSERT INTO campaign_version (campaign_id, version, file, file_hash, official_id) VALUES ($1, $2, $3, $4, NULLIF($5, 0))`,
		id, version, string(file), hash[:], by.Official)
	if err != nil {
		return fmt.Errorf("campaign %d version %d: %w", id, version, err)
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE campaign SET version = $2 WHERE id = $1`, id, version); err != nil {
		return fmt.Errorf("campaign %d version %d: %w", id, version, err)
	}
	return nil
}

// writeCohorts makes the rows of new cohorts, changes those of drafts, drops
// drafts that the file has no more and numbers all in the file's order.
func (tx *Tx) writeCohorts(ctx context.Context, campaignID int, c *cohort.Campaign, rows []CohortRow) error {
	for _, r := range rows {
		if c.CohortByKey(r.Key) == nil {
			if err := tx.dropCohort(ctx, r); err != nil {
				return err
			}
		}
	}
	// Out of the way first: two rows with one number would be refused.
	if _, err := tx.tx.Exec(ctx, `UPDATE cohort SET ordinal = -1 - ordinal WHERE campaign_id = $1`, campaignID); err != nil {
		return fmt.Errorf("cohorts of campaign %d: %w", campaignID, err)
	}
	for i, x := range c.Cohorts {
		_, err := tx.tx.Exec(ctx, `
			INSERT INTO cohort AS c (campaign_id, key, ordinal, opens_at, closes_at, draw_at, publish_at, confirm_by, settle_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (campaign_id, key) DO UPDATE SET ordinal = EXCLUDED.ordinal,
			  opens_at   = CASE c.state WHEN 'draft' THEN EXCLUDED.opens_at   ELSE c.opens_at END,
			  closes_at  = CASE c.state WHEN 'draft' THEN EXCLUDED.closes_at  ELSE c.closes_at END,
			  draw_at    = CASE c.state WHEN 'draft' THEN EXCLUDED.draw_at    ELSE c.draw_at END,
			  publish_at = CASE c.state WHEN 'draft' THEN EXCLUDED.publish_at ELSE c.publish_at END,
			  confirm_by = CASE c.state WHEN 'draft' THEN EXCLUDED.confirm_by ELSE c.confirm_by END,
			  settle_at  = CASE c.state WHEN 'draft' THEN EXCLUDED.settle_at  ELSE c.settle_at END`,
			campaignID, x.Key, i, x.Opens, x.Closes, x.DrawAt, x.PublishAt, x.ConfirmBy, x.SettleAt)
		if err != nil {
			return fmt.Errorf("cohort %s: %w", x.Key, err)
		}
	}
	return nil
}

// dropCohort deletes a draft, its slots, and its hold on people.
func (tx *Tx) dropCohort(ctx context.Context, r CohortRow) error {
	for _, sql := range []string{
		`UPDATE person SET cohort_id = NULL WHERE cohort_id = $1`,
		`DELETE FROM slot WHERE cohort_id = $1`,
		`DELETE FROM cohort WHERE id = $1`,
	} {
		if _, err := tx.tx.Exec(ctx, sql, r.ID); err != nil {
			return fmt.Errorf("drop cohort %s: %w", r.Key, err)
		}
	}
	return nil
}

// placePeople brings people who are in no cohort or in a draft into the first
// cohort that admits them, and answers how many that moves. Nobody enters or
// leaves an announced cohort by a campaign file.
func (tx *Tx) placePeople(ctx context.Context, campaignID int, c *cohort.Campaign) (int, error) {
	type rule struct {
		Key     string   `json:"key"`
		Place   int      `json:"place"`
		From    int      `json:"birth_from"`
		To      int      `json:"birth_to"`
		Regions []string `json:"regions"`
		Groups  []string `json:"groups"`
	}
	rules := make([]rule, len(c.Cohorts))
	for i, x := range c.Cohorts {
		rules[i] = rule{x.Key, i, x.BirthFrom, x.BirthTo, append([]string{}, x.Regions...), append([]string{}, x.Groups...)}
	}
	body, err := json.Marshal(rules)
	if err != nil {
		return 0, err
	}
	tag, err := tx.tx.Exec(ctx, `
		WITH rule AS (
			SELECT c.id, c.state, r.* FROM jsonb_to_recordset($2::jsonb)
			    AS r (key text, place int, birth_from int, birth_to int, regions text[], groups text[])
			  JOIN cohort c ON c.campaign_id = $1 AND c.key = r.key),
		placed AS (
			SELECT p.id, f.id AS cohort_id, f.state
			  FROM person p JOIN person_detail d ON d.person_id = p.id
			  LEFT JOIN cohort now ON now.id = p.cohort_id
			  LEFT JOIN LATERAL (
			    SELECT r.id, r.state FROM rule r
			     WHERE extract(year FROM d.birth_date) BETWEEN r.birth_from AND r.birth_to
			       AND (cardinality(r.regions) = 0 OR d.district = ANY (r.regions))
			       AND (cardinality(r.groups) = 0 OR d.groups && r.groups)
			     ORDER BY r.place LIMIT 1) f ON true
			 WHERE p.campaign_id = $1 AND (now.id IS NULL OR now.state = 'draft'))
		UPDATE person p SET cohort_id = x.cohort_id FROM placed x
		 WHERE p.id = x.id AND p.cohort_id IS DISTINCT FROM x.cohort_id AND (x.cohort_id IS NULL OR x.state = 'draft')`,
		campaignID, body)
	if err != nil {
		return 0, fmt.Errorf("people of campaign %d: %w", campaignID, err)
	}
	return int(tag.RowsAffected()), nil
}
