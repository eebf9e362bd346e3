package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/report"
)

// logged are the lines that eventLines must give for a run's logs.
func logged(t *testing.T, r *Run, pictures []int64) []string {
	t.Helper()
	log, err := report.ReadLog(r.path(logName))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	say := func(tag string, step int64, value float64) {
		if !math.IsNaN(value) {
			lines = append(lines, fmt.Sprintf("%s %d %v", tag, step, float32(value)))
		}
	}
	settings := r.Settings()
	for i, step := range log.Steps {
		say(tagOverall, step, log.Overall[i])
		say(tagRelevant, step, log.Relevant[i])
		say(tagRate, step, settings.RateAt(step))
		say(tagSeconds, step, 0)
	}
	if r.Validates() {
		valid, err := report.ReadValidLog(r.path(validName))
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range valid.Steps {
			say(tagValidLoss, step, valid.Loss[i])
			say(tagValidError, step, valid.Error[i])
			say(tagLabelError, step, valid.LabelError[i])
		}
	}
	if pictures != nil {
		lines = append(lines, fmt.Sprintf("%s %v", tagPicture, pictures))
	}
	slices.Sort(lines)
	return lines
}

// eventRun trains with event files and validation.
func eventRun(t *testing.T, s Settings) *Run {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), "run"), startFor(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Picture: fakePicture}); err != nil {
		t.Fatal(err)
	}
	return r
}

func wantEvents(t *testing.T, r *Run, pictures ...int64) {
	t.Helper()
	if got, want := eventLines(t, r.Dir()), logged(t, r, pictures); !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEventsAreTheLogs(t *testing.T) {
	s := killedSettings()
	s.Schedule.Warmup = 3
	wantEvents(t, eventRun(t, s), 0, 2, 4, 6, 7)
	s.ValidEvery = 0
	wantEvents(t, eventRun(t, s), 0, 7)
}

// TestEventsOfTheStepsSoFar: a run that begins to tell TensorBoard later tells
// all that the logs have.
func TestEventsOfTheStepsSoFar(t *testing.T) {
	s := killedSettings()
	s.TensorBoard = false
	r := eventRun(t, s)
	if _, err := os.Stat(r.path(eventsName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("events without being asked for: %v", err)
	}
	steps, yes := s.Steps+4, true
	again := reopen(t, r, Changes{Steps: &steps, TensorBoard: &yes})
	if err := again.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Picture: fakePicture}); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, again, 7, 8, 10, 11)

	// It is a setting of the run from then on.
	steps += 2
	third := reopen(t, again, Changes{Steps: &steps})
	if err := third.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Picture: fakePicture}); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, third, 7, 8, 10, 11, 12, 13)

	// A run that is done has them written from its logs, once.
	if err := os.RemoveAll(third.path(eventsName)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := third.WriteEvents(); err != nil {
			t.Fatal(err)
		}
		wantEvents(t, third)
	}
}

// TestNoRateOfAnotherCurve: what the rate was before a cosine was stretched is
// not known.
func TestNoRateOfAnotherCurve(t *testing.T) {
	s := testSettings()
	s.Schedule = Schedule{Kind: ScheduleCosine}
	r := eventRun(t, s)
	if err := r.WriteEvents(); err != nil {
		t.Fatal(err)
	}
	if lines := eventLines(t, r.Dir()); len(lines) == 0 || strings.Contains(strings.Join(lines, "\n"), tagRate) {
		t.Errorf("events %v", lines)
	}
}

func TestEventErrors(t *testing.T) {
	s := killedSettings()
	r, err := Create(filepath.Join(t.TempDir(), "run"), startFor(s))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	broken := errors.New("no paint")
	err = r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Picture: func(int64) ([]byte, error) { return nil, broken }})
	wantMessage(t, err, broken, "picture after step 0", "checkpoint of step 0", stateName)

	if err := os.RemoveAll(r.path(eventsName)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path(eventsName), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	err = r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{})
	wantMessage(t, err, nil, r.path(eventsName))
}
