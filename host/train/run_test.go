package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
)

// newRun makes a run in a new folder; it is closed at the end of the test.
func newRun(t *testing.T, s Settings) *Run {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), "run"), testStart(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// reopen closes a run and opens it again with changes.
func reopen(t *testing.T, r *Run, c Changes) *Run {
	t.Helper()
	r.Close()
	again, err := Open(r.Dir(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

func wantMessage(t *testing.T, err error, sentinel error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	if sentinel != nil && !errors.Is(err, sentinel) {
		t.Errorf("error %q is not %q", err, sentinel)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}

func TestNewFolderIsComplete(t *testing.T) {
	r := newRun(t, testSettings())
	o := outcomeOf(t, r.Dir())
	if want := []string{lockName, configName, logName, modelName, stateName}; !slices.Equal(o.names, want) {
		t.Errorf("files %v, want %v", o.names, want)
	}
	if !sameBits(o.params, r.Model().Init(r.Settings().Seed)) || o.step != 0 || len(o.log) != 1 {
		t.Errorf("state of step %d with %d lines of log and parameters %v", o.step, len(o.log), o.params)
	}
	record, err := ReadRecord(r.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if record.Settings.Seed != 1<<63+5 || record.Engine.Engine != "fake" || record.DataSHA256 != "aa11" {
		t.Errorf("config.json holds %+v", record)
	}
	siblings, err := os.ReadDir(filepath.Dir(r.Dir()))
	if err != nil || len(siblings) != 1 {
		t.Errorf("beside the run: %v, %v", siblings, err)
	}
}

func TestFirstParametersAreTaken(t *testing.T) {
	start := testStart(testSettings())
	start.Params = newFakeEngine().p
	start.Params[0] = 42
	r, err := Create(filepath.Join(t.TempDir(), "run"), start)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !sameBits(r.Params(), start.Params) {
		t.Errorf("parameters %v, want %v", r.Params(), start.Params)
	}
	start.Params = start.Params[1:]
	_, err = Create(filepath.Join(t.TempDir(), "run"), start)
	wantMessage(t, err, nil, "first parameters", strconv.Itoa(len(start.Params)))
}

func TestCreateRefuses(t *testing.T) {
	base := t.TempDir()
	mkdir := func(name string) string {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	write := func(path string) string {
		if err := os.WriteFile(path, []byte("precious"), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	full := mkdir("full")
	write(filepath.Join(full, "thesis.tex"))
	old := mkdir("old")
	write(filepath.Join(old, prevName))
	file := write(filepath.Join(base, "file"))

	for _, c := range []struct {
		name, dir string
		sentinel  error
		parts     []string
	}{
		{"a run", old, ErrExists, []string{"--out " + old, "--resume " + old}},
		{"other files", full, ErrExists, []string{"--out " + full, "not empty"}},
		{"a file", file, ErrExists, []string{"--out " + file, "file"}},
		{"no parent", filepath.Join(base, "a", "b"), nil, []string{filepath.Join(base, "a"), "does not exist"}},
		{"a file as parent", filepath.Join(file, "run"), nil, []string{file, "not a folder"}},
		{"no name", "", nil, []string{`--out ""`}},
		{"an unwritable parent", "/proc/run", nil, []string{"--out /proc/run"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Create(c.dir, testStart(testSettings()))
			wantMessage(t, err, c.sentinel, c.parts...)
		})
	}
	for _, path := range []string{filepath.Join(full, "thesis.tex"), filepath.Join(old, prevName), file} {
		if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	if entries, _ := os.ReadDir(base); len(entries) != 3 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestCreateInPlaceOfAnEmptyFolder(t *testing.T) {
	base := t.TempDir()
	real := filepath.Join(base, "real")
	link := filepath.Join(base, "link")
	if err := errors.Join(os.Mkdir(real, 0o777), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	r, err := Create(link, testStart(testSettings()))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := loadState(filepath.Join(real, stateName)); err != nil {
		t.Error(err)
	}
	if err := trainFake(t, r); err != nil {
		t.Error(err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	// flock belongs to the open file, so a second Open in this process is
	// refused as one of another process is.
	r := newRun(t, testSettings())
	_, err := Open(r.Dir(), Changes{})
	wantMessage(t, err, ErrLocked, r.Dir(), "process "+strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(r.path(lockName), []byte("?"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Open(r.Dir(), Changes{})
	wantMessage(t, err, ErrLocked, r.Dir(), "another process")
	if err := trainFake(t, r); err != nil {
		t.Errorf("the first process: %v", err)
	}
	reopen(t, r, Changes{})
}

func TestOpenRefuses(t *testing.T) {
	empty := t.TempDir()
	_, err := Open(empty, Changes{})
	wantMessage(t, err, ErrNoRun, "--resume "+empty, stateName)
	if entries, _ := os.ReadDir(empty); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	_, err = Open(filepath.Join(empty, "none"), Changes{})
	wantMessage(t, err, os.ErrNotExist, "none")

	file := filepath.Join(empty, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Open(file, Changes{})
	wantMessage(t, err, ErrNoRun, file)
}

func TestFinishedRun(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	before := outcomeOf(t, r.Dir())
	wantMessage(t, trainFake(t, r), ErrNothingToDo, r.Dir(), "7 steps", "--steps")
	r = reopen(t, r, Changes{})
	wantMessage(t, trainFake(t, r), ErrNothingToDo, r.Dir())
	if d := outcomeOf(t, r.Dir()).differs(before); d != "" {
		t.Error(d)
	}
}

func TestExtendedRunHasTheBitsOfALongOne(t *testing.T) {
	s := testSettings()
	long := s
	long.Steps, long.CheckpointEvery = 12, 5
	want := uninterrupted(t, long)

	r := newRun(t, s)
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	r = reopen(t, r, Changes{Steps: &long.Steps, CheckpointEvery: &long.CheckpointEvery})
	if got := r.Settings(); got.Steps != 12 || got.CheckpointEvery != 5 {
		t.Errorf("settings %+v", got)
	}
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	if d := outcomeOf(t, r.Dir()).differs(want); d != "" {
		t.Error(d)
	}
	record, err := ReadRecord(r.Dir())
	if err != nil || record.Settings.Steps != 12 {
		t.Errorf("config.json has %d steps, %v", record.Settings.Steps, err)
	}
}

func TestChangesOutliveAKill(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	steps := int64(9)
	r = reopen(t, r, Changes{Steps: &steps})
	src := newFakeSource()
	src.failAt = 7
	if err := r.Train(context.Background(), newFakeEngine(), task.Split{Train: src}, Observer{}); err == nil {
		t.Fatal("no error")
	}
	if r = reopen(t, r, Changes{}); r.Settings().Steps != 9 || r.Step() != 7 {
		t.Errorf("%d steps, %d done, want 9 and 7", r.Settings().Steps, r.Step())
	}
}

func TestChangesRefused(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	few, negative := int64(6), int64(-1)
	threads := -2
	for flag, c := range map[string]Changes{
		"--steps 6":             {Steps: &few},
		"--checkpoint-every -1": {CheckpointEvery: &negative},
		"--threads -2":          {Threads: &threads},
	} {
		_, err := Open(r.Dir(), c)
		wantMessage(t, err, nil, flag)
		if setting := (*SettingError)(nil); !errors.As(err, &setting) {
			t.Errorf("%s: %T is no SettingError", flag, err)
		}
	}
	reopen(t, r, Changes{}) // the lock was given back
}

func TestOtherDataRefused(t *testing.T) {
	r := newRun(t, testSettings())
	src := newFakeSource()
	src.hash = "bb22"
	err := r.Train(context.Background(), newFakeEngine(), task.Split{Train: src}, Observer{})
	wantMessage(t, err, ErrDataChanged, "aa11", "bb22", "--init")
	if o := outcomeOf(t, r.Dir()); o.step != 0 {
		t.Errorf("step %d", o.step)
	}
}

func TestOtherEngineIsAWarning(t *testing.T) {
	r := newRun(t, testSettings())
	e := newFakeEngine()
	e.info.Settings = map[string]string{"blas": "openblas"}
	var warned []string
	see := Observer{Warn: func(text string) { warned = append(warned, text) }}
	if err := r.Train(context.Background(), e, task.Split{Train: newFakeSource()}, see); err != nil {
		t.Fatal(err)
	}
	if len(warned) != 1 || !strings.Contains(warned[0], `blas "none" to "openblas"`) {
		t.Errorf("warnings %q", warned)
	}
	if record, err := ReadRecord(r.Dir()); err != nil || record.Engine.Settings["blas"] != "openblas" {
		t.Errorf("config.json has %+v, %v", record.Engine, err)
	}
}

func TestDamagedState(t *testing.T) {
	s := testSettings()
	want := uninterrupted(t, s)
	want.names = append(want.names, damagedName)
	slices.Sort(want.names)
	for name, spoil := range map[string]func([]byte) []byte{
		"truncated":      func(b []byte) []byte { return b[:len(b)-1] },
		"half":           func(b []byte) []byte { return b[:len(b)/2] },
		"empty":          func(b []byte) []byte { return nil },
		"longer":         func(b []byte) []byte { return append(b, 0) },
		"flipped tensor": func(b []byte) []byte { b[len(b)-7] ^= 16; return b },
		"flipped step":   func(b []byte) []byte { return []byte(strings.Replace(string(b), `"step":"7"`, `"step":"5"`, 1)) },
		"flipped name":   func(b []byte) []byte { return []byte(strings.Replace(string(b), "m.head.bias", "m.hexd.bias", 1)) },
		"foreign":        func(b []byte) []byte { return []byte("GIF89a, not a checkpoint at all") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRun(t, s)
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
			good, err := os.ReadFile(r.path(stateName))
			if err != nil {
				t.Fatal(err)
			}
			bad := spoil(slices.Clone(good))
			if slices.Equal(good, bad) {
				t.Fatal("nothing was spoiled")
			}
			if err := os.WriteFile(r.path(stateName), bad, 0o666); err != nil {
				t.Fatal(err)
			}
			r = reopen(t, r, Changes{})
			if r.Step() != 6 || len(r.Warnings()) != 1 {
				t.Errorf("step %d, warnings %q", r.Step(), r.Warnings())
			}
			for _, part := range []string{r.path(stateName) + ": damaged checkpoint", "continuing from " + prevName + ", step 6", damagedName} {
				if !strings.Contains(strings.Join(r.Warnings(), " "), part) {
					t.Errorf("warnings %q, want %q", r.Warnings(), part)
				}
			}
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
			if d := outcomeOf(t, r.Dir()).differs(want); d != "" {
				t.Error(d)
			}
			if kept, err := os.ReadFile(r.path(damagedName)); err != nil || !slices.Equal(kept, bad) {
				t.Errorf("the damaged file was not kept: %v", err)
			}
		})
	}
}

// TestDamagedStateAndKilled: a kill after a damaged state was set aside leaves the
// one before, which is not overwritten until there is a newer one.
func TestDamagedStateAndKilled(t *testing.T) {
	s := testSettings()
	want := uninterrupted(t, s)
	r := newRun(t, s)
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(r.path(stateName), 1000); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{damagedName, stateName + " is missing: continuing from " + prevName} {
		r = reopen(t, r, Changes{})
		if r.Step() != 6 || len(r.Warnings()) != 1 || !strings.Contains(r.Warnings()[0], part) {
			t.Errorf("step %d, warnings %q, want one with %q", r.Step(), r.Warnings(), part)
		}
	}
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	got := outcomeOf(t, r.Dir())
	got.names = slices.DeleteFunc(got.names, func(name string) bool { return name == damagedName })
	if d := got.differs(want); d != "" {
		t.Error(d)
	}
}

func TestBothStatesDamaged(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for _, name := range []string{stateName, prevName} {
		if err := os.Truncate(r.path(name), 99); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Open(r.Dir(), Changes{})
	wantMessage(t, err, ErrDamaged, r.path(stateName), r.path(prevName), "--init "+r.path(modelName))
	if _, err := os.Stat(r.path(stateName)); err != nil {
		t.Errorf("the damaged state was moved: %v", err)
	}
}

func TestLogOfAnotherRun(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"shorter": func(path string) error { return os.Truncate(path, 40) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, testSettings())
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
			if err := spoil(r.path(logName)); err != nil {
				t.Fatal(err)
			}
			steps := int64(9)
			r = reopen(t, r, Changes{Steps: &steps})
			wantMessage(t, trainFake(t, r), nil, r.path(logName))
		})
	}
}

func TestInterrupted(t *testing.T) {
	s := testSettings()
	want := uninterrupted(t, s)
	for stop := range s.Steps {
		r := newRun(t, s)
		ctx, cancel := context.WithCancel(context.Background())
		var seen []int64
		err := r.Train(ctx, newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{Step: func(p Progress) {
			seen = append(seen, p.Step)
			if p.Step == stop {
				cancel()
			}
		}})
		if stop == s.Steps-1 { // the last step was done: nothing is left to interrupt
			if err != nil {
				t.Error(err)
			}
		} else {
			wantMessage(t, err, ErrInterrupted, strconv.FormatInt(stop+1, 10)+" of 7", "--resume "+r.Dir())
		}
		if int64(len(seen)) != stop+1 || r.Step() != stop+1 {
			t.Errorf("stopped in step %d: saw %v, checkpoint of step %d", stop, seen, r.Step())
		}
		if stop < s.Steps-1 {
			r = reopen(t, r, Changes{})
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
		}
		if d := outcomeOf(t, r.Dir()).differs(want); d != "" {
			t.Errorf("stopped in step %d: %s", stop, d)
		}
	}
}

func TestInterruptedBeforeTheFirstStep(t *testing.T) {
	r := newRun(t, testSettings())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := r.Train(ctx, newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{})
	wantMessage(t, err, ErrInterrupted, "0 of 7")
}

func TestNonFinite(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fakeEngine)
		step  int64
		where string
		good  int64
	}{
		"gradient":               {func(e *fakeEngine) { e.nanGradientAt = 5 }, 5, "gradient 1", 4},
		"loss":                   {func(e *fakeEngine) { e.infinityAfter = 5 }, 5, "gradient 2", 4},
		"parameter at the end":   {func(e *fakeEngine) { e.infinityAfter = 7 }, 6, "parameter layers.0.weight_ih", 6},
		"parameter when written": {func(e *fakeEngine) { e.infinityAfter = 4 }, 3, "parameter layers.0.weight_ih", 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, testSettings())
			e := newFakeEngine()
			c.spoil(e)
			err := r.Train(context.Background(), e, task.Split{Train: newFakeSource()}, Observer{})
			var bad *NonFiniteError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a NonFiniteError", err)
			}
			if bad.Step != c.step || !strings.HasPrefix(bad.Where, c.where) || bad.GoodStep != c.good || bad.Checkpoint != r.path(stateName) {
				t.Errorf("%+v, want step %d, %s, checkpoint %d", bad, c.step, c.where, c.good)
			}
			wantMessage(t, err, nil, "NaN", r.path(stateName), "--lr")
			r = reopen(t, r, Changes{})
			if r.Step() != c.good {
				t.Errorf("the checkpoint left is of step %d, want %d", r.Step(), c.good)
			}
			if lines := outcomeOf(t, r.Dir()).log; int64(len(lines)) < c.step+1 {
				t.Errorf("%d lines of log for %d steps", len(lines)-1, c.step)
			}
		})
	}
}

func TestErrorsOfAStepNameItAndTheCheckpoint(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*fakeEngine, *fakeSource)
		parts []string
	}{
		"source": {func(_ *fakeEngine, s *fakeSource) { s.failAt = 5 }, []string{"step 5", "line 7 of x.npy", "step 4"}},
		"data":   {func(_ *fakeEngine, s *fakeSource) { s.nanAt = 3 }, []string{"step 3", "x: NaN", "step 2"}},
		"engine": {func(e *fakeEngine, _ *fakeSource) { e.failGradientStep = 1 }, []string{"step 1", "the fake broke", "step 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, testSettings())
			e, src := newFakeEngine(), newFakeSource()
			c.spoil(e, src)
			err := r.Train(context.Background(), e, task.Split{Train: src}, Observer{})
			wantMessage(t, err, nil, append(c.parts, r.path(stateName))...)
		})
	}
}

func TestBatchWithoutTargetsChangesNothing(t *testing.T) {
	s := testSettings()
	s.Steps = 1
	r := newRun(t, s)
	src := newFakeSource()
	src.emptyAt = 0
	if err := r.Train(context.Background(), newFakeEngine(), task.Split{Train: src}, Observer{}); err != nil {
		t.Fatal(err)
	}
	o := outcomeOf(t, r.Dir())
	if o.step != 1 || o.updates != 0 || !sameBits(o.params, r.Model().Init(s.Seed)) || o.log[1] != "0\tnan\tnan\n" {
		t.Errorf("step %d, %d updates, log %q", o.step, o.updates, o.log)
	}
}

func TestLogAndProgress(t *testing.T) {
	r := newRun(t, testSettings())
	var seen []Progress
	var written []int64
	if err := r.Train(context.Background(), newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{
		Step:       func(p Progress) { seen = append(seen, p) },
		Checkpoint: func(step int64) { written = append(written, step) },
	}); err != nil {
		t.Fatal(err)
	}
	if want := []int64{2, 4, 6, 7}; !slices.Equal(written, want) {
		t.Errorf("checkpoints %v, want %v", written, want)
	}
	columns, err := report.ReadLog(r.path(logName))
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 7 || len(columns.Steps) != 7 {
		t.Fatalf("%d steps seen, %d logged", len(seen), len(columns.Steps))
	}
	for i, p := range seen {
		if p.Step != int64(i) || p.Steps != 7 || p.Loss != columns.Overall[i] || p.Relevant != columns.Relevant[i] ||
			!(p.Seconds >= 0) || !(p.Norm > 0) || math.IsNaN(p.Loss) {
			t.Errorf("step %d: %+v", i, p)
		}
	}
}

func TestCheckpointOnlyAtTheEnd(t *testing.T) {
	s := testSettings()
	s.CheckpointEvery = 0
	r := newRun(t, s)
	var written []int64
	if err := r.Train(context.Background(), newFakeEngine(), task.Split{Train: newFakeSource()}, Observer{
		Checkpoint: func(step int64) { written = append(written, step) },
	}); err != nil || !slices.Equal(written, []int64{7}) {
		t.Errorf("checkpoints %v, %v", written, err)
	}
}

func TestSteadyStateAllocatesLittle(t *testing.T) {
	s := testSettings()
	s.CheckpointEvery = 0
	count := func(steps int64) float64 {
		s.Steps = steps
		return testing.AllocsPerRun(1, func() {
			r := newRun(t, s)
			if err := trainFake(t, r); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := count(100), count(600)
	// The fake itself allocates a list of shapes in every batch and a plan in
	// every step; one more would be the loop's.
	if perStep := (many - few) / 500; perStep > 2.5 {
		t.Errorf("%.2f allocations a step", perStep)
	}
}
