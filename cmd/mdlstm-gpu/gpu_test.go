package main

import (
	"errors"
	"testing"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// slowEngine takes a while for a plan, as a driver that compiles does.
type slowEngine struct {
	engine.Engine
	fails bool
}

func (e slowEngine) Plan([]grid.Shape, engine.Capacity) (engine.Plan, error) {
	time.Sleep(time.Millisecond)
	if e.fails {
		return nil, errors.New("no memory")
	}
	return nil, nil
}

// TestStarting: the time of making the engine and of the first plan that works
// is told once.
func TestStarting(t *testing.T) {
	var told []time.Duration
	e := starting{Engine: slowEngine{fails: true}, took: time.Hour, say: func(took time.Duration) { told = append(told, took) }}
	plan := func() error {
		_, err := e.Plan(nil, engine.Capacity{})
		return err
	}
	if err := plan(); err == nil || len(told) != 0 {
		t.Errorf("a plan that fails: error %v, told %v", err, told)
	}
	e.Engine = slowEngine{}
	for range 2 {
		if err := plan(); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 || told[0] < time.Hour+time.Millisecond {
		t.Errorf("told %v, want once, an hour and the plan's millisecond", told)
	}
}
