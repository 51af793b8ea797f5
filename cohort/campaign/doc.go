// Package campaign is the campaign file: one TOML text that states a whole
// campaign. It reads the file strictly, names everything wrong in it by line
// and column, compiles it to a cohort.Campaign, tells two versions apart and
// says which of the differences an announced cohort forbids.
//
// It refuses what the file must not hold: unknown keys, secrets, times with
// an offset of their own, cron expressions with a zone of their own. It opens
// no file, asks no clock and knows no database.
package campaign
