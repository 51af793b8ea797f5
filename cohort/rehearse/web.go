package rehearse

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"jebi/cohort"
	"jebi/cohort/form"
	"jebi/data"
	"jebi/lottery"
)

// site is the citizens' web form, served on loopback while people use it.
type site struct {
	url   string
	close func()
}

// serve starts the form.
func (r *Rehearsal) serve(ctx context.Context) (*site, error) {
	f, err := form.New(ctx, form.Config{
		DB: r.DB, Intake: r.intake, Words: r.words, Key: r.Key, Random: r.Random, Log: r.Log,
		Campaign: func(context.Context) (*cohort.Campaign, data.CampaignRow, error) { return r.campaign, r.row, nil },
		Files:    func(context.Context, string) (fs.FS, error) { return nil, data.ErrNotFound },
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := f.Server()
	done := make(chan struct{})
	go func() {
		_ = s.Serve(l) // until it is closed
		close(done)
	}()
	return &site{"http://" + l.Addr().String(), func() { _ = s.Close(); <-done }}, nil
}

// guest is a person with a browser.
type guest struct {
	person data.PersonRow
	site   string
	client *http.Client
}

func newGuest(s *site, p data.PersonRow) (*guest, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	// Lines of its own, so that no guest waits for another's.
	return &guest{p, s.url, &http.Client{Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}, nil
}

// signInAll signs people in: each asks for a code, the dispatcher sends the
// codes, and each types in the one that reached her phone or mailbox.
func (r *Rehearsal) signInAll(ctx context.Context, s *site, people []data.PersonRow) ([]*guest, error) {
	guests := make([]*guest, len(people))
	for i, p := range people {
		g, err := newGuest(s, p)
		if err != nil {
			return nil, err
		}
		guests[i] = g
	}
	if err := each(ctx, r.Workers, slices.Values(guests), askCode); err != nil {
		return nil, err
	}
	if err := r.send(ctx); err != nil {
		return nil, err
	}
	return guests, each(ctx, r.Workers, slices.Values(guests), func(ctx context.Context, g *guest) error {
		return g.typeCode(ctx, r.receivers.Last)
	})
}

// byEmail says which way her code comes: by e-mail for one in four of those
// who have an address.
func (g *guest) byEmail() bool { return g.person.Email != "" && g.person.ID%4 == 0 }

func askCode(ctx context.Context, g *guest) error {
	way := "sms"
	if g.byEmail() {
		way = "email"
	}
	national := "0" + strings.TrimPrefix(g.person.Phone, "+82")
	_, err := g.post(ctx, "/sign-in", "/code", url.Values{
		"name": {g.person.Name}, "birth": {g.person.BirthDate.Format("20060102")}, "phone": {national}, "way": {way},
	})
	return err
}

var eightDigits = regexp.MustCompile(`\b[0-9]{8}\b`)

// typeCode types in the code from the newest message to her.
func (g *guest) typeCode(ctx context.Context, last func(to string) (Received, bool)) error {
	to := g.person.Phone
	if g.byEmail() {
		to = g.person.Email
	}
	m, ok := last(to)
	code := eightDigits.FindString(m.Text)
	if !ok || code == "" {
		return fmt.Errorf("person %d: no code came", g.person.ID)
	}
	if _, err := g.post(ctx, "/code", "/notice", url.Values{"code": {code}}); err != nil {
		return err
	}
	_, err := g.post(ctx, "/notice", "/window", url.Values{"agree": {"yes"}})
	return err
}

// answer goes through the pages of the ballot, from the first choice to the
// page of the receipt, which it gives.
func (g *guest) answer(ctx context.Context, cs []cohort.Choice) (string, error) {
	for i, c := range cs {
		fields := url.Values{"kind": {"clinics"}, "clinics": c.Clinics, "dates": c.Dates, "parts": c.Parts, "act": {"save"}}
		if code, ok := strings.CutPrefix(c.Target, "district:"); ok {
			fields["kind"], fields["district"] = []string{"district"}, []string{code}
			delete(fields, "clinics")
		}
		if _, err := g.post(ctx, "/ballot/choice/"+strconv.Itoa(i+1), "/ballot", fields); err != nil {
			return "", err
		}
	}
	page, err := g.get(ctx, "/review")
	if err != nil {
		return "", err
	}
	return g.post(ctx, "/review", "/receipt", hiddenFields(page))
}

// acceptPlace accepts what was drawn, on the page of the result.
func (g *guest) acceptPlace(ctx context.Context) error {
	page, err := g.get(ctx, "/result")
	if err != nil {
		return err
	}
	if !strings.Contains(page, `action="/result/accept"`) {
		return fmt.Errorf("person %d: the page of her result has no place to accept", g.person.ID)
	}
	_, err = g.post(ctx, "/result/accept", "/result", nil)
	return err
}

func (g *guest) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.site+path, nil)
	if err != nil {
		return "", err
	}
	return g.do(req, path)
}

// post sends a form and follows to the page that should come of it.
func (g *guest) post(ctx context.Context, path, to string, fields url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.site+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return g.do(req, to)
}

func (g *guest) do(req *http.Request, to string) (string, error) {
	res, err := g.client.Do(req)
	if err != nil {
		return "", errors.New("the form does not answer") // its error would hold the address
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK || res.Request.URL.Path != to {
		return "", fmt.Errorf("person %d: %s %s led to %s with %d, not to %s%s", g.person.ID, req.Method, req.URL.Path, res.Request.URL.Path, res.StatusCode, to, why(string(body)))
	}
	return string(body), nil
}

var (
	hidden  = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)"`)
	problem = regexp.MustCompile(`<span class="why"[^>]*>([^<]*)</span>`)
)

// hiddenFields are what a page's form sends along.
func hiddenFields(page string) url.Values {
	fields := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		fields.Add(m[1], html.UnescapeString(m[2]))
	}
	return fields
}

// why is what the page said was wrong.
func why(page string) string {
	var b strings.Builder
	for _, m := range problem.FindAllStringSubmatch(page, 5) {
		b.WriteString(": " + html.UnescapeString(m[1]))
	}
	return b.String()
}

// saveByForm lets people answer by the form, and answers how many of them have
// a signed receipt to keep.
func (r *Rehearsal) saveByForm(ctx context.Context, as []answer) (kept int, err error) {
	if len(as) == 0 {
		return 0, nil
	}
	s, err := r.serve(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	people := make([]data.PersonRow, len(as))
	wants := map[int64][]cohort.Choice{}
	for i, a := range as {
		people[i], wants[a.person.ID] = a.person, a.choices
	}
	guests, err := r.signInAll(ctx, s, people)
	if err != nil {
		return 0, err
	}
	operator, err := lottery.OperatorPublic(r.operator.Public())
	if err != nil {
		return 0, err
	}
	var signed atomic.Int64
	err = each(ctx, r.Workers, slices.Values(guests), func(ctx context.Context, g *guest) error {
		defer g.client.CloseIdleConnections()
		if _, err := g.answer(ctx, wants[g.person.ID]); err != nil {
			return err
		}
		if err := g.checkReceipt(ctx, operator); err != nil {
			return fmt.Errorf("person %d: %w", g.person.ID, err)
		}
		signed.Add(1)
		return nil
	})
	return int(signed.Load()), err
}

// checkReceipt downloads the receipt of her save, as the page offers it, and
// checks the operator's signature.
func (g *guest) checkReceipt(ctx context.Context, operator ed25519.PublicKey) error {
	file, err := g.get(ctx, "/receipt.json")
	if err != nil {
		return err
	}
	var receipt struct {
		Save json.RawMessage `json:"save"`
	}
	if err := json.Unmarshal([]byte(file), &receipt); err != nil {
		return fmt.Errorf("the receipt: %w", err)
	}
	if receipt.Save == nil {
		return errors.New("the receipt is not signed")
	}
	saved, err := lottery.ParseSavedBallot(receipt.Save)
	if err != nil {
		return err
	}
	return saved.Check(operator)
}

// acceptByForm lets those who answered by the form accept their places there.
func (r *Rehearsal) acceptByForm(ctx context.Context, people []data.PersonRow) error {
	if len(people) == 0 {
		return nil
	}
	s, err := r.serve(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	guests, err := r.signInAll(ctx, s, people)
	if err != nil {
		return err
	}
	return each(ctx, r.Workers, slices.Values(guests), func(ctx context.Context, g *guest) error {
		defer g.client.CloseIdleConnections()
		return g.acceptPlace(ctx)
	})
}
