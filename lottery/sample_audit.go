package lottery

import (
	"encoding/binary"
	"math/big"
)

// MinAudit is the least sample that a manifest may announce.
const MinAudit = 300

// AuditSample returns the leaf indices that the seed picks for the auditors, in the order in which they are
// picked: for c = 0, 1, 2 …: 1 + int(D("audit", seed || u64 c)[:16]) mod (leaves − 1), repeats skipped, until
// min(audit, leaves − 1). leaves counts leaf 0; a draw without ballots has no sample.
func AuditSample(seed Hash, leaves uint64, audit int) []uint64 {
	if leaves < 2 || audit <= 0 {
		return nil
	}
	ballots := leaves - 1
	want := min(uint64(audit), ballots)
	sample := make([]uint64, 0, want)
	seen := make(map[uint64]struct{}, want)
	modulus := new(big.Int).SetUint64(ballots)
	number := new(big.Int)
	for c := uint64(0); uint64(len(sample)) < want; c++ {
		h := D("audit", seed[:], binary.BigEndian.AppendUint64(nil, c))
		index := 1 + number.Mod(number.SetBytes(h[:16]), modulus).Uint64()
		if _, repeated := seen[index]; repeated {
			continue
		}
		seen[index] = struct{}{}
		sample = append(sample, index)
	}
	return sample
}
