package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"jebi/data"
)

func newOfficialCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "official",
		Short: "Officials: who they are, sign-in, acts of two",
		Long: `Officials act by signing in or by a key file; a name that is typed is no identity. Roles:
  operator      runs the campaign, adds officials
  approver      proposes and confirms acts of two
  call_centre   enters ballots for people
  auditor       reads the audit trail
Acts of two are proposed by one official and confirmed by another.`,
		Example: "  jebi official add ann --role operator\n  jebi official sign-in ann",
		Args:    cobra.NoArgs,
		RunE:    help,
	}
	c.AddCommand(
		newOfficialAddCommand(a), newOfficialConfirmCommand(a), newOfficialDisableCommand(a), newOfficialKeyCommand(a),
		newOfficialListCommand(a), newOfficialPasswordCommand(a), newOfficialProposalsCommand(a), newOfficialRefuseCommand(a),
		newOfficialSignInCommand(a), newOfficialSignOutCommand(a), newOfficialWhoCommand(a),
	)
	return c
}

func newOfficialAddCommand(a *app) *cobra.Command {
	var role, passwordFile, key string
	apply := false
	c := &cobra.Command{
		Use:   "add NAME --role ROLE",
		Short: "Add an official, with a password or a public key",
		Long: `Add an official. A signed-in operator does it; as long as there is no official at all, anybody
who can reach the database adds the first one, an operator, and the audit trail says so. The
password is typed, piped in or read from a file; with --key, a public key that jebi official key
has printed is taken instead.`,
		Example: "  jebi official add ann --role operator --apply\n" +
			"  jebi official add bob --role approver --key 6e85606ee90592e3daaf9d17b8c1d52a379466837a0940b458dd70198f6c5f66 --apply",
		Args: cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.addOfficial(cc.Context(), args[0], role, key, passwordFile, apply)
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	c.Flags().StringVar(&role, "role", "", "operator, approver, call_centre or auditor")
	c.Flags().StringVar(&key, "key", "", "public key, 64 hex digits, instead of a password")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file whose first line is the password (-: stdin)")
	return c
}

func (a *app) addOfficial(ctx context.Context, name, role, key, passwordFile string, apply bool) error {
	if role == "" {
		return usage(errors.New("which role? --role operator, approver, call_centre or auditor"))
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	known, err := db.Officials(ctx)
	if err != nil {
		return err
	}
	by := data.System // the first one
	if len(known) > 0 {
		if by, err = a.official(ctx, db, data.RoleOperator); err != nil {
			return err
		}
	}
	n := data.NewOfficial{Name: name, Role: role}
	switch {
	case key != "":
		n.PublicKey, err = parsePublicKey(key)
	case apply:
		n.SecretHash, err = a.newPassword(passwordFile, name)
	default:
		n.SecretHash = "not asked for" // and taken back
	}
	if err != nil {
		return err
	}
	o, first, err := db.AddOfficial(ctx, n, by, apply)
	if err != nil {
		return err
	}
	return a.show(struct {
		data.Official
		First   bool `json:"first"`
		Applied bool `json:"applied"`
	}{o, first, apply}, func(w io.Writer) error {
		if !apply {
			_, err := fmt.Fprintf(w, "would add %s as %s. Nothing is done; do it with --apply.\n", o.Name, o.Role)
			return err
		}
		fmt.Fprintf(w, "%s is now %s.\n", o.Name, o.Role)
		if first {
			fmt.Fprintf(w, "THE FIRST OFFICIAL of this database: nobody had to be signed in for this. From now on a signed-in operator adds officials.\nSign in with: jebi official sign-in %s\n", o.Name)
		}
		return nil
	})
}

// newPassword reads a new password and hashes it.
func (a *app) newPassword(file, name string) (string, error) {
	p, err := a.password(file, "new password of "+name, true)
	if err != nil {
		return "", err
	}
	h, err := data.HashPassword(p, randomBytes(data.SaltLength))
	var no *data.Refusal
	if errors.As(err, &no) {
		return "", usage(err)
	}
	return h, err
}

func newOfficialDisableCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:     "disable NAME --reason TEXT",
		Short:   "Take away an official's rights and end her sessions",
		Example: `  jebi official disable bob --reason "has left the office" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, data.RoleOperator)
			if err != nil {
				return err
			}
			if err := db.DisableOfficial(ctx, args[0], reason, by, apply); err != nil {
				return err
			}
			return a.show(map[string]any{"name": args[0], "applied": apply}, func(w io.Writer) error {
				if !apply {
					_, err := fmt.Fprintf(w, "would disable %s. Nothing is done; do it with --apply.\n", args[0])
					return err
				}
				_, err := fmt.Fprintf(w, "%s is disabled.\n", args[0])
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func newOfficialListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the officials",
		Example: "  jebi official list --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			if _, err := a.official(cc.Context(), db); err != nil {
				return err
			}
			os, err := db.Officials(cc.Context())
			if err != nil {
				return err
			}
			return a.show(append([]data.Official{}, os...), func(w io.Writer) error {
				for _, o := range os {
					state := ""
					switch {
					case o.DisabledAt != nil:
						state = "disabled " + o.DisabledAt.UTC().Format(time.DateOnly)
					case o.LockedUntil != nil:
						state = "locked until " + o.LockedUntil.UTC().Format("15:04 UTC")
					}
					way := "password"
					if o.PublicKey != nil {
						way = "key " + hex.EncodeToString(o.PublicKey[:4])
					}
					fmt.Fprintf(w, "%-20s %-12s %-14s %s\n", o.Name, o.Role, way, state)
				}
				return nil
			})
		},
	}
}

func newOfficialKeyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key file and print its public half",
		Long: `Make an Ed25519 key in a new file that only you can read, and print the public half for jebi
official add --key. With --official-key FILE it then stands for a sign-in. It touches no database.`,
		Example: "  jebi official key ~/jebi.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := writeOfficialKey(args[0])
			if err != nil {
				return usage(err)
			}
			return a.show(map[string]string{"file": args[0], "public_key": hex.EncodeToString(public)}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, hex.EncodeToString(public))
				return err
			})
		},
	}
}

func newOfficialSignInCommand(a *app) *cobra.Command {
	var passwordFile string
	c := &cobra.Command{
		Use:   "sign-in NAME",
		Short: "Sign in, for eight hours",
		Long: `Sign in with a password (typed, piped in, or read from a file) or, with --official-key FILE
and without a name, with a key. The session ends after eight hours or with sign-out. Its token
is kept in a file that only you can read: var/session beside a database under var/, else under
$XDG_STATE_HOME/jebi, or where JEBI_SESSION says.`,
		Example: "  jebi official sign-in ann\n  jebi official sign-in --official-key ~/jebi.key",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			return a.signIn(cc.Context(), args, passwordFile)
		},
	}
	c.Flags().StringVar(&passwordFile, "password-file", "", "file whose first line is the password (-: stdin)")
	return c
}

func (a *app) signIn(ctx context.Context, args []string, passwordFile string) error {
	if (len(args) == 1) == (a.keyFile != "") {
		return usage(errors.New("sign in with a name, or with --official-key FILE"))
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	token := randomBytes(32)
	var o data.Official
	if a.keyFile != "" {
		key, err := readOfficialKey(a.keyFile)
		if err != nil {
			return usage(err)
		}
		if o, err = db.SignInByKey(ctx, key.Public().(ed25519.PublicKey), token); err != nil {
			return err
		}
	} else {
		p, err := a.password(passwordFile, "password of "+args[0], false)
		if err != nil {
			return err
		}
		if o, err = db.SignIn(ctx, args[0], p, token); err != nil {
			return err
		}
	}
	if err := a.writeToken(token); err != nil {
		return fmt.Errorf("keep the session: %w", err)
	}
	_, ends, err := db.SignedIn(ctx, token)
	if err != nil {
		return err
	}
	return a.show(map[string]any{"name": o.Name, "role": o.Role, "until": ends}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s is signed in as %s until %s.\n", o.Name, o.Role, ends.Format("15:04 UTC"))
		return err
	})
}

func newOfficialSignOutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "sign-out",
		Short:   "End the session",
		Example: "  jebi official sign-out",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			token, err := a.readToken()
			if errors.Is(err, os.ErrNotExist) {
				return a.show(map[string]bool{"signed_out": false}, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, "nobody was signed in")
					return err
				})
			}
			if err != nil {
				return err
			}
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			if err := db.SignOut(cc.Context(), token); err != nil {
				return err
			}
			if err := os.Remove(a.tokenFile()); err != nil {
				return err
			}
			return a.show(map[string]bool{"signed_out": true}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, "signed out")
				return err
			})
		},
	}
}

func newOfficialWhoCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "who",
		Short:   "Say who is signed in",
		Example: "  jebi official who --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			o, err := a.signedIn(cc.Context(), db)
			if err != nil {
				return err
			}
			return a.show(map[string]string{"name": o.Name, "role": o.Role}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s (%s)\n", o.Name, o.Role)
				return err
			})
		},
	}
}

func newOfficialPasswordCommand(a *app) *cobra.Command {
	var passwordFile string
	apply := false
	c := &cobra.Command{
		Use:   "password [NAME]",
		Short: "Set your own password, or, as an operator, another's",
		Long: `Set your own password, or, as an operator, another official's, which also lifts a lock. All
sessions of that official end.`,
		Example: "  jebi official password --apply\n  jebi official password bob --apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			self, err := a.signedIn(ctx, db)
			if err != nil {
				return err
			}
			o := self
			if len(args) == 1 {
				if o, err = db.OfficialByName(ctx, args[0]); err != nil {
					return err
				}
			}
			if o.ID != self.ID && self.Role != data.RoleOperator {
				return nobody(fmt.Errorf("%s is %s; only an operator sets another's password", self.Name, self.Role))
			}
			if apply {
				hash, err := a.newPassword(passwordFile, o.Name)
				if err != nil {
					return err
				}
				if err := db.SetPassword(ctx, o.ID, hash, self.Actor()); err != nil {
					return err
				}
			}
			return a.show(map[string]any{"name": o.Name, "applied": apply}, func(w io.Writer) error {
				if !apply {
					_, err := fmt.Fprintf(w, "would set the password of %s. Nothing is done; do it with --apply.\n", o.Name)
					return err
				}
				_, err := fmt.Fprintf(w, "The password of %s is set, and all sessions of %s have ended.\n", o.Name, o.Name)
				return err
			})
		},
	}
	c.Flags().StringVar(&passwordFile, "password-file", "", "file whose first line is the password (-: stdin)")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func newOfficialProposalsCommand(a *app) *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:     "proposals",
		Short:   "List the acts of two that wait for a second official",
		Example: "  jebi official proposals\n  jebi official proposals --all --json",
		Args:    cobra.NoArgs,
		RunE: func(cc *cobra.Command, _ []string) error {
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			if _, err := a.official(cc.Context(), db); err != nil {
				return err
			}
			ps, err := db.Proposals(cc.Context(), all)
			if err != nil {
				return err
			}
			return a.show(append([]data.Proposal{}, ps...), func(w io.Writer) error {
				if len(ps) == 0 {
					_, err := fmt.Fprintln(w, "nothing waits")
					return err
				}
				for _, p := range ps {
					if err := writeProposal(w, p); err != nil {
						return err
					}
					if p.Outcome != "" {
						fmt.Fprintf(w, "    %s by %s\n", p.Outcome, p.EndedBy)
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "those that have ended too")
	return c
}

func newOfficialConfirmCommand(a *app) *cobra.Command {
	apply := false
	c := &cobra.Command{
		Use:   "confirm NUMBER",
		Short: "Confirm an act of two that another official has proposed, and do it",
		Long: `Show an act of two that another official has proposed and whether it could be done now; with
--apply, confirm it and do it. The audit trail names both officials.`,
		Example: "  jebi official confirm 12\n  jebi official confirm 12 --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			id, err := proposalNumber(args[0])
			if err != nil {
				return err
			}
			db, err := a.database(cc.Context())
			if err != nil {
				return err
			}
			return a.confirm(cc.Context(), db, id, apply)
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func newOfficialRefuseCommand(a *app) *cobra.Command {
	var reason string
	apply := false
	c := &cobra.Command{
		Use:     "refuse NUMBER --reason TEXT",
		Short:   "Refuse an act of two that was proposed, or take back your own",
		Example: `  jebi official refuse 12 --reason "the window may close as announced" --apply`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			id, err := proposalNumber(args[0])
			if err != nil {
				return err
			}
			reason, err := checkReason(reason)
			if err != nil {
				return err
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			by, err := a.official(ctx, db, twoRoles()...)
			if err != nil {
				return err
			}
			run := db.Try
			if apply {
				run = db.Tx
			}
			var p data.Proposal
			err = run(ctx, func(tx *data.Tx) error {
				p, err = tx.RefuseProposal(ctx, id, reason, by)
				return err
			})
			if err != nil {
				return err
			}
			return a.show(proposalAnswer{Proposal: p, Applied: apply}, func(w io.Writer) error {
				if !apply {
					_, err := fmt.Fprintf(w, "would refuse proposal %d. Nothing is done; do it with --apply.\n", id)
					return err
				}
				_, err := fmt.Fprintf(w, "Proposal %d is refused.\n", id)
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	c.Flags().BoolVar(&apply, "apply", false, "do it")
	return c
}

func proposalNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, usage(fmt.Errorf("%q is not a proposal's number; see: jebi official proposals", s))
	}
	return n, nil
}
