// Command mdlstm-gpu trains, measures and uses multi-dimensional LSTMs.
//
// Each command has a file: xCommand declares its flags and help text, runX does
// the work and knows nothing of the command line. Results go to the standard
// output, progress and warnings to the standard error.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// program is the name that users type.
const program = "mdlstm-gpu"

func main() { os.Exit(run(os.Args, streams{os.Stdout, os.Stderr})) }

// streams are where a command writes: out results, err progress, notes and
// warnings.
type streams struct{ out, err io.Writer }

// interrupts are the signals by which users, systems and closed terminals end a
// program. SIGUSR1 is what schedulers send before the time of a job is up, and what
// mpirun passes on to all ranks without ending them itself.
var interrupts = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1}

// run is the program but for its end. The first interrupt ends the context, so
// that a training writes its checkpoint; the second ends the process at once.
func run(args []string, s streams) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	for _, i := range interrupts {
		if !signal.Ignored(i) { // by nohup, or a shell's & in a script
			signal.Notify(signals, i)
		}
	}
	// Whoever read the progress may go away: that ends no training. Writes to a
	// closed pipe are errors then, and nobody reads this channel.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-signals
		// Not signal.NotifyContext: this must come before the context ends, when
		// the user is told that a second signal is not caught.
		signal.Stop(signals)
		cancel()
	}()
	return execute(ctx, args, s)
}

// execute runs one command line and returns its exit code. An error is one line;
// none is written where the results found no reader, as in `info | head -1`.
func execute(ctx context.Context, args []string, s streams) int {
	err := newApp(s).RunContext(ctx, args)
	var quiet *quietError
	if err != nil && !errors.As(err, &quiet) {
		printError(s, err)
	}
	return exitCode(err)
}

func printError(s streams, err error) {
	if !errors.Is(err, syscall.EPIPE) {
		s.note("%s: %s\n", program, oneLine(err))
	}
}
