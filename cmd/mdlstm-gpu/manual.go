package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand(s streams) *cli.Command {
	return command(spec{
		name: "man", brief: "print the manual page",
		about: `Prints the manual, which has the help of every command, as a page for man:

  read it   mdlstm-gpu man | man -l -
  keep it   mdlstm-gpu man > ~/.local/share/man/man1/mdlstm-gpu.1`,
		examples: []string{"man | man -l -"},
	}, nil, func(ctx *cli.Context, _ given) error {
		_, err := fmt.Fprint(s.out, manual(ctx.App.Commands))
		return err
	})
}

// manual is the page in man's macros. It is made of what the help is made of;
// the library's own page knows no examples and no arguments of flags.
func manual(commands []*cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH MDLSTM\\-GPU 1 \"\" \"%s %s\"\n", program, roff(version))
	// Left-aligned, without hyphens: names of flags stay whole.
	fmt.Fprintf(&b, ".nh\n.ad l\n.SH NAME\n%s \\- %s\n", roff(program), roff(about))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[flags]\n", roff(program))
	b.WriteString(".SH DESCRIPTION\nTrains, measures and uses multi-dimensional LSTMs. The commands:\n")
	for _, c := range commands {
		fmt.Fprintf(&b, ".TP 12\n.B %s\n%s\n", roff(c.Name), roff(c.Usage))
	}
	for _, c := range commands {
		if c.Name != "help" {
			b.WriteString(c.Description)
		}
	}
	b.WriteString(".SH EXIT STATUS\n")
	for line := range strings.Lines(exitCodes) {
		if code, meaning, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "  ") {
			fmt.Fprintf(&b, ".TP 6\n.B %s\n%s\n", code, roff(strings.TrimSpace(meaning)))
		}
	}
	return b.String()
}

// commandManual is a command's part of the page.
func commandManual(s spec, options []option) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".SH %s\n.B %s %s\n", roff(strings.ToUpper(s.name)), roff(program), roff(s.name))
	if len(options) > 0 {
		b.WriteString("[flags]\n")
	}
	if s.args != "" {
		fmt.Fprintf(&b, ".I %s\n", roff(s.args))
	}
	if s.about == "" {
		fmt.Fprintf(&b, ".PP\n%s\n", roff(s.brief))
	}
	for paragraph := range strings.SplitSeq(s.about, "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			verbatim(&b, strings.Split(paragraph, "\n"))
		} else if paragraph != "" {
			fmt.Fprintf(&b, ".PP\n%s\n", roff(strings.Join(strings.Fields(paragraph), " ")))
		}
	}
	groups, byGroup := grouped(options)
	for _, group := range groups {
		fmt.Fprintf(&b, ".SS %s\n", roff(heading(group)))
		for _, o := range byGroup[group] {
			name, arg := o.title(), ""
			if o.arg != "" {
				name, arg = strings.TrimSuffix(name, " "+o.arg), " \\fI"+roff(o.arg)+"\\fR"
			}
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR%s\n%s\n", roff(name), arg, roff(o.usage+o.defaultText()))
		}
	}
	if len(s.examples) > 0 {
		b.WriteString(".SS Examples\n")
		lines := make([]string, len(s.examples))
		for i, example := range s.examples {
			lines[i] = program + " " + example
		}
		verbatim(&b, lines)
	}
	return b.String()
}

// verbatim keeps lines as they are.
func verbatim(b *strings.Builder, lines []string) {
	b.WriteString(".PP\n.nf\n")
	for _, line := range lines {
		fmt.Fprintf(b, "%s\n", roff(line))
	}
	b.WriteString(".fi\n")
}

// roff is a line of text that troff shows as it is: a hyphen stays one that can
// be searched for and pasted, and no letter at its start is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
