// Package data is PostgreSQL: every SQL statement of jebi, the migrations, and
// the rows of audit, board and messages that belong into the transaction of
// what they tell about.
//
// It decides nothing: rules are in cohort and lottery, and the schema refuses
// what they forbid. It shows no pgx type to the packages above, and lets no
// personal value into an error.
package data
