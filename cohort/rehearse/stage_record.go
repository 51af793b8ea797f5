package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"jebi/cohort/cycle"
	"jebi/data"
	"jebi/lottery"
	"jebi/lottery/beacon"
)

// The folders of what a draw leaves behind, in the rehearsal's.
const (
	folderBundle  = "bundle"  // one folder a cohort: what everybody gets
	folderAuditor = "auditor" // one folder a cohort: what a sworn auditor gets, the bundle with it
	folderProof   = "proof"   // one file a cohort: what one citizen gets
	folderFrozen  = "frozen"  // one folder a cohort: what witnesses and trustees got
)

// Record is what a draw has left behind, and what verifying it said.
type Record struct {
	Cohort  string `json:"cohort"`
	DrawID  string `json:"draw_id"`
	Sample  bool   `json:"sample"`
	Bundle  string `json:"bundle"`  // these are relative to the rehearsal's folder
	Auditor string `json:"auditor"` // for sworn auditors only
	Proof   string `json:"proof"`   // of one citizen, for her only
	Person  string `json:"person"`  // whose: her key
	Rank    uint32 `json:"rank"`    // hers
	Saves   uint64 `json:"saves"`   // in the log of saves, all signed
	// Public is what anybody finds who has the bundle and the operator's key;
	// Private what she finds who has the auditors' files and the proof as well.
	Public  []lottery.Part `json:"public"`
	Private []lottery.Part `json:"private"`
}

// privateParts are those that a public bundle cannot hold: they need the
// auditors' files, or a citizen's proof.
func privateParts() []string { return []string{"ballots", "outcome", "allocation", "receipt"} }

// record writes a cohort's bundle, its auditors' files and one citizen's
// proof, and verifies them as strangers would.
func (r *Rehearsal) record(ctx context.Context, g *group) error {
	rec := Record{
		Cohort: g.rule.Key, DrawID: g.announced.DrawID, Sample: g.announced.Sample,
		Bundle: filepath.Join(folderBundle, g.rule.Key), Auditor: filepath.Join(folderAuditor, g.rule.Key),
		Proof: filepath.Join(folderProof, g.rule.Key+".json"),
	}
	bundle, auditor := filepath.Join(r.Dir, rec.Bundle), filepath.Join(r.Dir, rec.Auditor)
	if err := cycle.WriteBundle(ctx, r.DB, g.id, bundle); err != nil {
		return err
	}
	if err := r.writeAuditors(ctx, g, bundle, auditor); err != nil {
		return err
	}
	proof, err := r.writeProof(ctx, g, &rec)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(bundle, lottery.FileManifest))
	if err != nil {
		return err
	}
	opts := lottery.VerifyOptions{Beacon: beacon.Verify, OperatorKey: r.operator.Public()}
	public := lottery.Verify(os.DirFS(bundle), opts)
	opts.Receipt = proof
	if opts.Audit, err = cycle.Auditing(manifest, os.DirFS(auditor)); err != nil {
		return err
	}
	private := lottery.Verify(os.DirFS(auditor), opts)
	rec.Public, rec.Private = public.Parts, private.Parts
	r.summary.Records = append(r.summary.Records, rec)
	if bad := unproven(public, private); bad != "" {
		return fmt.Errorf("cohort %s does not verify: %s", g.rule.Key, bad)
	}
	return nil
}

// unproven names the first part that does not stand as it must after a whole
// draw: in public everything but the private parts holds, and with the private
// files those hold too.
func unproven(public, private lottery.Report) string {
	for _, p := range public.Parts {
		if p.State != lottery.Holds && !(p.State == lottery.Absent && slices.Contains(privateParts(), p.Name)) {
			return fmt.Sprintf("in public, %s %s: %s", p.Name, p.State, p.Detail)
		}
	}
	for _, p := range private.Parts {
		if p.State != lottery.Holds {
			return fmt.Sprintf("%s %s: %s", p.Name, p.State, p.Detail)
		}
	}
	return ""
}

// writeAuditors writes a sworn auditor's folder: her own files and the whole
// bundle, for nobody else's eyes.
func (r *Rehearsal) writeAuditors(ctx context.Context, g *group, bundle, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := cycle.WriteAuditors(ctx, r.DB, r.campaign, g.id, dir); err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(bundle)); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	err = os.Chmod(dir, 0o700)
	for _, f := range files {
		err = errors.Join(err, os.Chmod(filepath.Join(dir, f.Name()), 0o600))
	}
	return err
}

// writeProof writes the proof of one citizen, as jebi result proof does.
func (r *Rehearsal) writeProof(ctx context.Context, g *group, rec *Record) ([]byte, error) {
	who, err := r.choosePerson(ctx, g)
	if err != nil {
		return nil, err
	}
	p, err := cycle.Proof(ctx, r.DB, r.campaign, who.ID, r.operator)
	if err != nil {
		return nil, err
	}
	if p.Save == nil {
		return nil, fmt.Errorf("the proof of person %d has no receipt of her save", who.ID)
	}
	file, err := p.Marshal()
	if err != nil {
		return nil, err
	}
	checkpoint, err := os.ReadFile(filepath.Join(r.Dir, rec.Bundle, lottery.FileCheckpoint))
	if err != nil {
		return nil, err
	}
	c, err := lottery.ParseCheckpoint(checkpoint)
	if err != nil {
		return nil, err
	}
	rec.Person, rec.Rank, rec.Saves = who.Key, p.Rank, c.Saves
	if r.summary.SignInAs.Name == "" {
		r.summary.SignInAs = SignInAs{who.Name, who.BirthDate.Format("2006-01-02"), who.Phone}
	}
	name := filepath.Join(r.Dir, rec.Proof)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	return file, os.WriteFile(name, file, 0o600)
}

// choosePerson picks somebody of a cohort to look at the draw as: alone, with
// a phone and a place that she has accepted, and who answered by the form
// where there is such a one.
func (r *Rehearsal) choosePerson(ctx context.Context, g *group) (data.PersonRow, error) {
	for _, form := range []bool{true, false} {
		for _, a := range g.answers {
			if a.form != form || a.mate != 0 || a.person.Phone == "" || a.person.Language != "ko" {
				continue
			}
			result, err := r.DB.ResultOf(ctx, a.person.ID)
			if err != nil {
				return data.PersonRow{}, err
			}
			if result.State == "confirmed" && result.Rank > 0 {
				return a.person, nil
			}
		}
	}
	return data.PersonRow{}, fmt.Errorf("nobody of cohort %s has a place", g.rule.Key)
}
