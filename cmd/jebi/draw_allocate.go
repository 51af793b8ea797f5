package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"jebi/lottery"
)

// maxInstance bounds an instance file: it is read into memory.
const maxInstance = 1 << 30

func newDrawAllocateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "allocate FILE",
		Short: "Allocate one instance by the rules: who gets what, and the cut-offs",
		Long: `Read one allocation instance (docs/allocation.md; - is stdin) and print who gets what and the
cut-offs, by the reference rules. It needs no database and writes nothing.`,
		Example: `  jebi draw allocate instance.json --json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			file, err := readInput(cc.InOrStdin(), args[0])
			if err != nil {
				return usage(err)
			}
			in, err := lottery.ParseInstance(file)
			if err != nil {
				return usage(err)
			}
			if err := in.PairFlaw(); err != nil {
				a.progress("warning: no release would have such pairs: %v", err)
			}
			result, err := lottery.Allocate(in)
			if err != nil {
				return usage(err)
			}
			if a.json {
				out, err := result.JSON()
				if err != nil {
					return err
				}
				_, err = a.out.Write(out)
				return err
			}
			return writeAllocation(a.out, result)
		},
	}
}

func readInput(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInstance+1))
	if err == nil && len(b) > maxInstance {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxInstance)
	}
	return b, err
}

func writeAllocation(w io.Writer, r lottery.InstanceResult) error {
	var failed error
	line := func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	for _, t := range r.Assigned {
		switch {
		case t.Slot == nil:
			line("%s\t-\n", t.ID)
		case t.Second != nil:
			line("%s\t%s\t%s\tchoice %d\n", t.ID, *t.Slot, *t.Second, t.Choice)
		default:
			line("%s\t%s\tchoice %d\n", t.ID, *t.Slot, t.Choice)
		}
	}
	for _, c := range r.CutOffs {
		line("cut-off\t%s\tsize %d, doses %d, pool %q\trank %d\n", c.Slot, c.Size, c.Doses, c.Pool, c.Rank)
	}
	return failed
}
