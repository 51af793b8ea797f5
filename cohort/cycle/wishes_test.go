package cycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/cohort"
	"jebi/data"
	"jebi/lottery"
)

// market is a supply of five clinics whose blocks come in no order, with second slots among them.
func market(t *testing.T) *shelf {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	var slots []data.SlotRow
	for _, clinic := range []string{"a", "b", "c", "d", "e"} {
		for day := 26; day < 31; day++ {
			for _, block := range []string{"0900", "1000", "1400", "1900"} {
				if r.IntN(3) == 0 {
					continue
				}
				part := map[string]string{"09": "am", "10": "am", "14": "pm", "19": "evening"}[block[:2]]
				slots = append(slots, data.SlotRow{
					ID: int64(len(slots) + 7), ClinicKey: clinic, Date: fmt.Sprintf("2021-07-%d", day), Block: block, Part: part, Vaccine: "AZ",
					Seats: 3, Second: r.IntN(10) == 0,
				})
			}
		}
	}
	h, err := newShelf(slots)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func someOf(r *rand.Rand, of ...string) []string {
	list := []string{}
	for _, s := range of {
		if r.IntN(2) == 0 {
			list = append(list, s)
		}
	}
	return list
}

func randomBallot(r *rand.Rand, i int) cohort.Ballot {
	b := cohort.Ballot{Draw: "m-a", Person: fmt.Sprintf("p%d", i)}
	if r.IntN(3) == 0 {
		b.Party = fmt.Sprintf("x-%d", i)
	}
	for range r.IntN(lottery.MaxChoices + 1) {
		b.Choices = append(b.Choices, cohort.Choice{
			Target: "clinics", Clinics: someOf(r, "a", "b", "c", "d", "e", "nowhere"),
			Dates: someOf(r, "2021-07-26", "2021-07-27", "2021-07-28", "2021-07-29", "2021-07-30", "2022-01-01"),
			Parts: someOf(r, "am", "pm", "evening", "night"),
		})
	}
	return b
}

// However a ballot is written, its choices are the same slots: read by their bytes, by JSON's rules, and as the lists
// that offers and auditors use.
func TestWishesAreTheSlotsOfTheChoices(t *testing.T) {
	h := market(t)
	l, err := lottery.NewLayout(h.slots, []string{""})
	if err != nil {
		t.Fatal(err)
	}
	w := newWishes(h, l)
	r := rand.New(rand.NewPCG(2, 2))
	var want [][][]int32
	for i := range 400 {
		b := randomBallot(r, i)
		encoded := b.Encode()
		if s := newScan(encoded); !s.ok {
			t.Fatalf("%s is not read by its bytes", encoded)
		}
		var loose bytes.Buffer
		if err := json.Indent(&loose, encoded, "", " "); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(encoded), loose.String(), strings.Replace(string(encoded), `"draw":"m-a"`, `"draw":"m\u002da"`, 1)} {
			list, err := h.choices([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			person, codes, err := w.read([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if string(person) != b.Person {
				t.Fatalf("%s: person %q", text, person)
			}
			if err := l.Add(1, 1, 0, 0, codes...); err != nil {
				t.Fatal(err)
			}
			want = append(want, list)
		}
	}
	for i, ticket := range l.Problem(lottery.Serial).Tickets {
		if d := cmp.Diff(want[i], ticket.Choices); d != "" && len(want[i])+len(ticket.Choices) > 0 {
			t.Fatalf("ballot %d: %s", i, d)
		}
	}
}

func TestWishesOfWhatIsNoBallot(t *testing.T) {
	h := market(t)
	l, err := lottery.NewLayout(h.slots, []string{""})
	if err != nil {
		t.Fatal(err)
	}
	w := newWishes(h, l)
	for _, text := range []string{
		``, `{`, `[]`, `{"v":1,"draw":"m-a","person":"p","choices":[}`, `{"v":1,"draw":"m-a","person":"p","choices":["x"]}`,
		`{"v":1,"draw":"m-a","person":"p","choices":[{"target":"t","clinics":["a"],"dates":[],"parts":[]}]} x`,
		`{"v":1,"draw":"m-a","person":"p","choices":[{"target":"t","clinics":["a",],"dates":[],"parts":[]}]}`,
	} {
		if _, _, err := w.read([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
		if _, err := h.choices([]byte(text)); err == nil {
			t.Errorf("%q has choices", text)
		}
	}
}

// Whatever the bytes, the short way reads nothing that JSON's rules read otherwise.
func FuzzWishes(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 20 {
		f.Add(randomBallot(r, i).Encode())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newScan(text)
		var lists [][2]string
		s.ballot(func(clinics, times []byte) bool {
			lists = append(lists, [2]string{string(clinics), string(times)})
			return true
		})
		if !s.ok {
			return
		}
		var b cohort.Ballot
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%q is no JSON: %v", text, err)
		}
		if b.Person != string(s.person) || len(b.Choices) != len(lists) {
			t.Fatalf("%q: person %q, %d choices", text, s.person, len(lists))
		}
		for i, c := range b.Choices {
			var clinics []string
			var times cohort.Choice
			if err := json.Unmarshal([]byte(lists[i][0]), &clinics); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte("{"+lists[i][1]+"}"), &times); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Clinics, clinics) || !slices.Equal(c.Dates, times.Dates) || !slices.Equal(c.Parts, times.Parts) {
				t.Fatalf("%q: choice %d is read otherwise", text, i)
			}
		}
	})
}

func TestLeafIndex(t *testing.T) {
	x := newIndex([]int64{0, 70, 3, 12, 9})
	for person, want := range map[int64]uint32{70: 1, 3: 2, 12: 3, 9: 4, 0: 0, 5: 0, 71: 0} {
		if got := x.find(person); got != want {
			t.Errorf("person %d: leaf %d, want %d", person, got, want)
		}
	}
	if got := newIndex([]int64{0}).find(1); got != 0 {
		t.Errorf("in no leaves: %d", got)
	}
}
