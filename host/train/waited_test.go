package train

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
)

// slowSource takes its time for each batch.
type slowSource struct {
	*fakeSource
	takes time.Duration
}

func (s slowSource) Batch(t int64, b *engine.Batch) error {
	time.Sleep(s.takes)
	return s.fakeSource.Batch(t, b)
}

func (s slowSource) BatchPart(t int64, _ task.Part, b *engine.Batch) error { return s.Batch(t, b) }

func (s slowSource) Fork() task.Divisible { return s }

// slowEngine takes its time for each update.
type slowEngine struct {
	*fakeEngine
	takes time.Duration
}

func (e slowEngine) Update(u engine.Update) (engine.UpdateResult, error) {
	time.Sleep(e.takes)
	return e.fakeEngine.Update(u)
}

// TestWaitedForData: on a clock that only sleeps move, a step says how long it
// waited for its data, apart from the seconds that it took. Enough workers leave
// only the wait for the first batch, and change no loss.
func TestWaitedForData(t *testing.T) {
	var losses []float64
	for _, test := range []struct {
		workers int
		takes   time.Duration // a batch
		want    []float64     // seconds that each step waited
	}{
		// The next batch is begun as soon as the one before is there.
		{0, 3 * time.Second, []float64{3, 2, 2, 2, 2, 2, 2}},
		{1, 3 * time.Second, []float64{3, 2, 2, 2, 2, 2, 2}},
		{2, 3 * time.Second, []float64{3, 0, 1, 0, 1, 0, 1}},
		{3, 3 * time.Second, []float64{3, 0, 0, 0, 0, 0, 0}},
		{1, time.Second, []float64{1, 0, 0, 0, 0, 0, 0}},
		{1, 0, []float64{0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(fmt.Sprintf("workers=%d/batch=%v", test.workers, test.takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRun(t, testSettings())
				defer r.Close()
				r.Workers = test.workers
				var waited, seconds, got []float64
				err := r.Train(context.Background(), slowEngine{newFakeEngine(), time.Second},
					task.Split{Train: slowSource{newFakeSource(), test.takes}}, Observer{Step: func(p Progress) {
						waited, seconds, got = append(waited, p.Waited), append(seconds, p.Seconds), append(got, p.Loss)
					}})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(waited, test.want) {
					t.Errorf("steps waited %v seconds, want %v", waited, test.want)
				}
				want := slices.Repeat([]float64{1}, len(test.want))
				if !slices.Equal(seconds, want) {
					t.Errorf("steps took %v seconds, want %v", seconds, want)
				}
				log, err := report.ReadLog(r.path(logName))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(log.Seconds, want) {
					t.Errorf("steps took %v seconds in the log, want %v", log.Seconds, want)
				}
				if losses == nil {
					losses = got
				}
				if !slices.Equal(got, losses) {
					t.Errorf("losses %v, want %v", got, losses)
				}
			})
		})
	}
}

// TestEvaluateMakesBatchesAhead: while a batch is measured the next one is made.
func TestEvaluateMakesBatchesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := EvaluateEach(t.Context(), newFakeEngine(), slowSource{newFakeSource(), time.Second}, 0, 4,
			func(Answer) { time.Sleep(time.Second) })
		if took := time.Since(began); err != nil || took != 5*time.Second {
			t.Errorf("took %v (error %v), want 5 s: one for the first batch, four to measure", took, err)
		}
	})
}
