package beacon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	circl "github.com/cloudflare/circl/ecc/bls12381"

	curve "github.com/consensys/gnark-crypto/ecc/bls12-381"

	"jebi/lottery"
)

const (
	round1    = "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b"
	round1000 = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	random1   = "1466a6cd24e327188770752f6134001c64d6efcc590ccc26b721611ad96f165a"
	random2   = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// secondOpinion verifies with circl, which shares no code with gnark-crypto.
func secondOpinion(round uint64, signature, key []byte) error {
	var s circl.G1
	if err := s.SetBytes(signature); err != nil {
		return err
	}
	var k circl.G2
	if err := k.SetBytes(key); err != nil {
		return err
	}
	m := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	var h circl.G1
	h.Hash(m[:], []byte(domain))
	if !circl.ProdPairFrac([]*circl.G1{&s, &h}, []*circl.G2{circl.G2Generator(), &k}, []int{1, -1}).IsIdentity() {
		return errors.New("the pairing does not hold")
	}
	return nil
}

func TestPublishedRounds(t *testing.T) {
	for _, c := range []struct {
		round                 uint64
		signature, randomness string
	}{{1, round1, random1}, {1000, round1000, random2}} {
		signature := unhex(t, c.signature)
		if err := Verify(c.round, signature); err != nil {
			t.Errorf("round %d: %v", c.round, err)
		}
		if r := Randomness(signature); hex.EncodeToString(r[:]) != c.randomness {
			t.Errorf("round %d: randomness %x", c.round, r)
		}
		if err := secondOpinion(c.round, signature, unhex(t, publicKey)); err != nil {
			t.Errorf("round %d: circl: %v", c.round, err)
		}
	}
}

// TestChain: the package above knows the same chain.
func TestChain(t *testing.T) {
	if got := lottery.QuicknetChain().String(); got != Chain {
		t.Errorf("lottery's chain is %s", got)
	}
}

// TestRefused holds every other encoding, point and round away.
func TestRefused(t *testing.T) {
	good := unhex(t, round1)
	var point curve.G1Affine
	if _, err := point.SetBytes(good); err != nil {
		t.Fatal(err)
	}
	p, _ := new(big.Int).SetString(prime, 16)
	x := new(big.Int).SetBytes(good)
	x.SetBit(x.SetBit(x.SetBit(x, 383, 0), 382, 0), 381, 0)
	raw := point.RawBytes()
	negated := append([]byte{good[0] ^ 0x20}, good[1:]...)
	cases := map[string][]byte{
		"empty":                      {},
		"one byte short":             good[:47],
		"one byte more":              append(append([]byte{}, good...), 0),
		"negated":                    negated,
		"uncompressed":               raw[:],
		"compressed flag not set":    append([]byte{good[0] &^ 0x80}, good[1:]...),
		"infinity":                   append([]byte{0xc0}, make([]byte, 47)...),
		"infinity with a rest":       append([]byte{0xc0}, good[1:]...),
		"infinity with the sign":     append([]byte{0xe0}, make([]byte, 47)...),
		"zeros":                      make([]byte, 48),
		"x = prime":                  withFlags(p, good[0]),
		"another round's":            unhex(t, round1000),
		"the generator":              generator(),
		"on the curve, not in group": outsideSubgroup(t),
		"not on the curve":           offCurve(t),
	}
	if beyond := new(big.Int).Add(x, p); beyond.BitLen() <= 381 {
		cases["x + prime"] = withFlags(beyond, good[0])
	}
	for name, signature := range cases {
		if err := Verify(1, signature); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range 8 * SignatureSize {
		flipped := append([]byte{}, good...)
		flipped[i/8] ^= 1 << (i % 8)
		if err := Verify(1, flipped); err == nil {
			t.Errorf("bit %d flipped: accepted", i)
		}
	}
	for _, round := range []uint64{0, 2, 1000, 1 << 63} {
		if err := Verify(round, good); err == nil {
			t.Errorf("round 1's signature accepted for round %d", round)
		}
	}
}

func withFlags(x *big.Int, first byte) []byte {
	b := x.FillBytes(make([]byte, 48))
	b[0] |= first & 0xe0
	return b
}

func generator() []byte {
	_, _, g1, _ := curve.Generators()
	b := g1.Bytes()
	return b[:]
}

// TestSecondEncoding takes a point whose x + p still fits in 381 bits, which most do not: the check that refuses it
// must be ours, whatever a library does.
func TestSecondEncoding(t *testing.T) {
	p, _ := new(big.Int).SetString(prime, 16)
	for k := int64(1); k < 2000; k++ {
		var g curve.G1Affine
		g.ScalarMultiplicationBase(big.NewInt(k))
		b := g.Bytes()
		x := new(big.Int).SetBytes(b[:])
		x.SetBit(x.SetBit(x.SetBit(x, 383, 0), 382, 0), 381, 0)
		second := new(big.Int).Add(x, p)
		if second.BitLen() > 381 {
			continue
		}
		if _, err := decode(b[:]); err != nil {
			t.Fatalf("the first encoding: %v", err)
		}
		_, err := decode(withFlags(second, b[0]))
		if err == nil || !strings.Contains(err.Error(), "prime") {
			t.Fatalf("x + p of %d·g: %v", k, err)
		}
		return
	}
	t.Fatal("no point with a small x found")
}

// outsideSubgroup is a point of the curve whose order is not prime.
func outsideSubgroup(t *testing.T) []byte {
	t.Helper()
	for x := byte(1); x < 200; x++ {
		b := make([]byte, 48)
		b[0], b[47] = 0x80, x
		var g circl.G1
		err := g.SetBytes(b)
		if err != nil && strings.Contains(err.Error(), "torsion") || err != nil && onCurve(b) {
			return b
		}
	}
	t.Fatal("no such point found")
	return nil
}

func offCurve(t *testing.T) []byte {
	t.Helper()
	for x := byte(1); x < 200; x++ {
		b := make([]byte, 48)
		b[0], b[47] = 0x80, x
		if !onCurve(b) {
			return b
		}
	}
	t.Fatal("no such point found")
	return nil
}

// onCurve: x³ + 4 is a square.
func onCurve(b []byte) bool {
	p, _ := new(big.Int).SetString(prime, 16)
	x := new(big.Int).SetBytes(b)
	x.SetBit(x, 383, 0)
	y := new(big.Int).Exp(x, big.NewInt(3), p)
	y.Add(y, big.NewInt(4)).Mod(y, p)
	return big.Jacobi(y, p) == 1
}

// TestOtherChains signs rounds with keys of our own and verifies them through both libraries: the two agree on
// good and on wrong signatures of many rounds, and quicknet's key refuses all of them.
func TestOtherChains(t *testing.T) {
	_, _, _, g2 := curve.Generators()
	for i := range uint64(20) {
		secret := new(big.Int).SetBytes(message(i + 7))
		var key curve.G2Affine
		key.ScalarMultiplication(&g2, secret)
		keyBytes := key.Bytes()
		hashed, err := curve.HashToG1(message(i), []byte(domain))
		if err != nil {
			t.Fatal(err)
		}
		var s curve.G1Affine
		s.ScalarMultiplication(&hashed, secret)
		signature := s.Bytes()
		if err := secondOpinion(i, signature[:], keyBytes[:]); err != nil {
			t.Errorf("round %d: circl refuses what gnark signed: %v", i, err)
		}
		if err := secondOpinion(i+1, signature[:], keyBytes[:]); err == nil {
			t.Errorf("round %d: circl accepts it for the next", i)
		}
		if err := Verify(i, signature[:]); err == nil {
			t.Errorf("round %d: another chain's signature accepted", i)
		}
	}
}

func TestFetch(t *testing.T) {
	answers := map[string]string{
		"https://lies":   fmt.Sprintf(`{"round":1000,"signature":%q}`, round1),
		"https://stale":  fmt.Sprintf(`{"round":1,"randomness":%q,"signature":%q}`, random1, round1),
		"https://text":   "<html>",
		"https://random": fmt.Sprintf(`{"round":1000,"randomness":%q,"signature":%q}`, random1, round1000),
		"https://good/":  fmt.Sprintf(`{"round":1000,"randomness":%q,"signature":%q}`, random2, round1000),
		"https://broken": `{"round":`,
	}
	asked := 0
	get := func(_ context.Context, url string) ([]byte, error) {
		asked++
		for relay, answer := range answers {
			if url == strings.TrimSuffix(relay, "/")+"/"+Chain+"/public/1000" {
				return []byte(answer), nil
			}
		}
		return nil, errors.New("no such host")
	}
	relays := []string{"https://down", "https://lies", "https://stale", "https://text", "https://random", "https://broken"}
	if _, err := Fetch(t.Context(), get, relays, 1000); err == nil {
		t.Error("a wrong answer was accepted")
	} else {
		for _, relay := range relays {
			if !strings.Contains(err.Error(), relay) {
				t.Errorf("the error does not name %s: %v", relay, err)
			}
		}
	}
	asked = 0
	signature, err := Fetch(t.Context(), get, append(relays, "https://good/", "https://never"), 1000)
	if err != nil || hex.EncodeToString(signature) != round1000 {
		t.Errorf("signature %x, error %v", signature, err)
	}
	if asked != 7 {
		t.Errorf("%d relays asked, want 7", asked)
	}
	if _, err := Fetch(t.Context(), get, nil, 1000); err == nil {
		t.Error("without relays: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	asked = 0
	if _, err := Fetch(ctx, get, relays, 1000); err == nil || asked != 1 {
		t.Errorf("cancelled: error %v after %d relays", err, asked)
	}
	if signature, err := Parse([]byte(" "+round1000+"\n"), 1000); err != nil || len(signature) != SignatureSize {
		t.Errorf("pasted: %x, %v", signature, err)
	}
	for _, relay := range Relays() {
		if !strings.HasPrefix(relay, "https://") {
			t.Errorf("relay %s", relay)
		}
	}
}

// BenchmarkVerify is one signature.
func BenchmarkVerify(b *testing.B) {
	signature := unhex(b, round1000)
	for b.Loop() {
		if err := Verify(1000, signature); err != nil {
			b.Fatal(err)
		}
	}
}
