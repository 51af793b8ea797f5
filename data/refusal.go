package data

import "fmt"

// Refusal says that the rules or the state forbid what was asked. Nothing was
// changed. Its text is for a person and tells what to do instead.
type Refusal struct {
	Text string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }
