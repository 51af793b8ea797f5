package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"jebi/cohort/rehearse"
)

func newSampleCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "sample",
		Short:   "Make the sample campaign's files",
		Example: "  jebi sample make --from ../shared/data --out data/sample",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSampleMakeCommand(a))
	return c
}

func newSampleMakeCommand(a *app) *cobra.Command {
	var from, out string
	var seed uint64
	c := &cobra.Command{
		Use:   "make --from DIR --out DIR",
		Short: "Make data/sample out of the public lists",
		Long: `Make the files of the sample campaign (Gwanak-gu, Seoul) out of the public lists of
clinics, vaccination centres and residents. The same lists and seed give the same bytes.
It touches no database.`,
		Example: "  jebi sample make --from ../shared/data --out data/sample",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			r, err := rehearse.MakeSample(from, out, seed)
			if err != nil {
				return usage(err)
			}
			return a.show(r, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "seed %d: %d clinics, %d slots, %d seats; %d residents, %d people on the list; %d bytes\n",
					r.Seed, r.Clinics, r.Slots, r.Seats, r.Residents, r.People, r.Bytes)
				return err
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "folder of the public lists")
	c.Flags().StringVar(&out, "out", "", "folder to write to")
	c.Flags().Uint64Var(&seed, "seed", rehearse.SampleSeed, "seed of everything that is left to chance")
	for _, f := range []string{"from", "out"} {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err)
		}
	}
	return c
}
