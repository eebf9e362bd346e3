package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// begin starts the program and waits until it says a text on the standard
// error; rest gives what it says after that, once it has ended.
func begin(t *testing.T, c *exec.Cmd, text string) (rest func() string) {
	t.Helper()
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	lines := bufio.NewReader(pipe)
	wait(t, lines, text)
	return func() string {
		all, err := io.ReadAll(lines)
		if err != nil {
			t.Error(err)
		}
		return string(all)
	}
}

func wait(t *testing.T, lines *bufio.Reader, text string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the program ended before it said %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

func codeOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// TestSignals: an interrupt and a termination end the program with 130 after the
// checkpoint, and what is resumed has the bits of a run that was not stopped.
func TestSignals(t *testing.T) {
	t.Chdir(t.TempDir())
	const steps = "1500" // so many that the signals come long before the end
	must(t, quick("--out", "whole", "--steps", steps)...)
	c := process(".", quick("--out", "parts", "--steps", steps)...)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		rest := begin(t, c, "run folder: parts")
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		said := rest()
		if code := codeOf(t, c.Wait()); code != exitInterrupted {
			t.Fatalf("%v: exit code %d, want %d: %s", signal, code, exitInterrupted, said)
		}
		if !strings.Contains(said, "interrupted after ") || !strings.Contains(said, "continue with --resume parts") {
			t.Errorf("%v: got %q, want how many steps are done and how to continue", signal, said)
		}
		c = process(".", "train", "--resume", "parts")
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("resume: %v: %s", err, out)
	}
	if read(t, "parts", modelFile) != read(t, "whole", modelFile) {
		t.Error("the models differ")
	}
	if logWithoutTime(t, "parts") != logWithoutTime(t, "whole") {
		t.Error("the logs differ")
	}
	if out, err := process(".", "train", "--resume", "parts").CombinedOutput(); err != nil {
		t.Errorf("a finished run: %v: %s", err, out)
	}
}

// TestSecondSignal: a second Ctrl-C ends the program at once, in the middle of a
// step, and the run can be continued.
func TestSecondSignal(t *testing.T) {
	t.Chdir(t.TempDir())
	c := process(".", "train", "--size", "160x160", "--batch", "4", "--hidden", "32", "--out", "run")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	lines := bufio.NewReader(pipe)
	for _, text := range []string{"run folder: run", "a second Ctrl-C ends at once"} {
		wait(t, lines, text)
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	said, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	waited := c.Wait()
	var exit *exec.ExitError
	if !errors.As(waited, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("got %v (%s), want an end by the signal", waited, said)
	}
	if _, err := readRun("run"); err != nil {
		t.Errorf("the run that is left: %v", err)
	}
}

// TestExitCodes: what a shell sees of the program as a process.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
	}{
		{"version", exitDone},
		{"", exitDone},
		{"--version", exitDone},
		{"--help", exitDone},
		{"-h", exitDone},
		{"help", exitDone},
		{"train --help", exitDone},
		{"info --require gpu", exitFailed},
		{"nothing", exitUsage},
		{"train --nothing", exitUsage},
		{"--nothing", exitUsage},
	} {
		command := process(t.TempDir(), strings.Fields(c.args)...)
		var errOut strings.Builder
		command.Stderr = &errOut
		if code := codeOf(t, command.Run()); code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.args, code, c.code)
		}
		if c.code == exitDone && errOut.Len() > 0 {
			t.Errorf("%q: standard error %q, want nothing", c.args, errOut.String())
		}
	}
}
