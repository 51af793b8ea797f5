package lottery

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const exampleDir = "testdata/draw-example"

// private is what a real bundle keeps secret.
type private struct {
	K       Hash       `json:"K_draw"`
	Parties [][]string `json:"parties"`
	People  []struct {
		Ballot    string `json:"ballot"`
		LeafIndex int    `json:"leaf_index"`
		PersonID  string `json:"person_id"`
		PID       ID     `json:"pid"`
		Salt      Hash   `json:"salt"`
		Weight    uint16 `json:"weight"`
	} `json:"people"`
	Tickets []struct {
		ID     ID   `json:"id"`
		Rank   int  `json:"rank"`
		Ticket Hash `json:"ticket"`
	} `json:"tickets"`
}

func readExample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(exampleDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readPrivate(t *testing.T) private {
	t.Helper()
	var p private
	if err := json.Unmarshal(readExample(t, "private.json"), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExampleLeaves rebuilds the leaves of the worked example from its people.
func TestExampleLeaves(t *testing.T) {
	p := readPrivate(t)
	m, err := ParseManifest(readExample(t, FileManifest))
	if err != nil {
		t.Fatal(err)
	}
	if got := KCommit(m.DrawID, p.K); got != m.KCommit {
		t.Errorf("k_commit %s, want %s", got, m.KCommit)
	}
	gids := map[string]ID{}
	for _, party := range p.Parties {
		var pids []ID
		for _, person := range party {
			pids = append(pids, PID(p.K, m.DrawID, person))
		}
		for _, person := range party {
			gids[person] = GID(pids)
		}
	}
	var leaves []Leaf
	for _, person := range p.People {
		pid := PID(p.K, m.DrawID, person.PersonID)
		if pid != person.PID {
			t.Errorf("pid of %s: %s, want %s", person.PersonID, pid, person.PID)
		}
		leaves = append(leaves, Leaf{pid, gids[person.PersonID], person.Weight, BallotCommit(person.Salt, []byte(person.Ballot))})
	}
	leaves[0], leaves[5] = leaves[5], leaves[0]
	got, err := Leaves(ManifestHash(readExample(t, FileManifest)), SupplyHash(readExample(t, FileSupply)), leaves)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readExample(t, FileLeaves), got); diff != "" {
		t.Errorf("leaves.bin (-want +got):\n%s", diff)
	}
}

// TestExampleOrder checks every ticket and rank of the worked example.
func TestExampleOrder(t *testing.T) {
	p := readPrivate(t)
	claims, err := ParseClaims(readExample(t, FileClaims))
	if err != nil {
		t.Fatal(err)
	}
	order, err := Order(readExample(t, FileLeaves), claims.TicketKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(order) != len(p.Tickets) {
		t.Fatalf("%d entities, want %d", len(order), len(p.Tickets))
	}
	for i, want := range p.Tickets {
		if order[i].ID != want.ID || order[i].Ticket != want.Ticket {
			t.Errorf("rank %d: %s %s, want %s %s", i+1, order[i].ID, order[i].Ticket, want.ID, want.Ticket)
		}
	}
	if diff := cmp.Diff(readExample(t, FileOrder), OrderBytes(order)); diff != "" {
		t.Errorf("order.bin (-want +got):\n%s", diff)
	}
}

// TestExampleVerifies checks the whole folder with each of its receipts.
func TestExampleVerifies(t *testing.T) {
	for n := 1; n <= 6; n++ {
		receipt := readExample(t, fmt.Sprintf("receipt-%d.json", n))
		r := Verify(os.DirFS(exampleDir), VerifyOptions{Receipt: receipt})
		if !r.OK(false) {
			t.Errorf("receipt %d: %+v", n, r)
		}
		if r.OK(true) {
			t.Errorf("receipt %d: strict, though the checkpoint is absent", n)
		}
		for _, part := range []string{"manifest", "leaves", "root", "source 0 (dice)", "seed", "order", "receipt"} {
			if p := r.Find(part); p.State != Holds {
				t.Errorf("receipt %d: %+v", n, p)
			}
		}
		if p := r.Find("source 4 (drand)"); p.State != Absent {
			t.Errorf("without a beacon: %+v", p)
		}
		if !r.Sample || r.DrawID != "example-2026-05" {
			t.Errorf("draw %q, sample %v", r.DrawID, r.Sample)
		}
	}
}
