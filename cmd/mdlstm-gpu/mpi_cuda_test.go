//go:build mpi && cuda && cgo && linux

package main

import (
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/dist"
)

// TestMPIGPU: ranks whose gradients lie on a GPU, through pinned memory and
// straight from the device, come to the same bits, near those of one rank.
func TestMPIGPU(t *testing.T) {
	if !device(t).Emulated {
		t.Skip("it is for the emulator, whose memory MPI can read")
	}
	t.Chdir(t.TempDir())
	flags := []string{"train", "--distributed", "--device", "gpu", "--size", "5x5", "--batch", "6", "--cell", "stable", "--hidden", "4", "--steps", "12", "--out"}
	must(t, append(slices.Clone(flags), "1")...)
	for _, direct := range []string{"0", "1"} {
		t.Setenv("MDLSTM_MPI_DEVICE", direct)
		mustOnRanks(t, 2, append(slices.Clone(flags), "2-"+direct)...)
		sameLosses(t, "2 ranks", "2-"+direct, "1")
	}
	if read(t, "2-0", modelFile) != read(t, "2-1", modelFile) {
		t.Error("the way of the gradients changes bits")
	}
	// The GPUs of a node in turn: rank 1 takes the second, which the emulator
	// lists but cannot open.
	t.Setenv("MDLSTM_EMU_DEVICES", "2")
	r := onRanks(t, 2, append(slices.Clone(flags), "3")...)
	if want := "rank 1 of 2 on " + dist.Hostname() + ": open device 1"; r.code != exitFailed || !strings.Contains(r.err, want) {
		t.Errorf("exit code %d: %s, want %q", r.code, r.err, want)
	}
}
