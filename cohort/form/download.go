package form

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// downloadLimit is how long the download of a bundle may take; pages have the
// server's own limit.
const downloadLimit = 10 * time.Minute

// unhurried lifts the server's limit on writing for a download: the deadline
// is the network's, not any rule's.
func (f *Form) unhurried(v *visit) {
	if f.Now != nil {
		// Not every writer has deadlines (a test's has none): then there is no limit to lift.
		_ = http.NewResponseController(v.w).SetWriteDeadline(f.Now().Add(downloadLimit))
	}
}

func copyTo(w io.Writer, r io.Reader) error {
	if _, err := io.Copy(w, r); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	return nil
}
