package cycle

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"jebi/cohort"
	"jebi/cohort/campaign"
	"jebi/data"
	"jebi/lottery"
)

// Files of the auditors' folder beside outcome.bin and ballots.bin.
const (
	fileKey      = "k_draw.txt"    // K_draw in hex
	fileEligible = "eligible.csv"  // key,weight,pool
	fileCampaign = "campaign.toml" // the one that the manifest names
)

// WriteAuditors writes what a sworn auditor gets beside the bundle of a drawn
// cohort: outcome.bin, ballots.bin, K_draw, the list of the eligible with
// weights and pools as they were frozen, and the campaign file. Nobody else
// may read them.
func WriteAuditors(ctx context.Context, db *data.DB, c *cohort.Campaign, cohortID int, dir string) error {
	var d *computed
	var file []byte
	var list strings.Builder
	err := db.ReadTx(ctx, func(tx *data.Tx) error {
		row, err := tx.Cohort(ctx, cohortID)
		if err != nil {
			return err
		}
		o := c.CohortByKey(row.Key)
		if o == nil || !row.State.Since(cohort.Drawn) {
			return fmt.Errorf("cohort %s: %w", row.Key, ErrNotPublished)
		}
		if d, err = computeFor(ctx, tx, o, cohortID, math.MaxInt); err != nil {
			return err
		}
		if file, err = tx.CampaignFile(ctx, d.manifest.Campaign); err != nil {
			return err
		}
		list.WriteString("key,weight,pool\n")
		return tx.EachEligible(ctx, cohortID, func(key string, weight int, pool string) error {
			_, err := fmt.Fprintf(&list, "%s,%d,%s\n", key, min(max(weight, 1), int(d.manifest.MaxWeight)), pool)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := d.finish(); err != nil {
		return err
	}
	files := map[string][]byte{
		lottery.FileOutcome: lottery.OutcomeBytes(d.outcomes), lottery.FileBallots: d.ballots,
		fileKey: fmt.Appendf(nil, "%x\n", d.k), fileEligible: []byte(list.String()), fileCampaign: file,
	}
	// Closed to others before there is anything in it.
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700)); err != nil {
		return fmt.Errorf("auditors' files: %w", err)
	}
	if err := lottery.WriteFiles(dir, files); err != nil {
		return err
	}
	for name := range files {
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
			return fmt.Errorf("auditors' files: %w", err)
		}
	}
	return nil
}

// HasAuditors says whether a folder holds a sworn auditor's files.
func HasAuditors(folder fs.FS) bool {
	_, err := fs.Stat(folder, fileKey)
	return err == nil
}

// Auditing reads an auditors' folder, to verify a bundle with it: the
// allocation is done again from the published supply, the opened ballots and
// the campaign file alone, by the reference rules. It needs no database.
func Auditing(manifest []byte, folder fs.FS) (*lottery.Audit, error) {
	m, err := lottery.ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	a := &lottery.Audit{Folder: folder, Eligible: []lottery.Eligible{}}
	text, err := fs.ReadFile(folder, fileKey)
	if err != nil {
		return nil, fmt.Errorf("auditors' files: %w", err)
	}
	k, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(k) != len(a.K) {
		return nil, fmt.Errorf("auditors' files: %s is not 32 bytes in hex", fileKey)
	}
	copy(a.K[:], k)
	if text, err = fs.ReadFile(folder, fileEligible); err != nil {
		return nil, fmt.Errorf("auditors' files: %w", err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 || !slices.Equal(rows[0], []string{"key", "weight", "pool"}) {
		return nil, errors.Join(fmt.Errorf("auditors' files: %s has not the columns key,weight,pool", fileEligible), err)
	}
	pools := map[string]string{}
	for i, row := range rows[1:] {
		weight, err := strconv.ParseUint(row[1], 10, 16)
		if err != nil {
			return nil, fmt.Errorf("auditors' files: %s: row %d: %q is no weight", fileEligible, i+2, row[1])
		}
		a.Eligible = append(a.Eligible, lottery.Eligible{PersonID: row[0], Weight: uint16(weight)})
		if row[2] != "" {
			pools[row[0]] = row[2]
		}
	}
	if text, err = fs.ReadFile(folder, fileCampaign); err != nil {
		return nil, fmt.Errorf("auditors' files: %w", err)
	}
	if h := lottery.FileHash(text); h != m.Campaign {
		return nil, fmt.Errorf("auditors' files: %s has H %s, the manifest names %s", fileCampaign, h, m.Campaign)
	}
	c, problems := campaign.Parse(text)
	if errs := campaign.Errors(problems); len(errs) > 0 {
		return nil, fmt.Errorf("auditors' files: %s: line %d: %s", fileCampaign, errs[0].Line, errs[0].Text)
	}
	o := c.CohortByKey(m.Cohort)
	if o == nil {
		return nil, fmt.Errorf("auditors' files: %s has no cohort %q", fileCampaign, m.Cohort)
	}
	a.Allocate = func(supply []byte, order []lottery.Entity, ballots lottery.Ballots) ([]lottery.Outcome, []lottery.PublicCutOff, error) {
		return reallocate(c, o, supply, order, ballots, pools)
	}
	return a, nil
}

// reallocate does an allocation again from what an auditor has. pools holds
// the pool of each person who is of one, by key.
func reallocate(c *cohort.Campaign, o *cohort.Cohort, supply []byte, order []lottery.Entity, ballots lottery.Ballots, pools map[string]string) ([]lottery.Outcome, []lottery.PublicCutOff, error) {
	file, err := lottery.ParseSupply(supply)
	if err != nil {
		return nil, nil, err
	}
	names := poolNames(o)
	slots, err := lottery.NewSlots(file, names)
	if err != nil {
		return nil, nil, err
	}
	rows, ids := make([]data.SlotRow, len(file)), make([]string, len(file))
	for x, s := range file {
		ids[x] = s.ID
		rows[x] = data.SlotRow{
			ID: int64(x) + 1, ClinicKey: s.Clinic, Date: s.Date, Block: s.Block, Part: c.PartOf(s.Block), Vaccine: s.Vaccine,
			Seats: int(s.Seats), Second: s.Second,
		}
	}
	h, err := newShelf(rows)
	if err != nil {
		return nil, nil, err
	}
	byLeaf := make([]uint16, ballots.Len()+1)
	for i := 1; i <= ballots.Len() && len(names) > 1; i++ {
		_, ballot := ballots.Leaf(i)
		person, err := lottery.BallotPerson(ballot)
		if err != nil {
			return nil, nil, err
		}
		if p := slices.Index(names, pools[person]); p > 0 {
			byLeaf[i] = uint16(p)
		}
	}
	p := &lottery.Problem{Slots: slots, Pools: names, Tickets: make([]lottery.Applicant, len(order))}
	for i := range order {
		_, ballot := ballots.Leaf(int(order[i].Members[0]))
		choices, err := h.choices(ballot)
		if err != nil {
			return nil, nil, err
		}
		if seating(o.Seating) == lottery.Fixed {
			for c := range choices {
				choices[c] = rotate(choices[c], order[i].Ticket)
			}
		}
		p.Tickets[i] = lottery.Applicant{Size: order[i].Size, Doses: doses(o), Pool: poolOf(&order[i], byLeaf), Choices: choices}
	}
	places, err := lottery.Serve(p, seating(o.Seating))
	if err != nil {
		return nil, nil, err
	}
	outcomes := make([]lottery.Outcome, len(order))
	for i := range outcomes {
		outcomes[i] = lottery.Outcome{Choice: uint8(places.Choice[i]), Slot: uint32(places.Slot[i] + 1), Second: uint32(places.Second[i] + 1)}
	}
	cutoffs := make([]lottery.PublicCutOff, len(places.CutOffs))
	for i, c := range places.CutOffs {
		cutoffs[i] = lottery.PublicCutOff{
			Slot: ids[c.Slot], Size: uint64(c.Class.Size), Doses: uint64(c.Class.Doses), Pool: names[c.Class.Pool], Rank: uint64(c.Rank),
		}
	}
	return outcomes, cutoffs, nil
}
