// Package notify sends the messages that the database holds as rows: it leases
// what is due, makes address and text of what stands there now, and hands them
// to an SMTP relay or an HTTP gateway.
//
// It refuses to decide that something is told (whoever changes the state
// writes the row, in the same transaction), to send at night what is not
// urgent, to send more text messages a day than the campaign file allows, and
// to write a name, an address or a code into a log, an error or the database.
// Neither SMTP nor a gateway can promise exactly once: where the line breaks
// before the answer, a message goes again with the same Message-ID or
// idempotency key, for the other side to know it by.
package notify
