package form

import "testing"

// A telephone number can be called from the page, and is text whatever stands
// in it.
func TestTel(t *testing.T) {
	for number, want := range map[string]string{
		"1339":             `<a href="tel:1339">1339</a>`,
		"02-120":           `<a href="tel:02120">02-120</a>`,
		"+82 2 120":        `<a href="tel:+822120">+82 2 120</a>`,
		"":                 ``,
		"none":             `none`,
		"1339, 02-120":     `1339, 02-120`,
		"02-123-4567~9":    `02-123-4567~9`,
		`"><b onclick=1>2`: `&#34;&gt;&lt;b onclick=1&gt;2`,
	} {
		if got := string(tel(number)); got != want {
			t.Errorf("%q: %s, want %s", number, got, want)
		}
	}
}
