package data

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"jebi/cohort"
)

// Correction is what an official sets right about one person.
type Correction struct {
	Key    string
	Set    map[string]string // columns of PeopleColumns except key, with what they are to hold, as in a file
	Status string            // "dead", "vaccinated", "removed", "eligible" (none of these after all); "": as it is
}

// Corrected says what a correction has changed, without personal values.
type Corrected struct {
	Person  int64    `json:"-"`
	Key     string   `json:"key"`
	Fields  []string `json:"fields"`            // columns that have changed
	Status  string   `json:"status"`            // now
	Was     string   `json:"was"`               // before
	Cohort  string   `json:"cohort"`            // now, "" for none
	From    string   `json:"from_cohort"`       // before
	Kept    bool     `json:"kept,omitempty"`    // by her new data she belongs elsewhere, but her window is past or she has answered
	Ended   int      `json:"ended,omitempty"`   // sign-ins and sessions that have ended
	Place   int64    `json:"place,omitempty"`   // assignment that has been cancelled
	Off     bool     `json:"off,omitempty"`     // left the waitlist
	InLine  bool     `json:"in_line,omitempty"` // first in line for an offer
	Changed bool     `json:"changed"`
}

// BadValue is a value that a correction cannot take.
type BadValue struct{ Flaw ImportError }

func (e *BadValue) Error() string { return e.Flaw.Column + ": " + e.Flaw.Text }

// CorrectPerson sets one person's data and status right, before and after the
// freeze, with what follows from it:
//
// A new phone or address ends every session and code that was out. Another
// birth date, district or group moves her to the cohort that it belongs to,
// as long as she has no ballot and neither window is past. Who is dead,
// vaccinated or removed is not admitted at the freeze; after the draw her
// place is cancelled, and she is off the waitlist. Who is eligible again gets
// no place back but is first in line.
//
// A later file does not overwrite what was corrected. The audit row names the
// columns, not what they hold. Errors are *BadValue, *Refusal, ErrNotFound.
func (tx *Tx) CorrectPerson(ctx context.Context, c *cohort.Campaign, campaign int, k Correction, reason string, by Actor) (Corrected, error) {
	var out Corrected
	cohorts, err := tx.Cohorts(ctx, campaign)
	if err != nil {
		return out, err
	}
	p, err := tx.lockForCorrection(ctx, campaign, k.Key, cohorts)
	if err != nil {
		return out, err
	}
	if p.Purged {
		return out, refuse("the personal data of this person has been deleted; there is nothing to correct")
	}
	if cohorts, err = tx.Cohorts(ctx, campaign); err != nil { // as they stand under the lock
		return out, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return out, err
	}
	to, fields, err := applied(c, cohorts, now, p, k.Set)
	if err != nil {
		return out, err
	}
	out = Corrected{Person: p.ID, Key: p.Key, Fields: fields, Status: p.Status, Was: p.Status, Cohort: p.CohortKey, From: p.CohortKey}
	if k.Status != "" {
		out.Status = k.Status
	}
	if len(fields) == 0 && out.Status == p.Status {
		return out, nil
	}
	out.Changed = true
	if err := tx.writeDetail(ctx, p, to, fields); err != nil {
		return out, err
	}
	if slices.Contains(fields, "phone") || slices.Contains(fields, "email") {
		if out.Ended, err = tx.endSignIns(ctx, p.ID); err != nil {
			return out, err
		}
	}
	if err := tx.recohort(ctx, c, cohorts, p, to, &out); err != nil {
		return out, err
	}
	if out.Status != p.Status {
		if err := tx.changeStatus(ctx, p, &out, reason, by); err != nil {
			return out, err
		}
	}
	if err := tx.tellCorrected(ctx, p, cohorts, &out); err != nil {
		return out, err
	}
	return out, tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: by, Act: "person.correct", Subject: subject("person", p.ID), Reason: reason,
		Before: correctionAudit{Status: out.Was, Cohort: out.From},
		After:  correctionAudit{fields, out.Status, out.Cohort, out.Place, out.Off, out.InLine, out.Ended},
	})
}

type correctionAudit struct {
	Fields []string `json:"fields,omitempty"`
	Status string   `json:"status"`
	Cohort string   `json:"cohort"`
	Place  int64    `json:"place,omitempty"`
	Off    bool     `json:"off,omitempty"`
	InLine bool     `json:"in_line,omitempty"`
	Ended  int      `json:"ended,omitempty"`
}

// lockForCorrection locks the person, after her window: a close or a save
// waits until the correction stands.
func (tx *Tx) lockForCorrection(ctx context.Context, campaign int, key string, cohorts []CohortRow) (PersonRow, error) {
	p, err := tx.PersonByKey(ctx, campaign, key)
	if err != nil {
		return p, err
	}
	for _, o := range cohorts {
		if o.ID == p.Cohort && taking(o.State) {
			if err := tx.Lock(ctx, LockWindow, o.ID); err != nil {
				return p, err
			}
		} else if taking(o.State) {
			if err := tx.LockShared(ctx, LockWindow, o.ID); err != nil {
				return p, err
			}
		}
	}
	was := p.Cohort
	if p, err = tx.LockPerson(ctx, campaign, key); err == nil && p.Cohort != was {
		return p, refuse("somebody else is changing this person; try again")
	}
	return p, err
}

// applied reads the new values, as a file's, over the old ones, and names the
// columns that differ.
func applied(c *cohort.Campaign, cohorts []CohortRow, now time.Time, p PersonRow, set map[string]string) (listed, []string, error) {
	old := personCells(p)
	cells := slices.Clone(old)
	layout := PeopleColumns()
	for column, value := range set {
		i := slices.IndexFunc(layout, func(l Column) bool { return l.Name == column })
		if i <= personKey {
			return listed{}, nil, &BadValue{ImportError{Column: column, Code: "unknown_column", Text: ImportText("unknown_column")}}
		}
		cells[i] = value
	}
	to, err := readPerson(c, cohorts, now, cells)
	if err != nil {
		return to, nil, err
	}
	var fields []string
	for i, cell := range personCells(to.row()) {
		if cell != old[i] {
			fields = append(fields, layout[i].Name)
		}
	}
	return to, fields, nil
}

// personCells writes a person as the cells of a file's row.
func personCells(p PersonRow) []string {
	number := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', -1, 64)
	}
	return []string{
		p.Key, p.Name, p.BirthDate.Format(time.DateOnly), p.Phone, p.Email, p.Address, p.District,
		number(p.Lat), number(p.Lon), strings.Join(p.Groups, ";"), p.Language,
	}
}

func (p *listed) row() PersonRow {
	return PersonRow{
		Key: p.key, Name: p.name, BirthDate: p.birth, Phone: valueOr(p.phone, ""), Email: valueOr(p.email, ""), Address: p.address,
		District: p.district, Lat: p.lat, Lon: p.lon, Groups: p.groups, Language: p.language,
	}
}

// readPerson reads one person from the cells of a row in the layout's order.
func readPerson(c *cohort.Campaign, cohorts []CohortRow, now time.Time, cells []string) (listed, error) {
	var r ImportReport
	layout := PeopleColumns()
	f := fields{layout: layout, at: make([]int, len(layout)), report: &r}
	for i := range f.at {
		f.at[i] = i
	}
	f.begin(Line{Cells: cells})
	p, ok := newPersonReader(c, cohorts, now).read(&f)
	if !ok {
		return p, &BadValue{r.Errors[0]}
	}
	return p, nil
}

func (tx *Tx) writeDetail(ctx context.Context, p PersonRow, to listed, fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	_, err := tx.tx.Exec(ctx, `
		UPDATE person_detail SET name = $2, birth_date = $3, phone = $4, email = $5, address = $6, district = $7, lat = $8, lon = $9, groups = $10, language = $11
		 WHERE person_id = $1`,
		p.ID, to.name, to.birth, to.phone, to.email, to.address, to.district, to.lat, to.lon, to.groups, to.language)
	if err != nil {
		return fmt.Errorf("correct person %d: %w", p.ID, withoutValues(err))
	}
	marks := slices.Clone(p.Corrected)
	for _, f := range fields {
		if f == "lat" || f == "lon" {
			f = "position"
		}
		if !slices.Contains(marks, f) {
			marks = append(marks, f)
		}
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE person SET corrected = $2 WHERE id = $1`, p.ID, marks); err != nil {
		return fmt.Errorf("correct person %d: %w", p.ID, err)
	}
	return nil
}

// endSignIns ends the sessions and codes of a person whose phone or address
// was wrong: they may be another's.
func (tx *Tx) endSignIns(ctx context.Context, person int64) (int, error) {
	n := 0
	for _, sql := range []string{
		`UPDATE session SET ended_at = jebi_now() WHERE person_id = $1 AND ended_at IS NULL`,
		`UPDATE sign_in SET used_at = jebi_now() WHERE person_id = $1 AND used_at IS NULL AND way <> 'letter'`,
		`UPDATE message SET state = 'cancelled', ended_at = jebi_now() WHERE person_id = $1 AND state = 'queued' AND kind = 'code'`,
	} {
		tag, err := tx.tx.Exec(ctx, sql, person)
		if err != nil {
			return 0, fmt.Errorf("end the sessions of person %d: %w", person, err)
		}
		if strings.HasPrefix(sql, "UPDATE s") {
			n += int(tag.RowsAffected())
		}
	}
	return n, nil
}

// recohort moves a person to the cohort that her data now belongs to, where
// that is still possible.
func (tx *Tx) recohort(ctx context.Context, c *cohort.Campaign, cohorts []CohortRow, p PersonRow, to listed, out *Corrected) error {
	was := cohort.PersonFacts{BirthYear: p.BirthDate.Year(), District: p.District, Groups: p.Groups}
	before, after := c.CohortFor(was), c.CohortFor(to.facts())
	if before == after {
		return nil
	}
	from, _ := find(cohorts, p.Cohort)
	var answered bool
	err := tx.tx.QueryRow(ctx, `SELECT count(*) > 0 FROM ballot WHERE campaign_id = $1 AND person_id = $2`, p.Campaign, p.ID).Scan(&answered)
	if err != nil {
		return fmt.Errorf("correct person %d: %w", p.ID, err)
	}
	if answered || p.Cohort != 0 && !taking(from.State) {
		out.Kept = true
		return nil
	}
	target, _ := find(cohorts, to.late)
	if target.ID == p.Cohort {
		return nil
	}
	return tx.moveToCohort(ctx, p.ID, target, out)
}

func (tx *Tx) moveToCohort(ctx context.Context, person int64, target CohortRow, out *Corrected) error {
	for _, sql := range []string{
		`DELETE FROM party_member WHERE person_id = $1`,
		`DELETE FROM draft WHERE person_id = $1`,
	} {
		if _, err := tx.tx.Exec(ctx, sql, person); err != nil {
			return fmt.Errorf("correct person %d: %w", person, err)
		}
	}
	if _, err := tx.tx.Exec(ctx, `UPDATE person SET cohort_id = NULLIF($2, 0) WHERE id = $1`, person, target.ID); err != nil {
		return fmt.Errorf("correct person %d: %w", person, err)
	}
	out.Cohort = target.Key
	return nil
}

func find(cohorts []CohortRow, id int) (CohortRow, bool) {
	for _, o := range cohorts {
		if o.ID == id {
			return o, true
		}
	}
	return CohortRow{}, false
}

// tellCorrected tells the person what she must know; the dead are told nothing.
func (tx *Tx) tellCorrected(ctx context.Context, p PersonRow, cohorts []CohortRow, out *Corrected) error {
	if out.Status == "dead" || out.Status == "removed" {
		_, err := tx.tx.Exec(ctx, `UPDATE message SET state = 'cancelled', ended_at = jebi_now() WHERE person_id = $1 AND state = 'queued'`, p.ID)
		if err != nil {
			return fmt.Errorf("correct person %d: %w", p.ID, err)
		}
		return nil
	}
	if out.Cohort != out.From && out.Status == "eligible" {
		if err := tx.invite(ctx, p.Campaign, p.ID, cohorts, out.Cohort); err != nil {
			return err
		}
	}
	var n int64
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM audit WHERE subject = $1`, subject("person", p.ID)).Scan(&n); err != nil {
		return fmt.Errorf("correct person %d: %w", p.ID, err)
	}
	event := fmt.Sprintf("person/%d/%d", p.ID, n+1)
	switch {
	case out.Place != 0:
		return tx.TellEach(ctx, Message{Campaign: p.Campaign, Event: event, Kind: "place_ended"}, []int64{p.ID})
	case slices.Contains(out.Fields, "phone") || slices.Contains(out.Fields, "email"):
		return tx.TellEach(ctx, Message{Campaign: p.Campaign, Event: event, Kind: "corrected"}, []int64{p.ID})
	}
	return nil
}

// invite tells a person who has come to a cohort about its window, as everyone
// in it was told at its announcement, or that she hears later. A draft's
// people are told with the others.
func (tx *Tx) invite(ctx context.Context, campaign int, person int64, cohorts []CohortRow, key string) error {
	for _, o := range cohorts {
		if o.Key != key {
			continue
		}
		if o.State == cohort.Draft {
			return nil
		}
		return tx.TellEach(ctx, Message{
			Campaign: campaign, Event: fmt.Sprintf("announce/%d", o.ID), Kind: "announce", Params: map[string]any{"cohort": o.ID},
		}, []int64{person})
	}
	return tx.TellEach(ctx, Message{Campaign: campaign, Event: fmt.Sprintf("late/%d", person), Kind: "list_late"}, []int64{person})
}
