package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/train"
)

var update = flag.Bool("update", false, "write the golden files anew")

// beProgram makes a run of this test binary the program itself, for tests that
// need a process of its own.
const beProgram = "MDLSTM_TEST_BE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(beProgram) == "1" {
		main()
	}
	os.Exit(m.Run())
}

// process is the program as a process.
func process(dir string, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), beProgram+"=1")
	c.Dir = dir
	return c
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// do runs a command line inside this process.
func do(args ...string) result { return doContext(context.Background(), args...) }

func doContext(ctx context.Context, args ...string) result {
	var out, err bytes.Buffer
	code := execute(ctx, append([]string{program}, args...), streams{&out, &err})
	return result{code, out.String(), err.String()}
}

// must runs a command line that has to succeed and returns its results.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := do(args...)
	if r.code != exitDone {
		t.Fatalf("%s: exit code %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// refused checks that a command line failed with a code and one line that holds
// some text.
func refused(t *testing.T, r result, code int, fragment string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d; %s", r.code, code, r.err)
	}
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, program+": ") || !strings.Contains(last, fragment) {
		t.Errorf("got %q, want a line of %s with %q", last, program, fragment)
	}
}

// quick are flags of a training that takes a few milliseconds.
func quick(more ...string) []string {
	return append([]string{"train", "--size", "4x4", "--batch", "2", "--hidden", "3", "--threads", "1", "--steps", "6"}, more...)
}

// trained makes the run folder of a small training without its report, whose
// pictures take most of the time of a test.
func trained(t testing.TB, dir string, change func(o *trainOptions)) {
	t.Helper()
	o := defaultTrain()
	o.Size, o.Batch, o.Hidden, o.Threads, o.Steps = "4x4", 2, 3, 1, 6
	if change != nil {
		change(&o)
	}
	p, err := prepare(o, given{})
	if err != nil {
		t.Fatal(err)
	}
	s := streams{io.Discard, io.Discard}
	on, err := o.computeOptions.find(s)
	if err != nil {
		t.Fatal(err)
	}
	run, err := p.start(on, s, func() (string, error) { return dir, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer run.close()
	if err := run.run.Train(t.Context(), run.engine, run.data, train.Observer{}); err != nil {
		t.Fatal(err)
	}
}

// long skips a test of faults in -short: it makes several runs with their reports,
// which takes ten times as long under the race detector and shows it nothing.
// host/train injects the same faults.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: host/train injects the same faults")
	}
}

// trainHere trains in this process, without a report.
func trainHere(t *testing.T, open func(streams) (*training, error)) error {
	t.Helper()
	run, err := open(streams{io.Discard, io.Discard})
	if err != nil {
		return err
	}
	defer run.close()
	return run.run.Train(t.Context(), run.engine, run.data, train.Observer{})
}

// reopened is a run to be continued.
func reopened(dir string, s streams) (*training, error) {
	run, err := train.Open(dir, train.Changes{})
	if err != nil {
		return nil, err
	}
	t := &training{run: run, s: s}
	data, err := dataOfRun(run.Settings())
	if err != nil {
		return nil, err
	}
	if t.data, err = data.open(); err != nil {
		return nil, err
	}
	if err := t.data.Check(run.Model()); err != nil {
		return nil, err
	}
	use := defaultCompute()
	use.Device, use.Threads = run.Settings().Device, run.Settings().Threads
	if t.compute, err = use.find(s); err != nil {
		return nil, err
	}
	t.engine, err = t.compute.open(run.Model())
	return t, err
}

// small are flags of a training with all kinds of files in its folder.
func small(t *testing.T, out string) []string {
	t.Helper()
	array(t, "x.npy", 12, 3, 3, 1)
	array(t, "y.npy", 12, 3, 3, 1)
	return []string{"train", "--x", "x.npy", "--y", "y.npy", "--valid", "4", "--valid-every", "3", "--batch", "2", "--hidden", "2", "--threads", "1",
		"--steps", "12", "--checkpoint-every", "2", "--tensorboard", "--out", out}
}

// trainOn continues a run of [small] in this process, without a report.
func trainOn(t *testing.T, dir string) error {
	t.Helper()
	return trainHere(t, func(s streams) (*training, error) { return reopened(dir, s) })
}

// sameRun says what differs in two runs' models and logs.
func sameRun(t *testing.T, got, want string) {
	t.Helper()
	for _, name := range []string{modelFile, bestFile} {
		if read(t, got, name) != read(t, want, name) {
			t.Errorf("%s: another %s", got, name)
		}
	}
	if a, b := logWithoutTime(t, got), logWithoutTime(t, want); a != b {
		t.Errorf("%s: log\n%s\nwant\n%s", got, a, b)
	}
}

// words are those of a command line as a shell splits it, without the program; only
// quoted ones have spaces.
func words(t *testing.T, line string) []string {
	t.Helper()
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), program+" ")
	if !ok {
		t.Fatalf("%q is no command line of %s", line, program)
	}
	var list []string
	for i, part := range strings.Split(rest, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// mustNext runs what stands below "Next:" in a training's summary.
func mustNext(t *testing.T, out string) (outputs []string) {
	t.Helper()
	_, next, ok := strings.Cut(out, "\nNext:\n")
	if !ok {
		t.Fatalf("no next commands in %q", out)
	}
	for line := range strings.Lines(next) {
		outputs = append(outputs, must(t, words(t, line)...))
	}
	return outputs
}

// files lists what is in a folder, hidden names too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// logWithoutTime is a log but for the one column that differs between equal
// runs.
func logWithoutTime(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(read(t, dir, logFile)) {
		columns := strings.Split(line, "\t")
		b.WriteString(columns[0] + "\t" + columns[1] + "\t" + columns[3])
	}
	return b.String()
}

// array writes a .npy file of values that differ from each other.
func array(t testing.TB, path string, shape ...int) {
	t.Helper()
	n := 1
	for _, length := range shape {
		n *= length
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i%17) / 17
	}
	if err := npy.Write(path, shape, values); err != nil {
		t.Fatal(err)
	}
}

// integers writes a .npy file of int64.
func integers(t testing.TB, path string, values []int64, shape ...int) {
	t.Helper()
	var lengths strings.Builder
	for _, length := range shape {
		fmt.Fprintf(&lengths, "%d, ", length)
	}
	header := fmt.Sprintf("{'descr': '<i8', 'fortran_order': False, 'shape': (%s)}\n", lengths.String())
	data := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	data = append(data, header...)
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}
