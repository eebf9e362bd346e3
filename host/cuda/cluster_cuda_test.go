//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// TestClusterMemory: blocks of a cluster reach each other's shared memory, in
// clusters of any size and form.
func TestClusterMemory(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90")
	c := gputest.Open(t)
	if !c.Device().Clusters {
		t.Skipf("%s has no clusters", c.Device().Name)
	}
	b := newBenchOf(t, c, "clusters.90.ptx")
	for _, k := range []struct {
		blocks, cluster int
		threads         int
	}{{1, 1, 32}, {2, 2, 64}, {6, 2, 33}, {8, 4, 64}, {16, 8, 1}} {
		y := gputest.New(t, c, "y", gputest.NaNs(2*k.blocks*k.threads))
		before, counted := c.Counters()
		must(t, b.function("right_cluster", "p").LaunchCluster(b.s, cuda.Dim{X: k.blocks}, cuda.Dim{X: k.threads}, cuda.Dim{X: k.cluster},
			4*k.threads, y.Argument()))
		got := y.Values()
		after, _ := c.Counters()
		for i := range k.blocks * k.threads {
			block, thread := i/k.threads, i%k.threads
			sender := float32(100*((block+k.cluster-1)%k.cluster) + thread)
			if got[i] != sender || got[k.blocks*k.threads+i] != float32(100*(block%k.cluster)+thread) {
				t.Fatalf("%+v, block %d, thread %d: got %v and %v", k, block, thread, got[i], got[k.blocks*k.threads+i])
			}
		}
		if !counted {
			continue
		}
		barriers, bytes := after.ClusterBarriers-before.ClusterBarriers, after.ClusterBytes-before.ClusterBytes
		wantBytes := uint64(8 * k.blocks * k.threads) // one store and one load a thread
		if k.cluster == 1 {
			wantBytes = 0 // a block alone has only its own
		}
		if barriers != 3*uint64(k.blocks/k.cluster) || bytes != wantBytes {
			t.Errorf("%+v: %d barriers, %d bytes of other blocks, want %d, %d", k, barriers, bytes, 3*k.blocks/k.cluster, wantBytes)
		}
	}
}

// TestClusterFaults: wrong use of a cluster ends the launch and names kernel,
// block and thread, in every order of blocks.
func TestClusterFaults(t *testing.T) {
	for _, k := range []struct {
		kernel, want string
		build        string // the emulator's build that sees it; "" all of them
	}{
		{"fault_cluster_exit", "block (0,0,0): waits at the cluster barrier, and block (1,0,0) of its cluster has returned", ""},
		{"fault_cluster_mixed", "61 of 64 threads wait at __syncthreads, 0 have returned, 0 wait for lanes that never come, 3 wait at the cluster barrier", ""},
		{"fault_cluster_rank", "block 2 of a cluster of 2", ""},
		{"fault_cluster_shared", "thread 63: stores 4 bytes at byte 256 of 256 bytes of shared memory of block 0 of its cluster", ""},
		{"fault_cluster_early", "bytes of shared memory of block 1 of its cluster before the first cluster barrier: it may not have begun", ""},
		{"fault_cluster_gone", "has returned", ""},
		{"fault_cluster_wait", "waits at the cluster barrier before it has arrived", ""},
		{"fault_cluster_race", "of its cluster stored with no cluster barrier between|of its cluster loaded with no cluster barrier between", "checking"},
		{"fault_cluster_late", "of block 0 of its cluster stored with no cluster barrier between|of its cluster loaded with no cluster barrier between", "checking"},
	} {
		for seed := range 3 {
			t.Run(fmt.Sprintf("%s/seed %d", k.kernel, seed), func(t *testing.T) {
				t.Setenv("MDLSTM_EMU_ARCH", "90")
				t.Setenv("MDLSTM_EMU_SEED", fmt.Sprint(seed))
				c := emulated(t)
				if k.build != "" && !build(c, k.build) {
					t.Skipf("%s does not look for this, the %s build does", c.Device().Name, k.build)
				}
				b := newBenchOf(t, c, "clusters.90.ptx")
				m, err := c.Alloc("y", 4*faultThreads)
				must(t, err)
				err = b.function(k.kernel, "p").LaunchCluster(b.s, cuda.Dim{X: 2}, cuda.Dim{X: faultThreads}, cuda.Dim{X: 2}, 4*faultThreads,
					cuda.Pointer(m.Address()))
				if err == nil {
					err = b.s.Wait()
				}
				found := false
				for _, want := range strings.Split(k.want, "|") {
					found = found || err != nil && strings.Contains(err.Error(), want)
				}
				if !errors.Is(err, cuda.LaunchFailed) || !found || !strings.Contains(err.Error(), "kernel "+k.kernel+", block (") {
					t.Errorf("got %v, want %q", err, k.want)
				}
			})
		}
	}
}

// TestClusterStatic: what the emulator cannot do it refuses.
func TestClusterStatic(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90")
	b := newBench(t, emulated(t))
	y := gputest.New(t, b.Context, "y", make([]float32, faultThreads))
	err := b.function("fault_static", "pp").LaunchCluster(b.s, cuda.Dim{X: 2}, cuda.Dim{X: faultThreads}, cuda.Dim{X: 2}, 0, y.Argument(), y.Argument())
	if err == nil || !strings.Contains(err.Error(), "static __shared__ arrays in a cluster are not emulated") {
		t.Errorf("got %v", err)
	}
}
