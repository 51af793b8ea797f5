// Package cohort is the campaign as rules: who is eligible and when, what a
// ballot may say, which states a cohort passes through and what is due at a
// given moment.
//
// It refuses every effect: no clock, no database, no randomness, no network.
// Callers bring the time (the database's) and the facts, and carry out what
// the rules answer.
package cohort
