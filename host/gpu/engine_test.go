//go:build !cuda

package gpu

import (
	"errors"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// TestWithoutCUDA: a binary that knows no CUDA says so and computes nothing.
func TestWithoutCUDA(t *testing.T) {
	m, err := nn.New(nn.Config{Input: 1, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(m, Options{})
	if e != nil || !errors.Is(err, cuda.ErrNoDevice) {
		t.Errorf("got %v, %v, want an error that wraps ErrNoDevice", e, err)
	}
}
