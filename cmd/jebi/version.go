package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "  jebi version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision"`
				Go       string `json:"go"`
			}{Version: "unknown"}
			if b, ok := debug.ReadBuildInfo(); ok {
				v.Version, v.Go = b.Main.Version, b.GoVersion
				for _, s := range b.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			return a.show(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "jebi %s %s (%s)\n", v.Version, v.Revision, v.Go)
				return err
			})
		},
	}
}
