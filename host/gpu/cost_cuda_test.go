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
		waves   = 15 // of 8×8
		forward = 4  // input projection, head, loss, sums to the host
		// backward: head's outer product and input gradient, the layer's outer product, reduction
		backward = 4
		update   = 5 // a copy of scalars, norm, optimizer, packing, result
	)
	for _, k := range []struct {
		name   string
		config nn.Config
		nodes  int    // besides those
		upload uint64 // bytes: x, y, and small tables that lie between them
	}{
		{"layernorm", oneLayer(nn.CellLayerNorm, 1, 16, "++"), 0, 5404},
		{"plain", oneLayer(nn.CellPlain, 1, 16, "++"), 0, 5404},
		{"plain, all directions", oneLayer(nn.CellPlain, 1, 16, "++", "+-", "-+", "--"), 0, 6940},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Setenv("MDLSTM_SYNC", "0")
			c := emulated(t)
			m, err := nn.New(k.config)
			if err != nil {
				t.Fatal(err)
			}
			e, err := New(m, Options{Context: c, Kernels: KernelsWavefront})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
			b := randomBatch(t, m, 1, grid.Shape{8, 8}, grid.Shape{8, 8})
			p := planFor(t, e, engine.Capacity{}, b.Samples...)
			step := func() {
				if _, err := p.Load(b); err != nil {
					t.Fatal(err)
				}
				if _, err := p.Gradients(engine.Pass{}); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01}); err != nil {
					t.Fatal(err)
				}
			}
			step()
			step() // the other slot
			before, _ := c.Counters()
			step()
			after, _ := c.Counters()
			got := cuda.Counters{
				Launches:      after.Launches - before.Launches,
				GraphLaunches: after.GraphLaunches - before.GraphLaunches,
				GraphNodes:    after.GraphNodes - before.GraphNodes,
				Waits:         after.Waits - before.Waits,
				UploadBytes:   after.UploadBytes - before.UploadBytes,
				DownloadBytes: after.DownloadBytes - before.DownloadBytes,
			}
			nodes := 2*waves + forward + backward + update + k.nodes
			const copies = 1 + 1 + 1 // loss to the host; scalars; result
			want := cuda.Counters{
				Launches: uint64(nodes - copies), GraphLaunches: 3, GraphNodes: uint64(nodes), // forward, backward, update
				Waits:       3,                                        // for the slot, the loss, the result
				UploadBytes: k.upload, DownloadBytes: 4 * (1 + 1 + 2), // sums of loss and relevant loss; norm, finite
			}
			if got != want {
				t.Errorf("a step: got %+v, want %+v", got, want)
			}
		})
	}
}
