package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// option is a flag: its name, its help, and where its value goes. The default
// is what lies there before.
type option struct {
	name    string
	aliases []string
	arg     string // what stands for the value in the help: "N"; "" for a switch
	group   string // its heading in the help
	usage   string
	dest    any // *string, *int, *int64, *uint64, *float64, *bool, *time.Duration; **int and **float64 where nil is "not given"
}

// given are the names of the options that the user set.
type given map[string]bool

// spec describes a command.
type spec struct {
	name     string
	brief    string   // half a line, for the list of commands
	args     string   // "RUN …" when the command takes arguments
	about    string   // paragraphs, separated by empty lines; "  " before it keeps one as it is
	examples []string // command lines without the program's name
}

// command makes a command that urfave/cli cannot surprise: its options are
// parsed here, so that every refusal names the flag and what it wants.
//
// The library alone would run a command with flags behind an argument ignored,
// exit by itself with code 3 for a mistyped command, print the help into the
// results for a mistyped flag, and add a command "help" to every command.
func command(s spec, options []option, action func(ctx *cli.Context, set given) error) *cli.Command {
	c := &cli.Command{
		Name:               s.name,
		Usage:              s.brief,
		ArgsUsage:          s.args,
		CustomHelpTemplate: commandHelp(s, options),
		Description:        commandManual(s, options), // shown by man only
		HideHelpCommand:    true,
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return asUsage(flagError(err, options), s.name)
		},
	}
	for _, o := range options {
		c.Flags = append(c.Flags, o.flag())
	}
	// The library's own looks at os.Args; the shell picks what fits anyway.
	c.BashComplete = func(ctx *cli.Context) {
		for _, name := range append(optionNames(options), "help") {
			fmt.Fprintln(ctx.App.Writer, "--"+name)
		}
	}
	c.Action = func(ctx *cli.Context) error {
		if first := ctx.Args().First(); ctx.NArg() > 0 && s.args == "" {
			return asUsage(strayArgument(first, options), s.name)
		}
		for i, arg := range ctx.Args().Slice() {
			if flag, _, _ := strings.Cut(arg, "="); strings.HasPrefix(arg, "-") && arg != "-" {
				return asUsage(usagef("flag %s stands behind the argument %q: flags go first, as in %s %s %s … %s",
					flag, ctx.Args().Get(i-1), program, s.name, flag, s.args), s.name)
			}
		}
		set, err := assign(ctx, options)
		if err == nil {
			err = action(ctx, set)
		}
		return asUsage(err, s.name)
	}
	return c
}

// flag is the option for urfave/cli: text, whatever its type.
func (o option) flag() cli.Flag {
	if _, isSwitch := o.dest.(*bool); isSwitch {
		return &cli.BoolFlag{Name: o.name, Aliases: o.aliases, Usage: o.usage}
	}
	return &cli.StringFlag{Name: o.name, Aliases: o.aliases, Usage: o.usage}
}

// assign stores the values of the flags that were given.
func assign(ctx *cli.Context, options []option) (given, error) {
	set := given{}
	for _, o := range options {
		if !ctx.IsSet(o.name) {
			continue
		}
		set[o.name] = true
		if dest, isSwitch := o.dest.(*bool); isSwitch {
			*dest = ctx.Bool(o.name)
			continue
		}
		if err := o.parse(ctx.String(o.name)); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// parse stores a value given as text.
func (o option) parse(text string) error {
	var err error
	switch dest := o.dest.(type) {
	case *string:
		if *dest = text; text == "" {
			return usagef("--%s is empty: give it a value or leave it out", o.name)
		}
	case *int:
		*dest, err = strconv.Atoi(text)
	case **int:
		*dest = new(int)
		**dest, err = strconv.Atoi(text)
	case *int64:
		*dest, err = strconv.ParseInt(text, 10, 64)
	case *uint64:
		*dest, err = strconv.ParseUint(text, 10, 64)
	case *time.Duration:
		*dest, err = time.ParseDuration(text)
	case *float64:
		*dest, err = parseFinite(text)
	case **float64:
		*dest = new(float64)
		**dest, err = parseFinite(text)
	}
	if errors.Is(err, strconv.ErrRange) {
		return usagef("--%s %.40q: too large, or too close to 0, to be represented", o.name, text)
	}
	if err != nil {
		return usagef("--%s %.40q: want %s", o.name, text, o.want())
	}
	return nil
}

// want says what a value must look like.
func (o option) want() string {
	switch o.dest.(type) {
	case *bool:
		return "true or false"
	case *uint64:
		return "a whole number, 0 or more"
	case *int, *int64, **int:
		return "a whole number"
	case *float64, **float64:
		return "a number"
	case *time.Duration:
		return "a time with its unit, such as 2ms or 30s"
	}
	return "text"
}

// parseFinite reads a number that is neither NaN nor infinite.
func parseFinite(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && v-v != 0 {
		err = strconv.ErrSyntax
	}
	return v, err
}

var (
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -+(.*)$`)
	bareFlag    = regexp.MustCompile(`^flag needs an argument: -+(.*)$`)
	badSwitch   = regexp.MustCompile(`^invalid boolean (?:value|flag) "?(.*?)"? for -+(.*?):`)
	twoForms    = regexp.MustCompile(`^Cannot use two forms of the same flag: (\S+) (\S+)$`)
)

// flagError says in our words what urfave/cli says about flags.
func flagError(err error, options []option) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return usagef("no flag --%s%s", m[1], didYouMean(m[1], optionNames(options), "--"))
	}
	if m := bareFlag.FindStringSubmatch(text); m != nil {
		return usagef("--%s needs a value", m[1])
	}
	if m := badSwitch.FindStringSubmatch(text); m != nil {
		return usagef("--%s %q: it is a switch and takes no value", m[2], m[1])
	}
	if m := twoForms.FindStringSubmatch(text); m != nil {
		return usagef("--%s and --%s are the same flag: give one", m[1], m[2])
	}
	return usagef("%w", err)
}

// strayArgument refuses an argument, which is often a flag without its dashes.
func strayArgument(arg string, options []option) error {
	name, _, _ := strings.Cut(arg, "=")
	if slices.Contains(optionNames(options), name) {
		return usagef("argument %q: write --%s", arg, arg)
	}
	return usagef("argument %.60q: the command takes none, only flags", arg)
}

func optionNames(options []option) []string {
	var names []string
	for _, o := range options {
		names = append(append(names, o.name), o.aliases...)
	}
	return names
}
