package cycle

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// bundleDue is how long after the last source a bundle is due; lateness shows
// on the board.
const bundleDue = 2 * time.Hour

// NotYet says that a campaign asks for what this version of the program does
// not do.
type NotYet struct{ What string }

func (e *NotYet) Error() string { return "not yet: " + e.What }

// Supported says whether a cohort's draw can be carried out by this program.
// The error is *NotYet.
func Supported(c *cohort.Campaign, o *cohort.Cohort) error {
	switch seating(o.Seating) {
	case lottery.Serial, lottery.Flexible, lottery.Fixed:
	default:
		return &NotYet{fmt.Sprintf("cohort %s: seating %q", o.Key, o.Seating)}
	}
	return nil
}

// Manifest is what is announced for a cohort, but for the commitment to
// K_draw. operator is the operator's verifier key; "" announces none.
func Manifest(c *cohort.Campaign, o *cohort.Cohort, row data.CohortRow, operator string) (lottery.Manifest, error) {
	m := lottery.Manifest{
		DrawID: c.DrawID(o.Key), Stream: lottery.Stream, GroupWeight: "min", MaxWeight: uint16(c.Rules.MaxWeight),
		Sample: c.Sample, Audit: max(c.Rules.AuditSample, lottery.MinAudit), Authority: c.Authority,
		Rules: c.FileHash, Campaign: c.FileHash, Cohort: o.Key, Reserve: c.Rules.Reserve, OperatorKey: operator, MinWitnesses: o.MinWitnesses,
		Deadlines: lottery.Deadlines{Opens: row.Opens, Closes: row.Closes, Reveal: row.DrawAt, Bundle: row.DrawAt.Add(bundleDue)},
	}
	for _, w := range o.Witnesses {
		m.Witnesses = append(m.Witnesses, w.Key)
	}
	for i, s := range o.Sources {
		out := lottery.Source{Type: s.Type, Index: s.Index, Digits: s.Digits, Rounds: s.Rounds}
		switch s.Type {
		case lottery.SourceTrustee:
			if len(s.Commit) != len(out.Commit) {
				return m, fmt.Errorf("cohort %s: source %d: a trustee's commitment has 32 bytes", o.Key, i)
			}
			copy(out.Commit[:], s.Commit)
			if len(s.Key) > 0 {
				key, err := note.NewEd25519VerifierKey(fmt.Sprintf("trustee-%d.%s", s.Index, c.Authority), s.Key)
				if err != nil {
					return m, fmt.Errorf("cohort %s: source %d: %w", o.Key, i, err)
				}
				out.Key = key
			}
		case lottery.SourceDrand:
			copy(out.ChainHash[:], s.ChainHash)
		}
		m.Sources = append(m.Sources, out)
	}
	return m, m.Check()
}

// Announcement is what an announce puts on the board.
type Announcement struct {
	DrawID       string       `json:"draw_id"`
	Sample       bool         `json:"sample"`
	ManifestHash lottery.Hash `json:"manifest_hash"`
	KCommit      lottery.Hash `json:"k_commit"`
	Slots        int          `json:"slots"`
	Opens        time.Time    `json:"opens"`
	Closes       time.Time    `json:"closes"`
	Board        int64        `json:"board"`
}

// Announce puts a cohort's manifest on the board, draws its secret key from
// random (32 bytes of cryptographic randomness), fixes the order of its supply
// and invites its people: an act of two. From then on nothing of it changes.
// A real cohort is announced before its window opens.
func Announce(ctx context.Context, tx *data.Tx, c *cohort.Campaign, key string, random io.Reader, operator *lottery.Key, by data.Actor, reason string) (Announcement, error) {
	public := ""
	if operator != nil {
		public = operator.Public()
	}
	return AnnounceWith(ctx, tx, c, key, random, public, by, reason)
}

// AnnounceWith is Announce where only the operator's verifier key is at hand.
func AnnounceWith(ctx context.Context, tx *data.Tx, c *cohort.Campaign, key string, random io.Reader, operator string, by data.Actor, reason string) (Announcement, error) {
	var a Announcement
	o := c.CohortByKey(key)
	if o == nil {
		return a, refuse("campaign %s has no cohort %s", c.Key, key)
	}
	if err := Supported(c, o); err != nil {
		return a, err
	}
	campaign, err := tx.Campaign(ctx, c.Key)
	if err != nil {
		return a, err
	}
	if campaign.Hash != c.FileHash {
		return a, refuse("the campaign file was changed in the meantime: version %d is in force", campaign.Version)
	}
	if err := tx.Lock(ctx, data.LockCampaign, campaign.ID); err != nil {
		return a, err
	}
	row, err := tx.CohortByKey(ctx, campaign.ID, key)
	if err != nil {
		return a, err
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return a, err
	}
	switch {
	case row.State != cohort.Draft:
		return a, refuse("cohort %s is %s: it is announced once", key, row.State)
	case !now.Before(row.Opens) && !c.Sample:
		return a, refuse("the window of cohort %s was to open at %s: announce before, or give it a later window", key, row.Opens.In(c.Location).Format("2006-01-02 15:04"))
	case !now.Before(row.Closes):
		return a, refuse("the window of cohort %s is past", key)
	case !c.Sample && o.MinWitnesses < minWitnesses:
		return a, refuse("cohort %s: name at least %d witnesses outside the authority in the campaign file", key, minWitnesses)
	case operator == "" && (!c.Sample || o.MinWitnesses > 0):
		return a, refuse("cohort %s: its checkpoint is signed; make the operator's key first: jebi draw operator new", key)
	}
	var k [32]byte
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return a, fmt.Errorf("announce %s: randomness: %w", key, err)
	}
	m, err := Manifest(c, o, row, operator)
	if err != nil {
		return a, err
	}
	m.KCommit = lottery.KCommit(m.DrawID, k)
	file, err := m.Marshal()
	if err != nil {
		return a, err
	}
	a = Announcement{
		DrawID: m.DrawID, Sample: m.Sample, ManifestHash: lottery.ManifestHash(file), KCommit: m.KCommit, Opens: row.Opens, Closes: row.Closes,
	}
	if err := announcePairs(ctx, tx, o, row.ID); err != nil {
		return a, err
	}
	if a.Slots, err = tx.FixSupplyOrder(ctx, row.ID); err != nil {
		return a, err
	}
	if a.Slots == 0 {
		return a, refuse("cohort %s has no slots: import the supply first", key)
	}
	if err := reserveFits(ctx, tx, c, row); err != nil {
		return a, err
	}
	if err := tx.AnnounceDraw(ctx, data.NewDraw{Cohort: row.ID, DrawID: m.DrawID, K: k, KCommit: m.KCommit, Manifest: file}); err != nil {
		return a, err
	}
	if err := tx.SetState(ctx, row.ID, cohort.Draft, cohort.Announced); err != nil {
		return a, err
	}
	if a.Board, err = tx.Post(ctx, campaign.ID, row.ID, "manifest", file); err != nil {
		return a, err
	}
	if err := tx.TellCohort(ctx, data.Message{
		Campaign: campaign.ID, Event: fmt.Sprintf("announce/%d", row.ID), Kind: "announce", Params: map[string]any{"cohort": row.ID},
	}, row.ID); err != nil {
		return a, err
	}
	if err := tellStep(ctx, tx, row, m.DrawID, "announced", fmt.Sprintf("announced/%d", row.ID), map[string]any{"manifest": a.ManifestHash.String()}); err != nil {
		return a, err
	}
	return a, tx.Audit(ctx, data.AuditRow{
		Campaign: campaign.ID, Actor: by, Act: "draw.announce", Subject: fmt.Sprintf("cohort:%d", row.ID), Reason: reason, After: a,
	})
}

func refuse(format string, args ...any) error {
	return &data.Refusal{Text: fmt.Sprintf(format, args...)}
}
