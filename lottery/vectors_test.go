package lottery

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/vectors anew")

const vectorDir = "testdata/vectors"

// vector is what a file of vectors holds: names in, values out, in the order of docs/draw.md.
type vector map[string]any

// TestVectors holds the published vectors against what the package computes, to the byte.
func TestVectors(t *testing.T) {
	d, public, receipts := drawWithAllSources(t)
	_, auditor, _ := d.files(t)
	files := map[string][]byte{
		"values.json": vectorJSON(t, valueVectors()),
		"trees.json":  vectorJSON(t, treeVectors()),
		"signed.json": vectorJSON(t, signedVectors(t)),
		"draw.json":   vectorJSON(t, drawVectors(t, d, public)),
	}
	for name, content := range public {
		files["whole-draw/bundle/"+name] = content
	}
	for name, content := range auditor {
		files["whole-draw/auditor/"+name] = content
	}
	for i, content := range receipts[1:] {
		files[fmt.Sprintf("whole-draw/receipts/receipt-%d.json", i+1)] = content
	}
	for name, want := range files {
		path := filepath.Join(vectorDir, name)
		if *update {
			writeFolder(t, filepath.Dir(path), map[string][]byte{filepath.Base(path): want})
		}
		if got := must(os.ReadFile(path))(t); !bytes.Equal(got, want) {
			t.Errorf("%s: the published vectors are others; read what changed before -update", name)
		}
	}
}

// TestPublishedDraw: the published folder verifies with every published receipt, in both programs.
func TestPublishedDraw(t *testing.T) {
	p := startPython(t)
	dir := filepath.Join(vectorDir, "whole-draw")
	public := map[string][]byte{}
	for _, e := range must(os.ReadDir(filepath.Join(dir, "bundle")))(t) {
		public[e.Name()] = must(os.ReadFile(filepath.Join(dir, "bundle", e.Name())))(t)
	}
	receipts := must(filepath.Glob(filepath.Join(dir, "receipts", "*.json")))(t)
	for _, path := range receipts {
		if r := p.judge(path, public, must(os.ReadFile(path))(t)); !r.OK(false) {
			t.Errorf("%s: %s", path, failures(r))
		}
	}
	if p.n != 9 {
		t.Errorf("%d receipts, want 9", p.n)
	}
}

func vectorJSON(t testing.TB, v any) []byte {
	t.Helper()
	b := must(json.MarshalIndent(v, "", " "))(t)
	return append(b, '\n')
}

func valueVectors() []vector {
	k := [32]byte{0x4b}
	salt := [32]byte{0x5a}
	pids := []ID{PID(k, "draw-1", "p-1"), PID(k, "draw-1", "p-2"), PID(k, "draw-1", "p-3")}
	seed := Seed(3, Hash{9}, []Revealed{
		{Type: SourceTrustee, Present: true, Value: make([]byte, 32)},
		{Type: SourceTrustee},
		{Type: SourceDice, Present: true, Value: []byte("0417")},
	})
	key := TicketKey(seed, Stream)
	return []vector{
		{"value": "D", "tag": "manifest", "x": "", "is": ManifestHash(nil)},
		{"value": "D", "tag": "supply", "x": hex.EncodeToString([]byte("{}\n")), "is": SupplyHash([]byte("{}\n"))},
		{"value": "k_commit", "draw_id": "draw-1", "K_draw": Hash(k), "is": KCommit("draw-1", k)},
		{"value": "pid", "draw_id": "draw-1", "K_draw": Hash(k), "person_id": "p-1", "is": pids[0]},
		{"value": "pid", "draw_id": "draw-1", "K_draw": Hash(k), "person_id": "p-2", "is": pids[1]},
		{"value": "pid", "draw_id": "draw-1", "K_draw": Hash(k), "person_id": "p-3", "is": pids[2]},
		{"value": "gid", "members": pids[:2], "is": GID(pids[:2])},
		{"value": "gid", "members": pids, "is": GID(pids)},
		{"value": "ballot_commit", "salt": Hash(salt), "ballot": hex.EncodeToString([]byte(`{"person":"p-1"}`)), "is": BallotCommit(salt, []byte(`{"person":"p-1"}`))},
		{"value": "trustee commitment", "draw_id": "draw-1", "index": 258, "r": Hash(salt), "is": TrusteeCommit("draw-1", 258, salt)},
		{
			"value": "seed", "leaves": 3, "root": Hash{9},
			"sources": []string{"01 present, 32 zero bytes", "01 absent", "03 present, 30343137"}, "is": seed,
		},
		{"value": "ticket_key", "seed": seed, "stream": Stream, "is": key},
		{"value": "ticket", "ticket_key": key, "id": pids[0], "weight": 1, "is": Ticket(key, pids[0], 1)},
		{"value": "ticket", "ticket_key": key, "id": pids[0], "weight": 5, "is": Ticket(key, pids[0], 5)},
		{"value": "ticket", "ticket_key": key, "id": pids[0], "weight": 100, "is": Ticket(key, pids[0], 100)},
		{"value": "salt′", "K_draw": Hash(k), "id": pids[0], "is": Hash(ResultSalt(k, pids[0]))},
		resultVector(k, pids[0], Outcome{}),
		resultVector(k, pids[0], Outcome{Choice: 2, Slot: 7, Second: 9}),
		{"value": "audit sample", "seed": seed, "leaves": 6, "audit": 300, "is": AuditSample(seed, 6, 300)},
		{"value": "audit sample", "seed": seed, "leaves": 1000, "audit": 300, "first ten": AuditSample(seed, 1000, 300)[:10]},
		{"value": "drand value", "round": 1000, "signature": signature1000, "is": hex.EncodeToString(DrandValue(QuicknetChain(), 1000, unhex(signature1000)))},
		{"value": "drand round", "at": "2026-11-23T09:00:00Z", "is": RoundAt(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))},
	}
}

func resultVector(k [32]byte, id ID, o Outcome) vector {
	leaf := ResultLeaf(ResultSalt(k, id), id, o)
	return vector{
		"value": "result leaf", "salt′": Hash(ResultSalt(k, id)), "id": id, "slot + 1": o.Slot, "second + 1": o.Second, "choice": o.Choice,
		"is": hex.EncodeToString(leaf[:]),
	}
}

// treeVectors are trees of 0 to 8 entries: entry i is four bytes of value i.
func treeVectors() []vector {
	var out []vector
	for n := range 9 {
		var joined []byte
		for i := range n {
			joined = append(joined, byte(i), byte(i), byte(i), byte(i))
		}
		v := vector{"entries": hex.EncodeToString(joined), "entry size": 4, "root": RootOf(joined, 4, 1)}
		if n > 0 {
			tree := NewTree(joined, 4, 1)
			proofs := make([][]Hash, n)
			for i := range n {
				proofs[i] = tree.Prove(i)
			}
			v["proofs"] = proofs
		}
		out = append(out, v)
	}
	return out
}

func signedVectors(t testing.TB) []vector {
	t.Helper()
	operator, trustee := testKey(t, "gov.example", false, 1), testKey(t, "trustee.example", false, 2)
	witness := testKey(t, "witness.example", true, 3)
	s := Save{"draw-1", Hash{1}, ID{2}, [32]byte{3}, 4, Hash{5}, time.UnixMicro(1626250000000006).UTC()}
	signed := s.Sign(operator.Private())
	entry := s.Entry()
	c := testCheckpoint()
	checkpoint := must(c.Sign(operator))(t)
	cosigned := must(Cosign(checkpoint, witness, time.Unix(1626426000, 0)))(t)
	r := Reveal{DrawID: "draw-1", Index: 3, Root: Hash{1}, Value: [32]byte{2}}
	return []vector{
		{"value": "operator's key", "secret": operator.Secret(), "public": operator.Public()},
		{"value": "trustee's key", "secret": trustee.Secret(), "public": trustee.Public()},
		{"value": "witness's key", "secret": witness.Secret(), "public": witness.Public()},
		{
			"value": "receipt of a save", "message": hex.EncodeToString(s.Message()), "signature": hex.EncodeToString(signed.Signature),
			"log entry": hex.EncodeToString(entry[:]), "json": string(must(signed.MarshalJSON())(t)),
		},
		{"value": "checkpoint", "text": c.Text(), "signed": string(checkpoint), "cosigned at 1626426000": string(cosigned)},
		{"value": "reveal", "text": r.Text(), "note": must(r.Sign(trustee))(t)},
	}
}

func drawVectors(t testing.TB, d *made, public map[string][]byte) vector {
	t.Helper()
	claims := must(ParseClaims(public[FileClaims]))(t)
	var people, tickets, results []vector
	for i, p := range d.people {
		people = append(people, vector{
			"person_id": p, "pid": d.leaves[i].PID, "gid": d.leaves[i].GID, "weight": d.leaves[i].Weight, "salt": Hash(d.salts[i]),
			"ballot": string(d.ballots[i]), "ballot_commit": d.leaves[i].Commit,
		})
	}
	for i, e := range d.order {
		tickets = append(tickets, vector{"rank": i + 1, "id": e.ID, "weight": e.Weight, "members": e.Members[:e.Size], "ticket": e.Ticket})
		v := resultVector(d.k, e.ID, d.outcomes[i])
		delete(v, "value")
		results = append(results, v)
	}
	return vector{
		"folder": "whole-draw", "K_draw": Hash(d.k), "k_commit": d.m.KCommit, "manifest_hash": ManifestHash(public[FileManifest]),
		"supply_hash": SupplyHash(public[FileSupply]), "people": people, "leaves": claims.Size, "root": claims.Root, "seed": claims.Seed,
		"ticket_key": claims.TicketKey, "tickets": tickets, "results": results, "outcome_root": claims.OutcomeRoot,
		"audit sample": AuditSample(claims.Seed, claims.Size, d.m.Audit),
	}
}
