//go:build cuda

package gpu

import (
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// TestCost: what a training step asks of the driver, exactly: a launch more, a
// copy more or a wait more is a regression of kernels/README.md's model.
func TestCost(t *testing.T) {
	const (
		waves    = 15 // of 8×8
		forward  = 2  // input projection, head with loss
		backward = 2  // outer product, reduction
		update   = 1  // norm and optimizer of few parameters
		mark     = 1  // the loss is known: a node, no launch
	)
	large := oneLayer(nn.CellPlain, 1, 16, "++")
	large.Head.Units = 100
	for _, k := range []struct {
		name     string
		config   nn.Config
		kernels  KernelFamily
		launches int    // of forward, backward and update
		upload   uint64 // bytes: x, y, scalars, and small tables that lie between
	}{
		{"the seed's", oneLayer(nn.CellLayerNorm, 1, 16, "++"), KernelsAuto, 2 + forward + backward + update, 5404},
		{"layernorm", oneLayer(nn.CellLayerNorm, 1, 16, "++"), KernelsWavefront, 2*waves + forward + backward + update, 5404},
		{"plain", oneLayer(nn.CellPlain, 1, 16, "++"), KernelsWavefront, 2*waves + forward + backward + update, 5404},
		// too many parameters for an update of one launch
		{"plain, all directions", oneLayer(nn.CellPlain, 1, 16, "++", "+-", "-+", "--"), KernelsAuto, 2 + forward + backward + update + 1, 6940},
		// the head's loss, outer product and input gradient by themselves
		{"large head", large, KernelsAuto, 2 + forward + 3 + backward + update, 56092},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Setenv("MDLSTM_SYNC", "0")
			c := emulated(t)
			e := newEngineOf(t, c, k.config, k.kernels)
			b := randomBatch(t, e.model, 1, grid.Shape{8, 8}, grid.Shape{8, 8})
			p := planFor(t, e, engine.Capacity{}, b.Samples...)
			work := func() {
				if err := step(e, p, b); err != nil {
					t.Fatal(err)
				}
			}
			work()
			work() // the other slot
			before, _ := c.Counters()
			work()
			after, _ := c.Counters()
			got := cuda.Counters{
				Launches:      after.Launches - before.Launches,
				GraphLaunches: after.GraphLaunches - before.GraphLaunches,
				GraphNodes:    after.GraphNodes - before.GraphNodes,
				Waits:         after.Waits - before.Waits,
				UploadBytes:   after.UploadBytes - before.UploadBytes,
				DownloadBytes: after.DownloadBytes - before.DownloadBytes,
			}
			want := cuda.Counters{
				Launches: uint64(k.launches), GraphLaunches: 2, GraphNodes: uint64(k.launches + mark), // gradients, update
				Waits:       3,                              // for the batch before, the loss, the result
				UploadBytes: k.upload, DownloadBytes: 4 * 2, // norm, finite; the loss needs no copy
			}
			if got != want {
				t.Errorf("a step: got %+v, want %+v", got, want)
			}
		})
	}
}
