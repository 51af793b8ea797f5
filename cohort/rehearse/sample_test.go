package rehearse

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/data/sample"
	"jebi/lottery"
)

func loadSample(t *testing.T) *Sample {
	t.Helper()
	s, err := LoadSample(sample.Files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSampleHasTheSizesThatItsReadmeNames(t *testing.T) {
	s := loadSample(t)
	total, err := sumSeats(s.supply[1:])
	if err != nil {
		t.Fatal(err)
	}
	if total != 14500 || len(s.clinics)-1 != 100 || s.People() != 27606 {
		t.Errorf("%d seats, %d clinics, %d people; want 14500, 100, 27606", total, len(s.clinics)-1, s.People())
	}
	size := int64(0)
	err = fs.WalkDir(sample.Files, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	if err != nil || size > 2<<20 {
		t.Errorf("the sample takes %d bytes (%v), want under 2 MB", size, err)
	}
}

func TestSupplyLiesInTheCampaignsDays(t *testing.T) {
	s := loadSample(t)
	clinics := map[string]bool{}
	for _, c := range s.clinics[1:] {
		clinics[c[0]] = true
	}
	for _, r := range s.supply[1:] {
		if !clinics[r[0]] || r[1] < "2021-07-26" || r[1] > "2021-08-07" || r[1] == "2021-08-01" {
			t.Errorf("supply row %v: unknown clinic or a day outside the campaign", r)
		}
	}
}

func TestCitizensAreTheSameForASeedAndNobodyReal(t *testing.T) {
	s := loadSample(t)
	all := s.Citizens(0, 7)
	if len(all) != s.People() {
		t.Fatalf("%d citizens, want %d", len(all), s.People())
	}
	if d := cmp.Diff(all[:100], s.Citizens(0, 7)[:100]); d != "" {
		t.Errorf("the same seed gives other people:\n%s", d)
	}
	phone := regexp.MustCompile(`^\+8210[01][0-9]{7}$`)
	seen := map[string]bool{}
	for _, c := range all {
		if c.Phone == "" && c.Email == "" {
			t.Errorf("%s cannot be reached", c.Key)
		}
		if c.Phone != "" && !phone.MatchString(c.Phone) {
			t.Errorf("%s: phone %s could be somebody's", c.Key, c.Phone)
		}
		if c.Email != "" && !strings.HasSuffix(c.Email, ".invalid") {
			t.Errorf("%s: %s could be somebody's", c.Key, c.Email)
		}
		for _, k := range []string{c.Key, c.Phone, c.Email} {
			if k != "" && seen[k] {
				t.Errorf("%s stands twice", k)
			}
			seen[k] = true
		}
		if y := c.Birth.Year(); !(1962 <= y && y <= 1966 || 1969 <= y && y <= 1971) {
			t.Errorf("%s: born %d, in no cohort", c.Key, y)
		}
	}
}

func TestASmallSampleKeepsTheProportions(t *testing.T) {
	s := loadSample(t)
	for _, n := range []int{60, 600, 2000, 9000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			small, err := s.Scaled(n)
			if err != nil {
				t.Fatal(err)
			}
			total, err := sumSeats(small.supply[1:])
			if err != nil {
				t.Fatal(err)
			}
			if want := (14500*n + s.People()/2) / s.People(); total != want {
				t.Errorf("%d seats for %d people, want %d", total, n, want)
			}
			if !strings.Contains(string(s.Campaign), "\nreserve = 20\n") || strings.Contains(string(small.Campaign), "\nreserve = 20\n") {
				t.Errorf("the reserve of %d people is that of all", n)
			}
			if got := len(small.Citizens(n, 1)); got != n {
				t.Errorf("%d people, want %d", got, n)
			}
		})
	}
}

func TestTrusteesValuesFitTheirCommitments(t *testing.T) {
	s := loadSample(t)
	if len(s.Trustees) != 6 {
		t.Fatalf("%d trustees' values, want 3 for each of 2 draws", len(s.Trustees))
	}
	for _, tr := range s.Trustees {
		if got := lottery.TrusteeCommit(tr.DrawID, tr.Index, tr.Value); got != tr.Commit {
			t.Errorf("%s, trustee %d: commitment %s, want %s", tr.DrawID, tr.Index, got, tr.Commit)
		}
		if !strings.Contains(string(s.Campaign), tr.Commit.String()) {
			t.Errorf("%s, trustee %d: its commitment is not in the campaign file", tr.DrawID, tr.Index)
		}
	}
}

// The lists that the sample is made from are not in the repository, so this
// makes it from lists of the same shape.
func TestMakeSampleGivesTheSameBytesEachTime(t *testing.T) {
	from := t.TempDir()
	write := func(name string, lines []string) {
		if err := os.WriteFile(filepath.Join(from, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clinics := []string{"inst_id,name_ko,type_en,specialty_hint,sigungu_code,address_ko,lat,lon,weekday_open_hhmm,weekday_close_hhmm,sat_open_hhmm,sat_close_hhmm,sat_closed_note,coord_in_sigungu"}
	for i := range 120 {
		kind, note := "clinic", i%2
		if i%20 == 0 {
			kind = "hospital"
		}
		clinics = append(clinics, fmt.Sprintf("A%03d,병원 %d,%s,ent,11620,\"서울 (신림동, %d층)\",37.48,126.92,0900,1900,0900,1300,%d,1", i, i, kind, i, note))
	}
	clinics = append(clinics, "B1,밖,hospital,ent,11110,서울 (신림동),37.5,127,0900,1900,,,0,1", "B2,어긋남,hospital,ent,11620,서울 (신림동),37.5,127,0900,1900,,,0,0")
	write("clinics_seoul.csv", clinics)
	write("vaccination_centers_2021.csv", []string{
		"center_id,facility_name_ko,sido_ko,sigungu_code,sigungu_ko,lat,lon",
		"80,체육센터,서울특별시,11620,관악구,37.47,126.96", "1,다른 곳,서울특별시,11110,종로구,37.5,127",
	})
	header, row := "emd_code,sigungu_code,emd_ko,lat,lon", "1162052500,11620,보라매동,37.49,126.93"
	for age := 17; age < 75; age++ {
		header, row = fmt.Sprintf("%s,age_%d", header, age), fmt.Sprintf("%s,%d", row, 300+age)
	}
	write("population_202106_emd.csv", []string{header, row})

	a, b := t.TempDir(), t.TempDir()
	report, err := MakeSample(from, a, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := MakeSample(from, b, 3); err != nil {
		t.Fatal(err)
	}
	if report.Clinics != 99 || report.Seats != 14500 {
		t.Errorf("%d clinics, %d seats, want 99, 14500", report.Clinics, report.Seats)
	}
	for _, name := range []string{"campaign.toml", "clinics.csv", "supply.csv", "population.csv", "trustees.json"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(x), string(y)); d != "" {
			t.Errorf("%s differs:\n%s", name, d)
		}
		if strings.Contains(string(x), "B1") || strings.Contains(string(x), "B2") {
			t.Errorf("%s holds a place outside the district, or whose position contradicts its address", name)
		}
	}
	if _, err := LoadSample(os.DirFS(a)); err != nil {
		t.Errorf("what was made cannot be read: %v", err)
	}
}
