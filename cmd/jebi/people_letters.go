package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
	"jebi/data/workbook"
)

// lettersOptions are the flags of people letters.
type lettersOptions struct {
	out, reason string
	filter      data.LetterFilter
	apply       bool
}

func newPeopleLettersCommand(a *app) *cobra.Command {
	var o lettersOptions
	c := &cobra.Command{
		Use:   "letters --out FILE.xlsx",
		Short: "Write names, addresses and sign-in codes for letters",
		Long: `Write the names, addresses and personal sign-in codes of everyone eligible who has an address and
has had no letter, as an .xlsx file for a mail merge that only you can read. The codes are stored
nowhere else: whoever has the file and a birth date can answer for its people, so keep it safe and
delete it after printing. A code works once; the page then gives its owner another for her next
visit. Who has lost both gets a new letter: --person KEY --again. A file that is lost is made again with --again, which makes the earlier
codes void. It needs a signed-in operator.`,
		Example: "  jebi people letters --cohort 1962-66 --out letters.xlsx --apply",
		Args:    cobra.NoArgs,
		RunE:    func(cc *cobra.Command, _ []string) error { return a.letters(cc.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "file to write")
	f.StringVar(&o.filter.Cohort, "cohort", "", "only this cohort")
	f.StringVar(&o.filter.Person, "person", "", "only this person (key)")
	f.BoolVar(&o.filter.Again, "again", false, "also who has had one: earlier codes become void")
	f.StringVar(&o.reason, "reason", "", "why, for --again")
	f.BoolVar(&o.apply, "apply", false, "do it")
	return c
}

func (a *app) letters(ctx context.Context, o lettersOptions) error {
	if o.apply && o.out == "" {
		return usage(errors.New("where to? --out FILE.xlsx"))
	}
	if o.filter.Again {
		reason, err := checkReason(o.reason)
		if err != nil {
			return err
		}
		o.reason = reason
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	c, row, err := a.campaign(ctx, db)
	if err != nil {
		return err
	}
	if o.filter.Cohort != "" {
		if _, _, err := a.cohortRow(ctx, db, o.filter.Cohort); err != nil {
			return err
		}
	}
	by, err := a.official(ctx, db, data.RoleOperator)
	if err != nil {
		return err
	}
	n := 0
	if o.apply {
		n, err = a.writeLetters(ctx, db, c, row, o, by)
	} else {
		err = db.Try(ctx, func(tx *data.Tx) error {
			n, err = tx.IssueLetters(ctx, row.ID, o.filter, func(p data.LetterRow) (handle, hash [32]byte, err error) {
				return sha256.Sum256([]byte(p.Key)), hash, nil
			}, o.reason, by)
			return err
		})
	}
	if err != nil {
		return err
	}
	return a.show(struct {
		Letters int    `json:"letters"`
		File    string `json:"file"`
		Sample  bool   `json:"sample"`
		Applied bool   `json:"applied"`
	}{n, o.out, c.Sample, o.apply}, func(w io.Writer) error {
		var err error
		if o.apply {
			_, err = fmt.Fprintf(w, "%d letters are in %s. It opens the door to their people: print it, then delete it.\n", n, o.out)
		} else {
			_, err = fmt.Fprintf(w, "%d letters would be written. Nothing is done. Do it with --apply.\n", n)
		}
		return err
	})
}

// writeLetters writes the file, whole and on the disk, before what it holds
// counts.
func (a *app) writeLetters(ctx context.Context, db *data.DB, c *cohort.Campaign, row data.CampaignRow, o lettersOptions, by data.Actor) (n int, err error) {
	key, err := a.serverKey(ctx, db)
	if err != nil {
		return 0, err
	}
	cohorts, err := db.Cohorts(ctx, row.ID)
	if err != nil {
		return 0, err
	}
	book := words.New()
	stop := errors.New("the file cannot be written")
	err = workbook.Private(o.out, func(f *os.File) error {
		return db.Tx(ctx, func(tx *data.Tx) error {
			// The transaction may begin again.
			if err := f.Truncate(0); err != nil {
				return err
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			n, err = workbook.WriteLetters(f, book, c.Languages[0], c.Sample, func(yield func(workbook.Letter, error) bool) {
				_, err := tx.IssueLetters(ctx, row.ID, o.filter, func(p data.LetterRow) (handle, hash [32]byte, err error) {
					code, err := cohort.NewLetterCode(rand.Reader)
					if err != nil {
						return handle, hash, err
					}
					l := workbook.Letter{Key: p.Key, Name: p.Name, Address: p.Address, Code: cohort.FormatLetterCode(code), Language: p.Language}
					for _, x := range cohorts {
						if x.ID == p.Cohort && x.State != cohort.Draft {
							l.Opens, l.Closes = book.When(p.Language, x.Opens, c.Location), book.When(p.Language, x.Closes, c.Location)
						}
					}
					if !yield(l, nil) {
						return handle, hash, stop
					}
					return cohort.EntryHandle(key, cohort.WayLetter, c.Key, code), cohort.LetterHash(key, c.Key, p.Key, code), nil
				}, o.reason, by)
				if err != nil && !errors.Is(err, stop) {
					yield(workbook.Letter{}, err)
				}
			})
			if err != nil {
				return err
			}
			if n == 0 {
				return refused(errors.New("nobody is left to write to; --again writes to all anew"))
			}
			return f.Sync()
		})
	})
	var path *os.PathError
	if errors.As(err, &path) && errors.Is(err, os.ErrNotExist) {
		return 0, usage(fmt.Errorf("there is no folder %s", filepath.Dir(o.out)))
	}
	return n, err
}
