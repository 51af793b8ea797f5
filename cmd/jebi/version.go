package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// revision is the commit that the program was built from, set by the linker:
// the go command stamps it only where it may look into the repository.
var revision string

// builtVersion is what the program knows about its own build.
type builtVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func programVersion() builtVersion {
	v := builtVersion{Version: "unknown", Revision: revision}
	if b, ok := debug.ReadBuildInfo(); ok {
		v.Version, v.Go = b.Main.Version, b.GoVersion
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	if v.Revision == "" {
		v.Revision = "unknown"
	}
	return v
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: "  jebi version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := programVersion()
			return a.show(v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "jebi %s %s (%s)\n", v.Version, v.Revision, v.Go)
				return err
			})
		},
	}
}
