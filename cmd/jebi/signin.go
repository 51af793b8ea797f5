package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
)

// official is who acts: by her key file, or as she has signed in. Without
// roles, any official will do. A name that is typed is no identity.
func (a *app) official(ctx context.Context, db *data.DB, roles ...string) (data.Actor, error) {
	o, err := a.signedIn(ctx, db)
	if err != nil {
		return data.Actor{}, err
	}
	if len(roles) > 0 && !slices.Contains(roles, o.Role) {
		return data.Actor{}, nobody(fmt.Errorf("%s is %s; this is for %s", o.Name, o.Role, strings.Join(roles, " or ")))
	}
	return o.Actor(), nil
}

func (a *app) signedIn(ctx context.Context, db *data.DB) (data.Official, error) {
	if a.keyFile != "" {
		key, err := readOfficialKey(a.keyFile)
		if err != nil {
			return data.Official{}, usage(err)
		}
		o, err := db.OfficialByKey(ctx, key.Public().(ed25519.PublicKey))
		if errors.Is(err, data.ErrSignIn) {
			return o, nobody(errors.New("the key is no official's, or the official is disabled"))
		}
		return o, err
	}
	token, err := a.readToken()
	if errors.Is(err, os.ErrNotExist) {
		return data.Official{}, nobody(errors.New("nobody is signed in: jebi official sign-in NAME"))
	}
	if err != nil {
		return data.Official{}, nobody(err)
	}
	o, _, err := db.SignedIn(ctx, token)
	if errors.Is(err, data.ErrSignIn) {
		return o, nobody(errors.New("the sign-in has ended: jebi official sign-in NAME"))
	}
	return o, err
}

// tokenFile is where the session's token is kept: beside the databases under
// var/, or, for others, in the user's folder of states; one file a database.
func (a *app) tokenFile() string {
	if f := a.env("JEBI_SESSION"); f != "" {
		return f
	}
	url := a.env("DATABASE_URL")
	state := a.env("XDG_STATE_HOME")
	if home := a.env("HOME"); state == "" && home != "" {
		state = filepath.Join(home, ".local", "state")
	}
	if url != "" && state != "" {
		return filepath.Join(state, "jebi", "session-"+databaseName(withDatabase(url, a.dbName)))
	}
	if a.dbName != "" {
		return filepath.Join(a.varDir(), "session-"+databaseName(a.dbName))
	}
	return filepath.Join(a.varDir(), "session")
}

// databaseName tells databases apart, without a login or password.
func databaseName(address string) string {
	if u, err := url.Parse(address); err == nil {
		u.User = nil
		address = u.String()
	}
	h := sha256.Sum256([]byte(address))
	return hex.EncodeToString(h[:6])
}

func (a *app) readToken() ([]byte, error) {
	f := a.tokenFile()
	info, err := os.Stat(f)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (%v): remove it and sign in again", f, info.Mode().Perm())
	}
	b, err := os.ReadFile(f)
	if err != nil {
		return nil, err
	}
	token, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(token) != 32 {
		return nil, fmt.Errorf("%s holds no session: remove it and sign in again", f)
	}
	return token, nil
}

func (a *app) writeToken(token []byte) error {
	f := a.tokenFile()
	if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
		return err
	}
	return writePrivate(f, []byte(base64.RawURLEncoding.EncodeToString(token)+"\n"))
}

// writePrivate puts a file that only its owner can read in the place of any
// that was there, at once.
func writePrivate(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".jebi-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// password reads one from a file, from the terminal without showing it, or
// from a stdin that is no terminal.
func (a *app) password(file, prompt string, twice bool) (string, error) {
	in := a.in
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", usage(err)
		}
		defer f.Close()
		in = f
	}
	if f, ok := in.(*os.File); ok && file == "" && term.IsTerminal(int(f.Fd())) {
		return a.askPassword(f, prompt, twice)
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usage(errors.New("no password: type it at the terminal, pipe it in, or give --password-file FILE"))
	}
	return line, nil
}

func (a *app) askPassword(f *os.File, prompt string, twice bool) (string, error) {
	fmt.Fprint(a.err, prompt+": ")
	first, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	if err != nil || !twice {
		return string(first), err
	}
	fmt.Fprint(a.err, "again: ")
	second, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	if err == nil && string(first) != string(second) {
		err = usage(errors.New("the two are not the same"))
	}
	return string(first), err
}

// randomBytes draws from the machine's source of randomness.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// campaign finds the campaign that is meant and compiles the version in force.
func (a *app) campaign(ctx context.Context, db *data.DB) (*cohort.Campaign, data.CampaignRow, error) {
	rows, err := db.Campaigns(ctx)
	if err != nil {
		return nil, data.CampaignRow{}, err
	}
	var keys []string
	var found []data.CampaignRow
	for _, r := range rows {
		keys = append(keys, r.Key)
		if a.only == "" || a.only == r.Key {
			found = append(found, r)
		}
	}
	switch {
	case len(rows) == 0:
		return nil, data.CampaignRow{}, refused(errors.New("there is no campaign: jebi campaign apply FILE --apply"))
	case len(found) == 0:
		return nil, data.CampaignRow{}, usage(fmt.Errorf("there is no campaign %q; there is: %s", a.only, strings.Join(keys, ", ")))
	case len(found) > 1:
		return nil, data.CampaignRow{}, usage(fmt.Errorf("which campaign? --campaign %s", strings.Join(keys, " or ")))
	}
	c, problems := campaign.Parse(found[0].File)
	if c == nil {
		return nil, found[0], fmt.Errorf("version %d of campaign %s cannot be read by this program: %s", found[0].Version, found[0].Key, campaign.Errors(problems)[0])
	}
	return c, found[0], nil
}

// moment reads a time of the campaign's zone, "2021-07-14 09:00".
func moment(s string, c *cohort.Campaign) (time.Time, error) {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, c.Location)
	if err != nil {
		return t, usage(fmt.Errorf("%q is not a time like \"2021-07-14 09:00\" (campaign time, %s)", s, c.Zone))
	}
	return t.UTC(), nil
}

// showMoment is the form that moment reads.
func showMoment(t time.Time, c *cohort.Campaign) string {
	return t.In(c.Location).Format("2006-01-02 15:04")
}
