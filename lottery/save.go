package lottery

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// Save is what the operator signs, after the commit, for every saved revision of a ballot.
type Save struct {
	DrawID   string
	Manifest Hash
	PID      ID
	Salt     [32]byte
	Revision uint32 // counts from 1
	Commit   Hash   // BallotCommit of this revision
	Time     time.Time
}

// SavedBallot is a Save with the operator's signature: the citizen's receipt of her save, and with Index and Proof
// her entry in the log of saves.
type SavedBallot struct {
	Save
	Signature []byte // Ed25519, 64 bytes: of Message, or of the batch where there is one
	Batch     *Batch // of the receipts that were signed together; nil: this one was signed by itself
	Index     uint64 // in the log of saves
	Proof     []Hash // under the log's root that the checkpoint carries; nil before the freeze
}

// Batch is the place of a receipt among those of one commit, which have one signature: they are the leaves of an RFC
// 6962 tree, each Entry a leaf, in any order, and BatchMessage of its root is signed.
type Batch struct {
	Index uint64 // of this receipt, from 0
	Size  uint64
	Root  Hash
	Proof []Hash // RFC 9162 §2.1.3, lowest sibling first
}

// BatchMessage is the text that is signed for receipts of one commit: "slotdraw/v1/receipts" || 0x00 || root.
func BatchMessage(root Hash) []byte {
	return append([]byte("slotdraw/v1/receipts\x00"), root[:]...)
}

// SignSaves signs the receipts of one commit with one signature, the operator's. A lone one is signed by itself. A
// signature takes about as long as everything else that a program does for a save.
func SignSaves(key ed25519.PrivateKey, saves []Save) []SavedBallot {
	if len(saves) == 1 {
		return []SavedBallot{saves[0].Sign(key)}
	}
	entries := make([]byte, 0, len(saves)*SaveEntrySize)
	for i := range saves {
		e := saves[i].Entry()
		entries = append(entries, e[:]...)
	}
	t := NewTree(entries, SaveEntrySize, 1)
	root := t.Root()
	signature := ed25519.Sign(key, BatchMessage(root))
	signed := make([]SavedBallot, len(saves))
	for i := range saves {
		signed[i] = SavedBallot{Save: saves[i], Signature: signature, Batch: &Batch{uint64(i), uint64(len(saves)), root, t.Prove(i)}}
	}
	return signed
}

// SaveEntrySize is the length of an entry of the log of saves in bytes.
const SaveEntrySize = 33

const saveEntry = 0x03

// Message is the text that is signed:
//
//	"slotdraw/v1/receipt" || 0x00 || u16 len(draw_id) || draw_id || manifest_hash || pid || salt || u32 revision
//	|| ballot_commit || u64 microseconds since 1970
func (s Save) Message() []byte {
	m := make([]byte, 0, 20+2+len(s.DrawID)+32+16+32+4+32+8)
	m = append(m, "slotdraw/v1/receipt\x00"...)
	m = append(m, lengthAndText(s.DrawID)...)
	m = append(m, s.Manifest[:]...)
	m = append(m, s.PID[:]...)
	m = append(m, s.Salt[:]...)
	m = binary.BigEndian.AppendUint32(m, s.Revision)
	m = append(m, s.Commit[:]...)
	return binary.BigEndian.AppendUint64(m, uint64(s.Time.UnixMicro()))
}

// Sign signs the save with the operator's key.
func (s Save) Sign(key ed25519.PrivateKey) SavedBallot {
	return SavedBallot{Save: s, Signature: ed25519.Sign(key, s.Message())}
}

// Entry is the save's entry in the log of saves: 0x03 || D("save", Message). The log is an RFC 6962 tree of
// the entries in the order in which they were sealed: RootOf(entries, SaveEntrySize, workers).
func (s Save) Entry() [SaveEntrySize]byte {
	h := D("save", s.Message())
	var e [SaveEntrySize]byte
	e[0] = saveEntry
	copy(e[1:], h[:])
	return e
}

// Check says whether the signature is the operator's.
func (s SavedBallot) Check(key ed25519.PublicKey) error {
	message := s.Message()
	if b := s.Batch; b != nil {
		e := s.Entry()
		if err := CheckInclusion(e[:], b.Index, b.Size, b.Proof, b.Root); err != nil {
			return fmt.Errorf("the save is not among those that were signed together: %w", err)
		}
		message = BatchMessage(b.Root)
	}
	if len(s.Signature) != ed25519.SignatureSize || !ed25519.Verify(key, message, s.Signature) {
		return fmt.Errorf("the signature of the save is not the operator's")
	}
	return nil
}

// savedBallotJSON is a SavedBallot as it stands in JSON.
type savedBallotJSON struct {
	Batch     *batchJSON `json:"batch,omitempty"`
	Commit    Hash       `json:"ballot_commit"`
	DrawID    string     `json:"draw_id"`
	Index     *uint64    `json:"index,omitempty"`
	Manifest  Hash       `json:"manifest_hash"`
	PID       ID         `json:"pid"`
	Proof     []Hash     `json:"proof,omitempty"`
	Revision  uint32     `json:"revision"`
	Salt      Hash       `json:"salt"`
	Signature string     `json:"signature"`
	Time      int64      `json:"time"` // microseconds since 1970
}

type batchJSON struct {
	Index uint64 `json:"index"`
	Proof []Hash `json:"proof"`
	Root  Hash   `json:"root"`
	Size  uint64 `json:"size"`
}

// MarshalJSON writes the receipt of a save; time is in microseconds since 1970.
func (s SavedBallot) MarshalJSON() ([]byte, error) {
	out := savedBallotJSON{
		Commit: s.Commit, DrawID: s.DrawID, Manifest: s.Manifest, PID: s.PID, Proof: s.Proof, Revision: s.Revision,
		Salt: s.Salt, Signature: hex.EncodeToString(s.Signature), Time: s.Time.UnixMicro(),
	}
	if b := s.Batch; b != nil {
		out.Batch = &batchJSON{b.Index, b.Proof, b.Root, b.Size}
	}
	if s.Proof != nil {
		out.Index = &s.Index
	}
	return writeJSON(out)
}

// ParseSavedBallot reads the receipt of a save from a file of its own.
func ParseSavedBallot(file []byte) (SavedBallot, error) {
	o, err := parseObject("receipt of the save", file)
	if err != nil {
		return SavedBallot{}, err
	}
	s := readSavedBallot(o)
	return s, o.failure()
}

func readSavedBallot(o object) SavedBallot {
	s := SavedBallot{Save: Save{
		DrawID: o.text("draw_id"), Manifest: o.hash("manifest_hash"), PID: o.id("pid"),
		Salt: o.hash("salt"), Revision: uint32(o.number("revision", 1<<32-1)), Commit: o.hash("ballot_commit"),
		Time: time.UnixMicro(int64(o.number("time", 1<<62))).UTC(),
	}, Signature: o.bytes("signature")}
	if o.has("batch") {
		b := o.object("batch")
		s.Batch = &Batch{b.number("index", 1<<62), b.number("size", 1<<62), b.hash("root"), b.hashes("proof")}
	}
	if o.has("proof") {
		s.Index = o.number("index", 1<<62)
		s.Proof = o.hashes("proof")
	}
	return s
}
