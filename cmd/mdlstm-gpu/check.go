package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/cmd/mdlstm-gpu/internal/selfcheck"
)

func checkCommand(s streams) *cli.Command {
	o := defaultCompute()
	return command(spec{
		name: "check", brief: "check the numerics of this machine",
		about: fmt.Sprintf(`Computes every cell on grids of 1 to %d axes with the engines that train here (float32) and with
the textbook definition (float64), and prints the worst errors of outputs and gradients as shares of the largest value;
the definition's own gradients are compared with central differences, and what a GPU computes with what the CPU does.

Fails, with exit code 1, when an output is off by more than %g, a gradient by more than %g, or a difference by more
than %g.`, selfcheck.MaxAxes, selfcheck.OutputTolerance, selfcheck.GradientTolerance, selfcheck.DifferenceTolerance),
		examples: []string{"check", "check --blas gonum", "check --device gpu --kernels wavefront"},
	}, o.options(), func(ctx *cli.Context, _ given) error {
		machines, err := o.findAll(s)
		if err != nil {
			return err
		}
		var all []subject
		for _, m := range machines {
			one := subject{open: m.open, advice: "try --blas gonum"}
			if m.GPU != nil {
				one = subject{open: m.open, peer: m.onCPU().open, advice: "try --device cpu, and report it with the output of info"}
			}
			all = append(all, one)
		}
		return runCheck(ctx.Context, all, s)
	})
}

// subject is an engine under check, and the one that it is compared with.
type subject struct {
	open, peer selfcheck.Open // peer may be nil
	advice     string         // what to do when it fails
}

// runCheck prints a row for each engine, cell and number of axes.
func runCheck(ctx context.Context, all []subject, s streams) error {
	out := &printer{w: s.out}
	out.line("%-10s %4s  %-6s  %-9s %-9s %-11s %-9s", "cell", "axes", "engine", "outputs", "gradients", "differences", "to cpu")
	failed, rows := "", 0
	for _, one := range all {
		err := selfcheck.Run(ctx, one.open, one.peer, func(r selfcheck.Row) {
			verdict, peer := "", "-"
			if one.peer != nil {
				peer = fmt.Sprintf("%.1e", r.Peer)
			}
			if rows++; !r.OK() {
				verdict = "  too large"
				if failed == "" {
					failed = fmt.Sprintf("%s of %s on %s, worst gradient in %s: do not train here; %s", r.Cell, r.Engine, axesOf(r.Axes), r.WorstTensor, one.advice)
				}
			}
			out.line("%-10s %4d  %-6s  %-9.1e %-9.1e %-11.1e %-9s%s", r.Cell, r.Axes, r.Engine, r.Output, r.Gradient, r.Difference, peer, verdict)
		})
		if err != nil {
			return err
		}
	}
	if failed != "" {
		return fmt.Errorf("numerics: errors beyond the tolerance: first %s", failed)
	}
	out.line("all %d within the tolerances", rows)
	return out.err
}
