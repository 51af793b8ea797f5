package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"jebi/data"
)

type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// app is what the commands share: streams, environment, and the flags that
// every command has. It opens the database only when a command asks for it.
type app struct {
	streams
	env   func(string) string
	json  bool   // --json: one JSON value on stdout, progress on stderr
	dir   string // --dir: where ./var lies
	close []func()
}

// run carries out one call of the program and answers its exit code.
func run(ctx context.Context, args []string, s streams, env func(string) string) int {
	a := &app{streams: s, env: env}
	defer a.end()
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(s.err, "jebi:", err)
	}
	return exitCode(err)
}

func (a *app) end() {
	for i := len(a.close) - 1; i >= 0; i-- {
		a.close[i]()
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "jebi",
		Short:         "A fair, provable lottery for scarce public appointments",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w (see: %s --help)", err, c.CommandPath()))
	})
	root.PersistentFlags().BoolVar(&a.json, "json", false, "one JSON value on stdout, progress on stderr")
	root.PersistentFlags().StringVar(&a.dir, "dir", "", "folder that holds var/ (default: the current one)")
	root.AddCommand(
		newVersionCommand(a),
		// one line a command, in alphabetical order
	)
	return root
}

// show prints v as one JSON value with --json, and as text otherwise.
func (a *app) show(v any, text func(io.Writer) error) error {
	if !a.json {
		return text(a.out)
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// progress tells a person what is going on, on stderr.
func (a *app) progress(format string, args ...any) {
	fmt.Fprintf(a.err, format+"\n", args...)
}

// varDir is the folder of everything this program leaves on the machine.
func (a *app) varDir() string { return filepath.Join(a.dir, "var") }

// database opens DATABASE_URL, or the PostgreSQL that this machine keeps under
// var/pg, and brings its schema up to date.
func (a *app) database(ctx context.Context) (*data.DB, error) {
	url := a.env("DATABASE_URL")
	if url == "" {
		return nil, noData(errors.New("DATABASE_URL is not set"))
	}
	if err := data.Migrate(ctx, url); err != nil {
		return nil, noData(err)
	}
	db, err := data.Open(ctx, url)
	if err != nil {
		return nil, noData(err)
	}
	a.close = append(a.close, db.Close)
	return db, nil
}
