package main

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"jebi/data"
)

func newPeopleWeightsCommand(a *app) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "weights [FILE]",
		Short: "Print the weights that people carry into the next draw, or take in an earlier campaign's",
		Long: `Without FILE: print who carries more than 1 into the campaign's next draw, as a CSV file with the
columns key and weight. Whoever got nothing of a draw, listed at least rules.min_slots slots and
declined no offer carries one more than she had, up to rules.max_weight; it is reckoned when her
cohort is settled. With FILE, a CSV file (- for stdin) or a sheet of an .xlsx file: take in the
weights that another campaign printed, of people whose cohort is not announced yet. A person who
is not on the list is left out. It needs a signed-in operator.`,
		Example: "  jebi people weights > weights.csv\n  jebi people weights weights.csv --campaign autumn --apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cc *cobra.Command, args []string) error {
			ctx := cc.Context()
			if len(args) == 1 {
				return a.importFiles(ctx, o, oneFile((*data.DB).ImportWeights), args[0])
			}
			db, err := a.database(ctx)
			if err != nil {
				return err
			}
			_, row, err := a.campaign(ctx, db)
			if err != nil {
				return err
			}
			if _, err := a.official(ctx, db, data.RoleOperator, data.RoleAuditor); err != nil {
				return err
			}
			weights, err := db.Weights(ctx, row.ID)
			if err != nil {
				return err
			}
			return a.show(weights, func(w io.Writer) error {
				out := csv.NewWriter(w)
				out.Write([]string{"key", "weight"})
				for _, p := range weights {
					out.Write([]string{p.Key, strconv.Itoa(p.Weight)})
				}
				out.Flush()
				return out.Error()
			})
		},
	}
	o.flags(c)
	return c
}
