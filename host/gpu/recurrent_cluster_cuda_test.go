//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// clustered is a device with clusters.
func clustered(t testing.TB) *cuda.Context {
	t.Helper()
	if s, ok := t.(interface{ Setenv(key, value string) }); ok {
		s.Setenv("MDLSTM_EMU_ARCH", "90")
	}
	c := gputest.Open(t)
	if !c.Device().Clusters {
		t.Skipf("%s has no clusters", c.Device().Name)
	}
	return c
}

// TestClusterBits: whatever the number of blocks, a cluster gives the bits of a
// sweep, and on 3 axes, where there is none, those of another number of blocks;
// and both agree with the reference. 16 units have 32 slots a turn, 17 have 16:
// wavefronts end within the share of the first block, of another, and in a second
// turn; some have fewer rows than there are blocks; samples are unequal, and some
// do not exist.
func TestClusterBits(t *testing.T) {
	c := clustered(t)
	k := newRecurrentKernels(t, c)
	for _, x := range []struct {
		axes, hidden int
		shapes       []grid.Shape
		often        bool // with -short too
	}{
		{2, 5, []grid.Shape{{1, 3}, {3, 4}, {9, 5}, {1, 1}}, true},
		{2, 16, []grid.Shape{{18, 17}, {4, 1}}, false},
		{2, 9, []grid.Shape{{33, 34}}, false},
		{2, 17, []grid.Shape{{17, 18}, {2, 3}}, false},
		{3, 6, []grid.Shape{{2, 3, 2}, {1, 1, 1}, {4, 5, 3}}, true},
		{3, 16, []grid.Shape{{7, 6, 8}}, false},
	} {
		for _, cell := range nn.Cells {
			if !x.often && (testing.Short() || cell != nn.CellLayerNorm && (cell != nn.CellGraves || x.axes == 2)) {
				continue // a cell that sums over rows is enough for the larger ones
			}
			t.Run(fmt.Sprintf("%s/D=%d/H=%d/%v", cell, x.axes, x.hidden, x.shapes[0]), func(t *testing.T) {
				directions, sizes := several(x.axes)[1:2], []int{1, 2, 8}
				if x.often {
					directions, sizes = several(x.axes)[:2], []int{1, 2, 4, 8}
				}
				truth := newTruth(t, recurrentCase{
					cell: cell, shapes: x.shapes, directions: directions, inputs: 1, hidden: x.hidden, forgetBias: 0.3, clip: 0.05,
					moreRows: 3, moreWavefronts: 1, moreSamples: 1,
				})
				var want map[string][]float32
				for _, blocks := range sizes {
					truth.kernels, truth.blocks = KernelsCluster, blocks
					if blocks == 1 {
						truth.kernels, truth.blocks = KernelsSweep, 0
						if x.axes > sweepMaxAxes {
							continue
						}
					}
					r := newRecurrentRun(t, c, k, truth)
					r.run()
					got := r.bits()
					if want == nil {
						want = got
						if x.often { // rounding grows along larger grids
							r.check()
						}
					}
					for name := range want {
						if !slices.Equal(got[name], want[name]) {
							t.Errorf("%d blocks: %s has other bits than %v", blocks, name, r.layer.Kernels())
						}
					}
				}
			})
		}
	}
}

// TestClusterOrders: neither the order of blocks and threads nor room that is not
// used changes a bit.
func TestClusterOrders(t *testing.T) {
	for _, cell := range []string{nn.CellLayerNorm, nn.CellGraves} {
		base := recurrentCase{cell: cell, shapes: []grid.Shape{{9, 10}, {2, 4}}, directions: []string{"+-"}, inputs: 1, hidden: 7, clip: 0.05,
			kernels: KernelsCluster, blocks: 4}
		roomy := base
		roomy.moreRows, roomy.moreWavefronts, roomy.moreSamples, roomy.moreWave = 300, 2, 3, 50
		var want map[string][]float32
		for seed, run := range []recurrentCase{base, base, roomy} {
			t.Run(fmt.Sprintf("%s/%d", cell, seed), func(t *testing.T) {
				t.Setenv("MDLSTM_EMU_SEED", fmt.Sprint(seed))
				c := clustered(t)
				r := newRecurrentRun(t, c, newRecurrentKernels(t, c), newTruth(t, run))
				r.run()
				got := r.bits()
				if want == nil {
					want = got
				}
				for name := range want {
					if !slices.Equal(got[name], want[name]) {
						t.Errorf("%s has other bits", name)
					}
				}
			})
		}
	}
}

// crossings counts, from the schedule alone, the values that one direction's
// sweep stores into other blocks: forward h and c of a row once for every other
// block that has a successor of it, backward the gradients of h and c of every
// predecessor that another block has.
func crossings(s *grid.Schedule, hidden, lanes, blocks int) (forward, backward int) {
	turn := sweepThreads / lanes
	own := turn / blocks
	owner := func(row int32) int {
		at := 0 // of the block of rows, sample by sample and wavefront by wavefront
		for at+1 < len(s.Start) && s.Start[at+1] <= row {
			at++
		}
		return int(row-s.Start[at]) % turn / own
	}
	for row := range int32(s.Rows) {
		others := map[int]bool{}
		for d := range s.Axes {
			if next := s.Succ[d][row]; int(next) < s.Rows && owner(next) != owner(row) {
				others[owner(next)] = true
			}
			if before := s.Pred[d][row]; int(before) < s.Rows && owner(before) != owner(row) {
				backward += 2 * lanes
			}
		}
		forward += 2 * lanes * len(others)
	}
	return forward, backward
}

// TestClusterCost: a launch a pass, no block barrier and one cluster barrier a
// wavefront, and nothing but border rows crosses.
func TestClusterCost(t *testing.T) {
	c := clustered(t)
	k := newRecurrentKernels(t, c)
	for _, x := range []struct {
		shape          grid.Shape
		hidden, blocks int
		most           int // rows that may cross a wavefront, forward
	}{
		{grid.Shape{32, 40}, 16, 2, 1},
		{grid.Shape{40, 32}, 16, 2, 1}, // the other side is longer
		{grid.Shape{32, 40}, 16, 4, 3},
		{grid.Shape{16, 20}, 20, 2, 1},
		{grid.Shape{33, 35}, 3, 2, 2}, // two turns: a border more
		{grid.Shape{3, 50}, 16, 2, 0}, // all in the first block
		{grid.Shape{4, 5, 6}, 16, 2, 32},
	} {
		for pass := range mostBarriers {
			if testing.Short() && x.shape[0] > 4 && x.hidden*x.blocks != 40 {
				continue // the counts of the others are the plain build's
			}
			t.Run(fmt.Sprintf("%v/%d blocks/%s", x.shape, x.blocks, pass), func(t *testing.T) {
				directions := []string{strings.Repeat("+", len(x.shape))}
				r := newRecurrentRun(t, c, k, newTruth(t, recurrentCase{
					cell: nn.CellStable, shapes: []grid.Shape{x.shape}, directions: directions, inputs: 1, hidden: x.hidden, clip: 1,
					kernels: KernelsCluster, blocks: x.blocks,
				}))
				before, after := countersOf(t, c, r, pass)
				forward, backward := crossings(r.sched, x.hidden, r.layer.sweep.lanes, x.blocks)
				want := forward
				if pass == "backward" {
					want = backward
				}
				waves := r.sched.Wavefronts
				if got := int(after.ClusterBytes - before.ClusterBytes); got != 4*want || forward > 2*r.layer.sweep.lanes*x.most*waves {
					t.Errorf("%d bytes to other blocks, want %d, at most %d rows a wavefront", got, 4*want, x.most)
				}
				if got := int(after.ClusterBarriers - before.ClusterBarriers); got != waves+1 {
					t.Errorf("%d cluster barriers, want %d: one a wavefront and one before", got, waves+1)
				}
				// Each block counts the wavefronts that there are, in turns of its threads.
				threads := sweepThreads / x.blocks
				if got := int(after.Barriers - before.Barriers); got != x.blocks*blocksOf(waves, threads) {
					t.Errorf("%d block barriers, want %d", got, x.blocks*blocksOf(waves, threads))
				}
				if launches := after.Launches - before.Launches; launches != 1 {
					t.Errorf("%d launches", launches)
				}
			})
		}
	}
}

// TestClusterRefused walks over the limits of the cluster kernels.
func TestClusterRefused(t *testing.T) {
	hopper := &cuda.Device{Name: "test", Capability: 90, Clusters: true, Multiprocessors: 132, SharedPerBlockOptin: 227 << 10}
	ada := *hopper
	ada.Capability, ada.Clusters = 89, false
	base := RecurrentShape{Cell: nn.CellStable, Axes: 2, Hidden: 16, Directions: 4, Rows: 131072, Wavefronts: 287, Samples: 16, Wave: 512,
		Kernels: KernelsCluster}
	for _, x := range []struct {
		name   string
		device *cuda.Device
		change func(*RecurrentShape)
		want   string
	}{
		{"as it is", hopper, func(*RecurrentShape) {}, ""},
		{"no clusters", &ada, func(*RecurrentShape) {}, "need compute capability 9.0 (Hopper) or newer, test has 8.9: choose sweep, wavefront or auto"},
		{"1 axis", hopper, func(s *RecurrentShape) { s.Axes = 1 }, "have 2 or 3 axes, the layer has 1"},
		{"3 axes", hopper, func(s *RecurrentShape) { s.Axes, s.Wavefronts = 3, 40 }, ""},
		{"4 axes", hopper, func(s *RecurrentShape) { s.Axes = 4 }, "have 2 or 3 axes, the layer has 4"},
		{"32 hidden units", hopper, func(s *RecurrentShape) { s.Hidden = 32 }, ""},
		{"33 hidden units", hopper, func(s *RecurrentShape) { s.Hidden = 33 }, "2 axes have at most 32 hidden units, the layer has 33"},
		{"3 axes, 17 hidden units", hopper, func(s *RecurrentShape) { s.Axes, s.Hidden = 3, 17 }, "3 axes have at most 16 hidden units, the layer has 17"},
		{"the most wavefronts", hopper, func(s *RecurrentShape) { s.Wavefronts, s.Wave = 800, 5000 }, ""},
		{"one more", hopper, func(s *RecurrentShape) { s.Wavefronts, s.Wave = 801, 5000 }, "of shared memory for 801 wavefronts of up to 401 rows a sample"},
		{"volumes of 16 a side", hopper, func(s *RecurrentShape) { s.Axes, s.Wavefronts, s.Wave = 3, 46, 5000 }, ""},
		{"one more", hopper, func(s *RecurrentShape) { s.Axes, s.Wavefronts, s.Wave = 3, 47, 5000 }, "of shared memory for 47 wavefronts of up to 267 rows a sample"},
		{"3 blocks", hopper, func(s *RecurrentShape) { s.Blocks = 3 }, "clusters of 3 blocks: want 2, 4 or 8"},
		{"8 blocks", hopper, func(s *RecurrentShape) { s.Blocks = 8 }, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := base
			x.change(&s)
			p, err := chooseKernels(&s, x.device)
			if x.want == "" && (err != nil || p.family != KernelsCluster) {
				t.Errorf("got %+v, %v", p, err)
			}
			if x.want != "" && (!errors.Is(err, ErrShape) || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// TestClusterModel holds the choice to the model, from both sides of every limit.
func TestClusterModel(t *testing.T) {
	for _, x := range []struct {
		name                              string
		cell                              string
		axes, hidden, samples, dirs, rows int
		blocks                            int
		pays                              bool // over a sweep where there is one, else over launches
	}{
		{"32x256", nn.CellStable, 2, 16, 16, 4, 32, 2, true},
		{"66 samples and directions", nn.CellStable, 2, 16, 33, 2, 32, 2, true},
		{"67 samples and directions", nn.CellStable, 2, 16, 67, 1, 32, 0, false},
		{"33 samples and directions", nn.CellStable, 2, 16, 33, 1, 32, 4, true},
		{"34 samples and directions", nn.CellStable, 2, 16, 34, 1, 32, 2, true},
		{"8 rows", nn.CellLayerNorm, 2, 16, 16, 1, 8, 2, false},
		{"16 rows, half of a turn", nn.CellPlain, 2, 16, 16, 1, 16, 4, true},
		{"16 rows with layer norm", nn.CellLayerNorm, 2, 16, 16, 1, 16, 4, false},
		{"32 rows with layer norm", nn.CellLayerNorm, 2, 16, 16, 1, 32, 4, true},
		{"32 hidden units", nn.CellPlain, 2, 32, 16, 2, 28, 4, true},
		{"volumes", nn.CellPlain, 3, 16, 8, 4, 192, 4, true},
		{"volumes of many rows", nn.CellLayerNorm, 3, 16, 8, 4, 256, 4, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := RecurrentShape{Cell: x.cell, Axes: x.axes, Hidden: x.hidden, Directions: x.dirs, Samples: x.samples}
			lanes := 16
			if x.hidden > 16 {
				lanes = 32
			}
			m := modelClusters(&s, lanes, x.rows, 132, x.axes == 2 && lanes == 16)
			if m.blocks != x.blocks || m.pays != x.pays {
				t.Errorf("got %+v, want %d blocks, pays %v", m, x.blocks, x.pays)
			}
		})
	}
}

// TestClusterCycles holds the table in kernels/README.md to the model: forward and
// backward together.
func TestClusterCycles(t *testing.T) {
	for _, x := range []struct {
		cell         string
		hidden, rows int
		want         [3]int // as a sweep, in clusters of 2 and 4
	}{
		{nn.CellStable, 16, 32, [3]int{1880 + 2600, 1200 + 1560, 780 + 1080}},
		{nn.CellLayerNorm, 16, 32, [3]int{2240 + 3440, 1380 + 1980, 1155 + 1480}},
		{nn.CellLayerNorm, 16, 8, [3]int{915 + 1240, 1155 + 1480, 1155 + 1480}},
		{nn.CellPlain, 32, 28, [3]int{4660 + 5920, 2920 + 3640, 1600 + 1960}},
	} {
		lanes := 16
		if x.hidden > 16 {
			lanes = 32
		}
		for i, blocks := range []int{1, 2, 4} {
			if got := sweepCycles(&RecurrentShape{Cell: x.cell, Axes: 2, Hidden: x.hidden}, lanes, blocks, x.rows); got != x.want[i] {
				t.Errorf("%s, %d hidden units, %d rows in %d blocks: %d cycles, want %d", x.cell, x.hidden, x.rows, blocks, got, x.want[i])
			}
		}
	}
}

// TestClusterChoice: each batch of a plan runs clusters where the model has them
// pay on the device, for its own samples, and gives the bits of a sweep; forced
// ones run whatever it says.
func TestClusterChoice(t *testing.T) {
	c := clustered(t)
	if c.Device().Multiprocessors != 4 {
		t.Skip("made for the emulator's 4 multiprocessors")
	}
	config := oneLayer(nn.CellGraves, 1, 3, "++")
	one, two, three := []grid.Shape{{17, 18}}, []grid.Shape{{17, 18}, {17, 18}}, []grid.Shape{{17, 18}, {3, 4}, {2, 2}}
	for i, k := range []struct {
		asked KernelFamily
		shape []grid.Shape
		want  string
	}{
		{KernelsAuto, one, "layers.0: cluster of 4 (a wavefront is less than a launch; modelled cycles of a wavefront of 17 rows a sample: "},
		{KernelsAuto, two, "layers.0: cluster of 2"},
		{KernelsAuto, three, "layers.0: sweep (a wavefront is less than a launch; clusters of 2 would be 6 blocks on 4 multiprocessors)"},
		{KernelsAuto, []grid.Shape{{2, 3}}, "layers.0: sweep (a wavefront is less than a launch; modelled cycles of a wavefront of 2 rows a sample: "},
		{KernelsCluster, three, "layers.0: cluster of 2 (asked for; clusters of 2 would be 6 blocks on 4 multiprocessors)"},
		{KernelsCluster, one, "layers.0: cluster of 4 (asked for"},
		{KernelsWavefront, one, "layers.0: wavefront (asked for)"},
	} {
		if testing.Short() && i > 0 && i != 3 {
			continue
		}
		e := newEngineOf(t, c, config, k.asked)
		b := randomBatch(t, e.model, 3, k.shape...)
		_, got := gradientsOf(t, e, planFor(t, e, engine.Capacity{Rows: 700, Wavefronts: 40, Samples: 3}, three...), b)
		if choices := strings.Join(e.Choices(), "; "); !strings.HasPrefix(choices, k.want) {
			t.Errorf("%q, %v: got %q, want %q", k.asked, k.shape, choices, k.want)
		}
		if k.asked == KernelsWavefront {
			continue
		}
		sweep := newEngineOf(t, c, config, KernelsSweep)
		if _, want := gradientsOf(t, sweep, planFor(t, sweep, engine.Capacity{}, k.shape...), b); !slices.Equal(got, want) {
			t.Errorf("%q, %v: other gradients than a sweep's", k.asked, k.shape)
		}
	}
}

// TestClusterRefusedLayer: the refusal names the layer.
func TestClusterRefusedLayer(t *testing.T) {
	e := newEngineOf(t, emulated(t), oneLayer(nn.CellGraves, 1, 3, "++"), KernelsCluster) // an sm_75
	_, err := e.Plan([]grid.Shape{{2, 2}}, engine.Capacity{})
	if !errors.Is(err, engine.ErrShape) || !strings.Contains(err.Error(), "layers.0: bad shape: cluster kernels need compute capability 9.0") {
		t.Errorf("got %v", err)
	}
}
