package lottery

import (
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Reveal is what a trustee signs when she gives her value against a frozen draw.
type Reveal struct {
	DrawID string
	Index  uint16 // her j
	Root   Hash   // of the cosigned checkpoint
	Value  [32]byte
}

// Text is the text of the note: a line each of "slotdraw/v1/reveal", draw_id, j, root (base64), r_j (hex).
func (r Reveal) Text() string {
	return fmt.Sprintf("slotdraw/v1/reveal\n%s\n%d\n%s\n%x\n",
		r.DrawID, r.Index, base64.StdEncoding.EncodeToString(r.Root[:]), r.Value)
}

// Sign returns the note, signed by the trustee.
func (r Reveal) Sign(trustee Key) (string, error) {
	if trustee.Witness {
		return "", errors.New("reveal: a witness's key cannot sign for a trustee")
	}
	signed, err := note.Sign(&note.Note{Text: r.Text()}, noteSigner{trustee})
	if err != nil {
		return "", fmt.Errorf("reveal: %w", err)
	}
	return string(signed), nil
}

// Check says whether signed is the note of exactly this reveal under the trustee's announced key.
func (r Reveal) Check(signed, trustee string) error {
	key, err := parseVerifierKey(trustee)
	if err != nil {
		return err
	}
	if key.algorithm != algEd25519 {
		return fmt.Errorf("the key of %s is a witness's, not a trustee's", key.name)
	}
	n, err := openNote([]byte(signed), key)
	if err != nil {
		return err
	}
	if n.Text != r.Text() {
		return errors.New("the note is over another draw, trustee, root or value")
	}
	return nil
}
