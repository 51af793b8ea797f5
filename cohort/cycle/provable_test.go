package cycle

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/cohort/intake"
	"jebi/data"
	"jebi/data/pgtest"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

// key makes a key of a name alone.
func key(t *testing.T, name string, witness bool) lottery.Key {
	t.Helper()
	k, err := lottery.NewKey(name, witness, lottery.FileHash([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// recast applies the town's campaign file changed, before it is announced.
func (w *town) recast(change func(file string) string) {
	w.t.Helper()
	row, err := w.db.Campaign(w.ctx, w.campaign.Key)
	w.must(err)
	file := []byte(change(string(row.File)))
	c, problems := campaign.Parse(file)
	if errs := campaign.Errors(problems); len(errs) > 0 {
		w.t.Fatalf("campaign file: %+v", errs)
	}
	a, err := w.db.ApplyCampaign(w.ctx, c, file, data.System, true)
	w.must(err)
	w.campaign, w.row = c, a.Campaign
}

const (
	round1000 = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	round1    = "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b"
)

// TestOnline carries out a draw as the online profile does: witnesses cosign,
// trustees sign, the public contributes, drand is last.
func TestOnline(t *testing.T) {
	w := newTown(t, 12, 1)
	operator, trustee := key(t, "town.sample.invalid", false), key(t, "trustee-1."+w.campaign.Authority, false)
	witnesses := []lottery.Key{key(t, "press.example", true), key(t, "union.example", true), key(t, "court.example", true)}
	other := key(t, "stranger.example", true)
	public, err := lottery.OperatorPublic(trustee.Public())
	w.must(err)
	w.recast(func(file string) string {
		var b strings.Builder
		b.WriteString(file)
		b.WriteString("\n[[cohorts.sources]]\ntype = \"public\"\nindex = 7\nname = \"letters\"\n")
		b.WriteString("\n[[cohorts.sources]]\ntype = \"drand\"\nrounds = [1000]\n")
		for _, k := range witnesses {
			b.WriteString("\n[[cohorts.witnesses]]\nname = \"" + k.Name + "\"\nkey = \"" + k.Public() + "\"\n")
		}
		file = strings.Replace(b.String(), "seating = \"serial\"\n", "seating = \"flexible\"\nmin_witnesses = 2\n", 1)
		commit := lottery.TrusteeCommit("town-a", 1, held(1))
		return strings.Replace(file, "commit = \""+hex.EncodeToString(commit[:])+"\"\n", "commit = \""+hex.EncodeToString(commit[:])+"\"\nkey = \""+hex.EncodeToString(public)+"\"\n", 1)
	})
	refused(t, w.tx(func(tx *data.Tx) error {
		_, err := Announce(w.ctx, tx, w.campaign, "a", w.rand, nil, w.both(), "x")
		return err
	}), "draw operator new")
	w.runner.Operator, w.runner.Beacon = &operator, beacon.Verify
	w.frozen()

	// Witnesses: the frozen folder, then their lines.
	refused(t, w.envelopes(nil, []int{2}), "min_witnesses is 2")
	refused(t, w.beacon(1000, round1000), "min_witnesses is 2")
	dir := filepath.Join(t.TempDir(), "frozen")
	w.must(WriteFrozen(w.ctx, w.db, w.cohort.ID, dir))
	if report := lottery.Verify(os.DirFS(dir), lottery.VerifyOptions{Frozen: true}); !report.OK(false) {
		t.Fatalf("a witness finds: %+v", report.Parts)
	}
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	sign := func(k lottery.Key, over []byte) []byte {
		b, err := lottery.Cosign(over, k, seoul(t, "2021-07-16 19:00"))
		w.must(err)
		return b
	}
	refused(t, w.cosign(sign(other, d.Checkpoint)), "no announced witness")
	refused(t, w.cosign(d.Checkpoint), "no cosignature that is new")
	forged := []byte(strings.Replace(string(sign(witnesses[0], d.Checkpoint)), "town", "gown", 1))
	refused(t, w.cosign(forged), "not over the frozen checkpoint")
	w.must(w.cosign(sign(witnesses[0], d.Checkpoint)))
	refused(t, w.cosign(sign(witnesses[0], d.Checkpoint)), "no cosignature that is new")
	later, err := lottery.Cosign(d.Checkpoint, witnesses[0], time.Unix(2_000_000_000, 0))
	w.must(err)
	refused(t, w.cosign(later), "has cosigned already")
	refused(t, w.envelopes(nil, []int{2}), "1 of the announced witnesses")
	w.must(w.cosign(sign(witnesses[1], d.Checkpoint)))
	if d, err = w.db.Draw(w.ctx, w.cohort.ID); err != nil || strings.Count(string(d.Checkpoint), "\n— ") != 3 {
		t.Errorf("the checkpoint, %v:\n%s", err, d.Checkpoint)
	}
	if err := w.tx(func(tx *data.Tx) error { return tx.SetCheckpoint(w.ctx, w.cohort.ID, []byte("another")) }); err == nil {
		t.Error("the checkpoint could be swapped")
	}

	// Sources.
	note := func(root lottery.Hash, value [32]byte) string {
		n, err := lottery.Reveal{DrawID: "town-a", Index: 1, Root: root, Value: value}.Sign(trustee)
		w.must(err)
		return n
	}
	signed := func(index int, note string) error {
		return w.tx(func(tx *data.Tx) error {
			return RevealSigned(w.ctx, tx, w.row.ID, "a", index, note, "by mail", w.both())
		})
	}
	refused(t, signed(1, note(lottery.Hash{1}, held(1))), "note")
	refused(t, signed(1, note(d.Root, held(2))), "commitment")
	refused(t, signed(2, note(d.Root, held(2))), "no key of trustee 2")
	w.must(signed(1, note(d.Root, held(1))))
	refused(t, signed(1, note(d.Root, held(1))), "recorded already")
	refused(t, w.void(), "never given up")
	refused(t, w.cosign(sign(witnesses[2], d.Checkpoint)), "randomness is recorded")
	refused(t, w.beacon(1000, round1000), "source 1")
	w.must(w.envelopes(nil, []int{2, 3}))
	contribute := func(index int, file string) error {
		return w.tx(func(tx *data.Tx) error {
			return Contributions(w.ctx, tx, w.row.ID, "a", index, []byte(file), "in the box", w.both())
		})
	}
	refused(t, contribute(8, "x"), "no contributions 8")
	w.must(contribute(7, "three letters"))
	refused(t, w.beacon(1000, round1000), "comes before the beacon")
	w.must(w.dice("471123"))
	refused(t, w.beacon(1001, round1000), "round 1000 counts")
	refused(t, w.beacon(1000, round1), "not quicknet's signature")
	w.must(w.beacon(1000, round1000))
	refused(t, w.beacon(1000, round1000), "recorded already")

	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	out := filepath.Join(t.TempDir(), "bundle")
	w.must(WriteBundle(w.ctx, w.db, w.cohort.ID, out))
	report := lottery.Verify(os.DirFS(out), lottery.VerifyOptions{Beacon: beacon.Verify, OperatorKey: operator.Public()})
	for _, p := range report.Parts {
		if p.State != lottery.Holds && !slices.Contains([]string{"ballots", "outcome", "allocation", "receipt"}, p.Name) {
			t.Errorf("%s %s: %s", p.Name, p.State, p.Detail)
		}
	}
	w.stats()
}

func (w *town) cosign(note []byte) error {
	return w.tx(func(tx *data.Tx) error {
		_, err := Cosign(w.ctx, tx, w.row.ID, "a", note, w.both())
		return err
	})
}

func (w *town) beacon(round uint64, signature string) error {
	raw, err := hex.DecodeString(signature)
	w.must(err)
	return w.tx(func(tx *data.Tx) error {
		_, err := Beacon(w.ctx, tx, w.row.ID, "a", round, raw, beacon.Verify, w.both())
		return err
	})
}

// TestFixedWithPools draws with a pool: its members fill its seats first, and
// the offers that follow keep to it.
func TestFixedWithPools(t *testing.T) {
	w := newTown(t, 40, 2)
	w.recast(func(file string) string {
		return strings.Replace(file, "seating = \"serial\"\n", "seating = \"fixed\"\nparty_percent = 20\npools = [{ group = \"care\", percent = 25 }]\n", 1)
	})
	pgtest.Exec(t, w.url, `UPDATE jebi.person_detail d SET groups = '{x,care}' FROM jebi.person p WHERE p.id = d.person_id AND p.key >= 'p030'`)
	w.frozen()
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	if n := w.count(`SELECT sum((reserve ->> 'care')::int)::int FROM jebi.slot`); n != 6 {
		t.Errorf("%d seats are held for the pool, want a quarter of 24", n)
	}
	members := w.count(`SELECT count(*)::int FROM jebi.ticket WHERE pool = 'care'`)
	placed := w.count(`SELECT count(*)::int FROM jebi.ticket WHERE pool = 'care' AND choice > 0`)
	if members != 10 || placed < 6 {
		t.Errorf("%d members, %d of them with a place", members, placed)
	}
	if n := w.count(`SELECT count(*)::int FROM jebi.cut_off WHERE pool = 'care'`); n == 0 {
		t.Error("no cut-off of the pool's class")
	}
	w.stats()
	for i := range 40 {
		e, err := Explain(w.ctx, w.db, w.people[fmt.Sprintf("p%03d", i)])
		w.must(err)
		granted := 0
		for _, c := range e.Choices {
			if c.Granted {
				granted = c.Choice
			}
		}
		if granted != e.Choice {
			t.Errorf("rank %d: granted %d by the cut-offs, %d by the draw", e.Rank, granted, e.Choice)
		}
	}
	pgtest.Exec(t, w.url, `UPDATE jebi.assignment SET state = 'declined', ended_at = jebi.jebi_now()`)
	w.must(w.tx(func(tx *data.Tx) error {
		r, err := Batch(w.ctx, tx, w.campaign, w.state(), w.both(), "x")
		if err == nil && r.Offers == 0 {
			t.Error("no offers of the seats that were given back")
		}
		return err
	}))
	if n := w.count(`SELECT count(*)::int FROM jebi.offer o JOIN jebi.ticket t USING (cohort_id, rank) WHERE t.pool = 'care'`); n == 0 && placed < 10 {
		t.Error("no member was offered a seat of the pool")
	}
}

// TestReceiptsAndProofs follows one citizen's receipts and proof, and an
// auditor.
func TestReceiptsAndProofs(t *testing.T) {
	w := newTown(t, 14, 1)
	operator := key(t, "town.sample.invalid", false)
	public, err := lottery.OperatorPublic(operator.Public())
	w.must(err)
	w.runner.Operator = &operator
	w.intake = intake.New(intake.Config{DB: w.db, Random: w.rand, Operator: &operator})
	w.recast(func(file string) string {
		return strings.Replace(file, "seating = \"serial\"\n", "seating = \"fixed\"\npools = [{ group = \"care\", percent = 25 }]\n", 1)
	})
	pgtest.Exec(t, w.url, `UPDATE jebi.person_detail d SET groups = '{care}' FROM jebi.person p WHERE p.id = d.person_id AND p.key >= 'p010'`)
	w.announce()
	w.at("2021-07-14 09:00")
	w.tick()
	first, err := w.intake.Save(w.ctx, intake.Request{Campaign: w.campaign, Person: w.people["p000"], Choices: []cohort.Choice{anything()}, Channel: data.ChannelSample})
	w.must(err)
	if first.Signed == nil {
		t.Fatal("no signature")
	}
	w.must(first.Signed.Check(public))
	if first.Signed.Revision != 1 || first.Signed.Commit != lottery.Hash(first.Commit) || first.Signed.DrawID != "town-a" {
		t.Errorf("signed: %+v", first.Signed)
	}
	w.saveAll()
	gone, err := w.intake.Withdraw(w.ctx, intake.Request{Campaign: w.campaign, Person: w.people["p001"], Channel: data.ChannelSample})
	w.must(err)
	if gone.Signed != nil {
		t.Error("a withdrawal was signed as a save")
	}
	w.at("2021-07-16 18:00")
	w.tick()
	w.is(cohort.Frozen)
	d, err := w.db.Draw(w.ctx, w.cohort.ID)
	w.must(err)
	checkpoint, err := lottery.ParseCheckpoint(d.Checkpoint)
	w.must(err)
	if checkpoint.Saves != 15 || checkpoint.Size != 14 {
		t.Errorf("checkpoint of %d saves and %d leaves, want 15 and 14", checkpoint.Saves, checkpoint.Size)
	}
	w.randomness()
	w.at("2021-07-17 14:00")
	w.tick()
	w.is(cohort.Published)
	bundle, auditors := filepath.Join(t.TempDir(), "bundle"), filepath.Join(t.TempDir(), "audit")
	w.must(WriteBundle(w.ctx, w.db, w.cohort.ID, bundle))
	w.must(WriteAuditors(w.ctx, w.db, w.campaign, w.cohort.ID, auditors))
	manifest, err := os.ReadFile(filepath.Join(bundle, lottery.FileManifest))
	w.must(err)
	audit, err := Auditing(manifest, os.DirFS(auditors))
	w.must(err)
	provers := NewProvers(w.db, &operator)
	for _, person := range []string{"p000", "p002", "p011"} {
		proof, err := Proof(w.ctx, w.db, w.campaign, w.people[person], &operator)
		w.must(err)
		again, err := provers.Proof(w.ctx, w.campaign, w.people[person])
		w.must(err)
		if diff := cmp.Diff(proof, again); diff != "" {
			t.Errorf("%s: a server's proof differs:\n%s", person, diff)
		}
		if proof.Save == nil || proof.Result == nil {
			t.Fatalf("%s: proof without save or result: %+v", person, proof)
		}
		if person == "p000" && proof.Save.Revision != 2 {
			t.Errorf("revision %d counted, want 2", proof.Save.Revision)
		}
		file, err := proof.Marshal()
		w.must(err)
		report := lottery.Verify(os.DirFS(bundle), lottery.VerifyOptions{Receipt: file, OperatorKey: operator.Public(), Audit: audit})
		for _, p := range report.Parts {
			if p.State != lottery.Holds && p.Name != "witnesses" {
				t.Errorf("%s: %s %s: %s", person, p.Name, p.State, p.Detail)
			}
		}
	}
	_, err = Proof(w.ctx, w.db, w.campaign, w.people["p001"], &operator)
	refused(t, err, "no proof")
	provers.kept, provers.busy = nil, true // somebody else is making it ready
	if _, err = provers.Proof(w.ctx, w.campaign, w.people["p000"]); !errors.Is(err, ErrPreparing) {
		t.Errorf("while it is made ready: %v", err)
	}
	if err := lottery.CheckLeftOut(nil, checkpoint, *first.Signed, public); err == nil {
		t.Error("a receipt without its place in the log proves nothing")
	}

	// A file of the auditors' that was changed is named.
	list := filepath.Join(auditors, fileEligible)
	text, err := os.ReadFile(list)
	w.must(err)
	w.must(os.WriteFile(list, []byte(strings.Replace(string(text), "p002,1", "p099,1", 1)), 0o600))
	audit, err = Auditing(manifest, os.DirFS(auditors))
	w.must(err)
	if p := lottery.Verify(os.DirFS(bundle), lottery.VerifyOptions{Audit: audit}).Find("ballots"); p.State != lottery.Fails || !strings.Contains(p.Detail, "not of the eligible") {
		t.Errorf("a ballot outside the list: %+v", p)
	}
	w.must(os.WriteFile(filepath.Join(auditors, fileCampaign), []byte("key = 1"), 0o600))
	if _, err := Auditing(manifest, os.DirFS(auditors)); err == nil {
		t.Error("another campaign file was taken")
	}
}

// TestAgainstACopy lets a superuser change ballots after the freeze, past all
// triggers, and holds the database against what was kept outside.
func TestAgainstACopy(t *testing.T) {
	w := newTown(t, 6, 1)
	operator := key(t, "town.sample.invalid", false)
	w.runner.Operator = &operator
	w.frozen()
	dir := filepath.Join(t.TempDir(), "frozen")
	w.must(WriteFrozen(w.ctx, w.db, w.cohort.ID, dir))
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		w.must(err)
		return b
	}
	whole := Outside{Checkpoint: read(lottery.FileCheckpoint), Leaves: read(lottery.FileLeaves), Manifest: read(lottery.FileManifest)}
	text, _, _ := strings.Cut(string(whole.Checkpoint), "\n\n")
	look := func(o Outside) (r lottery.Report) {
		w.must(w.db.ReadTx(w.ctx, func(tx *data.Tx) (err error) { r, err = Against(w.ctx, tx, w.cohort.ID, o); return err }))
		return r
	}
	for _, o := range []Outside{whole, {Checkpoint: whole.Checkpoint}, {Checkpoint: []byte(text + "\n")}} {
		if r := look(o); !r.OK(true) {
			t.Fatalf("untouched: %+v", r.Parts)
		}
	}
	super := func(sql string) {
		pgtest.Unguarded(t, w.url, "jebi_owner", "jebi", sql)
	}
	names := func(o Outside, part, says string) {
		t.Helper()
		if p := look(o).Find(part); p.State != lottery.Fails || !strings.Contains(p.Detail, says) {
			t.Errorf("%s: %+v, want %q", part, p, says)
		}
	}
	person := func(key string) string { return fmt.Sprint(w.people[key]) }
	super(`UPDATE ballot SET bytes = replace(convert_from(bytes, 'UTF8'), 'c1', 'c2')::bytea WHERE person_id = ` + person("p000"))
	names(whole, "ballots", "(person "+person("p000")+") was changed")
	super(`DELETE FROM ballot WHERE person_id = ` + person("p001"))
	names(whole, "ballots", "was deleted")
	names(Outside{Checkpoint: whole.Checkpoint}, "ballots", "was deleted")
	super(`DELETE FROM draw_leaf WHERE person_id = ` + person("p001"))
	names(whole, "leaves", "was deleted")
	names(Outside{Checkpoint: whole.Checkpoint}, "leaves", "root")
	super(`INSERT INTO person (campaign_id, cohort_id, key, row_hash) SELECT campaign_id, cohort_id, 'late', sha256('x') FROM person LIMIT 1;
	       INSERT INTO ballot SELECT b.campaign_id, p.id, b.cohort_id, 1, b.bytes, b.salt, b.commit, NULL, false, 'sample', NULL, NULL, b.saved_at
	         FROM ballot b, person p WHERE p.key = 'late' LIMIT 1`)
	names(whole, "ballots", "was inserted")
	super(`UPDATE draw_leaf SET weight = 2 WHERE person_id = ` + person("p003"))
	names(whole, "leaves", "(person "+person("p003")+") was changed")
	super(`DELETE FROM ballot_history WHERE person_id = ` + person("p001"))
	names(whole, "saves", "5 saves in the histories, the copy has 6")
	super(`UPDATE draw SET root = sha256('x')`)
	names(whole, "checkpoint", "the database says")
	super(`UPDATE draw_secret SET k = sha256('x')`)
	names(whole, "manifest", "secret key")
}
