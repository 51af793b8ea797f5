package cohort

import (
	"fmt"
	"strconv"
	"strings"
)

// BundleName is the public name of a draw's result: the draw_id, and behind it
// the number of a correction; 0 is the result as it was drawn.
func BundleName(drawID string, correction int) string {
	if correction == 0 {
		return drawID
	}
	return fmt.Sprintf("%s%s%d", drawID, correctionSuffix, correction)
}

const correctionSuffix = "-correction-"

// ParseBundleName takes the public name of a result apart. A name that is no
// correction's is a draw_id.
func ParseBundleName(name string) (drawID string, correction int) {
	if at := strings.LastIndex(name, correctionSuffix); at > 0 {
		if n, err := strconv.ParseUint(name[at+len(correctionSuffix):], 10, 15); err == nil && n > 0 && BundleName(name[:at], int(n)) == name {
			return name[:at], int(n)
		}
	}
	return name, 0
}
