package notify

import (
	"slices"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/cohort/words"
	"jebi/data"
)

// stale is why a message is not sent any more: what it tells about is over.
type stale string

func (s stale) Error() string { return "message: " + string(s) }

// writer makes letters out of leased messages.
type writer struct {
	campaign *cohort.Campaign
	words    *words.Book
	key      []byte // the server's, for one-time codes
}

// letter gives the text of a message as things stand now. Its errors are
// *Failure (it cannot be sent) and stale (it need not be).
func (w writer) letter(o data.Outgoing, now time.Time) (Letter, error) {
	if o.Status == "dead" || o.Status == "removed" && o.Kind != "code" { // who asks why she is not on the list is told so
		return Letter{}, stale("person " + o.Status)
	}
	variant, err := variantOf(o, now)
	if err != nil {
		return Letter{}, err
	}
	if o.Address == "" && o.Status == "" && o.Clinic == "" && o.Channel == "email" {
		o.Address = w.campaign.Senders.Email.From // officials read the authority's own mailbox
	}
	if o.Address == "" {
		return Letter{}, &Failure{Code: "no address", Final: true}
	}
	lang := o.Language
	if !slices.Contains(w.campaign.Languages, lang) {
		lang = w.campaign.Languages[0]
	}
	key := "messages." + o.Kind
	if variant != "" {
		key += "." + variant
	}
	if o.Kind == "official" && !w.words.Has(lang, key+".sms") {
		key = "messages.official.other"
	}
	if !w.words.Has(lang, key+".sms") {
		return Letter{}, &Failure{Code: "no text for " + o.Kind, Final: true}
	}
	args := w.args(o, lang, now)
	frame := func(what, text string) string {
		args["text"] = text
		return w.words.Text(lang, "messages."+what, args)
	}
	l := Letter{Key: o.Key, To: o.Address, Bulk: !o.Urgent}
	if o.Channel == "sms" {
		l.Body = frame("sms", w.words.Text(lang, key+".sms", args))
		return l, nil
	}
	l.Subject = oneLine(frame("subject", w.words.Text(lang, key+".subject", args)))
	letter := "email"
	if o.Kind == "official" {
		letter = "email.official"
	}
	l.Body = frame(letter, w.words.Text(lang, key+".email", args)) + "\n"
	return l, nil
}

// variantOf picks the text by what is so now, and refuses what is no longer so.
func variantOf(o data.Outgoing, now time.Time) (string, error) {
	switch o.Kind {
	case "code", "proxy_code":
		if o.Handle == nil || !now.Before(o.Expires) {
			return "", stale("code expired")
		}
		if o.Kind == "proxy_code" && o.Address == "" {
			return "", stale("verified")
		}
	case "result":
		switch {
		case o.Assigned != "":
			return "assigned", nil
		case o.Waiting == "waiting":
			return "waiting", nil
		}
		return "none", nil
	case "confirm_reminder":
		if o.Assigned != "assigned" {
			return "", stale("answered")
		}
	case "reminder", "accepted", "moved":
		if o.Assigned == "" || o.Slot == nil {
			return "", stale("no place any more")
		}
	case "answer_reminder":
		if o.Revision > 0 && !o.Withdrawn || o.Cohort == nil || !now.Before(o.Cohort.Closes) {
			return "", stale("answered")
		}
	case "offer":
		if o.Offer != "live" || !now.Before(o.Deadline) || o.Slot == nil {
			return "", stale("offer ended")
		}
	case "offer_lapsed":
		if off, _ := o.Params["off"].(bool); off || o.Waiting == "off" {
			return "off", nil
		}
		return "waiting", nil
	case "receipt":
		if o.Withdrawn {
			return "", stale("withdrawn")
		}
	case "settled":
		if o.Assigned != "" {
			return "", stale("has a place")
		}
	case "left_out", "correction":
		change, _ := o.Params["change"].(string)
		if (change == "seated" || change == "gained" || change == "kept") && (o.Assigned == "" || o.Slot == nil) {
			return "", stale("no place any more")
		}
		return change, nil
	case "window_changed":
		change, _ := o.Params["change"].(string)
		return change, nil
	case "official":
		about, _ := o.Params["about"].(string)
		return about, nil
	}
	return "", nil
}

func (w writer) args(o data.Outgoing, lang string, now time.Time) map[string]any {
	c := w.campaign
	in := func(t cohort.Text) string { return t.In(lang, c.Languages...) }
	when := func(t time.Time) string { return w.words.When(lang, t, c.Location) }
	args := map[string]any{
		"name": o.Name, "campaign": in(c.Name), "phone": c.Contact.Phone, "hours": in(c.Contact.Hours),
		"sample": "", "rank": o.Rank, "revision": o.Revision, "bring": "", "link": "", "proxy": o.Proxy, "relation": "", "members": o.Params["members"],
	}
	if o.Relation != "" {
		args["relation"] = w.words.Text(lang, "entry.relation."+o.Relation, nil)
	}
	if url := w.link(o, now); url != "" {
		text := "messages.link_long"
		if o.Channel == "sms" {
			text = "messages.link_short"
		}
		args["link"] = w.words.Text(lang, text, map[string]any{"url": url})
	}
	if c.Sample {
		args["sample"] = w.words.Text(lang, "messages.sample", nil)
	}
	if r := o.Cohort; r != nil {
		args["window"] = w.words.Span(lang, r.Opens, r.Closes, c.Location)
		args["closes"], args["publish"], args["confirm_by"] = when(r.Closes), when(r.PublishAt), when(r.ConfirmBy)
	}
	if s := o.Slot; s != nil {
		args["when"], args["where"], args["address"], args["vaccine"] = when(s.Starts), s.Clinic, s.Address, s.Vaccine
		if !s.Second.IsZero() {
			args["when"] = w.words.Text(lang, "messages.two_doses", map[string]any{"first": when(s.Starts), "second": when(s.Second)})
		}
		if s.NameEn != "" && lang != "ko" {
			args["where"] = s.NameEn
		}
		if s.Bring != "" {
			args["bring"] = w.words.Text(lang, "messages.bring", map[string]any{"what": s.Bring})
		}
	}
	if !o.Deadline.IsZero() {
		args["deadline"] = when(o.Deadline)
	}
	if len(o.Commit) == 32 {
		args["receipt"] = cohort.ReceiptNumber([32]byte(o.Commit))
	}
	if o.Kind == "official" { // hashes, counts and codes
		for k, v := range o.Params {
			args[k] = v
		}
	}
	if o.Kind == "code" || o.Kind == "proxy_code" {
		args["code"] = cohort.OneTimeCode(w.key, o.Handle)
		args["expires"] = w.words.Clock(lang, o.Expires.In(c.Location))
	}
	return args
}

// oneLine keeps a header in one line, whatever a clinic is called.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
