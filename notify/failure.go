package notify

import (
	"errors"
	"fmt"
	"time"
)

// Failure is why an attempt failed. It holds codes only, never an address.
type Failure struct {
	Code  string        // "smtp 550", "http 503", "timeout", "no connection"
	Final bool          // trying again is useless
	Relay bool          // the relay or gateway is away or refuses us: no fault of this message
	After time.Duration // what the other side asked us to wait; 0: nothing
}

func (f *Failure) Error() string { return "message: " + f.Code }

// maxAttempts is how often a message is tried before it counts as undelivered.
const maxAttempts = 7

// relayPause is how long a message waits for a relay that is away.
const relayPause = 15 * time.Second

// backoff is how long a message waits after so many failed attempts. What is
// urgent is soon of no use: it waits less.
func backoff(attempts int, urgent bool) time.Duration {
	slow := [...]time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour}
	fast := [...]time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}
	i := min(max(attempts, 1), len(slow)) - 1
	if urgent {
		return fast[i]
	}
	return slow[i]
}

// asFailure gives the failure that err wraps, or makes one of it.
func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	// The text of another error may hold an address: only its type is kept.
	return &Failure{Code: fmt.Sprintf("%T", err)}
}
