package form

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	xlang "golang.org/x/text/language"
)

const languageCookie = "lang"

// spoken picks the language of a page: what was chosen, the person's own, what
// the browser asks for, the campaign's first.
func (f *Form) spoken(v *visit, offered []string, own string) string {
	if offered == nil {
		offered = f.Words.Languages()
	}
	var able []string
	for _, l := range offered {
		if f.Words.Speaks(l) {
			able = append(able, l)
		}
	}
	if len(able) == 0 {
		able = []string{"en"}
	}
	if c, err := v.Cookie(languageCookie); err == nil && slices.Contains(able, c.Value) {
		return c.Value
	}
	if slices.Contains(able, own) {
		return own
	}
	header := v.Header.Get("Accept-Language")
	if header == "" || len(header) > 200 {
		return able[0]
	}
	tags := make([]xlang.Tag, len(able))
	for i, l := range able {
		tags[i] = xlang.Make(l)
	}
	wanted, _, err := xlang.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return able[0]
	}
	_, i, confidence := xlang.NewMatcher(tags).Match(wanted...)
	if confidence == xlang.No {
		return able[0]
	}
	return able[i]
}

// language notes the choice of a language and goes back to the page.
func (f *Form) language(v *visit) error {
	to := v.URL.Query().Get("to")
	if !slices.Contains(v.campaign.Languages, to) || !f.Words.Speaks(to) {
		return errNoPage
	}
	http.SetCookie(v.w, &http.Cookie{
		Name: languageCookie, Value: to, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: f.TLS, SameSite: http.SameSiteLaxMode,
	})
	return goTo(local(v.URL.Query().Get("back")))
}

// local makes sure that a path leads to a page of this form.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}

// lastOf is the last element of a list parted by commas.
func lastOf(s string) string {
	if i := strings.LastIndexByte(s, ','); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimSpace(s)
}
