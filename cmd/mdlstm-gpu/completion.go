package main

import (
	_ "embed"
	"fmt"

	"github.com/urfave/cli/v2"
)

//go:embed completion/bash.sh
var bashCompletion string

//go:embed completion/zsh.sh
var zshCompletion string

var shells = []string{"bash", "zsh", "fish"}

func completionCommand(s streams) *cli.Command {
	return command(spec{
		name: "completion", brief: "print a completion script for a shell", args: "bash|zsh|fish",
		about: `Prints a script that completes commands, flags and file names. For one session:

  bash   source <(mdlstm-gpu completion bash)
  zsh    source <(mdlstm-gpu completion zsh)
  fish   mdlstm-gpu completion fish | source

For all sessions write it to a file:

  bash   ~/.local/share/bash-completion/completions/mdlstm-gpu
  zsh    _mdlstm-gpu in a folder of $fpath
  fish   ~/.config/fish/completions/mdlstm-gpu.fish`,
		examples: []string{"completion fish > ~/.config/fish/completions/mdlstm-gpu.fish"},
	}, nil, func(ctx *cli.Context, _ given) error {
		if ctx.NArg() != 1 {
			return usagef("want one shell: bash, zsh or fish")
		}
		return runCompletion(ctx.Args().First(), ctx.App, s)
	})
}

// runCompletion prints the script of a shell; app is what fish completes.
func runCompletion(shell string, app *cli.App, s streams) error {
	script := ""
	switch shell {
	case "bash":
		script = bashCompletion
	case "zsh":
		script = zshCompletion
	case "fish":
		var err error
		if script, err = app.ToFishCompletion(); err != nil {
			return err
		}
	default:
		return usagef("shell %.40q: want bash, zsh, fish%s", shell, didYouMean(shell, shells, ""))
	}
	_, err := fmt.Fprint(s.out, script)
	return err
}
