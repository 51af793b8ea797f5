package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jebi/lottery"
)

// trusteeSecret is what a trustee keeps: her value for one draw, and the key
// that signs its reveal.
type trusteeSecret struct {
	DrawID string       `json:"draw_id"`
	Index  uint16       `json:"index"`
	Value  lottery.Hash `json:"value"` // r_j
	Seed   lottery.Hash `json:"seed"`  // of her key
}

// key is her signing key under the name that the manifest gives her.
func (s trusteeSecret) key(name string) (lottery.Key, error) {
	return lottery.NewKey(name, false, s.Seed)
}

func newDrawTrusteeCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "trustee",
		Short: "A trustee's own steps, on her machine: new, commit, reveal",
		Long: `A trustee adds randomness that nobody else knows. Before the window she makes a secret for one draw
(new) and gives the authority its commitment (commit) for the campaign file. After the freeze she
reveals it against the cosigned checkpoint (reveal): as a signed note, or on paper in a sealed
envelope. None of it needs a database.`,
		Example: "  jebi draw trustee new --draw gwanak-2021-1962-66 --index 1 --out trustee.json",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newDrawTrusteeCommitCommand(a), newDrawTrusteeNewCommand(a), newDrawTrusteeRevealCommand(a))
	return c
}

func newDrawTrusteeNewCommand(a *app) *cobra.Command {
	var drawID, out string
	var index uint16
	c := &cobra.Command{
		Use:   "new --draw DRAW_ID --index N --out FILE",
		Short: "Make a trustee's secret for one draw",
		Long: `Make a trustee's secret for one draw from this machine's randomness, in a file that only its owner
can read, and print what commit prints. The draw's id and the index come from the authority.`,
		Example: "  jebi draw trustee new --draw gwanak-2021-1962-66 --index 1 --out trustee.json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			if !cc.Flags().Changed("index") || out == "" {
				return usage(errors.New("which trustee, and where to? --index N --out FILE"))
			}
			if err := lottery.CheckDrawID(drawID); err != nil {
				return usage(fmt.Errorf("--draw: %w", err))
			}
			s := trusteeSecret{drawID, index, lottery.Hash(randomBytes(32)), lottery.Hash(randomBytes(32))}
			b, err := json.MarshalIndent(s, "", " ")
			if err != nil {
				return err
			}
			if err := writeSecret(out, append(b, '\n')); err != nil {
				return err
			}
			a.progress("the secret is in %s: keep a copy, and keep it to yourself until the ballots are frozen", out)
			return a.showCommitment(s)
		},
	}
	c.Flags().StringVar(&drawID, "draw", "", "the draw's id: campaign-cohort")
	c.Flags().Uint16Var(&index, "index", 0, "the trustee's index in the manifest")
	c.Flags().StringVar(&out, "out", "", "the file for the secret")
	return c
}

// commitment is what the authority gets of a trustee's secret.
type commitment struct {
	DrawID string       `json:"draw_id"`
	Index  uint16       `json:"index"`
	Commit lottery.Hash `json:"commit"`
	Key    string       `json:"key"` // hex
}

func (a *app) showCommitment(s trusteeSecret) error {
	key, err := s.key("trustee") // the name is not part of what the campaign file holds
	if err != nil {
		return err
	}
	public, err := lottery.OperatorPublic(key.Public())
	if err != nil {
		return err
	}
	c := commitment{s.DrawID, s.Index, lottery.TrusteeCommit(s.DrawID, s.Index, s.Value), hex.EncodeToString(public)}
	return a.show(c, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "type = \"trustee\"\nindex = %d\ncommit = %q\nkey = %q\n", c.Index, c.Commit, c.Key)
		return err
	})
}

func readTrustee(file string) (s trusteeSecret, _ error) {
	if file == "" {
		return s, usage(errors.New("whose secret? --secret FILE"))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return s, usage(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, usage(fmt.Errorf("%s is no trustee's secret: %w", file, err))
	}
	return s, nil
}

func newDrawTrusteeCommitCommand(a *app) *cobra.Command {
	var secret string
	c := &cobra.Command{
		Use:     "commit --secret FILE",
		Short:   "Print a trustee's commitment and public key, for the campaign file",
		Long:    "Print the lines of [[cohorts.sources]] that commit a trustee to her secret. They are public.",
		Example: "  jebi draw trustee commit --secret trustee.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := readTrustee(secret)
			if err != nil {
				return err
			}
			return a.showCommitment(s)
		},
	}
	c.Flags().StringVar(&secret, "secret", "", "file with the trustee's secret")
	return c
}

// revealAnswer is what jebi draw trustee reveal says.
type revealAnswer struct {
	DrawID string       `json:"draw_id"`
	Index  uint16       `json:"index"`
	Root   lottery.Hash `json:"root"`
	Value  lottery.Hash `json:"value"`
	Note   string       `json:"note,omitempty"`
}

func newDrawTrusteeRevealCommand(a *app) *cobra.Command {
	var secret, out, operator string
	envelope := false
	c := &cobra.Command{
		Use:   "reveal DIR --secret FILE",
		Short: "Reveal a trustee's secret against the cosigned checkpoint",
		Long: `Check the frozen draw in DIR (jebi draw freeze --out), that enough witnesses have cosigned its
checkpoint, and that the manifest announces this trustee's commitment; then print her signed note,
or write it to --out. The secret is out from then on. With --envelope it prints what belongs into
the sealed envelope of the offline profile.`,
		Example: "  jebi draw trustee reveal frozen/ --secret trustee.json --out reveal.txt",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := readTrustee(secret)
			if err != nil {
				return err
			}
			fsys, done, report, err := a.checkFrozen(args[0], operator)
			if err != nil {
				return err
			}
			defer done()
			if !report.OK(false) {
				return errors.Join(writeReport(a.err, report), errors.New("the frozen draw does not hold: nothing is revealed"))
			}
			m, err := readManifest(fsys)
			if err != nil {
				return err
			}
			file, err := fs.ReadFile(fsys, lottery.FileCheckpoint)
			if err != nil {
				return err
			}
			if !m.Sample || m.MinWitnesses > 0 {
				if _, err := m.CheckCosigned(file); err != nil {
					return refused(fmt.Errorf("nothing is revealed before the witnesses have cosigned: %w", err))
				}
			}
			checkpoint, err := lottery.ParseCheckpoint(file)
			if err != nil {
				return err
			}
			answer, err := s.reveal(m, checkpoint.Root, envelope)
			if err != nil {
				return err
			}
			text := answer.Note
			if envelope {
				text = fmt.Sprintf("draw      %s\ntrustee   %d\nroot      %s\nvalue     %s\n", s.DrawID, s.Index, answer.Root, s.Value)
			}
			if out != "" {
				if err := os.WriteFile(out, []byte(text), 0o600); err != nil {
					return err
				}
			}
			return a.show(answer, func(w io.Writer) error {
				if out != "" {
					return nil
				}
				_, err := io.WriteString(w, text)
				return err
			})
		},
	}
	c.Flags().StringVar(&secret, "secret", "", "file with the trustee's secret")
	c.Flags().StringVar(&operator, "key", "", "file with the operator's verifier key, got from elsewhere")
	c.Flags().StringVar(&out, "out", "", "file for the note (default: stdout)")
	c.Flags().BoolVar(&envelope, "envelope", false, "for the sealed envelope, without a signature")
	return c
}

// reveal makes the note, if the manifest announces this trustee.
func (s trusteeSecret) reveal(m lottery.Manifest, root lottery.Hash, envelope bool) (revealAnswer, error) {
	answer := revealAnswer{DrawID: m.DrawID, Index: s.Index, Root: root, Value: s.Value}
	for _, source := range m.Sources {
		if source.Type != lottery.SourceTrustee || source.Index != s.Index {
			continue
		}
		if m.DrawID != s.DrawID || source.Commit != lottery.TrusteeCommit(m.DrawID, s.Index, s.Value) {
			return answer, refused(fmt.Errorf("the manifest of %s does not announce this secret's commitment for trustee %d", m.DrawID, s.Index))
		}
		if envelope {
			return answer, nil
		}
		name, _, ok := strings.Cut(source.Key, "+")
		if !ok {
			return answer, refused(errors.New("the manifest announces no key of this trustee: hand the value in by envelope, --envelope"))
		}
		key, err := s.key(name)
		if err != nil {
			return answer, err
		}
		if key.Public() != source.Key {
			return answer, refused(fmt.Errorf("the manifest announces another key of trustee %d", s.Index))
		}
		answer.Note, err = lottery.Reveal{DrawID: m.DrawID, Index: s.Index, Root: root, Value: s.Value}.Sign(key)
		return answer, err
	}
	return answer, refused(fmt.Errorf("the manifest of %s announces no trustee %d", m.DrawID, s.Index))
}
