package rehearse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"jebi/data"
	"jebi/data/workbook"
)

// writeWorkbooks writes one workbook a clinic, from one snapshot.
func (r *Rehearsal) writeWorkbooks(ctx context.Context) (string, error) {
	dir := filepath.Join(r.Dir, "workbooks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	type list struct {
		clinic data.ClinicRow
		rows   []data.RosterRow
	}
	var lists []list
	folder := workbook.Folder{Dir: dir, Campaign: r.campaign, Words: r.words}
	err := r.DB.ReadTx(ctx, func(tx *data.Tx) (err error) {
		lists = nil
		if folder.Made, err = tx.Now(ctx); err != nil {
			return err
		}
		clinics, err := tx.ClinicsWithSlots(ctx, r.row.ID)
		if err != nil {
			return err
		}
		for _, k := range clinics {
			rows, err := tx.Roster(ctx, k.ID)
			if err != nil {
				return err
			}
			lists = append(lists, list{k, rows})
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	places := 0
	var g errgroup.Group
	g.SetLimit(4)
	for _, l := range lists {
		places += len(l.rows)
		g.Go(func() error {
			_, err := folder.Write(l.clinic, l.rows)
			return err
		})
	}
	return fmt.Sprintf("%d workbooks, %d places", len(lists), places), g.Wait()
}
