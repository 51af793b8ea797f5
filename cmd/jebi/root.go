package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"jebi/data"
	"jebi/data/local"
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
	env     func(string) string
	json    bool   // --json: one JSON value on stdout, progress on stderr
	dir     string // --dir: where ./var lies
	dbName  string // --database: on the server that is used
	only    string // --campaign: key of the campaign that is meant
	keyFile string // --official-key: Ed25519 key file of the official who acts
	close   []func()
	url     string // of the database, once it is known
	began   bool   // a command runs: what goes wrong now is no fault of the call's words
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
	a.noteBegin(root)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.began {
		err = usage(err)
	}
	if err != nil {
		fmt.Fprintln(s.err, "jebi:", err)
	}
	return exitCode(err)
}

// noteBegin lets every command note that its words were understood.
func (a *app) noteBegin(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.noteBegin(sub)
	}
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			a.began = true
			return run(c, args)
		}
	}
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
	root.PersistentFlags().StringVar(&a.dbName, "database", "", "name of the database (default: jebi, or the one that DATABASE_URL names)")
	root.PersistentFlags().StringVar(&a.only, "campaign", "", "key of the campaign (default: the only one)")
	root.PersistentFlags().StringVar(&a.keyFile, "official-key", "", "key file of the official who acts (default: who has signed in)")
	root.AddCommand( // one line a command, in alphabetical order
		newAuditCommand(a),
		newBallotCommand(a),
		newBenchCommand(a),
		newCampaignCommand(a),
		newClinicsCommand(a),
		newDemoCommand(a),
		newDoctorCommand(a),
		newDrawCommand(a),
		newNotifyCommand(a),
		newOfferCommand(a),
		newOfficialCommand(a),
		newPeopleCommand(a),
		newResultCommand(a),
		newSampleCommand(a),
		newServeCommand(a),
		newStatsCommand(a),
		newVersionCommand(a),
		newWindowCommand(a),
		newWorkbookCommand(a),
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

// database opens DATABASE_URL, or the PostgreSQL that this machine keeps
// under var/pg, and brings its schema up to date. It is closed at the end.
func (a *app) database(ctx context.Context) (*data.DB, error) {
	url, err := a.databaseURL(ctx)
	if err != nil {
		return nil, err
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

// databaseURL names the database; the one under var/pg is started first, and
// stopped at the end.
func (a *app) databaseURL(ctx context.Context) (string, error) {
	if a.url != "" {
		return a.url, nil
	}
	if address := a.env("DATABASE_URL"); address != "" {
		a.url = withDatabase(address, a.dbName)
		return a.url, nil
	}
	s, err := local.Start(ctx, local.Config{Dir: filepath.Join(a.varDir(), "pg"), Database: a.dbName, Logf: a.progress})
	if err != nil {
		return "", noData(fmt.Errorf("%w (or set DATABASE_URL)", err))
	}
	a.close = append(a.close, func() {
		if err := s.Stop(); err != nil {
			a.progress("jebi: stop PostgreSQL: %v", err)
		}
	})
	a.url = s.URL
	return a.url, nil
}

// withDatabase names another database on the server of an address; an empty
// name leaves it as it is.
func withDatabase(address, name string) string {
	if name == "" {
		return address
	}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		u.Path = "/" + name
		return u.String()
	}
	return address + " dbname=" + name // keywords and values: the last one counts
}
