package rehearse

import (
	"testing"

	"jebi/lottery"
)

func TestARehearsalEndsOnlyWithEverythingProven(t *testing.T) {
	report := func(states ...lottery.State) lottery.Report {
		r := lottery.Report{}
		for i, name := range []string{"witnesses", "allocation", "receipt"} {
			r.Parts = append(r.Parts, lottery.Part{Name: name, State: states[i]})
		}
		return r
	}
	const holds, absent, fails = lottery.Holds, lottery.Absent, lottery.Fails
	for _, c := range []struct {
		public, private lottery.Report
		want            string
	}{
		{report(holds, absent, absent), report(holds, holds, holds), ""},
		{report(absent, absent, absent), report(holds, holds, holds), "in public, witnesses absent: "},
		{report(holds, fails, absent), report(holds, holds, holds), "in public, allocation fails: "},
		{report(holds, absent, absent), report(holds, absent, holds), "allocation absent: "},
		{report(holds, absent, absent), report(holds, holds, fails), "receipt fails: "},
	} {
		if got := unproven(c.public, c.private); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.public.Parts, c.private.Parts, got, c.want)
		}
	}
}
