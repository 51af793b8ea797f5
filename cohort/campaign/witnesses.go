package campaign

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"jebi/cohort"
)

// minWitnesses is how few witnesses can stand against a second list.
const minWitnesses = 2

// cosignature is the type of a witness's key (C2SP signed-note).
const cosignature = 0x04

// witnesses reads who cosigns the checkpoint. A sample may have none; a real
// cohort without witnesses is refused when it is to be announced.
func (t *table) witnesses(c *cohort.Campaign, x *cohort.Cohort) {
	seen := map[string]string{}
	for _, w := range t.tables("witnesses") {
		one := cohort.Witness{Name: w.text("name"), Key: w.text("key")}
		w.done()
		if one.Key != "" {
			raw, err := witnessKey(one.Key)
			switch other, twice := seen[string(raw)]; {
			case err != nil:
				w.fail(w.in("key"), "%s: %v", w.in("key"), err)
			case twice:
				w.fail(w.in("key"), "%s: the same key as %s's", w.in("key"), other)
			}
			seen[string(raw)] = one.Name
		}
		x.Witnesses = append(x.Witnesses, one)
	}
	usual := minWitnesses
	if len(x.Witnesses) == 0 {
		usual = 0
	}
	x.MinWitnesses = t.number("min_witnesses", usual, 0, 1000)
	switch n := x.MinWitnesses; {
	case n == 0 && (c.Sample || len(x.Witnesses) == 0) && !t.has("min_witnesses"):
	case n == 0 && c.Sample:
	case n < minWitnesses:
		t.fail(t.in("min_witnesses"), "%s is %d: at least %d witnesses outside the authority stand against a second list", t.in("min_witnesses"), n, minWitnesses)
	case n > len(x.Witnesses):
		t.fail(t.in("min_witnesses"), "%s is %d, and cohort %s has %d witnesses", t.in("min_witnesses"), n, x.Key, len(x.Witnesses))
	}
}

// witnessKey reads a verifier key for cosignatures and answers its 32 bytes.
func witnessKey(text string) ([]byte, error) {
	fields := strings.SplitN(text, "+", 3)
	if len(fields) != 3 || fields[0] == "" || strings.ContainsAny(fields[0], " \t\n") {
		return nil, errors.New("not a verifier key, name+hash+base64 as jebi draw witness new prints it")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 33 || raw[0] != cosignature {
		return nil, errors.New("not the verifier key of a witness (cosignature/v1)")
	}
	h := sha256.Sum256(bytes.Join([][]byte{[]byte(fields[0] + "\n"), raw}, nil))
	if hex.EncodeToString(h[:4]) != fields[1] {
		return nil, fmt.Errorf("the key of %s does not match its own hash", fields[0])
	}
	return raw[1:], nil
}
