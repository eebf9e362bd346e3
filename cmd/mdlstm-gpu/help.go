package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// helpWidth is the width of help texts: the narrowest terminal in use.
const helpWidth = 80

// about is the program in a line.
const about = "multi-dimensional LSTMs for grids of any number of axes"

// exitCodes stands at the end of every command's help.
const exitCodes = `Exit codes:
  0    done
  1    failed: the message names the file, shape or device, and what to do
  2    wrong usage
  130  interrupted; a training has written its checkpoint before
`

func helpCommand(s streams) *cli.Command {
	return command(spec{
		name: "help", brief: "show the help of a command", args: "[COMMAND]",
	}, nil, func(ctx *cli.Context, _ given) error {
		name, commands := ctx.Args().First(), ctx.App.Commands
		for _, c := range commands {
			if c.Name == name && name != "help" {
				_, err := fmt.Fprint(s.out, c.CustomHelpTemplate)
				return err
			}
		}
		if name != "" && name != "help" {
			return noCommand(name, commands)
		}
		_, err := fmt.Fprint(s.out, appHelp(commands))
		return err
	})
}

// appHelp is the program's help. It is shown as it is: it holds no template.
func appHelp(commands []*cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s - %s\n\nUsage:\n  %s COMMAND [flags]\n\nCommands:\n", program, about, program)
	for _, c := range commands {
		hang(&b, "  "+c.Name, 16, c.Usage)
	}
	fmt.Fprintf(&b, "\nFlags:\n")
	hang(&b, "  --help, -h", 16, "show this help; behind a command, that command's")
	hang(&b, "  --version", 16, versionSwitch[0].usage)
	writeExamples(&b, []string{
		"train           # the seed's experiment, in a new folder",
		"compare         # the seed's three models over each other",
		"train --help    # data, models and settings",
	})
	fmt.Fprintf(&b, "\n%s", exitCodes)
	return b.String()
}

// commandHelp is the help of a command.
func commandHelp(s spec, options []option) string {
	var b strings.Builder
	usage := s.name
	if len(options) > 0 {
		usage += " [flags]"
	}
	if s.args != "" {
		usage += " " + s.args
	}
	fmt.Fprintf(&b, "%s %s - %s\n\nUsage:\n  %s %s\n", program, s.name, s.brief, program, usage)
	for paragraph := range strings.SplitSeq(s.about, "\n\n") {
		fmt.Fprintln(&b)
		if strings.HasPrefix(paragraph, "  ") {
			fmt.Fprintln(&b, paragraph)
			continue
		}
		hang(&b, "", 0, paragraph)
	}
	groups, byGroup := grouped(options)
	for _, group := range groups {
		fmt.Fprintf(&b, "\n%s:\n", heading(group))
		for _, o := range byGroup[group] {
			hang(&b, "  "+o.title(), 26, o.usage+o.defaultText())
		}
	}
	if len(s.examples) > 0 {
		writeExamples(&b, s.examples)
	}
	fmt.Fprintf(&b, "\n%s", exitCodes)
	return b.String()
}

// grouped are the options by their groups, these in the order of their first.
func grouped(options []option) (groups []string, byGroup map[string][]option) {
	byGroup = map[string][]option{}
	for _, o := range options {
		if byGroup[o.group] == nil {
			groups = append(groups, o.group)
		}
		byGroup[o.group] = append(byGroup[o.group], o)
	}
	return groups, byGroup
}

// heading names a group.
func heading(group string) string {
	if group == "" {
		return "Flags"
	}
	return group
}

// title is the flag as it is typed.
func (o option) title() string {
	names := "--" + o.name
	for _, alias := range o.aliases {
		names += ", --" + alias
	}
	if o.arg != "" {
		names += " " + o.arg
	}
	return names
}

// defaultText says what holds without the flag, where that is worth saying.
func (o option) defaultText() string {
	text := ""
	switch dest := o.dest.(type) {
	case *string:
		text = *dest
	case *int:
		text = strconv.Itoa(*dest)
	case *int64:
		text = strconv.FormatInt(*dest, 10)
	case *uint64:
		text = strconv.FormatUint(*dest, 10)
	case *float64:
		text = strconv.FormatFloat(*dest, 'g', -1, 64)
	case *time.Duration:
		text = dest.String()
	}
	if text == "" || text == "0" {
		return ""
	}
	return " (default " + text + ")"
}

func writeExamples(b *strings.Builder, lines []string) {
	fmt.Fprintf(b, "\nExamples:\n")
	for _, line := range lines {
		fmt.Fprintf(b, "  %s %s\n", program, line)
	}
}

// hang writes text, wrapped, with its lines starting at a column behind title,
// or below a title that is too long.
func hang(b *strings.Builder, title string, column int, text string) {
	b.WriteString(title)
	at := utf8.RuneCountInString(title)
	if at > 0 && at+2 > column {
		b.WriteByte('\n')
		at = 0
	}
	first := true
	for word := range strings.FieldsSeq(text) {
		switch {
		case first:
			b.WriteString(strings.Repeat(" ", column-at))
			at = column
		case at+1+utf8.RuneCountInString(word) > helpWidth:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		first = false
		b.WriteString(word)
		at += utf8.RuneCountInString(word)
	}
	b.WriteByte('\n')
}
