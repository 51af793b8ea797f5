package form

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// formPaths are where forms are posted to.
func formPaths() []string {
	return []string{
		"/sign-in", "/code", "/notice", "/ballot", "/ballot/choice/1", "/ballot/choice/2", "/ballot/choice/%00", "/review", "/withdraw",
		"/result/accept", "/result/offer-accept", "/result/leave", "/language", "/sign-out?x=y",
	}
}

// hit sends a form without a network.
func (w *town) hit(b *browser, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	u, err := url.Parse(path)
	if err != nil {
		w.t.Fatal(err)
	}
	req.URL = u
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	base, err := url.Parse(b.base)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.c.Jar.Cookies(base) {
		req.AddCookie(c)
	}
	res := httptest.NewRecorder()
	w.form.ServeHTTP(res, req)
	return res
}

// FuzzForms: whatever is posted, no page breaks and nothing is half stored.
func FuzzForms(f *testing.F) {
	for _, s := range []string{
		"", "act=save&kind=district&district=1162010200&dates=2021-07-26&parts=am", "act=save&kind=near&metres=2000&dates=2021-07-26&parts=pm",
		"act=save&kind=clinics&clinics=A1100047&clinics=A1100047", "act=up:1", "act=down:99999999999999999999", "act=remove:-1", "mark=&act=remove:1", "name=%00&birth=%ff%fe&phone=%EF%BC%90",
		"code=12345678", "code=%D9%A1%D9%A2", "agree=yes", "offer=9223372036854775808", "q=%F0%9F%90%A6&act=search", "act=search&q=" + strings.Repeat("%EA%B0%80", 300), "to=ko&back=//x", ";;;=%&",
		"name=" + strings.Repeat("a", 15000), strings.Repeat("a=b&", 4000),
	} {
		for i := range formPaths() {
			f.Add(uint8(i), s)
		}
	}
	w := newTown(f)
	b := w.signedIn()
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		w.t = t
		path := formPaths()[int(which)%len(formPaths())]
		if strings.HasPrefix(path, "/sign-out") || path == "/withdraw" {
			path = "/ballot/choice/1"
		}
		res := w.hit(b, path, body)
		if res.Code >= 500 || res.Code == 0 {
			t.Fatalf("%s: %d", path, res.Code)
		}
		draft, _, err := w.db.Draft(context.Background(), w.id, w.person("P1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range []string{"/ballot", "/review"} {
			req := httptest.NewRequest(http.MethodGet, page, nil)
			base, err := url.Parse(b.base)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range b.c.Jar.Cookies(base) {
				req.AddCookie(c)
			}
			got := httptest.NewRecorder()
			w.form.ServeHTTP(got, req)
			if got.Code != http.StatusOK {
				t.Fatalf("%s after %s: %d; draft %s", page, path, got.Code, draft)
			}
		}
	})
}

// Whatever is put together on the pages, what is saved reads back in canonical
// form, opens its commitment, and asks for nothing that was not offered.
func TestSavedIsCanonical(t *testing.T) {
	w := newTown(t)
	b := w.signedIn()
	b.get("/ballot/choice/1")
	b.post("/ballot/choice/1", "act", "more", "kind", "clinics")
	clinics := clinicKeys(b.last.body)
	offered, err := w.db.Offered(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	dates := []string{"2021-07-26", "2021-07-27", "2021-07-31", "2021-08-02", "2021-08-07", "2021-09-01"}
	saved := 0
	rapid.Check(t, func(rt *rapid.T) {
		before, _, err := w.db.Draft(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		if err := w.db.KeepDraft(context.Background(), w.id, w.person("P1"), before, []byte(`{"choices":[]}`)); err != nil {
			rt.Fatal(err)
		}
		n := rapid.IntRange(1, 5).Draw(rt, "choices")
		for i := range n {
			v := url.Values{
				"act": {"save"}, "kind": {rapid.SampledFrom([]string{"district", "near", "clinics"}).Draw(rt, "kind")}, "district": {rapid.SampledFrom([]string{"1162010100", "1162010200", "1"}).Draw(rt, "district")},
				"metres": {rapid.SampledFrom([]string{"500", "2000", "7"}).Draw(rt, "metres")}, "clinics": rapid.SliceOfN(rapid.SampledFrom(clinics), 0, 4).Draw(rt, "clinics"),
				"dates": rapid.SliceOfN(rapid.SampledFrom(dates), 0, 4).Draw(rt, "dates"), "parts": rapid.SliceOfN(rapid.SampledFrom([]string{"am", "pm", "evening", "night"}), 0, 3).Draw(rt, "parts"),
			}
			w.hit(b, "/ballot/choice/"+string(rune('1'+i)), v.Encode())
		}
		body, _, err := w.db.Draft(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		b.get("/review")
		res := w.hit(b, "/review", url.Values{"mark": {b.mark()}}.Encode())
		if res.Code == http.StatusUnprocessableEntity {
			return
		}
		if res.Code != http.StatusSeeOther {
			rt.Fatalf("submitted: %d; draft %s", res.Code, body)
		}
		saved++
		row, err := w.db.Ballot(context.Background(), w.id, w.person("P1"))
		if err != nil {
			rt.Fatal(err)
		}
		ballot, err := cohort.ParseBallot(row.Bytes)
		if err != nil {
			rt.Fatalf("%s: %v", row.Bytes, err)
		}
		if row.Commit != lottery.BallotCommit(row.Salt, row.Bytes) || row.Channel != data.ChannelWeb || ballot.Person != "P1" {
			rt.Fatalf("row %+v", row)
		}
		if flaws := w.campaign.Check(ballot, offered); len(flaws) > 0 {
			rt.Fatalf("%s: %v", row.Bytes, flaws)
		}
	})
	if saved == 0 {
		t.Error("nothing was ever saved")
	}
}
