package data

import (
	"math"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"jebi/cohort"
)

// The readers of cells answer the value and the code of what is wrong, or "".

// HomeRegion is the country of phone numbers that are written without one.
const HomeRegion = "KR"

// ImportText says in words what the code of an ImportError means.
func ImportText(code string) string {
	switch code {
	case "empty":
		return "the file holds no rows"
	case "not_utf8":
		return "not UTF-8; in Excel save it as \"CSV UTF-8\" or as .xlsx"
	case "quote":
		return "a quotation mark stands where none can, or one is missing"
	case "too_long":
		return "longer than allowed"
	case "damaged":
		return "the file is damaged or not what its name says"
	case "too_big":
		return "the file unpacks to far more than it should"
	case "encrypted":
		return "the file is protected by a password; save it without one"
	case "no_sheet":
		return "the workbook has no such sheet"
	case "formula":
		return "a formula; paste it as a value"
	case "excel_error":
		return "an error of Excel (such as #N/A)"
	case "unknown_column":
		return "no column of this kind of file; see jebi help for the columns"
	case "column_twice":
		return "the column stands twice in the header"
	case "missing_column":
		return "the header lacks this column"
	case "extra_cell":
		return "a value outside the columns of the header"
	case "empty_cell":
		return "empty, and needed"
	case "control":
		return "a control or invisible character"
	case "key":
		return "a key is 1 to 40 letters, digits, dots, dashes or underscores"
	case "twice":
		return "the same key as an earlier row"
	case "date":
		return "no date; write 2021-07-26"
	case "date_range":
		return "a date that cannot be"
	case "block":
		return "no time of day; write 0900"
	case "block_outside":
		return "in none of the campaign's day parts"
	case "phone":
		return "no phone number"
	case "email":
		return "no e-mail address"
	case "number":
		return "no number"
	case "position":
		return "latitude and longitude must both be there, in degrees"
	case "groups":
		return "a group is 1 to 40 small letters, digits or dashes; several are separated by semicolons"
	case "language":
		return "not one of the campaign's languages"
	case "district":
		return "not one of the campaign's districts"
	case "kind":
		return "clinic, hospital or centre"
	case "vaccine":
		return "a vaccine is 1 to 20 letters, digits, dots, dashes or underscores"
	case "seats":
		return "a whole number from 0 to 10000"
	case "weight":
		return "a whole number from 1 to the campaign file's rules.max_weight"
	case "weight_stands":
		return "belongs to a window that is announced: its weights stand"
	case "unknown_clinic":
		return "no clinic has this key; import the clinics first"
	case "announced":
		return "belongs to a window that is announced; use jebi clinics add or close"
	case "by_hand":
		return "was changed by jebi clinics add or close since the last import"
	}
	return code
}

// cleanText brings text into NFC without blanks around it. It refuses control
// characters and such as turn the direction of writing or show nothing.
func cleanText(s string) (string, string) {
	plain := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' || s[i] == 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return strings.Trim(s, " "), ""
	}
	if !utf8.ValidString(s) {
		return "", "not_utf8"
	}
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' })
	for _, r := range s {
		switch {
		case r == '\u200c' || r == '\u200d': // joiners belong to some scripts
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), r == utf8.RuneError, r == '\u2028', r == '\u2029':
			return "", "control"
		}
	}
	return norm.NFC.String(s), ""
}

// digits brings digits and signs of any width into ASCII.
func digits(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.TrimSpace(norm.NFKC.String(s))
		}
	}
	return s
}

var (
	keyForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	groupForm = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	wordForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,20}$`)
	dateForm  = regexp.MustCompile(`^(\d{4})(?:(\d\d)(\d\d)|\s*(?:[-./]|년)\s*(\d{1,2})\s*(?:[-./]|월)\s*(\d{1,2})\s*[.일]?)$`)
	blockForm = regexp.MustCompile(`^(\d{1,2}):(\d\d)(?::00)?$`)
)

func readKey(s string) (string, string) {
	if s = digits(s); s != "" && !keyForm.MatchString(s) {
		return "", "key"
	}
	return s, ""
}

// readDate takes 2021-07-26, 20210726, 2021. 7. 26., 2021/7/26, 2021년 7월 26일
// and, in a spreadsheet, its count of days. Years of two digits are refused.
func readDate(s string, system DateSystem, from, to time.Time) (time.Time, string) {
	s = digits(s)
	if s == "" {
		return time.Time{}, ""
	}
	var t time.Time
	if m := dateForm.FindStringSubmatch(s); m != nil {
		y, _ := strconv.Atoi(m[1])
		mo, _ := strconv.Atoi(m[2] + m[4])
		d, _ := strconv.Atoi(m[3] + m[5])
		t = time.Date(y, time.Month(mo), d, 0, 0, 0, 0, time.UTC)
		if t.Year() != y || int(t.Month()) != mo || t.Day() != d {
			return time.Time{}, "date"
		}
	} else if n, err := strconv.Atoi(strings.TrimSuffix(s, ".0")); err == nil && system != TextDates && len(s) <= 7 {
		t = fromSerial(n, system)
	} else {
		return time.Time{}, "date"
	}
	if t.Before(from) || t.After(to) {
		return time.Time{}, "date_range"
	}
	return t, ""
}

// fromSerial turns Excel's count of days into a date. In the system of 1900
// Excel counts a 29 February 1900 that never was.
func fromSerial(n int, system DateSystem) time.Time {
	if system == Days1904 {
		return time.Date(1904, 1, 1+n, 0, 0, 0, 0, time.UTC)
	}
	if n < 60 {
		n++
	}
	return time.Date(1899, 12, 30+n, 0, 0, 0, 0, time.UTC)
}

// readBlock takes 0900, 900, 09:00 and, in a spreadsheet, a fraction of a day.
func readBlock(s string, system DateSystem) (string, string) {
	s = digits(s)
	if s == "" {
		return "", ""
	}
	minutes := -1
	if m := blockForm.FindStringSubmatch(s); m != nil {
		h, _ := strconv.Atoi(m[1])
		mi, _ := strconv.Atoi(m[2])
		minutes = h*60 + mi
		if mi > 59 {
			minutes = -1
		}
	} else if n, err := strconv.Atoi(s); err == nil && (len(s) == 3 || len(s) == 4) && n >= 0 && n%100 < 60 {
		minutes = n/100*60 + n%100
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && system != TextDates && f >= 0 && f < 1 {
		minutes = int(math.Round(f * 24 * 60))
	}
	if minutes < 0 || minutes >= 24*60 {
		return "", "block"
	}
	return time.Date(2000, 1, 1, 0, minutes, 0, 0, time.UTC).Format("1504"), ""
}

// readPhone gives the number in the form of E.164. Mobile numbers at home are
// taken by their shape: the library knows which ranges were given out when it
// was made, and a person with a newer number must not be refused.
func readPhone(s string) (*string, string) {
	s = digits(s)
	if s == "" {
		return nil, ""
	}
	if e := homeMobile(s); e != "" {
		return &e, ""
	}
	if len(s) > 40 || strings.Trim(s, "0123456789 +-.()/") != "" { // the library would drop letters
		return nil, "phone"
	}
	n, err := phonenumbers.Parse(s, HomeRegion)
	if err != nil || !phonenumbers.IsValidNumber(n) || n.GetExtension() != "" {
		return nil, "phone"
	}
	e := phonenumbers.Format(n, phonenumbers.E164)
	return &e, ""
}

// homeMobile gives a Korean mobile number, 010 and eight digits, however it is
// grouped and with or without the country, or "".
func homeMobile(s string) string {
	var d [16]byte
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if n == len(d) {
				return ""
			}
			d[n] = c
			n++
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '+' && i == 0:
		default:
			return ""
		}
	}
	t := string(d[:n])
	if s[0] == '+' {
		rest, ok := strings.CutPrefix(t, "82")
		if !ok {
			return ""
		}
		t = rest
	}
	t = strings.TrimPrefix(t, "0") // a spreadsheet drops it
	if len(t) != 10 || t[:2] != "10" {
		return ""
	}
	return "+82" + t
}

func readEmail(s string) (*string, string) {
	if s == "" {
		return nil, ""
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > 254 || !strings.Contains(s[strings.LastIndexByte(s, '@'):], ".") {
		return nil, "email"
	}
	return &s, ""
}

// readPosition reads latitude and longitude, both or neither.
func readPosition(lat, lon string) (*float64, *float64, string) {
	if lat == "" && lon == "" {
		return nil, nil, ""
	}
	y, err := strconv.ParseFloat(digits(lat), 64)
	if err != nil || !(math.Abs(y) <= 90) {
		return nil, nil, "position"
	}
	x, err := strconv.ParseFloat(digits(lon), 64)
	if err != nil || !(math.Abs(x) <= 180) {
		return nil, nil, "position"
	}
	return &y, &x, ""
}

// readGroups takes groups separated by semicolons, commas, bars or blanks.
func readGroups(s string) ([]string, string) {
	gs := strings.FieldsFunc(digits(s), func(r rune) bool { return strings.ContainsRune(";,| ", r) })
	for _, g := range gs {
		if !groupForm.MatchString(g) {
			return nil, "groups"
		}
	}
	slices.Sort(gs)
	gs = slices.Compact(gs)
	if gs == nil {
		gs = []string{}
	}
	return gs, ""
}

// readDistrict gives a district's code; names of the campaign's districts are
// understood too.
func readDistrict(s string, c *cohort.Campaign) (string, string) {
	s = digits(s)
	if s == "" || len(c.Districts) == 0 && len(s) <= 40 {
		return s, ""
	}
	for _, d := range c.Districts {
		if d.Code == s {
			return s, ""
		}
	}
	for _, d := range c.Districts {
		for _, name := range d.Name {
			if name == s {
				return d.Code, ""
			}
		}
	}
	return "", "district"
}

func readSeats(s string) (int, string) {
	n, err := strconv.Atoi(digits(s))
	if err != nil || n < 0 || n > 10000 {
		return 0, "seats"
	}
	return n, ""
}
