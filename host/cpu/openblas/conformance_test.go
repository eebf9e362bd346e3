package openblas_test

import (
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/nn"
)

func TestConformance(t *testing.T) {
	blas, name, ok := openblas.Implementation()
	if !ok {
		t.Skip("this build has no OpenBLAS: -tags openblas")
	}
	enginetest.Run(t, func(t testing.TB, m *nn.Model) engine.Engine {
		e, err := cpu.New(m, cpu.Options{BLAS: blas, BLASName: name})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
