package main

import (
	"fmt"

	"jebi/cohort/cycle"
)

// What an official should know of an act before it is done: it cannot be taken
// back.

func revealed(trustee int, matched bool) effect {
	v := struct {
		Matched bool `json:"matched"`
	}{matched}
	if matched {
		return effect{v, fmt.Sprintf("trustee %d's value is the one that she committed to, and is recorded.", trustee)}
	}
	return effect{v, fmt.Sprintf("this is NOT the value that trustee %d committed to: it is put on record as what her envelope held, and she counts as absent. Look for a slip of typing first.", trustee)}
}

func corrected(e cycle.CorrectionEntry) effect {
	words := fmt.Sprintf("correction %d gives %d tickets something else.", e.Number, e.Tickets)
	if n := e.Seated + e.First + e.Kept; n > 0 {
		words += fmt.Sprintf(" %d of them are given a place now, %d are first in line for the next, %d keep a place that the corrected result does not give. All of these are told.", e.Seated, e.First, e.Kept)
	} else {
		words += " Nobody who was told of a place loses it."
	}
	return effect{e, words}
}

func leftOut(e cycle.LeftOutEntry) effect {
	served := map[string]string{
		"reserve": "she is given a seat of the reserve",
		"free":    "she is given a free seat",
		"first":   "her rank was below a cut-off and no seat is there now: she is first in line for the next",
		"waits":   "her rank was below no cut-off: she waits in line at that rank",
	}[e.Served]
	return effect{e, fmt.Sprintf("pid %s, number %d in the log of saves, gets rank %d beside the draw's %d tickets; %s. She is told.", e.PID, e.SaveIndex, e.Rank, e.Tickets, served)}
}
