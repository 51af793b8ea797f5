package data

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"jebi/cohort"
)

// The people of a draw, each with her values and what the result as it stands, corrected or not, gave her; ballots that
// were left out are not of the draw; a person of several groups
// counts for the first, in the order of $3 and then by name. What a purge has
// deleted is "unknown".
const fairness = `
WITH fixed AS (
  SELECT DISTINCT ON (rank) rank, choice FROM corrected_ticket WHERE cohort_id = $1 ORDER BY rank, number DESC
), drawn AS (
  SELECT m.person_id, t.size, COALESCE(f.choice, t.choice) > 0 AS served,
         t.size = 1 AS single,
         t.size = 1 AND 2 * row_number() OVER (PARTITION BY t.size, t.weight ORDER BY t.rank)
                        <= count(*) OVER (PARTITION BY t.size, t.weight) AS lucky
    FROM ticket t JOIN ticket_member m ON m.cohort_id = t.cohort_id AND m.rank = t.rank LEFT JOIN fixed f ON f.rank = t.rank
   WHERE t.cohort_id = $1 AND NOT t.late
), valued AS (
  SELECT w.served, w.single, w.lucky,
         COALESCE(to_char(d.birth_date, 'YYYY'), 'unknown') AS birth_year,
         COALESCE(NULLIF(d.district, ''), 'unknown') AS district,
         CASE WHEN d.person_id IS NULL THEN 'unknown' ELSE
           COALESCE((SELECT g FROM unnest(d.groups) g ORDER BY array_position($3::text[], g) NULLS LAST, g LIMIT 1), 'none') END AS groups,
         COALESCE(d.language, 'unknown') AS language,
         COALESCE(b.channel, 'unknown') AS channel,
         COALESCE(to_char(b.saved_at AT TIME ZONE $2, 'YYYY-MM-DD HH24"h"'), 'unknown') AS hour
    FROM drawn w
    LEFT JOIN person_detail d ON d.person_id = w.person_id
    LEFT JOIN ballot b ON b.campaign_id = $4 AND b.person_id = w.person_id
)
SELECT CASE WHEN GROUPING(birth_year) = 0 THEN 0 WHEN GROUPING(district) = 0 THEN 1 WHEN GROUPING(groups) = 0 THEN 2
            WHEN GROUPING(language) = 0 THEN 3 WHEN GROUPING(channel) = 0 THEN 4 ELSE 5 END,
       COALESCE(birth_year, district, groups, language, channel, hour),
       count(*)::int, (count(*) FILTER (WHERE served))::int, (count(*) FILTER (WHERE single))::int, (count(*) FILTER (WHERE lucky))::int
  FROM valued
 GROUP BY GROUPING SETS ((birth_year), (district), (groups), (language), (channel), (hour))`

// Fairness counts the people of a published draw by birth year, district,
// group, language, channel and hour of their answer; hours are those of the
// zone (IANA). groups say which of several groups a person counts for. The
// counts are raw: cohort.NewFairness makes of them what may be shown.
func (db *DB) Fairness(ctx context.Context, c CohortRow, zone string, groups []string) ([]cohort.FairnessCounts, error) {
	cuts := []cohort.FairnessCounts{
		{By: "birth_year", Ordered: true},
		{By: "district"},
		{By: "group"},
		{By: "language"},
		{By: "channel"},
		{By: "hour", Ordered: true},
	}
	if groups == nil {
		groups = []string{}
	}
	err := db.ReadTx(ctx, func(tx *Tx) error {
		for i := range cuts {
			cuts[i].Counts = nil
		}
		rows, err := tx.tx.Query(ctx, fairness, c.ID, zone, groups, c.Campaign)
		if err != nil {
			return err
		}
		var cut int
		var n cohort.FairnessCount
		_, err = pgx.ForEachRow(rows, []any{&cut, &n.Value, &n.People, &n.Served, &n.Singles, &n.Lucky}, func() error {
			cuts[cut].Counts = append(cuts[cut].Counts, n)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fairness of cohort %d: %w", c.ID, err)
	}
	return cuts, nil
}
