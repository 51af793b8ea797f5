package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"jebi/lottery"
)

// keyAnswer is what the commands say that make or show a key.
type keyAnswer struct {
	Name   string `json:"name"`
	Public string `json:"public"` // verifier key
	File   string `json:"file"`   // of the secret one
}

func newDrawOperatorCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "operator",
		Short: "The key that signs checkpoints and the receipts of saves",
		Long: `The operator's key signs checkpoints and the receipts of saves. Its public half stands in the
manifest. It is read from JEBI_OPERATOR_KEY, the file that JEBI_OPERATOR_KEY_FILE names, or
var/operator.key; every server of a database has the same one.`,
		Example: "  jebi draw operator show",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(newDrawOperatorNewCommand(a), newDrawOperatorShowCommand(a))
	return c
}

func newDrawOperatorNewCommand(a *app) *cobra.Command {
	var name, file string
	c := &cobra.Command{
		Use:   "new --name NAME",
		Short: "Make the operator's key, before the first draw is announced",
		Long: `Make the operator's key: a file that only its owner can read, var/operator.key unless --out names
another. It never overwrites one. It needs no database.`,
		Example: "  jebi draw operator new --name gwanak.example.org",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				file = filepath.Join(a.varDir(), "operator.key")
			}
			return a.newKey(name, false, file)
		},
	}
	c.Flags().StringVar(&name, "name", "", "the authority's name, without blanks and plus signs")
	c.Flags().StringVar(&file, "out", "", "where to (default: var/operator.key)")
	return c
}

func newDrawOperatorShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the operator's public key",
		Long:    "Print the public half of the operator's key, as it stands in manifests and as verify takes it by\n--key. It needs no database.",
		Example: "  jebi draw operator show > operator.pub",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			key, err := a.operatorKey()
			if err != nil {
				return err
			}
			if key == nil {
				return usage(errors.New("there is no operator's key: jebi draw operator new"))
			}
			return a.show(keyAnswer{Name: key.Name, Public: key.Public()}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, key.Public())
				return err
			})
		},
	}
}

// newKey makes a key and keeps its secret in a file that is not there yet.
func (a *app) newKey(name string, witness bool, file string) error {
	if name == "" {
		return usage(errors.New("whose key? --name NAME"))
	}
	if file == "" {
		return usage(errors.New("where to? --out FILE"))
	}
	key, err := lottery.NewKey(name, witness, [32]byte(randomBytes(32)))
	if err != nil {
		return usage(err)
	}
	if err := writeSecret(file, []byte(key.Secret()+"\n")); err != nil {
		return err
	}
	return a.show(keyAnswer{key.Name, key.Public(), file}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\n", key.Public())
		if err == nil {
			a.progress("the secret half is in %s: keep it, and keep it to yourself", file)
		}
		return err
	})
}

// writeSecret writes a file that only its owner can read, and never over
// another.
func writeSecret(file string, b []byte) error {
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		return refused(fmt.Errorf("%s is there already; it is never overwritten", file))
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return writePrivate(file, b)
}

// readKey reads a secret key that newKey wrote.
func readKey(file string) (lottery.Key, error) {
	if file == "" {
		return lottery.Key{}, usage(errors.New("whose key? --secret FILE"))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return lottery.Key{}, usage(err)
	}
	key, err := lottery.ParseKey(string(b))
	if err != nil {
		return key, usage(fmt.Errorf("%s: %w", file, err))
	}
	return key, nil
}
