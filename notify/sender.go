package notify

import "context"

// Letter is a message with its text and its address.
type Letter struct {
	Key     string // UUID, the same on every attempt
	To      string // e-mail address or phone in E.164
	Subject string // e-mail only
	Body    string
	Bulk    bool // told to many
}

// Sender opens lines to a relay or a gateway.
type Sender interface {
	// Line gives a line of its own to one worker. It connects when it is used.
	Line() Line
}

// Line sends letters one after another. An error is a *Failure.
type Line interface {
	Send(ctx context.Context, l Letter) error
	Close()
}
