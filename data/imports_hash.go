package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
)

// rowHash is the hash of an imported row's values: the same row again has the
// same hash, whatever file it comes in.
type rowHash struct {
	h    hash.Hash
	kind string
	buf  []byte
}

func newRowHash(kind string) *rowHash { return &rowHash{h: sha256.New(), kind: kind} }

// begin starts a row; columns says which of the optional columns the file has.
func (r *rowHash) begin(columns uint32) {
	r.h.Reset()
	r.buf = append(append(r.buf[:0], r.kind...), 0)
	r.buf = binary.BigEndian.AppendUint32(r.buf, columns)
}

func (r *rowHash) text(s string) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(s)))
	r.buf = append(r.buf, s...)
}

func (r *rowHash) number(f float64) {
	r.buf = binary.BigEndian.AppendUint64(r.buf, math.Float64bits(f))
}

func (r *rowHash) sum() []byte {
	r.h.Write(r.buf)
	return r.h.Sum(nil)
}

func valueOr[T any](p *T, or T) T {
	if p == nil {
		return or
	}
	return *p
}

// maxText bounds a cell of free text, in bytes.
const maxText = 400

// short is a cell of free text.
func (f *fields) short(column int, must bool) string {
	s := ""
	if must {
		s = f.must(column)
	} else {
		s = f.cell(column)
	}
	if len(s) > maxText {
		f.fail(f.layout[column].Name, "too_long")
	}
	return s
}

// auditImport writes what an import changed, in counts.
func (tx *Tx) auditImport(ctx context.Context, campaign int, actor Actor, r *ImportReport) error {
	type counts struct {
		Rows    int            `json:"rows"`
		New     int            `json:"new"`
		Changed int            `json:"changed"`
		Same    int            `json:"same"`
		Kept    int            `json:"kept"`
		Late    int            `json:"late,omitempty"`
		Cohorts map[string]int `json:"cohorts,omitempty"`
		Slots   int            `json:"slots,omitempty"`
	}
	return tx.Audit(ctx, AuditRow{
		Campaign: campaign, Actor: actor, Act: r.Kind + ".import", Subject: subject("campaign", campaign),
		After: counts{r.Rows, r.New, r.Changed, r.Same, r.Kept, r.Late, r.Cohorts, r.Slots},
	})
}
