// Package beacon checks rounds of drand's quicknet: it takes the bytes of a signature and says whether they are the
// one valid encoding of the one valid signature of that round. It is the only place that knows the curve library.
//
// It refuses to trust whoever brought the bytes: a relay, a file, a person. It opens no connection of its own;
// Fetch asks through a function that it is given.
package beacon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	curve "github.com/consensys/gnark-crypto/ecc/bls12-381"
)

// Chain is quicknet's chain hash in hex.
const Chain = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"

// publicKey is quicknet's key, a compressed point of G2, from drand's chain info.
const publicKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
	"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"

// domain is the domain separation tag of bls-unchained-g1-rfc9380 (RFC 9380 §3.1).
const domain = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"

// SignatureSize is the length of a signature in bytes.
const SignatureSize = 48

// prime is the modulus of the field of BLS12-381, big-endian.
const prime = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"

// Verify says why signature is not the signature of that round of quicknet in its only accepted encoding: 48 bytes,
// compressed flag set, x below the field's prime, on the curve, in the prime-order subgroup, not infinity. The
// negated point, another round's signature and any second encoding are errors.
func Verify(round uint64, signature []byte) error {
	point, err := decode(signature)
	if err != nil {
		return err
	}
	hashed, err := curve.HashToG1(message(round), []byte(domain))
	if err != nil {
		return fmt.Errorf("hash to curve: %w", err)
	}
	key, err := quicknetKey()
	if err != nil {
		return err
	}
	// e(signature, −g2) · e(hashed, key) = 1
	_, _, _, g2 := curve.Generators()
	g2.Neg(&g2)
	ok, err := curve.PairingCheck([]curve.G1Affine{*point, hashed}, []curve.G2Affine{g2, *key})
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	if !ok {
		return fmt.Errorf("not quicknet's signature of round %d", round)
	}
	return nil
}

// Randomness is H(signature), what a round gives.
func Randomness(signature []byte) [32]byte { return sha256.Sum256(signature) }

// message is what drand signs of an unchained round: SHA-256(u64 round).
func message(round uint64) []byte {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	return h[:]
}

// decode checks everything itself that a library might let through.
func decode(signature []byte) (*curve.G1Affine, error) {
	if len(signature) != SignatureSize {
		return nil, fmt.Errorf("a signature has %d bytes, this has %d", SignatureSize, len(signature))
	}
	const compressed, infinity, sign = 0x80, 0x40, 0x20
	flags := signature[0] & (compressed | infinity | sign)
	if flags&compressed == 0 {
		return nil, errors.New("the point is not compressed")
	}
	if flags&infinity != 0 {
		return nil, errors.New("the point is infinity")
	}
	x := bytes.Clone(signature)
	x[0] &^= compressed | infinity | sign
	p, err := hex.DecodeString(prime)
	if err != nil {
		return nil, fmt.Errorf("prime: %w", err)
	}
	if bytes.Compare(x, p) >= 0 {
		return nil, errors.New("x is not below the field's prime")
	}
	var point curve.G1Affine
	if _, err := point.SetBytes(signature); err != nil {
		return nil, fmt.Errorf("no point of the curve's subgroup: %w", err)
	}
	if point.IsInfinity() || !point.IsOnCurve() || !point.IsInSubGroup() {
		return nil, errors.New("no point of the curve's subgroup")
	}
	if encoded := point.Bytes(); !bytes.Equal(encoded[:], signature) {
		return nil, errors.New("not the canonical encoding of its point")
	}
	return &point, nil
}

func quicknetKey() (*curve.G2Affine, error) {
	raw, err := hex.DecodeString(publicKey)
	if err != nil {
		return nil, fmt.Errorf("quicknet's key: %w", err)
	}
	var key curve.G2Affine
	if _, err := key.SetBytes(raw); err != nil {
		return nil, fmt.Errorf("quicknet's key: %w", err)
	}
	return &key, nil
}
