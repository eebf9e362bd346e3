package cpu_test

import (
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/nn"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB, m *nn.Model) engine.Engine {
		e, err := cpu.New(m, cpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
