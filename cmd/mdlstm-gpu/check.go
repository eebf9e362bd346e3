package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/cmd/mdlstm-gpu/internal/selfcheck"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

func checkCommand(s streams) *cli.Command {
	o := defaultCompute()
	return command(spec{
		name: "check", brief: "check the numerics of this machine",
		about: fmt.Sprintf(`Computes every cell on grids of 1 to %d axes with the engine that trains here (float32) and with
the textbook definition (float64), and prints the worst errors of outputs and gradients as shares of the largest value;
the definition's own gradients are compared with central differences.

Fails, with exit code 1, when an output is off by more than %g, a gradient by more than %g, or a difference by more
than %g.`, selfcheck.MaxAxes, selfcheck.OutputTolerance, selfcheck.GradientTolerance, selfcheck.DifferenceTolerance),
		examples: []string{"check", "check --blas gonum"},
	}, o.options(), func(ctx *cli.Context, _ given) error { return runCheck(ctx.Context, o, s, o.open) })
}

// runCheck prints a row for each cell and number of axes. Open makes the
// engine under check.
func runCheck(ctx context.Context, o computeOptions, s streams, open func(*nn.Model) (engine.Engine, error)) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.available(); err != nil {
		return err
	}
	out := &printer{w: s.out}
	out.line("%-10s %4s  %-6s  %-9s %-9s %-11s", "cell", "axes", "engine", "outputs", "gradients", "differences")
	failed, rows := "", 0
	err := selfcheck.Run(ctx, open, func(r selfcheck.Row) {
		verdict := ""
		if rows++; !r.OK() {
			verdict = "  too large"
			if failed == "" {
				failed = fmt.Sprintf("%s on %s, worst gradient in %s", r.Cell, axesOf(r.Axes), r.WorstTensor)
			}
		}
		out.line("%-10s %4d  %-6s  %-9.1e %-9.1e %-9.1e%s", r.Cell, r.Axes, r.Engine, r.Output, r.Gradient, r.Difference, verdict)
	})
	switch {
	case err != nil:
		return err
	case failed != "":
		return fmt.Errorf("numerics: errors beyond the tolerance: first %s: do not train here; try --blas gonum", failed)
	}
	out.line("all %d within the tolerances", rows)
	return out.err
}
