package data_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"jebi/data"
	"jebi/data/pgtest"
)

const password = "correct horse battery"

func token(t testing.TB) []byte {
	t.Helper()
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// setPassword gives an official the password above.
func (h *house) setPassword(o data.Official) {
	h.Helper()
	hash, err := data.HashPassword(password, make([]byte, data.SaltLength))
	h.must(err)
	h.must(h.db.SetPassword(h.ctx, o.ID, hash, h.ann.Actor()))
}

func TestFirstOfficial(t *testing.T) {
	ctx := context.Background()
	url := pgtest.URL(t)
	if err := data.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	add := func(name, role string, by data.Actor) (data.Official, bool, error) {
		return db.AddOfficial(ctx, data.NewOfficial{Name: name, Role: role, SecretHash: "none"}, by, true)
	}
	if _, _, err := add("ann", data.RoleAuditor, data.System); !refused(err) {
		t.Errorf("the first is an auditor: %v", err)
	}
	// Many at once: one is the first.
	var wg sync.WaitGroup
	var mu sync.Mutex
	firsts := 0
	for _, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		wg.Go(func() {
			_, first, err := add(name, data.RoleOperator, data.System)
			if err != nil && !refused(err) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if first && err == nil {
				firsts++
			}
		})
	}
	wg.Wait()
	if n := pgtest.Value[int](t, url, `SELECT count(*) FROM jebi.official`); n != 1 || firsts != 1 {
		t.Fatalf("%d officials, %d first", n, firsts)
	}
	if n := pgtest.Value[int](t, url, `SELECT count(*) FROM jebi.audit WHERE act = 'official.add' AND actor = 'system' AND (after ->> 'first')::boolean`); n != 1 {
		t.Errorf("%d audit rows of the first", n)
	}
	os, err := db.Officials(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bob, first, err := add("bob", data.RoleApprover, os[0].Actor())
	if err != nil || first {
		t.Fatalf("bob: %v, first %v", err, first)
	}
	if _, _, err := add("cid", data.RoleApprover, bob.Actor()); !refused(err) {
		t.Errorf("an approver adds an official: %v", err)
	}
	for _, name := range []string{"bob", "B", "", "ann lee", "ann@example.org"} {
		if _, _, err := add(name, data.RoleApprover, os[0].Actor()); !refused(err) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if _, _, err := add("cid", "boss", os[0].Actor()); !refused(err) {
		t.Errorf("the role boss: %v", err)
	}
}

func TestOneKeyIsOneIdentity(t *testing.T) {
	h := newHouse(t)
	key := bytes.Repeat([]byte{7}, 32)
	add := func(name string) error {
		_, _, err := h.db.AddOfficial(h.ctx, data.NewOfficial{Name: name, Role: data.RoleApprover, PublicKey: key}, h.ann.Actor(), true)
		return err
	}
	h.must(add("cid"))
	if err := add("dan"); !refused(err) {
		t.Errorf("the same key again: %v", err)
	}
	o, err := h.db.SignInByKey(h.ctx, key, token(t))
	h.must(err)
	if o.Name != "cid" {
		t.Errorf("the key is %s's", o.Name)
	}
	if _, err := h.db.SignInByKey(h.ctx, bytes.Repeat([]byte{8}, 32), token(t)); !errors.Is(err, data.ErrSignIn) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestSignInAndOut(t *testing.T) {
	h := newHouse(t)
	h.setPassword(h.bob)
	k := token(t)
	if _, _, err := h.db.SignedIn(h.ctx, k); !errors.Is(err, data.ErrSignIn) {
		t.Errorf("before: %v", err)
	}
	o, err := h.db.SignIn(h.ctx, "bob", password, k)
	h.must(err)
	if o.Name != "bob" || o.Role != data.RoleApprover {
		t.Errorf("signed in as %+v", o)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.official_session WHERE token_hash = sha256($1)`, k); n != 1 {
		t.Errorf("the token's hash is stored %d times", n)
	}
	if o, _, err = h.db.SignedIn(h.ctx, k); err != nil || o.Name != "bob" {
		t.Fatalf("signed in: %v %v", o, err)
	}
	h.must(h.db.SignOut(h.ctx, k))
	if _, _, err := h.db.SignedIn(h.ctx, k); !errors.Is(err, data.ErrSignIn) {
		t.Errorf("after sign-out: %v", err)
	}
	for _, c := range [][2]string{{"bob", "wrong horse battery"}, {"bob", ""}, {"nobody", password}, {"ann", password}} {
		_, err := h.db.SignIn(h.ctx, c[0], c[1], token(t))
		if c[0] == "ann" { // her hash is no hash
			if err == nil {
				t.Error("ann signs in without a password")
			}
			continue
		}
		if !errors.Is(err, data.ErrSignIn) {
			t.Errorf("%v: %v", c, err)
		}
		if strings.Contains(err.Error(), c[0]) {
			t.Errorf("the error tells whether %s is known: %v", c[0], err)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	h := newHouse(t)
	h.setPassword(h.bob)
	signIn := func() []byte {
		k := token(t)
		_, err := h.db.SignIn(h.ctx, "bob", password, k)
		h.must(err)
		return k
	}
	out := func(what string, k []byte) {
		t.Helper()
		if _, _, err := h.db.SignedIn(h.ctx, k); !errors.Is(err, data.ErrSignIn) {
			t.Errorf("%s: %v", what, err)
		}
	}
	k := signIn()
	h.clock(begin.Add(data.SessionLength + time.Minute))
	out("after eight hours", k)
	k = signIn()
	h.setPassword(h.bob)
	out("after a new password", k)
	k = signIn()
	h.must(h.db.DisableOfficial(h.ctx, "bob", "has left", h.ann.Actor(), true))
	out("after he was disabled", k)
	if _, err := h.db.SignIn(h.ctx, "bob", password, token(t)); !errors.Is(err, data.ErrSignIn) {
		t.Errorf("a disabled official signs in: %v", err)
	}
	if err := h.db.DisableOfficial(h.ctx, "ann", "has left", h.ann.Actor(), true); !refused(err) {
		t.Errorf("the last operator: %v", err)
	}
}

func TestWrongPasswordsLock(t *testing.T) {
	h := newHouse(t)
	h.setPassword(h.bob)
	// The first ones come at once: each attempt is counted before it is looked at.
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := h.db.SignIn(h.ctx, "bob", "a wrong password", token(t)); err == nil {
				t.Error("a wrong password signs in")
			}
		})
	}
	wg.Wait()
	if _, err := h.db.SignIn(h.ctx, "bob", password, token(t)); !errors.Is(err, data.ErrSignInLocked) {
		t.Errorf("the right password after five wrong ones: %v", err)
	}
	h.clock(begin.Add(16 * time.Minute))
	if _, err := h.db.SignIn(h.ctx, "bob", "a wrong password", token(t)); !errors.Is(err, data.ErrSignIn) {
		t.Errorf("after the lock: %v", err)
	}
	if _, err := h.db.SignIn(h.ctx, "bob", password, token(t)); !errors.Is(err, data.ErrSignInLocked) {
		t.Errorf("one more wrong one locks again: %v", err)
	}
	h.clock(begin.Add(40 * time.Minute))
	_, err := h.db.SignIn(h.ctx, "bob", password, token(t))
	h.must(err)
	if n := pgtest.Value[int](t, h.url, `SELECT failures FROM jebi.official WHERE name = 'bob'`); n != 0 {
		t.Errorf("%d failures after a right password", n)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.audit WHERE act = 'official.sign_in_failed'`); n != 6 {
		t.Errorf("%d failures on the trail, want 6", n)
	}
}

func TestPasswords(t *testing.T) {
	salt := bytes.Repeat([]byte{1}, data.SaltLength)
	h1, err := data.HashPassword(password, salt)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(h1, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("hash %s", h1)
	}
	h2, err := data.HashPassword(password, bytes.Repeat([]byte{2}, data.SaltLength))
	if err != nil || h1 == h2 {
		t.Errorf("another salt gives the same hash, or %v", err)
	}
	for _, p := range []string{"", "short", "123456789", strings.Repeat("x", 201)} {
		if _, err := data.HashPassword(p, salt); !refused(err) {
			t.Errorf("%q: %v", p, err)
		}
	}
	if _, err := data.HashPassword(password, nil); err == nil {
		t.Error("a hash without salt")
	}
	// The same password typed on another machine, decomposed.
	a, err := data.HashPassword("비밀번호 열두 자리", salt)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := data.HashPassword("비밀번호 열두 자리", salt); err != nil || a != b {
		t.Errorf("decomposed Hangul is another password: %v", err)
	}
}

func TestActsOfTwo(t *testing.T) {
	h := newHouse(t)
	propose := func(by data.Official) data.Proposal {
		t.Helper()
		var p data.Proposal
		h.must(h.db.Tx(h.ctx, func(tx *data.Tx) (err error) {
			p, err = tx.Propose(h.ctx, 0, "window.extend", map[string]int{"cohort": 3}, "power cut", by.Actor())
			return err
		}))
		return p
	}
	confirm := func(id int64, by data.Official) (actor data.Actor, err error) {
		err = h.db.Tx(h.ctx, func(tx *data.Tx) (err error) {
			_, actor, err = tx.ConfirmProposal(h.ctx, id, by.Actor())
			return err
		})
		return actor, err
	}
	p := propose(h.ann)
	if _, err := confirm(p.ID, h.ann); !refused(err) {
		t.Errorf("her own proposal: %v", err)
	}
	both, err := confirm(p.ID, h.bob)
	h.must(err)
	if both.Official != h.ann.ID || both.Second != h.bob.ID {
		t.Errorf("the act is by %+v", both)
	}
	if _, err := confirm(p.ID, h.bob); !refused(err) {
		t.Errorf("confirmed twice: %v", err)
	}
	if n := pgtest.Value[int](t, h.url, `SELECT count(*) FROM jebi.audit WHERE act = 'proposal.confirm' AND official_id = $1 AND second_id = $2`, h.ann.ID, h.bob.ID); n != 1 {
		t.Errorf("%d audit rows with both", n)
	}
	p = propose(h.ann)
	h.must(h.db.Tx(h.ctx, func(tx *data.Tx) error {
		_, err := tx.RefuseProposal(h.ctx, p.ID, "no", h.bob.Actor())
		return err
	}))
	if _, err := confirm(p.ID, h.bob); !refused(err) {
		t.Errorf("confirmed after it was refused: %v", err)
	}
	p = propose(h.ann)
	h.clock(begin.Add(data.ProposalLife + time.Minute))
	if _, err := confirm(p.ID, h.bob); !refused(err) {
		t.Errorf("confirmed too late: %v", err)
	}
	p = propose(h.bob)
	h.must(h.db.DisableOfficial(h.ctx, "bob", "has left", h.ann.Actor(), true))
	if _, err := confirm(p.ID, h.ann); !refused(err) {
		t.Errorf("the proposer is disabled: %v", err)
	}
}

// Two who confirm at the same moment: one does it.
func TestConfirmedOnce(t *testing.T) {
	h := newHouse(t)
	cid := h.official("cid", data.RoleApprover, h.ann.Actor())
	var p data.Proposal
	h.must(h.db.Tx(h.ctx, func(tx *data.Tx) (err error) {
		p, err = tx.Propose(h.ctx, 0, "x.y", nil, "why", h.ann.Actor())
		return err
	}))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for i := range 8 {
		wg.Go(func() {
			by := []data.Official{h.bob, cid}[i%2]
			err := h.db.Tx(h.ctx, func(tx *data.Tx) error {
				_, _, err := tx.ConfirmProposal(h.ctx, p.ID, by.Actor())
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
			} else if !refused(err) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done != 1 {
		t.Errorf("confirmed %d times", done)
	}
}

// What the schema itself holds, whatever the program does.
func TestSchemaHoldsActsOfTwo(t *testing.T) {
	h := newHouse(t)
	pgtest.Exec(t, h.url, `INSERT INTO jebi.proposal (act, params, reason, proposed_by, expires_at) VALUES ('x.y', '{}', 'why', $1, jebi.jebi_now() + interval '1 day')`, h.ann.ID)
	for _, sql := range []string{
		`UPDATE jebi.proposal SET outcome = 'confirmed', ended_at = now(), ended_by = proposed_by`,
		`UPDATE jebi.proposal SET params = '{"other": 1}'`,
		`UPDATE jebi.proposal SET reason = 'another'`,
		`INSERT INTO jebi.audit (actor, official_id, second_id, act, subject) SELECT 'official', id, id, 'x.y', 'a' FROM jebi.official LIMIT 1`,
		`INSERT INTO jebi.audit (actor, act, subject) VALUES ('official', 'x.y', 'a')`,
	} {
		if err := tryExec(h.ctx, h.url, "", sql); err == nil {
			t.Errorf("the schema lets through: %s", sql)
		}
	}
}
