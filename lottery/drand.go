package lottery

import (
	"encoding/binary"
	"fmt"
	"time"
)

// drand's quicknet: chain, genesis and period, from drand's published chain info.
const (
	quicknetChainHex = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	quicknetGenesis  = 1692803367 // seconds since 1970; the time of round 1
	quicknetPeriod   = 3          // seconds
	roundsADay       = 24 * 3600 / quicknetPeriod
	signatureSize    = 48 // a compressed point of G1
	drandValueSize   = 32 + 8 + 32
)

// QuicknetChain is the chain hash of the only chain that slotdraw/v1 knows.
func QuicknetChain() Hash {
	h, err := ParseHash(quicknetChainHex)
	if err != nil {
		panic("lottery: quicknet's chain hash: " + err.Error())
	}
	return h
}

// RoundAt is quicknet's first round at or after t: ceil((t − genesis) / period) + 1; 1 for any time before
// genesis.
func RoundAt(t time.Time) uint64 {
	since := t.Sub(time.Unix(quicknetGenesis, 0))
	if since <= 0 {
		return 1
	}
	period := quicknetPeriod * time.Second
	return uint64((since+period-1)/period) + 1
}

// RoundTime is when a round of quicknet is due.
func RoundTime(round uint64) time.Time {
	return time.Unix(quicknetGenesis+int64(round-1)*quicknetPeriod, 0).UTC()
}

// ChooseRound is the round that a draw uses: the first announced one that is at least an hour after the witnessed
// time of the checkpoint. In a sample, where the rules about time are skipped, it is the first announced one.
func (s Source) ChooseRound(witnessed time.Time, sample bool) (uint64, error) {
	for _, round := range s.Rounds {
		if sample || !RoundTime(round).Before(witnessed.Add(time.Hour)) {
			return round, nil
		}
	}
	return 0, fmt.Errorf("no announced round is an hour after %s", utcSeconds(witnessed))
}

// DrandValue is the value of a drand source: chain_hash || u64 round || randomness, which is H(signature).
func DrandValue(chain Hash, round uint64, signature []byte) []byte {
	value := append(make([]byte, 0, drandValueSize), chain[:]...)
	value = binary.BigEndian.AppendUint64(value, round)
	randomness := FileHash(signature)
	return append(value, randomness[:]...)
}
