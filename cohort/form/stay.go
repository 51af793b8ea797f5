package form

import (
	"net/http"
	"strconv"
	"time"
)

// stay keeps a session alive for who reads or writes slowly, as every request
// does, and says how long it lasts now: static/session.js asks for it when its
// warning is answered. Without JavaScript, any link does the same.
func (f *Form) stay(v *visit) error {
	left := v.session.ExpiresAt.Sub(v.session.Now)
	v.w.Header().Set("Jebi-Ends-In", strconv.Itoa(max(0, int(left/time.Second))))
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}
