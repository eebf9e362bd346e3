//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// emulated opens the device of a test that needs the emulator: it plants
// faults that a real device answers otherwise, or never.
func emulated(t testing.TB) *cuda.Context {
	t.Helper()
	c := gputest.Open(t)
	if !c.Device().Emulated {
		t.Skipf("%s is a real device, this test needs the emulator (make test-emu)", c.Device().Name)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpen opens the device in processes of their own, as a library is opened
// once a process, in every state in which a machine can be.
func TestOpen(t *testing.T) {
	if os.Getenv("OPEN_IN_CHILD") != "" {
		c, err := cuda.Open(0)
		if err != nil {
			t.Fatalf("no device %v: %v", errors.Is(err, cuda.ErrNoDevice), err)
		}
		must(t, c.Close())
		return
	}
	emulated(t)
	text := filepath.Join(t.TempDir(), "text.so")
	must(t, os.WriteFile(text, []byte("no library"), 0o600))
	for _, c := range []struct {
		name     string
		env      []string
		want     string
		noDevice bool
	}{
		{"usable", nil, "", false},
		{"no such library", []string{"MDLSTM_CUDA_LIBRARY=/no/such.so"}, "MDLSTM_CUDA_LIBRARY: /no/such.so: cannot open shared object file", false},
		{"not a library", []string{"MDLSTM_CUDA_LIBRARY=" + text}, "MDLSTM_CUDA_LIBRARY: " + text + ":", false},
		{"another library", []string{"MDLSTM_CUDA_LIBRARY=libm.so.6"}, "libm.so.6 is not a CUDA driver library: it has no function cuInit", false},
		{"driver too old", []string{"MDLSTM_EMU_DRIVER=11080"}, "knows CUDA 11.8, the kernels need driver R525 (CUDA 12.0) or newer", true},
		{"no device", []string{"MDLSTM_EMU_DEVICES=0"}, "the NVIDIA driver finds no GPU", true},
		{"no device from cuInit", []string{"MDLSTM_EMU_FAIL=cuInit=100,cuDeviceGetCount=100"}, "the NVIDIA driver finds no GPU", true},
		{"device too old", []string{"MDLSTM_EMU_ARCH=70"}, "compute capability 7.0: want 7.5 or newer", true},
		{"stub library", []string{"MDLSTM_EMU_FAIL=cuInit=34"}, "toolkit's stub", true},
		{"driver and kernel module differ", []string{"MDLSTM_EMU_FAIL=cuInit=803"}, "cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", true},
		{"function missing", []string{"MDLSTM_EMU_FAIL=cuDeviceGetCount=302"}, "has no function", false},
		{"context refused", []string{"MDLSTM_EMU_FAIL=cuDevicePrimaryCtxRetain=2"}, "open device 0, emulator", false},
		{"attribute refused", []string{"MDLSTM_EMU_FAIL=cuDeviceGetAttribute=1"}, "cuDeviceGetAttribute: CUDA_ERROR_INVALID_VALUE", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestOpen$")
			child.Env = append(append(os.Environ(), "OPEN_IN_CHILD=1"), c.env...)
			out, err := child.CombinedOutput()
			if c.want == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				return
			}
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("got %v\n%s\nwant %q", err, out, c.want)
			}
			if got := strings.Contains(string(out), "no device true:"); got != c.noDevice {
				t.Errorf("wraps ErrNoDevice: got %v, want %v\n%s", got, c.noDevice, out)
			}
		})
	}
}

// TestNoDriver is for machines without one, which is where it matters.
func TestNoDriver(t *testing.T) {
	if os.Getenv("OPEN_IN_CHILD") != "" {
		_, err := cuda.Open(0)
		t.Fatalf("no device %v: %v", errors.Is(err, cuda.ErrNoDevice), err)
	}
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		t.Skip("this machine has an NVIDIA driver")
	}
	child := exec.Command(os.Args[0], "-test.run=^TestNoDriver$")
	child.Env = append(os.Environ(), "OPEN_IN_CHILD=1", "MDLSTM_CUDA_LIBRARY=")
	out, err := child.CombinedOutput()
	const want = "no device true: no usable CUDA device: no NVIDIA driver: libcuda.so.1: cannot open shared object file"
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v\n%s\nwant %q", err, out, want)
	}
}

func TestOpenOrdinal(t *testing.T) {
	emulated(t)
	for _, ordinal := range []int{-1, 1} {
		if _, err := cuda.Open(ordinal); !errors.Is(err, cuda.ErrNoDevice) || !strings.Contains(err.Error(), "there are 1, counted from 0") {
			t.Errorf("Open(%d): %v", ordinal, err)
		}
	}
}

func TestDevices(t *testing.T) {
	emulated(t)
	t.Setenv("MDLSTM_EMU_ARCH", "70")
	list, err := cuda.Devices()
	must(t, err)
	if len(list) != 1 || list[0].Capability != 70 || list[0].Memory == 0 || !list[0].Emulated || list[0].Multiprocessors == 0 {
		t.Errorf("got %+v", list)
	}
	if err := list[0].Usable(); !errors.Is(err, cuda.ErrNoDevice) {
		t.Errorf("usable: %v", err)
	}
}

// TestClosed: what outlives its context fails instead of crashing.
func TestClosed(t *testing.T) {
	c := gputest.Open(t)
	s, err := c.NewStream()
	must(t, err)
	m, err := c.Alloc("test", 100)
	must(t, err)
	must(t, m.Free())
	must(t, c.Close())
	for name, err := range map[string]error{
		"synchronize": c.Synchronize(), "wait": s.Wait(), "upload": cuda.Upload(m, 0, []float32{1}),
	} {
		if !errors.Is(err, cuda.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	must(t, c.Close())
	must(t, s.Close())
}
