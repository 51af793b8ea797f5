// Package workbook is Excel, out and in: one workbook a clinic with the people
// who come there, letters for a mail merge, and .xlsx files read row by row for
// imports. It is the only place of the library that knows the format.
//
// It refuses to write or read a formula: a text stays a text whatever it begins
// with, and a cell with a formula is a flaw of its file. It knows no database
// and decides nothing about what it writes.
package workbook
