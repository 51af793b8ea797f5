// Package rehearse runs a whole campaign on the code that production uses,
// with synthetic citizens in place of real ones: the sample campaign, the
// people who are made for it, how they choose, the receivers that their
// messages reach, and the course from the campaign file to the workbooks.
//
// It refuses any database that holds a campaign which is no sample and any
// clock that cannot be moved, sends nothing to an address outside this
// machine, and takes no shortcut past the use cases: what it saves goes
// through intake or the web form, what it decides through cycle.
package rehearse
