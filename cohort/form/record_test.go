package form

import (
	"archive/zip"
	"context"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jebi/lottery"
)

// bundleFiles is a bundle to be served: the protocol's worked example.
func bundleFiles(context.Context, string) (fs.FS, error) {
	return os.DirFS("../../lottery/testdata/draw-example"), nil
}

var clinicField = regexp.MustCompile(`name="clinics" value="([^"]+)"`)

func clinicKeys(html string) []string {
	var keys []string
	for _, m := range clinicField.FindAllStringSubmatch(html, -1) {
		keys = append(keys, m[1])
	}
	return keys
}

// publicRecord puts a published draw of the first cohort on the board.
func (w *town) publicRecord() {
	w.t.Helper()
	w.exec(`INSERT INTO @board (campaign_id, cohort_id, kind, body, body_hash) SELECT 1, 1, k, b, sha256(b) FROM (VALUES
		('manifest', '{"sample":true}'::bytea), ('checkpoint', 'gwanak.sample.invalid/slotdraw'::bytea), ('source', '{"type":3}'::bytea)) v (k, b)`)
	w.exec(`INSERT INTO @draw (cohort_id, draw_id, k_commit, manifest, leaf_count, root, frozen_at, seed, drawn_at, verified_at, published_at)
		VALUES (1, 'gwanak-2021-1962-66', sha256(''), '{}', 7, sha256('1'), @jebi_now(), sha256('2'), @jebi_now(), @jebi_now(), @jebi_now())`)
}

// publish gives a person a place out of her ballot, as a draw would.
func (w *town) publish(person int64) {
	w.t.Helper()
	w.exec(`UPDATE @cohort SET state = 'closed' WHERE id = 1`)
	w.exec(`UPDATE @cohort SET state = 'frozen' WHERE id = 1`)
	w.exec(`INSERT INTO @ticket (cohort_id, rank, entity, size, weight, ticket, choice, slot_id)
		SELECT 1, 3, decode(repeat('01', 16), 'hex'), 1, 1, sha256('t'), 1, min(s.id) FROM @slot s JOIN @clinic c ON c.id = s.clinic_id
		 WHERE s.cohort_id = 1 AND c.district = '1162010200' AND s.date = '2021-07-26' AND s.part = 'am' AND s.seats > 0`)
	w.exec(`INSERT INTO @ticket (cohort_id, rank, entity, size, weight, ticket, choice) VALUES (1, 9, decode(repeat('02', 16), 'hex'), 1, 1, sha256('u'), 0)`)
	w.exec(`INSERT INTO @ticket_member (cohort_id, person_id, rank) VALUES (1, $1, 3)`, person)
	w.exec(`INSERT INTO @assignment (campaign_id, cohort_id, person_id, rank, slot_id, choice, origin) SELECT 1, 1, $1, 3, slot_id, 1, 'draw' FROM @ticket WHERE rank = 3`, person)
	w.exec(`UPDATE @cohort SET state = 'drawn' WHERE id = 1`)
	w.exec(`UPDATE @cohort SET state = 'published' WHERE id = 1`)
}

func TestBoard(t *testing.T) {
	w := newTown(t, func(c *Config) { c.Files = bundleFiles })
	b := w.browser()
	b.get("/language?to=en&back=/board")
	b.wants(200, "/board", "There are no records yet", "born 1962–1966")
	w.publicRecord()
	b.get("/board")
	b.wants(200, "/board", "1: announcement of the draw", "3: source of randomness")
	if p := b.get("/board/1"); p.body != `{"sample":true}` || p.header.Get("Content-Type") != "application/json" {
		t.Errorf("record 1: %q as %s", p.body, p.header.Get("Content-Type"))
	}
	if p := b.get("/board/2"); p.body != "gwanak.sample.invalid/slotdraw" || p.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("record 2: %q as %s", p.body, p.header.Get("Content-Type"))
	}
	for _, path := range []string{"/board/4", "/board/0", "/board/x", "/board/-1", "/draws/none/", "/draws/gwanak-2021-1962-66/none", "/draws/gwanak-2021-1962-66/..%2f..%2fhash.go"} {
		if p := b.get(path); p.status != 404 {
			t.Errorf("%s: %d", path, p.status)
		}
	}
	b.get("/draws/gwanak-2021-1962-66")
	b.wants(200, "/draws/", "leaves.bin", "recomputed and verified", "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b")
	want, err := os.ReadFile("../../lottery/testdata/draw-example/leaves.bin")
	if err != nil {
		t.Fatal(err)
	}
	if p := b.get("/draws/gwanak-2021-1962-66/leaves.bin"); p.body != string(want) {
		t.Errorf("leaves.bin: %d bytes, want %d", len(p.body), len(want))
	}
	if p := b.get("/draws/gwanak-2021-1962-66/gwanak-2021-1962-66.zip"); p.status != 200 || p.header.Get("Content-Type") != "application/zip" || p.body[:2] != "PK" {
		t.Errorf("archive: %d %s", p.status, p.header.Get("Content-Type"))
	}
	for _, name := range []string{lottery.FileOutcome, lottery.FileBallots, "private.json", "receipt-1.json", "%2e"} {
		if p := b.get("/draws/gwanak-2021-1962-66/" + name); p.status != 404 {
			t.Errorf("%s, which is not public: %d", name, p.status)
		}
	}
	if p := b.get("/draws/gwanak-2021-1962-66/"); strings.Contains(p.body, "private.json") {
		t.Error("the page names a file that is not public")
	}
	archive := b.get("/draws/gwanak-2021-1962-66/gwanak-2021-1962-66.zip").body
	z, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"claims.json", "entropy.json", "leaves.bin", "manifest.json", "order.bin", "supply.json"}, names); diff != "" {
		t.Errorf("archive: %s", diff)
	}
	if diff := cmp.Diff(404, b.get("/draws/gwanak-2021-1969-71/").status); diff != "" {
		t.Error(diff)
	}
}

// waiting puts a person's ticket on the waitlist of a published draw.
func (w *town) waiting(person int64) {
	w.t.Helper()
	w.exec(`UPDATE @cohort SET state = 'closed' WHERE id = 1`)
	w.exec(`UPDATE @cohort SET state = 'frozen' WHERE id = 1`)
	w.exec(`INSERT INTO @ticket (cohort_id, rank, entity, size, weight, ticket, choice) VALUES (1, 1, decode(repeat('01', 16), 'hex'), 1, 1, sha256('t'), 0)`)
	w.exec(`INSERT INTO @ticket_member (cohort_id, person_id, rank) VALUES (1, $1, 1)`, person)
	w.exec(`INSERT INTO @waiting (cohort_id, rank) VALUES (1, 1)`)
	w.exec(`UPDATE @cohort SET state = 'drawn' WHERE id = 1`)
	w.exec(`UPDATE @cohort SET state = 'published' WHERE id = 1`)
}

// offer offers the first slot of the first choice to who waits.
func (w *town) offer() {
	w.t.Helper()
	w.exec(`INSERT INTO @offer (cohort_id, rank, slot_id, choice, size, batch_at, deadline)
		SELECT 1, 1, min(s.id), 1, 1, @jebi_now(), @jebi_now() + interval '12 hours' FROM @slot s JOIN @clinic c ON c.id = s.clinic_id
		 WHERE s.cohort_id = 1 AND c.district = '1162010200' AND s.date = '2021-07-26' AND s.part = 'am' AND s.seats > 0`)
}
