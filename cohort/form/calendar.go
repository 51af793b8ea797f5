package form

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	ics "github.com/arran4/golang-ical"

	"jebi/data"
)

// visitLasts is how long an appointment is in a calendar: the shot, and the
// quarter of an hour or more that one waits after it.
const visitLasts = time.Hour

// calendar gives her appointment as a file that calendars take (RFC 5545).
// Each dose has one UID for good and a sequence that grows with each change,
// so that a place that was moved moves in her calendar, and one that ended is
// taken out of it.
func (f *Form) calendar(v *visit) error {
	c, err := f.DB.CalendarPlace(v.Context(), v.session.Person)
	if errors.Is(err, data.ErrNotFound) {
		return goTo("/result")
	}
	if err != nil {
		return err
	}
	p := f.frame(v, "form.result.title")
	cal := ics.NewCalendarFor("jebi")
	cal.SetProductId("-//jebi//" + v.campaign.Key + "//" + v.lang)
	cal.SetCalscale("GREGORIAN")
	ended := c.State != "assigned" && c.State != "confirmed"
	cal.SetMethod(ics.MethodPublish)
	if ended {
		cal.SetMethod(ics.MethodCancel)
	}
	f.addDose(cal, p, v, c, c.Place, 1)
	if c.Second != nil {
		f.addDose(cal, p, v, c, *c.Second, 2)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="jebi.ics"`)
	return cal.SerializeTo(v.w, ics.WithNewLineWindows)
}

func (f *Form) addDose(cal *ics.Calendar, p frame, v *visit, c data.CalendarPlace, place data.Place, dose int) {
	mac := hmac.New(sha256.New, f.Key)
	mac.Write([]byte("calendar\x00" + v.campaign.Key + "\x00" + v.session.Key + "\x00" + strconv.Itoa(dose)))
	e := cal.AddEvent(hex.EncodeToString(mac.Sum(nil)[:16]) + "@" + v.campaign.Authority)
	seen := p.placeView(place)
	e.SetDtStampTime(v.session.Now)
	e.SetSequence(c.Changes)
	e.SetStartAt(place.Starts)
	e.SetEndAt(place.Starts.Add(visitLasts))
	title := p.T("form.ics.title", "campaign", p.Campaign, "clinic", seen.Clinic)
	if c.Second != nil {
		title = p.T("form.ics.dose", "campaign", p.Campaign, "clinic", seen.Clinic, "n", dose)
	}
	if p.Sample {
		title = p.T("form.ics.sample") + " " + title
	}
	e.SetSummary(title)
	e.SetLocation(joined(", ", seen.Clinic, seen.Address))
	bring := seen.Bring
	if bring == "" {
		bring = p.T("form.result.bring.id")
	}
	e.SetDescription(joined("\n", seen.Vaccine, p.T("form.result.bring")+": "+bring, seen.Phone))
	switch c.State {
	case "confirmed":
		e.SetStatus(ics.ObjectStatusConfirmed)
	case "assigned":
		e.SetStatus(ics.ObjectStatusTentative)
	default:
		e.SetStatus(ics.ObjectStatusCancelled)
		return
	}
	a := e.AddAlarm()
	a.SetAction(ics.ActionDisplay)
	a.SetTrigger("-P1D")
	a.SetDescription(title)
}

// joined puts the parts that are there together.
func joined(by string, parts ...string) string {
	out := ""
	for _, x := range parts {
		if x == "" {
			continue
		}
		if out != "" {
			out += by
		}
		out += x
	}
	return out
}
