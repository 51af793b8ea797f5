// Package cycle carries a cohort through its course: it asks what is due now
// and does it, from the opening of the window to the end of the waitlist, and
// it holds the use cases of the draw that officials carry out: announce,
// envelopes, dice, reveals, void.
//
// A Runner is level-triggered. Cron's runner only wakes it; what is due comes
// from the database's facts and time through cohort.Step, one transaction a
// step. A tick that is missed, late, doubled or run by two programs at once
// changes nothing in the end.
//
// It refuses to decide: what is due is in cohort, who gets what in lottery,
// what may not be in the schema. It knows no clock but the database's, no
// randomness but what it is given, and it never opens a window on a database
// that might lose what it acknowledged.
package cycle
