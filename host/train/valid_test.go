package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
)

func TestBetter(t *testing.T) {
	nan := math.NaN()
	line := func(loss, cells, labels float64) report.ValidLine {
		return report.ValidLine{Loss: loss, Error: cells, LabelError: labels}
	}
	for _, c := range []struct {
		name string
		a, b report.ValidLine
		want bool
	}{
		{"less loss", line(1, nan, nan), line(2, nan, nan), true},
		{"more loss", line(2, nan, nan), line(1, nan, nan), false},
		{"the same", line(1, nan, nan), line(1, nan, nan), false},
		{"cells count more than the loss", line(2, 0.1, nan), line(1, 0.2, nan), true},
		{"labels count more than cells", line(1, 0.1, 0.3), line(1, 0.2, 0.2), false},
		{"a tie", line(1, 0.2, nan), line(2, 0.2, nan), true},
		{"a tie lost", line(2, 0.2, nan), line(1, 0.2, nan), false},
		{"anything is better than NaN", line(9, nan, nan), line(nan, nan, nan), true},
		{"NaN is better than nothing", line(nan, nan, nan), line(9, nan, nan), false},
		{"NaN twice", line(nan, nan, nan), line(nan, nan, nan), false},
	} {
		if got := Better(c.a, c.b); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

func TestBestOfColumns(t *testing.T) {
	var c report.ValidColumns
	if best, stale := Best(c); best != -1 || stale != 0 {
		t.Errorf("of none: %d, %d", best, stale)
	}
	for i, loss := range []float64{3, 1, 2, 1, 5} {
		c.Append(report.ValidLine{Step: int64(i), Loss: loss, Error: math.NaN(), LabelError: math.NaN()})
	}
	if best, stale := Best(c); best != 1 || stale != 3 {
		t.Errorf("best %d, %d after it, want 1, 3", best, stale)
	}
}

// validRun trains with validation and returns the run and what the observer saw.
func validRun(t *testing.T, s Settings, data task.Split) (*Run, []report.ValidLine, error) {
	t.Helper()
	start := testStart(s)
	start.Validates = true
	r, err := Create(filepath.Join(t.TempDir(), "run"), start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	var seen []report.ValidLine
	err = r.Train(context.Background(), newFakeEngine(), data, Observer{Valid: func(v report.ValidLine, _ bool) { seen = append(seen, v) }})
	return r, seen, err
}

func TestValidationSteps(t *testing.T) {
	for _, c := range []struct {
		name         string
		every, epoch int64
		want         []int64
	}{
		{"every 2", 2, 0, []int64{2, 4, 6, 7}},
		{"every 3 whatever the epoch", 3, 2, []int64{3, 6, 7}},
		{"once an epoch", 0, 3, []int64{3, 6, 7}},
		{"no epochs: at the end", 0, 0, []int64{7}},
		{"the end is due anyway", 7, 0, []int64{7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSettings()
			s.ValidEvery = c.every
			source := newFakeSource()
			source.steps = c.epoch
			r, seen, err := validRun(t, s, task.Split{Train: source, Valid: newFakeValid()})
			if err != nil {
				t.Fatal(err)
			}
			written, err := report.ReadValidLog(r.path(validName))
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, v := range seen {
				got = append(got, v.Step)
			}
			if !slices.Equal(got, c.want) || !slices.Equal(written.Steps, c.want) {
				t.Errorf("seen %v, written %v, want %v", got, written.Steps, c.want)
			}
		})
	}
}

// TestBestModelIsKept: best.safetensors is the model of the best line of
// valid.tsv, and not always the last one.
func TestBestModelIsKept(t *testing.T) {
	s := testSettings()
	s.ValidEvery, s.Steps, s.LR = 1, 12, 0.9
	data := task.Split{Train: newFakeSource(), Valid: newFakeValid()}
	r, seen, err := validRun(t, s, data)
	if err != nil {
		t.Fatal(err)
	}
	best, ok := r.Best()
	if !ok || best.Step == s.Steps || best.Step == 1 {
		t.Fatalf("the best is step %d of %+v: another seed or rate", best.Step, seen)
	}
	for _, v := range seen {
		if Better(v, best) {
			t.Errorf("step %d with loss %v is better than %v", v.Step, v.Loss, best.Loss)
		}
	}
	_, params, err := nn.LoadModel(r.path(bestName))
	if err != nil {
		t.Fatal(err)
	}
	s.Steps = best.Step
	if want := uninterrupted(t, s); !sameBits(params, want.params) || !sameBits(r.BestParams(), want.params) {
		t.Errorf("best.safetensors is not the model of step %d", best.Step)
	}
	e := newFakeEngine()
	if err := e.SetParameters(params); err != nil {
		t.Fatal(err)
	}
	score, err := Evaluate(context.Background(), e, data.Valid, 0, 2)
	if err != nil || score.Loss.Sum/score.Loss.Weight != best.Loss {
		t.Errorf("the best model has the loss %v, error %v, want %v", score.Loss.Sum/score.Loss.Weight, err, best.Loss)
	}
}

func TestBestModelIsRestored(t *testing.T) {
	s := killedSettings()
	r, _, err := validRun(t, s, dataFor(s))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(r.path(bestName))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(string) error{
		"missing": os.Remove,
		"of another step": func(path string) error {
			other := append([]float32(nil), r.BestParams()...)
			other[0]++
			return nn.SaveModel(path, r.Model(), other)
		},
	} {
		if err := damage(r.path(bestName)); err != nil {
			t.Fatal(err)
		}
		r = reopen(t, r, Changes{})
		if got, err := os.ReadFile(r.path(bestName)); err != nil || string(got) != string(want) {
			t.Errorf("%s: it was not written anew, error %v", name, err)
		}
	}
}

func TestPatience(t *testing.T) {
	s := testSettings()
	s.ValidEvery, s.Steps, s.LR, s.Patience, s.CheckpointEvery = 1, 200, 0.9, 3, 0
	data := task.Split{Train: newFakeSource(), Valid: newFakeValid()}
	r, seen, err := validRun(t, s, data)
	if err != nil {
		t.Fatal(err)
	}
	best, _ := r.Best()
	if !r.StoppedEarly() || !r.Done() || r.Step() != best.Step+3 || int64(len(seen)) != r.Step() || r.Step() == s.Steps {
		t.Fatalf("stopped %t after %d steps, %d validations, best at %d", r.StoppedEarly(), r.Step(), len(seen), best.Step)
	}
	again := reopen(t, r, Changes{})
	wantMessage(t, trainFakeOn(again, data), ErrNothingToDo, "stopped after", "--patience")

	more := int64(300)
	again = reopen(t, again, Changes{Steps: &more})
	wantMessage(t, trainFakeOn(again, data), ErrNothingToDo, "--patience")

	// With more patience the run goes on as one that always had it.
	steps, patience := r.Step()+2, int64(100)
	again = reopen(t, again, Changes{Steps: &steps, Patience: &patience})
	if err := trainFakeOn(again, data); err != nil {
		t.Fatal(err)
	}
	s.Steps, s.Patience = steps, patience
	if d := outcomeOf(t, again.Dir()).differs(uninterrupted(t, s)); d != "" {
		t.Error(d)
	}
}

func trainFakeOn(r *Run, data task.Split) error {
	return r.Train(context.Background(), newFakeEngine(), data, Observer{Picture: fakePicture})
}

// stoppingSource ends a context while batch 1 of it is made for the n-th time.
type stoppingSource struct {
	*fakeSource
	stop context.CancelFunc
	n    int
}

func (s *stoppingSource) Batch(t int64, b *engine.Batch) error {
	if t == 0 {
		if s.n--; s.n == 0 {
			s.stop()
		}
	}
	return s.fakeSource.Batch(t, b)
}

// TestInterruptedValidation: the validation of a step that was interrupted is
// made first when the run goes on, also after the last step.
func TestInterruptedValidation(t *testing.T) {
	s := killedSettings()
	want := uninterrupted(t, s)
	for n := 1; n <= 4; n++ {
		start := startFor(s)
		r, err := Create(filepath.Join(t.TempDir(), "run"), start)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		data := dataFor(s)
		data.Valid = &stoppingSource{newFakeValid(), cancel, n}
		wantMessage(t, r.Train(ctx, newFakeEngine(), data, Observer{Picture: fakePicture}), ErrInterrupted, "--resume")
		cancel()
		r = reopen(t, r, Changes{})
		if r.Done() {
			t.Errorf("%d: the run is done, but its validation is not", n)
		}
		if err := trainFakeOn(r, dataFor(s)); err != nil {
			t.Fatal(err)
		}
		if d := outcomeOf(t, r.Dir()).differs(want); d != "" {
			t.Errorf("%d: %s", n, d)
		}
	}
}

func TestValidationRefuses(t *testing.T) {
	s := killedSettings()
	failing := newFakeValid()
	failing.failAt = 1
	other := newFakeValid()
	other.hash = "bb22"
	for name, c := range map[string]struct {
		data     task.Split
		sentinel error
		parts    []string
	}{
		"no data":        {task.Split{Train: newFakeSource()}, nil, []string{"validation data"}},
		"no end":         {task.Split{Train: newFakeSource(), Valid: newFakeSource()}, nil, []string{"without an end"}},
		"a bad batch":    {task.Split{Train: newFakeSource(), Valid: failing}, engine.ErrData, []string{"validation after step 2", "line 7 of x.npy", "step 0"}},
		"other contents": {task.Split{Train: newFakeSource(), Valid: other}, ErrDataChanged, []string{"aa11"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := validRun(t, s, c.data)
			wantMessage(t, err, c.sentinel, c.parts...)
		})
	}
	if err := trainFakeOn(newRun(t, testSettings()), task.Split{Train: newFakeSource(), Valid: newFakeValid()}); err != nil {
		t.Errorf("a run from before there was validation: %v", err)
	}
}

func TestValidStateIsTheContract(t *testing.T) {
	s := testState(t)
	s.valid = &validState{bytes: 77, last: 5, stale: 2, best: report.ValidLine{Step: 3, Loss: 0.5, Error: math.NaN(), LabelError: 0.25},
		params: slices.Clone(s.v)}
	path := filepath.Join(t.TempDir(), stateName)
	if err := (osFiles{}).Write(path, s.encode); err != nil {
		t.Fatal(err)
	}
	got, err := loadState(path)
	if err != nil {
		t.Fatal(err)
	}
	v := got.valid
	if v == nil || v.bytes != 77 || v.last != 5 || v.stale != 2 || v.best.Step != 3 || v.best.Loss != 0.5 || !math.IsNaN(v.best.Error) ||
		v.best.LabelError != 0.25 || !sameBits(v.params, s.v) {
		t.Errorf("got %+v", v)
	}
	for key, bad := range map[string]string{keyValidBytes: "x", keyStale: "-1", keyBestLoss: "low", keyBestStep: "1.5"} {
		meta := map[string]string{}
		s.valid.encode(meta)
		meta[key] = bad
		if _, err := decodeValid(meta); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s %q: error %v", key, bad, err)
		}
	}
	s.valid.params[1] = float32(math.Inf(1))
	if got, want := s.nonFinite(), "parameter best."; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOldRunsOpen: what a run without the newer settings has on disk is what it
// had before there were any.
func TestOldRunsOpen(t *testing.T) {
	settings, err := json.Marshal(testSettings())
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	testState(t).valid.encode(meta)
	for _, key := range []string{"accumulate", "schedule", "valid_every", "patience"} {
		if strings.Contains(string(settings), key) {
			t.Errorf("settings hold %q: %s", key, settings)
		}
	}
	if len(meta) != 0 {
		t.Errorf("the state holds %v", meta)
	}
	if s, err := ParseSettings(settings); err != nil || s.RateAt(3) != s.LR || s.batches() != 1 {
		t.Errorf("rate %v, %d batches, error %v", s.RateAt(3), s.batches(), err)
	}
}
