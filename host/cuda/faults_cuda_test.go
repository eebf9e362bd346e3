//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

func build(c *cuda.Context, kind string) bool {
	return strings.Contains(c.Device().Name, kind+" build")
}

// launchFault launches a faulty kernel on 64 elements and waits.
func (b *bench) launchFault(name, params string, arguments ...cuda.Argument) error {
	b.t.Helper()
	err := b.function(name, params).Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}, 4*faultThreads, arguments...)
	if err == nil {
		err = b.s.Wait()
	}
	return err
}

// TestFaults: wrong use of the device is an error that explains itself, ends
// the context, and leaves the next one whole.
func TestFaults(t *testing.T) {
	for _, k := range []struct {
		kernel, params string
		code           cuda.Result
		want           string
		build          string // the emulator's build that sees it; "" all of them
	}{
		{"fault_barrier", "p", cuda.LaunchFailed, "kernel fault_barrier, block (0,0,0): 3 of 64 threads wait at __syncthreads, 61 have returned, 0 wait", ""},
		{"fault_lanes", "p", cuda.LaunchFailed, "62 of 64 threads wait at __syncthreads, 0 have returned, 2 wait for lanes that never come", ""},
		{"fault_mask", "p", cuda.LaunchFailed, "is not in the mask of its own warp operation", ""},
		{"right_axpy", "ppif", cuda.IllegalAddress, "kernel right_axpy: argument 1 points to no device memory", ""},
		{"fault_shared", "p", cuda.LaunchFailed, "thread 63: stores 4 bytes at byte 256 of 256 bytes of shared memory", "checking"},
		{"fault_global", "pi", cuda.LaunchFailed, "thread 0: stores 4 bytes at", "checking"},
		{"fault_race", "pp", cuda.LaunchFailed, "of shared memory, which thread", "checking"},
		{"fault_lane_race", "pp", cuda.LaunchFailed, "of shared memory, which thread", "checking"},
		{"fault_static", "pp", cuda.LaunchFailed, "stores a static __shared__ array, which thread", "checking"},
		{"fault_null", "pp", cuda.LaunchFailed, "through a null pointer", "checking"},
	} {
		t.Run(k.kernel, func(t *testing.T) {
			t.Setenv("MDLSTM_POOL", "0") // y ends where its allocation ends
			c := emulated(t)
			if k.build != "" && !build(c, k.build) {
				t.Skipf("%s does not look for this, the %s build does", c.Device().Name, k.build)
			}
			b := newBench(t, c)
			m, err := c.Alloc("y", 4*faultThreads)
			must(t, err)
			y := cuda.Pointer(m.Address())
			args := map[string][]cuda.Argument{
				"p": {y}, "ppif": {y, cuda.Pointer(0x7654321000), cuda.Int(64), cuda.Float(1)},
				"pi": {y, cuda.Int(64)}, "pp": {y, y},
			}[k.params]
			if k.kernel == "fault_null" {
				args[0] = cuda.Pointer(0)
			}
			err = b.launchFault(k.kernel, k.params, args...)
			if !errors.Is(err, k.code) || !strings.Contains(err.Error(), k.want) {
				t.Fatalf("got %v, want %v: %q", err, k.code, k.want)
			}
			var e *cuda.Error
			if !errors.As(err, &e) || e.Kernel != k.kernel || e.Exact != c.Sync() {
				t.Errorf("got kernel %q, exact %v; want %q, %v", e.Kernel, e.Exact, k.kernel, c.Sync())
			}
			if again := c.Synchronize(); !errors.Is(again, k.code) || !errors.Is(c.Lost(), k.code) {
				t.Errorf("the context lives on: %v", again)
			}
			if err := m.Free(); err == nil {
				t.Error("memory of a lost context was freed without an error")
			}
			if err := c.Close(); !errors.Is(err, k.code) {
				t.Errorf("close: %v", err)
			}
			right := newBench(t, gputest.Open(t)) // the next context is whole
			z := gputest.New(t, right.Context, "z", make([]int32, 2))
			must(t, right.launchFault("right_atomics", "p", z.Argument()))
			if z.Values()[0] != 64 {
				t.Errorf("after a fault: %v", z.Values())
			}
		})
	}
}

// TestLastKernel: without MDLSTM_SYNC an error names the kernel launched last
// and says how to find the one at fault; with it, the one at fault.
func TestLastKernel(t *testing.T) {
	for _, sync := range []string{"0", "1"} {
		t.Run("MDLSTM_SYNC="+sync, func(t *testing.T) {
			t.Setenv("MDLSTM_SYNC", sync)
			b := newBench(t, emulated(t))
			m, err := b.Alloc("y", 256)
			must(t, err)
			grid, block, y := cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}, cuda.Pointer(m.Address())
			bad, right := b.function("fault_barrier", "p"), b.function("right_atomics", "p")
			err = bad.Launch(b.s, grid, block, 0, y)
			if sync == "1" {
				if err == nil || !strings.HasPrefix(err.Error(), "cuStreamSynchronize: kernel fault_barrier: CUDA_ERROR_LAUNCH_FAILED: ") || strings.Contains(err.Error(), "MDLSTM_SYNC") {
					t.Errorf("got %v", err)
				}
				return
			}
			must(t, err)
			must(t, right.Launch(b.s, grid, block, 0, y))
			err = b.s.Wait()
			const want = "(last kernel launched: right_atomics; set MDLSTM_SYNC=1 to have the one at fault named)"
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestFailOnDemand: the second run of a kernel fails, or a driver function.
func TestFailOnDemand(t *testing.T) {
	b := newBench(t, emulated(t))
	y := gputest.New(t, b.Context, "y", make([]int32, 2))
	t.Setenv("MDLSTM_EMU_FAIL", "cuMemAlloc:2=2,right_atomics:2=716")
	a, err := b.Alloc("first", 1<<20)
	must(t, err)
	if _, err = b.Alloc("second", 1<<22); !errors.Is(err, cuda.OutOfMemory) { // the pool is empty: tried once
		t.Errorf("second allocation: %v", err)
	}
	must(t, a.Free())
	must(t, b.launchFault("right_atomics", "p", y.Argument()))
	err = b.launchFault("right_atomics", "p", y.Argument())
	if !errors.Is(err, cuda.MisalignedAddress) || !strings.Contains(err.Error(), "MDLSTM_EMU_FAIL asks right_atomics to fail") {
		t.Errorf("got %v", err)
	}
}

// TestStale: PTX that the emulator was not built from is refused.
func TestStale(t *testing.T) {
	c := emulated(t)
	ptx, err := os.ReadFile("../../kernels/testdata/faults.75.ptx")
	must(t, err)
	for _, k := range []struct{ from, to, name, want string }{
		{".param .u64 right_atomics_param_0", ".param .u32 right_atomics_param_0", "right_atomics", "differ: make ptx emulator"},
		{"right_atomics", "right_atomics_new", "right_atomics_new", "the PTX has it, the emulator does not: make emulator"},
		{"right_atomics", "right_atomics_new", "right_atomics", "kernel right_atomics of x: cuModuleGetFunction: CUDA_ERROR_NOT_FOUND"},
	} {
		m, err := c.Load("x", strings.ReplaceAll(string(ptx), k.from, k.to))
		must(t, err)
		if _, err := m.Function(k.name, "p"); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: got %v, want %q", k.name, err, k.want)
		}
		must(t, m.Close())
	}
}

// TestRace: with the barrier missing, the order of threads shows. The checking
// build does not need the luck of an order: see TestFaults.
func TestRace(t *testing.T) {
	wrong := map[string]bool{}
	for _, seed := range []string{"0", "1", "2", "3"} {
		t.Setenv("MDLSTM_EMU_SEED", seed)
		func() {
			c := emulated(t)
			if build(c, "checking") {
				t.Skip("the checking build refuses the kernel")
			}
			b := newBench(t, c)
			x, y := gputest.New(t, c, "x", ramp(64)), gputest.New(t, c, "y", gputest.NaNs(64))
			must(t, b.launchFault("fault_race", "pp", x.Argument(), y.Argument()))
			for i, v := range y.Values() {
				if v != ramp(64)[(i+1)%64] {
					wrong[seed] = true
				}
			}
		}()
	}
	if len(wrong) < 3 {
		t.Errorf("the missing barrier showed with the seeds %v of 4", wrong)
	}
}

// TestSanitizer: AddressSanitizer ends the process and names file and line.
func TestSanitizer(t *testing.T) {
	kernel := os.Getenv("SANITIZE_IN_CHILD")
	if kernel != "" {
		b := newBench(t, emulated(t))
		m, err := b.Alloc("y", 4*faultThreads)
		must(t, err)
		y := cuda.Pointer(m.Address())
		if kernel == "fault_global" {
			t.Fatal(b.launchFault(kernel, "pi", y, cuda.Int(faultThreads)))
		}
		t.Fatal(b.launchFault(kernel, "p", y))
	}
	if c := emulated(t); !build(c, "sanitized") {
		t.Skipf("%s is not the sanitized build", c.Device().Name)
	}
	for _, name := range []string{"fault_shared", "fault_global"} {
		child := exec.Command(os.Args[0], "-test.run=^TestSanitizer$")
		child.Env = append(os.Environ(), "SANITIZE_IN_CHILD="+name)
		out, err := child.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "ERROR: AddressSanitizer") || !strings.Contains(string(out), "in "+name+" ") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
