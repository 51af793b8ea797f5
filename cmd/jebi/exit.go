package main

import (
	"context"
	"errors"

	"jebi/cohort/cycle"
	"jebi/data"
)

// The exit codes, and the only place that chooses them.
const (
	exitDone    = 0 // done, or shown
	exitFailed  = 1 // something went wrong, or what was verified does not hold
	exitUsage   = 2 // the call's words or its input are wrong, or not yet supported
	exitRefused = 3 // understood, and refused by the rules or the state
	exitNobody  = 4 // not signed in, or not with the role that this needs
	exitNoData  = 5 // the database cannot be reached or prepared
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

func usage(err error) error   { return failure{exitUsage, err} }
func refused(err error) error { return failure{exitRefused, err} }
func nobody(err error) error  { return failure{exitNobody, err} }
func noData(err error) error  { return failure{exitNoData, err} }

func exitCode(err error) int {
	var f failure
	var no *data.Refusal
	var late *data.WrongState
	var later *cycle.NotYet
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &no), errors.As(err, &late):
		return exitRefused
	case errors.Is(err, data.ErrSignIn), errors.Is(err, data.ErrSignInLocked):
		return exitNobody
	case errors.Is(err, data.ErrNotFound), errors.As(err, &later):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitFailed
	}
	return exitFailed
}
