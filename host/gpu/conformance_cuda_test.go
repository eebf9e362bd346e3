//go:build cuda

package gpu_test

import (
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB, m *nn.Model) engine.Engine {
		e, err := gpu.New(m, gpu.Options{Context: gputest.Open(t)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
