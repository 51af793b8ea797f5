package notify

import (
	"context"
	"strings"
	"time"

	"jebi/cohort"
	"jebi/data"
)

// linkPath is where the form takes links.
const linkPath = "/link/"

// carriesLink says whether a message of this kind has a personal link by
// which its reader gets in, once.
func carriesLink(kind string) bool {
	switch kind {
	case "announce", "answer_reminder", "entered_saved", "entered_withdrawn", "proxy_begun", "proxy_saved", "proxy_withdrawn":
		return true
	}
	return false
}

// link is the personal link of a message, or "". It is derived from the
// message's own random key: the row holds no secret, and a message that is
// sent again has the same link.
func (w writer) link(o data.Outgoing, now time.Time) string {
	site := strings.TrimSuffix(w.campaign.Contact.URL, "/")
	if site == "" || o.Person == 0 || !carriesLink(o.Kind) || o.Status != "eligible" || o.Cohort == nil || !now.Before(o.Cohort.Closes) {
		return ""
	}
	return site + linkPath + cohort.LinkToken(w.key, o.Key, o.Person)
}

// issueLinks notes the links of leased messages before any of them is sent.
func (c *channel) issueLinks(ctx context.Context, leased []data.Outgoing, now time.Time) error {
	w := writer{c.Campaign, c.Words, c.Key}
	var links []data.NewLink
	for _, o := range leased {
		if w.link(o, now) == "" {
			continue
		}
		token := cohort.LinkToken(c.Key, o.Key, o.Person)
		links = append(links, data.NewLink{
			Person: o.Person, Handle: cohort.EntryHandle(c.Key, cohort.WayLink, c.Campaign.Key, token), Hash: cohort.LinkHash(c.Key, c.Campaign.Key, token),
		})
	}
	if len(links) == 0 {
		return nil
	}
	return c.DB.IssueLinks(ctx, c.CampaignID, links)
}
