package form

import (
	"strings"
	"time"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"

	"jebi/data"
)

// plainName is a name as two spellings of it are compared: without blanks and
// points, in small letters, in one form of Unicode.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune(".,-'·", r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
}

// personName tidies a name that others will read, in messages too: one line, and
// no point that could make an address of it.
func personName(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, ".", ". ")), " ")
}

// isName says whether a text can be somebody's name: letters, and what stands
// between them. Nothing that turns the line round or leads elsewhere is among
// that.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(" .'’-·", r)
	})
}

// birthDate reads eight digits, year, month, day, however they are parted:
// "19640517", "1964-05-17", "1964. 5. 17." It gives "1964-05-17", or "".
func birthDate(typed string) string {
	s := norm.NFKC.String(typed)
	parts := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsDigit(r) })
	if len(parts) == 3 {
		for i := range parts {
			if len(parts[i]) == 1 {
				parts[i] = "0" + parts[i]
			}
		}
	}
	digits := strings.Join(parts, "")
	t, err := time.Parse("20060102", digits)
	if err != nil || t.Year() < 1890 {
		return ""
	}
	return t.Format("2006-01-02")
}

// phone reads a phone number as people write it and gives it in the form of
// E.164, or "".
func phone(typed string) string {
	s := strings.TrimSpace(norm.NFKC.String(typed))
	if s == "" || len(s) > 40 {
		return ""
	}
	n, err := phonenumbers.Parse(s, data.HomeRegion)
	if err != nil || !phonenumbers.IsValidNumber(n) || n.GetExtension() != "" {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// codeDigits are the digits of a typed code.
func codeDigits(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, norm.NFKC.String(typed))
}

// field gives a form's value, cut to a length that no honest answer has.
func (v *visit) field(name string, most int) string {
	s := strings.ToValidUTF8(v.PostForm.Get(name), "")
	s = strings.ReplaceAll(s, "\x00", "")
	if r := []rune(s); len(r) > most {
		s = string(r[:most])
	}
	return strings.TrimSpace(norm.NFC.String(s))
}
