package rehearse

import (
	"bytes"
	"fmt"
)

// campaignFile writes the sample's campaign.toml. Its times are those of the
// summer of 2021. One draw has the offline profile as its sources of
// randomness, trustees' envelopes and then dice; the other the online one:
// trustees' signed notes, what the public sent in, and a round of drand, whose
// chain began two years later.
func campaignFile(secrets secretsFile) []byte {
	var b bytes.Buffer
	b.WriteString(campaignHead)
	for _, a := range sampleAreas {
		fmt.Fprintf(&b, "\n[[districts]]\ncode = %q\nname = { ko = %q, en = %q }\n", a.code, a.ko, a.en)
	}
	for i, c := range sampleCohorts {
		fmt.Fprintf(&b, campaignCohorts[i], c.key, c.from, c.to)
		for _, w := range secrets.Witnesses {
			fmt.Fprintf(&b, "\n[[cohorts.witnesses]]\nname = %q\nkey = %q\n", w.Name, w.Key)
		}
		for _, t := range secrets.Trustees {
			if t.DrawID != sampleCampaign+"-"+c.key {
				continue
			}
			fmt.Fprintf(&b, "\n[[cohorts.sources]]\ntype = \"trustee\"\nindex = %d\nname = %q\ncommit = %q\n", t.Index, t.Name, t.Commit)
			if t.Key != "" {
				fmt.Fprintf(&b, "key = %q\n", t.Key)
			}
		}
		if c.online {
			b.WriteString(sourcesOnline)
		} else {
			b.WriteString(sourcesOffline)
		}
	}
	return b.Bytes()
}

// The sources that follow the trustees.
const (
	sourcesOffline = `
[[cohorts.sources]]
type = "dice"
name = "관악구청 대강당"
digits = 40
`
	sourcesOnline = `
[[cohorts.sources]]
type = "public"
index = 1
name = "주민이 보낸 글"

# quicknet began in August 2023, after these windows: only a sample may name a
# round that is out already.
[[cohorts.sources]]
type = "drand"
rounds = [1000]
`
)

// quicknetFile holds round 1000 of drand's quicknet as a relay gives it.
const quicknetFile = "quicknet-1000.json"

// quicknetRound is that file.
const quicknetRound = `{"round":1000,"randomness":"fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd","signature":"b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"}
`

// lettersFile holds what the public sent in for the online draw.
const lettersFile = "contributions.txt"

const sampleLetters = `SAMPLE. Nobody sent these lines; a real file holds what the public put into a box before the close.
1  제비 한 마리가 봄을 만들지는 않는다
2  3141592653589793238462643383279502884197
3  heads, heads, tails, heads, tails, tails, heads
`

// sampleReserve is how many seats of each draw are kept back for ballots that
// turn out to have been left out, as campaignHead has it.
const sampleReserve = 20

const campaignHead = `# SAMPLE: Gwanak-gu, Seoul, summer of 2021. Made by: jebi sample make
key = "gwanak-2021"
name = { ko = "관악구 코로나19 예방접종 (표본)", en = "Gwanak-gu COVID-19 vaccination (sample)" }
authority = "gwanak.sample.invalid"
sample = true
zone = "Asia/Seoul"
languages = ["ko", "en"]

[contact]
phone = "+82 2 0000 0000"
hours = { ko = "평일 09:00–18:00", en = "weekdays 09:00–18:00" }
url = "https://gwanak.sample.invalid/"

[rules]
max_choices = 5
max_party = 4
max_weight = 3
min_slots = 6
min_answer = "3h"
offer_hold = "12h"
offer_lead = "12h"
cancel_lead = "24h"
max_lapses = 2
audit_sample = 300
reserve = 20
quiet_from = "2100"
quiet_to = "0800"

[recurring]
refill = "*/10 9-20 * * *"
reminders = "0 10 1-7,16,21,23-31 * *"
odds = "0 */3 * * *"
retention = "30 3 * * *"
seal = "*/15 * * * *"

# Receivers on this machine; the demo puts its own addresses here.
[senders.email]
from = "제비 표본 <jebi@gwanak.sample.invalid>"
host = "127.0.0.1:2525"
tls = "none"

[senders.sms]
from = "0200000000"
url = "http://127.0.0.1:2580/messages"
daily_cap = 100000

[[day_parts]]
key = "am"
name = { ko = "오전", en = "morning" }
from = "0000"
to = "1200"

[[day_parts]]
key = "pm"
name = { ko = "오후", en = "afternoon" }
from = "1200"
to = "1800"

[[day_parts]]
key = "evening"
name = { ko = "저녁", en = "evening" }
from = "1800"
to = "2400"
`

var campaignCohorts = [...]string{
	`
[[cohorts]]
key = %q
name = { ko = "1962–1966년생", en = "born 1962–1966" }
birth_from = %d
birth_to = %d
opens = "2021-07-14 09:00"
closes = "2021-07-16 18:00"
draw_at = "2021-07-17 10:00"
publish_at = "2021-07-17 14:00"
confirm_by = "2021-07-21 18:00"
settle_at = "2021-08-06 18:00"
seating = "serial"
min_witnesses = 2
supply = { percent = 60, from = "2021-07-26", to = "2021-08-07" }
`,
	`
[[cohorts]]
key = %q
name = { ko = "1969–1971년생", en = "born 1969–1971" }
birth_from = %d
birth_to = %d
opens = "2021-07-19 09:00"
closes = "2021-07-21 18:00"
draw_at = "2021-07-22 10:00"
publish_at = "2021-07-22 14:00"
confirm_by = "2021-07-24 18:00"
settle_at = "2021-08-06 18:00"
seating = "serial"
min_witnesses = 2
supply = { percent = 40, from = "2021-07-26", to = "2021-08-07" }
`,
}
