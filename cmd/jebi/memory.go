package main

import "runtime/debug"

// collectLess lets the garbage be collected less often than Go does by itself: a
// server holds little that lives long, next to what a machine has, and makes
// much that does not. GOGC in the environment goes before.
func (a *app) collectLess() {
	const percent = 400
	if a.env("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
