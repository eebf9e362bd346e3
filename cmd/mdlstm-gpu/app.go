package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// newApp is the whole command line. An app serves one run.
func newApp(s streams) *cli.App {
	commands := []*cli.Command{
		trainCommand(s), compareCommand(s), predictCommand(s), evalCommand(s), serveCommand(s),
		benchCommand(s), checkCommand(s), infoCommand(s),
		completionCommand(s), manCommand(s), versionCommand(s), helpCommand(s),
	}
	return &cli.App{
		Name:                  program,
		Usage:                 about,
		Writer:                s.out,
		ErrWriter:             s.err,
		Commands:              commands,
		HideHelpCommand:       true,
		HideVersion:           true,
		EnableBashCompletion:  true,
		CustomAppHelpTemplate: appHelp(commands),
		// Without it the library exits by itself.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return flagError(err, versionSwitch)
		},
		// Beside a command of the name help the library leaves the flag out.
		Flags: []cli.Flag{versionSwitch[0].flag(), cli.HelpFlag},
		BashComplete: func(*cli.Context) {
			for _, c := range commands {
				fmt.Fprintln(s.out, c.Name)
			}
			fmt.Fprintln(s.out, "--help\n--version")
		},
		Action: func(ctx *cli.Context) error {
			if ctx.Bool("version") {
				return runVersion(s)
			}
			if name := ctx.Args().First(); ctx.NArg() > 0 {
				return noCommand(name, commands)
			}
			return cli.ShowAppHelp(ctx)
		},
	}
}

// versionSwitch is the program's only flag of its own beside --help.
var versionSwitch = []option{{name: "version", usage: "say which version this is", dest: new(bool)}}

// noCommand refuses a mistyped command.
func noCommand(name string, commands []*cli.Command) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return usagef("no command %.40q%s", name, didYouMean(name, names, ""))
}
