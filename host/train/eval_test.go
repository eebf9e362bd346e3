package train

import (
	"context"
	"errors"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

func TestEvaluate(t *testing.T) {
	e, src := newFakeEngine(), newFakeSource()
	e.p[0] = 0.5
	var want engine.Loss
	for _, n := range []int64{-2, -1, 0} {
		one, err := Evaluate(context.Background(), e, src, n, 1)
		if err != nil || one.Loss.Weight != 3 || !(one.Loss.Sum > 0) {
			t.Fatalf("batch %d: %+v, %v", n, one, err)
		}
		want.Add(one.Loss)
	}
	got, err := Evaluate(context.Background(), e, src, -2, 3)
	if err != nil || got.Loss != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if e.updates != 0 || e.p[0] != 0.5 {
		t.Error("the model was changed")
	}
	if none, err := Evaluate(context.Background(), e, src, 0, 0); err != nil || none.Loss != (engine.Loss{}) {
		t.Errorf("no batches: %+v, %v", none, err)
	}
}

func TestEvaluateErrors(t *testing.T) {
	src := newFakeSource()
	src.failAt = 2
	_, err := Evaluate(context.Background(), newFakeEngine(), src, 0, 5)
	wantMessage(t, err, engine.ErrData, "batch 2", "line 7")
	src.nanAt = 1
	_, err = Evaluate(context.Background(), newFakeEngine(), src, 0, 5)
	wantMessage(t, err, engine.ErrData, "batch 1", "NaN")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Evaluate(ctx, newFakeEngine(), src, 0, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestPredict(t *testing.T) {
	e := newFakeEngine()
	e.p[0], e.p[1], e.p[2] = 7, 8, 9
	var batch engine.Batch
	if err := newFakeSource().Batch(-1, &batch); err != nil {
		t.Fatal(err)
	}
	out, loss, err := Predict(e, &batch)
	if err != nil || !sameBits(out, []float32{7, 8, 9}) || loss.Weight != 3 {
		t.Errorf("got %v, %+v, %v", out, loss, err)
	}
	batch.Samples[0] = nil
	_, _, err = Predict(e, &batch)
	wantMessage(t, err, nil, "axes")
}

// refusingEngine has no memory.
type refusingEngine struct{ *fakeEngine }

func (refusingEngine) Plan([]grid.Shape, engine.Capacity) (engine.Plan, error) {
	return nil, engine.ErrMemory
}

// brokenSource must not be asked for data.
type brokenSource struct{ *fakeSource }

func (brokenSource) Batch(int64, *engine.Batch) error { return errors.New("data were made") }

func TestEvaluateAsksForMemoryBeforeData(t *testing.T) {
	_, err := Evaluate(t.Context(), refusingEngine{newFakeEngine()}, brokenSource{newFakeSource()}, 0, 1)
	if !errors.Is(err, engine.ErrMemory) {
		t.Errorf("got %v, want %v", err, engine.ErrMemory)
	}
}

// predictingEngine makes no plan that could train.
type predictingEngine struct{ *fakeEngine }

func (e predictingEngine) Plan(samples []grid.Shape, c engine.Capacity) (engine.Plan, error) {
	if !c.Predict {
		return nil, errors.New("asked for a plan to train with")
	}
	return e.fakeEngine.Plan(samples, c)
}

// TestEvaluateOnlyPredicts: validation samples may be larger than those that fit
// into memory with all that a backward pass needs.
func TestEvaluateOnlyPredicts(t *testing.T) {
	e, src := predictingEngine{newFakeEngine()}, newFakeSource()
	if _, err := Evaluate(t.Context(), e, src, 0, 2); err != nil {
		t.Error(err)
	}
	var batch engine.Batch
	if err := src.Batch(0, &batch); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Predict(e, &batch); err != nil {
		t.Error(err)
	}
}
