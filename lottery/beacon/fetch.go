package beacon

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Relays are public relays of quicknet, operated by different bodies; whichever answers first and rightly will do.
func Relays() []string {
	return []string{
		"https://api.drand.sh", "https://api2.drand.sh", "https://api3.drand.sh", "https://drand.cloudflare.com",
	}
}

// Fetch asks relays in turn for a round until one gives a signature that verifies. get makes one HTTP GET, with
// the caller's time limits, and returns the body. The error names what each relay did wrong.
func Fetch(ctx context.Context, get func(ctx context.Context, url string) ([]byte, error), relays []string, round uint64) ([]byte, error) {
	var failures []error
	for _, relay := range relays {
		url := strings.TrimSuffix(relay, "/") + "/" + Chain + "/public/" + strconv.FormatUint(round, 10)
		body, err := get(ctx, url)
		if err == nil {
			var signature []byte
			if signature, err = Parse(body, round); err == nil {
				return signature, nil
			}
		}
		failures = append(failures, fmt.Errorf("%s: %w", relay, err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(failures) == 0 {
		return nil, errors.New("no relay was given")
	}
	return nil, fmt.Errorf("round %d: %w", round, errors.Join(failures...))
}

// Parse reads a round as a relay gives it, or as someone pasted it: drand's JSON, or the signature alone in
// hex. It returns the signature if it verifies.
func Parse(text []byte, round uint64) ([]byte, error) {
	digits := strings.TrimSpace(string(text))
	if strings.HasPrefix(digits, "{") {
		var answer struct {
			Round      uint64 `json:"round"`
			Randomness string `json:"randomness"`
			Signature  string `json:"signature"`
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, fmt.Errorf("not an answer of drand: %w", err)
		}
		if answer.Round != round {
			return nil, fmt.Errorf("round %d was asked for, the answer is of round %d", round, answer.Round)
		}
		digits = answer.Signature
		if raw, err := hex.DecodeString(digits); err == nil && answer.Randomness != "" {
			if r := Randomness(raw); hex.EncodeToString(r[:]) != answer.Randomness {
				return nil, errors.New("the randomness is not H(signature)")
			}
		}
	}
	signature, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("the signature is not hex: %w", err)
	}
	if err := Verify(round, signature); err != nil {
		return nil, err
	}
	return signature, nil
}
