package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"jebi/cohort"
)

// Gateway sends text messages by an HTTP gateway: POST of
//
//	{"id": "UUID", "from": "…", "to": "+82…", "text": "…"}
//
// with the same UUID as Idempotency-Key and the token as bearer. Any 2xx
// means taken; 409 means that this id was taken before.
type Gateway struct {
	from   string
	url    string
	token  string
	client *http.Client
}

// httpTimeout bounds one request to the gateway.
const httpTimeout = 20 * time.Second

// NewGateway makes the sender of a campaign's text messages. The token comes
// from the caller.
func NewGateway(s cohort.SMSSender, token string) (*Gateway, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("senders.sms.url is not an address")
	}
	if s.TokenEnv != "" && token == "" {
		return nil, fmt.Errorf("the token for %s is not set: put it into the environment as %s", u.Host, s.TokenEnv)
	}
	return &Gateway{s.From, s.URL, token, &http.Client{
		Timeout: httpTimeout,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		},
		// A gateway that moves is set in the campaign file, not followed with a token in hand.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Line gives a line; all lines share the gateway's connections.
func (g *Gateway) Line() Line { return gatewayLine{g} }

type gatewayLine struct{ *Gateway }

func (g gatewayLine) Close() { g.client.CloseIdleConnections() }

func (g gatewayLine) Send(ctx context.Context, l Letter) error {
	body, err := json.Marshal(struct {
		ID   string `json:"id"`
		From string `json:"from"`
		To   string `json:"to"`
		Text string `json:"text"`
	}{l.Key, g.from, l.To, l.Body})
	if err != nil {
		return &Failure{Code: "json", Final: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return &Failure{Code: "gateway settings", Relay: true}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", l.Key)
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	res, err := g.client.Do(req)
	if err != nil {
		return httpError(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	return httpFailure(res)
}

func httpError(err error) error {
	var dial *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return &Failure{Code: "no connection", Relay: true}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Failure{Code: "timeout"}
	}
	return &Failure{Code: "connection broke"}
}

func httpFailure(res *http.Response) error {
	code := fmt.Sprintf("http %d", res.StatusCode)
	switch s := res.StatusCode; {
	case s/100 == 2, s == http.StatusConflict:
		return nil
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusNotFound, s == http.StatusMethodNotAllowed, s/100 == 3:
		return &Failure{Code: code, Relay: true} // the gateway refuses us, whoever is written to
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s/100 == 5:
		return &Failure{Code: code, After: retryAfter(res)}
	case s == http.StatusTooManyRequests:
		return &Failure{Code: code, Relay: true, After: retryAfter(res)}
	}
	return &Failure{Code: code, Final: true}
}

// retryAfter reads the seconds that the gateway asks for, at most an hour.
func retryAfter(res *http.Response) time.Duration {
	n, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}
