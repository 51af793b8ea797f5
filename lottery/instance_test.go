package lottery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allocate parses an instance and returns its result as text.
func allocate(t *testing.T, file string) string {
	t.Helper()
	in, err := ParseInstance([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	result, err := Allocate(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := result.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWorkedExampleOfPools(t *testing.T) {
	const ticket = `{"id":"%s","member":[%s],"choices":[["s"]]}`
	file := func(members string) string {
		var tickets []string
		for _, name := range "ABCDEF" {
			member := ""
			if strings.ContainsRune(members, name) {
				member = `"g"`
			}
			tickets = append(tickets, fmt.Sprintf(ticket, string(name), member))
		}
		return `{"seating":"fixed","slots":[{"id":"s","seats":4,"reserve":{"g":2}}],"tickets":[` + strings.Join(tickets, ",") + `]}`
	}
	place := `{"id":"%s","choice":1,"slot":"s","second":null}`
	none := `{"id":"%s","choice":0,"slot":null,"second":null}`
	want := func(in string, cutOffs string) string {
		var list []string
		for _, name := range "ABCDEF" {
			form := none
			if strings.ContainsRune(in, name) {
				form = place
			}
			list = append(list, fmt.Sprintf(form, string(name)))
		}
		return `{"assigned":[` + strings.Join(list, ",") + `],"cutoffs":[` + cutOffs + "]}\n"
	}
	both := `{"slot":"s","size":1,"doses":1,"pool":"","rank":4},{"slot":"s","size":1,"doses":1,"pool":"g","rank":6}`
	if diff := cmp.Diff(want("ABCE", both), allocate(t, file("BEF"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want("ABCD", `{"slot":"s","size":1,"doses":1,"pool":"","rank":5}`), allocate(t, file("D"))); diff != "" {
		t.Error(diff)
	}
}

func TestAllocateByHand(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{
			"nothing at all", `{"seating":"flexible"}`,
			`{"assigned":[],"cutoffs":[]}`,
		},
		{
			"missing keys and null", `{"seating":"fixed","slots":[{"id":"s","reserve":null,"pair":null,"seats":null}],
			  "tickets":[{"id":"t"},{"id":"u","size":null,"choices":null},{"id":"v","choices":[[],null,["s"]]}],"more":1}`,
			`{"assigned":[{"id":"t","choice":0,"slot":null,"second":null},{"id":"u","choice":0,"slot":null,"second":null},` +
				`{"id":"v","choice":0,"slot":null,"second":null}],"cutoffs":[{"slot":"s","size":1,"doses":1,"pool":"","rank":3}]}`,
		},
		{
			"a single moves inside its choice so that the next is served", `{"seating":"flexible",
			  "slots":[{"id":"a","seats":1},{"id":"b","seats":1}],
			  "tickets":[{"id":"t","member":["g"],"choices":[["a","b"]]},{"id":"u","choices":[["a"]]},{"id":"v","member":["g"],"choices":[["b"],["a","b"]]}]}`,
			`{"assigned":[{"id":"t","choice":1,"slot":"b","second":null},{"id":"u","choice":1,"slot":"a","second":null},` +
				`{"id":"v","choice":0,"slot":null,"second":null}],"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":3},` +
				`{"slot":"b","size":1,"doses":1,"pool":"","rank":3}]}`,
		},
		{
			"fixed does not move", `{"seating":"fixed","slots":[{"id":"a","seats":1},{"id":"b","seats":1}],
			  "tickets":[{"id":"t","choices":[["a","b"]]},{"id":"u","choices":[["a"]]}]}`,
			`{"assigned":[{"id":"t","choice":1,"slot":"a","second":null},{"id":"u","choice":0,"slot":null,"second":null}],` +
				`"cutoffs":[{"slot":"a","size":1,"doses":1,"pool":"","rank":2}]}`,
		},
		{
			"a party clears a slot; a second party of three does not fit", `{"seating":"flexible",
			  "slots":[{"id":"a","seats":3},{"id":"b","seats":1}],
			  "tickets":[{"id":"t","choices":[["a","b"]]},{"id":"p","size":3,"choices":[["b","a"]]},{"id":"q","size":3,"choices":[["a"]]}]}`,
			`{"assigned":[{"id":"t","choice":1,"slot":"b","second":null},{"id":"p","choice":1,"slot":"a","second":null},` +
				`{"id":"q","choice":0,"slot":null,"second":null}],"cutoffs":[{"slot":"a","size":3,"doses":1,"pool":"","rank":3}]}`,
		},
		{
			"second doses: 56 days first, then the later of two as far", `{"seating":"flexible","slots":[
			  {"id":"a","clinic":"C","date":"2021-07-26","seats":5},
			  {"id":"d48","clinic":"C","date":"2021-09-12","seats":9,"second":true},
			  {"id":"d55","clinic":"C","date":"2021-09-19","seats":9,"second":true},
			  {"id":"d57","clinic":"C","date":"2021-09-21","seats":1,"second":true},
			  {"id":"d56x","clinic":"D","date":"2021-09-20","seats":9,"second":true},
			  {"id":"d56v","clinic":"C","date":"2021-09-20","seats":9,"second":true,"vaccine":"other"}],
			  "tickets":[{"id":"t","doses":2,"choices":[["a"]]},{"id":"u","size":2,"doses":2,"choices":[["a"]]}]}`,
			`{"assigned":[{"id":"t","choice":1,"slot":"a","second":"d57"},{"id":"u","choice":1,"slot":"a","second":"d55"}],"cutoffs":[]}`,
		},
		{
			"fixed: pairs, and none", `{"seating":"fixed","slots":[
			  {"id":"a","seats":2},{"id":"b","seats":1,"pair":"bb"},{"id":"bb","seats":1,"second":true}],
			  "tickets":[{"id":"t","doses":2,"choices":[["a"],["b"]]},{"id":"u","doses":2,"member":["g","h"],"choices":[["a","b"]]}]}`,
			`{"assigned":[{"id":"t","choice":2,"slot":"b","second":"bb"},{"id":"u","choice":0,"slot":null,"second":null}],"cutoffs":[` +
				`{"slot":"a","size":1,"doses":2,"pool":"","rank":1},{"slot":"a","size":1,"doses":2,"pool":"g","rank":2},` +
				`{"slot":"b","size":1,"doses":2,"pool":"g","rank":2}]}`,
		},
		{
			"fixed: parties over their share of the unreserved seats, singles over the rest", `{"seating":"fixed",
			  "slots":[{"id":"a","seats":5,"reserve":{"g":1},"party":9}],
			  "tickets":[{"id":"s1","choices":[["a"]]},{"id":"p1","size":3,"choices":[["a"]]},{"id":"p2","size":2,"choices":[["a"]]},
			  {"id":"s2","choices":[["a"]]}]}`,
			`{"assigned":[{"id":"s1","choice":1,"slot":"a","second":null},{"id":"p1","choice":1,"slot":"a","second":null},` +
				`{"id":"p2","choice":0,"slot":null,"second":null},{"id":"s2","choice":1,"slot":"a","second":null}],` +
				`"cutoffs":[{"slot":"a","size":2,"doses":1,"pool":"","rank":3}]}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want+"\n", allocate(t, test.file)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInstanceErrorsNameTheId(t *testing.T) {
	file := func(seating, slots, tickets string) string {
		return `{"seating":` + seating + `,"slots":[{"id":"s1","seats":2},{"id":"d","seats":2,"second":true}` + slots + `],"tickets":[` + tickets + `]}`
	}
	slot := func(s string) string { return file(`"fixed"`, ","+s, "") }
	ticket := func(s string) string { return file(`"flexible"`, "", s) }
	for _, test := range []struct{ file, want string }{
		{`[]`, "not a JSON object"},
		{`{"seating":"flexible"} x`, "byte"},
		{file(`"serial"`, "", ""), `seating "serial"`},
		{file(`null`, "", ""), `seating ""`},
		{file(`3`, "", ""), `seating`},
		{slot(`{"id":"s1"}`), `slot "s1": the id stands twice`},
		{slot(`{"seats":1}`), `slot "": has no id`},
		{slot(`{"id":"x","seats":-1}`), `slot "x": seats`},
		{slot(`{"id":"x","seats":1.0}`), `slot "x": seats`},
		{slot(`{"id":"x","seats":"1"}`), `slot "x": seats`},
		{slot(`{"id":"x","seats":2147483648}`), `slot "x": seats`},
		{slot(`{"id":"x","seats":1,"seats":1}`), `"seats" stands twice`},
		{slot(`{"id":"x","Seats":1,"seats":1}`), `"seats" stands twice`},
		{slot(`{"id":"x","date":"26 July"}`), `slot "x": date "26 July"`},
		{slot(`{"id":"x","second":1}`), `slot "x": second`},
		{slot(`{"id":"x","reserve":{"g":-1}}`), `slot "x": reserve: g`},
		{slot(`{"id":"x","reserve":{"":1},"seats":1}`), `slot "x": reserve for pool ""`},
		{slot(`{"id":"x","reserve":{"g":1,"h":1},"seats":1}`), `slot "x": 2 seats reserved of 1`},
		{slot(`{"id":"x","reserve":[]}`), `slot "x": reserve`},
		{slot(`{"id":"x","party":-1}`), `slot "x": party`},
		{slot(`{"id":"x","pair":"y"}`), `slot "x": pair "y" is not in the supply`},
		{slot(`{"id":"x","pair":"s1"}`), `slot "x": pair "s1" is not marked as a second slot`},
		{slot(`{"id":"x","pair":3}`), `slot "x": pair`},
		{slot(`7`), `slots[2]`},
		{ticket(`7`), `tickets[0]`},
		{ticket(`{"choices":[]}`), `ticket "": has no id`},
		{ticket(`{"id":"t"},{"id":"t"}`), `ticket "t": the id stands twice`},
		{ticket(`{"id":"t","size":0}`), `ticket "t": size 0`},
		{ticket(`{"id":"t","size":5}`), `ticket "t": size 5`},
		{ticket(`{"id":"t","size":257}`), `ticket "t": size 255`},
		{ticket(`{"id":"t","doses":3}`), `ticket "t": doses 3`},
		{ticket(`{"id":"t","doses":0}`), `ticket "t": doses 0`},
		{ticket(`{"id":"t","member":"g"}`), `ticket "t": member`},
		{ticket(`{"id":"t","member":[1]}`), `ticket "t": member`},
		{ticket(`{"id":"t","choices":["s1"]}`), `ticket "t": choices[0]`},
		{ticket(`{"id":"t","choices":[[true]]}`), `ticket "t": choices[0]`},
		{ticket(`{"id":"t","choices":3}`), `ticket "t": choices`},
		{ticket(`{"id":"t","choices":[["s1"],["s1","s1"]]}`), `ticket "t": choice 2: slot "s1" stands twice`},
		{ticket(`{"id":"t","choices":[["nowhere"]]}`), `ticket "t": choice 1: slot "nowhere" is not in the supply`},
		{ticket(`{"id":"t","choices":[["d"]]}`), `ticket "t": choice 1: slot "d" is for second doses only`},
	} {
		if _, err := ParseInstance([]byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.file, err, test.want)
		}
	}
	if _, err := ParseInstance([]byte(ticket(`{"id":"t","choices":[["s1"],["s1"]]}`))); err != nil {
		t.Errorf("one slot in two choices is legal: %v", err)
	}
}

// An instance's pairs are taken as they stand, and PairFlaw says what no release would have.
func TestPairsThatNoReleaseHas(t *testing.T) {
	slot := func(s string) string {
		return `{"seating":"fixed","slots":[{"id":"s1","seats":2},{"id":"d","seats":2,"second":true},` + s +
			`],"tickets":[{"id":"t","doses":2,"choices":[["x"]]}]}`
	}
	for _, test := range []struct{ file, want string }{
		{slot(`{"id":"x","seats":3,"pair":"d"}`), `slot "x": its pair has 2 seats`},
		{slot(`{"id":"x","seats":1,"pair":"d"},{"id":"y","seats":2,"pair":"d"}`), `slot "y": its pair has 2 seats`},
		{slot(`{"id":"x","clinic":"C","pair":"d"}`), `slot "x": its pair has another clinic`},
		{slot(`{"id":"x","date":"2021-07-26","pair":"e"},{"id":"e","second":true,"date":"2021-09-12"}`), `slot "x": its pair is 48 days later`},
	} {
		in, err := ParseInstance([]byte(test.file))
		if err != nil {
			t.Fatal(err)
		}
		if err := in.PairFlaw(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: flaw %v, want one with %q", test.file, err, test.want)
		}
		result, err := Allocate(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Assigned[0]; in.Slots[2].Seats > 0 && (got.Choice != 1 || got.Second == nil) {
			t.Errorf("%s: %+v, want both doses", test.file, got)
		}
	}
	in, err := ParseInstance([]byte(slot(`{"id":"x","seats":2,"pair":"d"}`)))
	if err != nil || in.PairFlaw() != nil {
		t.Errorf("a good pair: %v, %v", err, in.PairFlaw())
	}
}

func TestAllocateRefusesOtherSeatings(t *testing.T) {
	if _, err := Allocate(Instance{Seating: Serial}); err == nil {
		t.Error("serial is no seating of an instance")
	}
	if _, err := Allocate(Instance{Seating: Fixed, Tickets: []InstanceTicket{{ID: "t"}}}); err == nil {
		t.Error("a ticket of size 0 was served")
	}
}

func TestParseSupply(t *testing.T) {
	slots, err := ParseSupply([]byte(`{"slots":[{"block":"0900","clinic":"C0","date":"2021-07-26","id":"x","seats":2,"vaccine":"MOD"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []InstanceSlot{{ID: "x", Clinic: "C0", Date: "2021-07-26", Block: "0900", Vaccine: "MOD", Seats: 2}}
	if diff := cmp.Diff(want, slots); diff != "" {
		t.Error(diff)
	}
	if _, err := ParseSupply([]byte(`{"slots":[{"id":3}]}`)); err == nil {
		t.Error("a number as an id was accepted")
	}
	if _, err := ParseSupply([]byte(`{`)); err == nil {
		t.Error("half a file was accepted")
	}
	if slots, err := ParseSupply([]byte(`{}`)); err != nil || slots != nil {
		t.Errorf("no slots: %v, %v", slots, err)
	}
}
