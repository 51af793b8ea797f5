package workbook

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

// Folder is where the workbooks of a campaign are written.
type Folder struct {
	Dir      string
	Campaign *cohort.Campaign
	Words    *words.Book
	Made     time.Time // the database's time of writing
	Password string    // "": the files are not encrypted
}

// Written is a workbook that has been written.
type Written struct {
	Clinic string `json:"clinic"`
	File   string `json:"file"` // its name in the folder
	People int    `json:"people"`
}

// Write writes the workbook of a clinic as KEY.xlsx, readable by this user
// only, in the place of one that was there, at once.
func (f Folder) Write(c data.ClinicRow, rows []data.RosterRow) (w Written, err error) {
	languages := f.Campaign.Languages
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = Entry{
			Assignment: r.Assignment, Reference: cohort.Reference(r.Assignment), Date: r.Date, Block: r.Block, Vaccine: r.Vaccine, Dose: r.Dose,
			Name: r.Name, BirthYear: r.BirthYear, Phone: r.Phone,
		}
	}
	about := Clinic{
		Key: c.Key, Name: c.Name, NameEn: c.NameEn, Address: c.Address, Phone: c.Phone,
		Campaign: f.Campaign.Name.In(languages[0], languages...), Sample: f.Campaign.Sample, Made: f.Made, Zone: f.Campaign.Location,
		Contact: f.Campaign.Contact.Phone, Languages: languages,
	}
	w = Written{Clinic: c.Key, File: c.Key + ".xlsx", People: len(rows)}
	return w, Private(filepath.Join(f.Dir, w.File), func(out *os.File) error {
		_, err := Write(out, about, f.Words, entries, f.Password)
		return err
	})
}

// Private writes a file that only this user can read, in the place of one that
// was there, once it is whole and on the disk. Where write fails, the old file
// stays and nothing is left of the new one.
func Private(name string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".jebi-*.xlsx") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(name), err), os.Remove(f.Name()))
	}
	return nil
}
