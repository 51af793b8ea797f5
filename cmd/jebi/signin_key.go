package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jebi/data"
)

// readOfficialKey reads an Ed25519 private key (PEM, PKCS #8), as jebi
// official key or openssl genpkey writes it.
func readOfficialKey(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 %s", file, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s holds no private key in PEM form", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no Ed25519 key", file)
	}
	return key, nil
}

// writeOfficialKey draws a key and writes it to a new file.
func writeOfficialKey(file string) (ed25519.PublicKey, error) {
	key := ed25519.NewKeyFromSeed(randomBytes(ed25519.SeedSize))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key.Public().(ed25519.PublicKey), errors.Join(err, f.Close())
}

// parsePublicKey reads 32 bytes in hex, as jebi official key prints them.
func parsePublicKey(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, usage(errors.New("a public key is 64 hex digits, as jebi official key prints it"))
	}
	return b, nil
}

// serverKey is the key that codes, links and sessions are hashed with: from
// JEBI_KEY, JEBI_KEY_FILE or var/key, which is made for a database that was
// begun with none. Every server of a database has the same one.
func (a *app) serverKey(ctx context.Context, db *data.DB) ([]byte, error) {
	key, err := a.findServerKey(ctx, db)
	if err != nil {
		return nil, usage(err)
	}
	if err := db.CheckKey(ctx, key); errors.Is(err, data.ErrOtherKey) {
		return nil, refused(err)
	} else if err != nil {
		return nil, err
	}
	return key, nil
}

func (a *app) findServerKey(ctx context.Context, db *data.DB) ([]byte, error) {
	if s := a.env("JEBI_KEY"); s != "" {
		return parseServerKey("JEBI_KEY", s)
	}
	file := a.env("JEBI_KEY_FILE")
	named := file != ""
	if !named {
		file = filepath.Join(a.varDir(), "key")
	}
	b, err := os.ReadFile(file)
	if err == nil {
		return parseServerKey(file, string(b))
	}
	if named || !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("server key: %w", err)
	}
	has, err := db.HasKey(ctx)
	if err != nil {
		return nil, err
	}
	if has {
		return nil, fmt.Errorf("this database was begun with a server key that is not in %s: copy it from the other server, or give it by JEBI_KEY or JEBI_KEY_FILE", file)
	}
	key := randomBytes(32)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	if err := writePrivate(file, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("server key: %w", err)
	}
	a.progress("a new server key is in %s: keep a copy; every server of this database needs it", file)
	return key, nil
}

// parseServerKey reads 32 bytes in hex or base64. It never shows them.
func parseServerKey(where, s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if b, err := hex.DecodeString(s); err == nil && len(b) == 32 {
		return b, nil
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil && len(b) == 32 {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s is not a key: 32 bytes in hex or base64, as openssl rand -hex 32 prints them", where)
}
