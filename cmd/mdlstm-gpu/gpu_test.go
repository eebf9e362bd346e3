package main

import (
	"errors"
	"testing"
	"time"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/train"
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

// TestSameKernels: a resumed run takes the kernels that it had, clusters only on
// a GPU that has them.
func TestSameKernels(t *testing.T) {
	hopper, ada := &cuda.Device{Clusters: true}, &cuda.Device{}
	of := func(names ...string) train.EngineInfo {
		i := train.EngineInfo{Settings: map[string]string{}}
		for n, name := range names {
			i.Settings[string(rune('0'+n))+" kernels"] = name
		}
		return i
	}
	for _, k := range []struct {
		ran    train.EngineInfo
		device *cuda.Device
		want   gpu.KernelFamily
	}{
		{of("wave_plain_forward"), ada, "wavefront"},
		{of("sweep_plain_forward_2_16", "sweep_plain_forward_1_16"), ada, "sweep"},
		{of("sweep_plain_forward_2_16", "wave_plain_forward"), ada, gpu.KernelsAuto},
		{of("cluster_plain_forward_2_16"), hopper, "cluster"},
		{of("cluster_plain_forward_2_16"), ada, gpu.KernelsAuto},
		{of("cluster_plain_forward_2_16"), nil, gpu.KernelsAuto},
		{of(), hopper, gpu.KernelsAuto},
	} {
		if got := sameKernels(k.ran, k.device); got != k.want {
			t.Errorf("%v on %+v: got %q, want %q", k.ran.Settings, k.device, got, k.want)
		}
	}
}
