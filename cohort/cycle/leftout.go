package cycle

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// LeftOutClaim is what a citizen brings who says that her ballot was left out.
type LeftOutClaim struct {
	// Receipt is the signed receipt of her save, as it was handed out: by
	// itself, or as "save" (the form's file) or "signed" (jebi ballot enter
	// --json) in a file that may hold her "ballot" in hex too.
	Receipt []byte
	// Ballot is what she asked for, byte by byte, where neither the file nor
	// the database has it any more; nil: they have.
	Ballot []byte
}

// LeftOutEntry is what the board says of a ballot that was left out of a draw.
// Everyone can compute its ticket and rank; where she is served it does not
// say.
type LeftOutEntry struct {
	DrawID    string       `json:"draw_id"`
	Sample    bool         `json:"sample"`
	PID       lottery.ID   `json:"pid"`
	Weight    uint16       `json:"weight"`
	SaveIndex uint64       `json:"save_index"` // of her receipt in the log of saves
	SaveEntry string       `json:"save_entry"` // that entry, in hex
	Ticket    lottery.Hash `json:"ticket"`
	Rank      int          `json:"rank"` // that it would have had
	Tickets   int          `json:"tickets"`
	// Served is "reserve" or "free" (a seat at once), "first" (the rank was
	// below the cut-off, and no seat is there now: she is first in line), or
	// "waits" (not below it: she waits at her rank).
	Served    string   `json:"served"`
	Officials []string `json:"officials"`
	Reason    string   `json:"reason"`
}

// How a ballot that was left out is served.
const (
	servedReserve = "reserve"
	servedFree    = "free"
	servedFirst   = "first"
	servedWaits   = "waits"
)

// leftOut is a claim that was checked.
type leftOut struct {
	d      *computed
	save   lottery.SavedBallot
	person data.ListedPerson
	ballot []byte
}

// LeftOut records a ballot that was left out of a published draw, and serves
// it: an act of two. The receipt must be the operator's, of her last revision,
// with its entry in the log of saves under the checkpoint, and no leaf may have
// its pid. It gets the ticket of its pid; where the rank that this would have
// had is below the cut-off of one of its choices it is given a seat, of the
// reserve or a free one, or is first in line for the next; otherwise it waits
// at that rank.
func LeftOut(ctx context.Context, tx *data.Tx, c *cohort.Campaign, campaignID int, key string, claim LeftOutClaim, reason string, by data.Actor) (LeftOutEntry, error) {
	var e LeftOutEntry
	if reason == "" {
		return e, refuse("say how the ballot came to be left out")
	}
	if by.Kind != "official" {
		return e, refuse("serving a ballot that was left out takes two officials")
	}
	row, err := tx.CohortByKey(ctx, campaignID, key)
	if err != nil {
		return e, err
	}
	if err := tx.Lock(ctx, data.LockOffers, row.ID); err != nil {
		return e, err
	}
	if row, err = tx.LockCohort(ctx, row.ID); err != nil {
		return e, err
	}
	if row.State != cohort.Published {
		return e, refuse("cohort %s is %s: ballots that were left out are served while its result is published and its waitlist goes on", key, row.State)
	}
	o := c.CohortByKey(key)
	if o == nil {
		return e, refuse("campaign %s has no cohort %s", c.Key, key)
	}
	l, err := checkLeftOut(ctx, tx, row, claim)
	if err != nil {
		return e, err
	}
	return l.serve(ctx, tx, c, o, reason, by)
}

// checkLeftOut checks a claim, and says which part of it does not hold.
func checkLeftOut(ctx context.Context, tx *data.Tx, row data.CohortRow, claim LeftOutClaim) (*leftOut, error) {
	save, ballot, err := readClaim(claim)
	if err != nil {
		return nil, refuse("the receipt cannot be read: %v", err)
	}
	l := &leftOut{save: save, ballot: ballot}
	if l.d, err = readFrozen(ctx, tx, row.ID); err != nil {
		return nil, err
	}
	d := l.d
	switch {
	case save.DrawID != d.draw.DrawID:
		return nil, refuse("the receipt is of draw %s, this is %s", save.DrawID, d.draw.DrawID)
	case save.Manifest != lottery.ManifestHash(d.draw.Manifest):
		return nil, refuse("the receipt is of another manifest than that of draw %s", d.draw.DrawID)
	case d.manifest.OperatorKey == "":
		return nil, refuse("draw %s announced no operator's key: no receipt of it is signed, and none can be held against it", d.draw.DrawID)
	}
	operator, err := lottery.OperatorPublic(d.manifest.OperatorKey)
	if err != nil {
		return nil, err
	}
	if err := save.Check(operator); err != nil {
		return nil, refuse("%v", err)
	}
	if i := lottery.FindLeaf(d.leaves, save.PID); i != 0 {
		return nil, refuse("the ballot was not left out: leaf %d is hers; which revision counted is never reopened", i)
	}
	if l.person, err = whose(ctx, tx, row.Campaign, d, save.PID); err != nil {
		return nil, err
	}
	if err := l.inLog(ctx, tx); err != nil {
		return nil, err
	}
	checkpoint, err := parseText(d.draw.Checkpoint)
	if err != nil {
		return nil, err
	}
	if err := lottery.CheckLeftOut(d.leaves, checkpoint, l.save, operator); err != nil {
		return nil, refuse("%v", err)
	}
	return l, l.entitled(ctx, tx, row)
}

// readClaim reads a receipt, by itself or in a file beside the ballot.
func readClaim(claim LeftOutClaim) (save lottery.SavedBallot, ballot []byte, err error) {
	var file struct {
		Save   json.RawMessage `json:"save"`
		Signed json.RawMessage `json:"signed"`
		Ballot string          `json:"ballot"`
	}
	ballot = claim.Ballot
	receipt := claim.Receipt
	if json.Unmarshal(receipt, &file) == nil && len(file.Save)+len(file.Signed) > 0 {
		if receipt = file.Save; len(file.Save) == 0 {
			receipt = file.Signed
		}
		if ballot == nil && file.Ballot != "" {
			if ballot, err = hex.DecodeString(file.Ballot); err != nil {
				return save, nil, fmt.Errorf("its ballot is not in hex: %w", err)
			}
		}
	}
	save, err = lottery.ParseSavedBallot(receipt)
	return save, ballot, err
}

// whose finds the person of a pid on the campaign's list.
func whose(ctx context.Context, tx *data.Tx, campaign int, d *computed, pid lottery.ID) (data.ListedPerson, error) {
	var hers data.ListedPerson
	err := tx.EachListed(ctx, campaign, func(p *data.ListedPerson) error {
		if lottery.PID(d.k, d.draw.DrawID, p.Key) == pid {
			hers = *p
		}
		return nil
	})
	if err == nil && hers.ID == 0 {
		err = refuse("the receipt's pid is nobody's on the campaign's list")
	}
	return hers, err
}

// inLog gives the receipt its place in the log of saves, made again from the
// histories, unless it brings its own; and refuses one that a later save of
// hers has replaced, or that she has withdrawn.
func (l *leftOut) inLog(ctx context.Context, tx *data.Tx) error {
	at, latest := -1, 0
	mine := l.save.Entry()
	d := l.d
	entries, err := saveLog(ctx, tx, d.draw, d.k, func(index int, s *data.SaveRow) {
		if s.Person != l.person.ID {
			return
		}
		latest = max(latest, s.Revision)
		if saveOf(d.draw.DrawID, lottery.ManifestHash(d.draw.Manifest), d.k, s).Entry() == mine {
			at = index
		}
	})
	if err != nil {
		return err
	}
	if latest > int(l.save.Revision) {
		return refuse("the receipt is of revision %d, and revision %d stands in the log of saves: the last one counts", l.save.Revision, latest)
	}
	gone, err := tx.Withdrawn(ctx, d.row.ID, l.person.ID)
	if err != nil {
		return err
	}
	if gone {
		return refuse("the ballot was withdrawn after revision %d", l.save.Revision)
	}
	if l.save.Proof != nil {
		return nil
	}
	if at < 0 {
		return refuse("the receipt does not stand in the log of saves under the checkpoint")
	}
	l.save.Index = uint64(at)
	if l.save.Proof = lottery.NewTree(entries, lottery.SaveEntrySize, runtime.GOMAXPROCS(0)).Prove(at); l.save.Proof == nil {
		l.save.Proof = []lottery.Hash{}
	}
	return nil
}

// entitled refuses a claim that stands already or that may not be served, and
// finds the ballot that the receipt commits to.
func (l *leftOut) entitled(ctx context.Context, tx *data.Tx, row data.CohortRow) error {
	before, err := tx.LeftOut(ctx, row.ID)
	if err != nil {
		return err
	}
	for _, b := range before {
		if b.PID == l.save.PID {
			return refuse("this ballot is recorded as left out already, with rank %d", b.Rank)
		}
	}
	if l.person.Status != "eligible" {
		return refuse("its person is %s on the list: if that is wrong, put the list right first (jebi people correct)", l.person.Status)
	}
	places, err := tx.Assignments(ctx, l.person.ID)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p.Alive() {
			return refuse("its person has a place already")
		}
	}
	if l.ballot == nil {
		stored, err := tx.Ballot(ctx, row.Campaign, l.person.ID)
		if err != nil && !errors.Is(err, data.ErrNotFound) {
			return err
		}
		l.ballot = stored.Bytes
	}
	if lottery.BallotCommit(l.save.Salt, l.ballot) != l.save.Commit {
		return refuse("the database has not the ballot of this receipt any more: hand in what she asked for, as her receipt's file has it (--ballot FILE)")
	}
	if person, err := lottery.BallotPerson(l.ballot); err != nil || person != l.person.Key {
		return refuse("the ballot names another person than the receipt's pid")
	}
	return nil
}

// serve gives the ballot its ticket, and its seat or its place in the line.
func (l *leftOut) serve(ctx context.Context, tx *data.Tx, c *cohort.Campaign, o *cohort.Cohort, reason string, by data.Actor) (LeftOutEntry, error) {
	d := l.d
	var e LeftOutEntry
	claims, err := lottery.ParseClaims(d.draw.Claims)
	if err != nil {
		return e, err
	}
	t := data.LateTicket{
		LeftOutRow: data.LeftOutRow{
			Person: l.person.ID, PID: l.save.PID, Revision: int(l.save.Revision), Commit: l.save.Commit, SaveIndex: int64(l.save.Index),
		},
		Weight: max(1, min(l.person.Weight, int(d.manifest.MaxWeight))),
	}
	t.Value = lottery.Ticket(claims.TicketKey, t.PID, uint16(t.Weight))
	if t.Rank, err = tx.RankOf(ctx, d.row.ID, t.Value, t.PID); err != nil {
		return e, err
	}
	if t.Pool, err = tx.PoolOf(ctx, l.person.ID, poolNames(o)[1:]); err != nil {
		return e, err
	}
	seats, err := readSeats(ctx, tx, c, o, d.row.ID)
	if err != nil {
		return e, err
	}
	choices, err := seats.shelf.choices(l.ballot)
	if err != nil {
		return e, err
	}
	if t.Choice, err = granted(ctx, tx, seats, o, d.row.ID, t, choices); err != nil {
		return e, err
	}
	if t.Ticket, err = tx.AddLeftOut(ctx, d.row.ID, t, by); err != nil {
		return e, err
	}
	if err := tx.RestoreBallot(ctx, data.RestoredBallot{
		Campaign: d.row.Campaign, Cohort: d.row.ID, Person: t.Person, Revision: t.Revision, Bytes: l.ballot, Salt: l.save.Salt, Commit: t.Commit,
		Official: by.Official, SavedAt: l.save.Time,
	}); err != nil {
		return e, err
	}
	served, err := seatLeftOut(ctx, tx, d, seats, t, choices)
	if err != nil {
		return e, err
	}
	entry := l.save.Entry()
	e = LeftOutEntry{
		DrawID: d.draw.DrawID, Sample: d.manifest.Sample, PID: t.PID, Weight: uint16(t.Weight), SaveIndex: l.save.Index, SaveEntry: hex.EncodeToString(entry[:]),
		Ticket: t.Value, Rank: t.Rank, Served: served, Reason: reason,
	}
	if claims.Counts != nil && claims.Counts.Entities != nil {
		e.Tickets = int(*claims.Counts.Entities)
	}
	if e.Officials, err = tx.Logins(ctx, by); err != nil {
		return e, err
	}
	return e, l.tell(ctx, tx, t, e, by)
}

// granted is the choice that the cut-offs give to the rank, from 1; 0: none.
func granted(ctx context.Context, tx *data.Tx, seats *seatsFor, o *cohort.Cohort, cohortID int, t data.LateTicket, choices [][]int32) (int, error) {
	pool := t.Pool
	if seating(o.Seating) == lottery.Flexible {
		pool = ""
	}
	cuts, err := tx.CutOffsFor(ctx, cohortID, 1, int(doses(o)), pool)
	if err != nil {
		return 0, err
	}
	class := lottery.Class{Size: 1, Doses: doses(o)}
	var list []lottery.CutOff
	drawn := make([][]int32, len(choices)) // slots that came later had no cut-off
	for x, s := range seats.rows {
		if rank := cuts[s.ID]; rank > 0 {
			list = append(list, lottery.CutOff{Slot: int32(x), Class: class, Rank: uint32(rank)})
		}
	}
	for i, choice := range choices {
		for _, x := range choice {
			if s := &seats.rows[x]; s.Drawn != nil && *s.Drawn > 0 {
				drawn[i] = append(drawn[i], x)
			}
		}
	}
	return lottery.NewCutOffTable(list).Granted(class, uint32(t.Rank), drawn), nil
}

// seatLeftOut gives a seat of the choice that was granted, of the reserve or a
// free one; else of a later choice; else puts the ticket on the waitlist.
func seatLeftOut(ctx context.Context, tx *data.Tx, d *computed, seats *seatsFor, t data.LateTicket, choices [][]int32) (string, error) {
	if t.Choice == 0 {
		return servedWaits, tx.Wait(ctx, d.row.ID, t.Ticket, false)
	}
	for n := t.Choice; n <= len(choices); n++ {
		p, ok := seats.find(choices[n-1], n, 1, keptSeats, freeSeats)
		if !ok {
			continue
		}
		if err := seats.take(ctx, tx, p, 1); err != nil {
			return "", err
		}
		err := tx.GivePlace(ctx, data.GivenPlace{
			Campaign: d.row.Campaign, Cohort: d.row.ID, Person: t.Person, Rank: t.Ticket, Slot: p.slot, Second: p.second, Choice: n, Origin: "reserve", State: "confirmed",
		})
		if p.from == keptSeats {
			return servedReserve, err
		}
		return servedFree, err
	}
	return servedFirst, tx.Wait(ctx, d.row.ID, t.Ticket, true)
}

// tell puts the case on the board and the audit trail, and tells her and the
// officials.
func (l *leftOut) tell(ctx context.Context, tx *data.Tx, t data.LateTicket, e LeftOutEntry, by data.Actor) error {
	row := l.d.row
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := tx.Post(ctx, row.Campaign, row.ID, "left_out", body); err != nil {
		return err
	}
	change := map[string]string{servedReserve: "seated", servedFree: "seated", servedFirst: "first", servedWaits: "waits"}[e.Served]
	if err := tx.TellEach(ctx, data.Message{
		Campaign: row.Campaign, Event: fmt.Sprintf("left_out/%d/%d", row.ID, t.Ticket), Kind: "left_out",
		Params: map[string]any{"cohort": row.ID, "change": change, "rank": t.Rank},
	}, []int64{t.Person}); err != nil {
		return err
	}
	if err := tellStep(ctx, tx, row, e.DrawID, "left_out", fmt.Sprintf("left_out/%d/%d", row.ID, t.Ticket), map[string]any{"rank": t.Rank, "served": e.Served}); err != nil {
		return err
	}
	return tx.Audit(ctx, data.AuditRow{
		Campaign: row.Campaign, Actor: by, Act: "draw.left_out", Subject: fmt.Sprintf("person:%d", t.Person), Reason: e.Reason,
		After: map[string]any{"cohort": row.ID, "pid": e.PID, "save_index": e.SaveIndex, "rank": t.Rank, "choice": t.Choice, "served": e.Served},
	})
}
