package cuda

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestResultNames holds the names in Go against the numbers in cuda.h, both
// ways.
func TestResultNames(t *testing.T) {
	header, err := os.ReadFile("driver/cuda.h")
	if err != nil {
		t.Fatal(err)
	}
	left := len(resultNames)
	for _, m := range regexp.MustCompile(`(CUDA_ERROR_\w+)\s*= (\d+),`).FindAllStringSubmatch(string(header), -1) {
		n, _ := strconv.Atoi(m[2])
		if got := Result(n).Error(); got != m[1] {
			t.Errorf("Result(%d) = %q, cuda.h has %s", n, got, m[1])
		}
		left--
	}
	if left != 0 {
		t.Errorf("%d names are not in cuda.h", left)
	}
	if got := Result(12345).Error(); got != "CUDA error 12345" {
		t.Errorf("unknown result: %q", got)
	}
}

// TestAttributes holds the numbers in driver.go against cuda.h.
func TestAttributes(t *testing.T) {
	header, err := os.ReadFile("driver/cuda.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]int{
		"CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT":                 int(attributeMultiprocessors),
		"CU_DEVICE_ATTRIBUTE_CLOCK_RATE":                           int(attributeClockKHz),
		"CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE":                        int(attributeL2),
		"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR":             int(attributeMajor),
		"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR":             int(attributeMinor),
		"CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR":       int(attributeThreadsPerMultiproc),
		"CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR":     int(attributeRegsPerMultiproc),
		"CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK":          int(attributeSharedPerBlock),
		"CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN":    int(attributeSharedPerBlockOptin),
		"CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR": int(attributeSharedPerMultiproc),
		"CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE":                    int(attributeMemoryClockKHz),
		"CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH":              int(attributeMemoryBusWidth),
		"CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK":                int(attributeMaxThreadsPerBlock),
		"CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X":                       int(attributeMaxGridX),
		"CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH":                       int(attributeClusterLaunch),
		"CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK":                  int(functionMaxThreads),
		"CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES":                      int(functionShared),
		"CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES":                       int(functionLocal),
		"CU_FUNC_ATTRIBUTE_NUM_REGS":                               int(functionRegisters),
		"CU_FUNC_ATTRIBUTE_PTX_VERSION":                            int(functionPTXVersion),
		"CU_FUNC_ATTRIBUTE_BINARY_VERSION":                         int(functionBinaryVersion),
		"CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES":          int(functionMaxDynamicSharedBytes),
	} {
		m := regexp.MustCompile(name + `\s*= (\d+),`).FindStringSubmatch(string(header))
		if m == nil || m[1] != strconv.Itoa(got) {
			t.Errorf("%s: got %d, cuda.h has %v", name, got, m)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Op: "cuInit", Code: NoDevice}, "cuInit: CUDA_ERROR_NO_DEVICE"},
		{Error{Op: "cuMemAlloc", Code: OutOfMemory, Owner: "plan", Bytes: 3 << 30, Free: 1 << 30},
			"cuMemAlloc for plan: out of memory: asked for 3.0 GiB, 1.0 GiB free"},
		{Error{Op: "cuMemAllocHost", Code: OutOfMemory, Bytes: 5, Free: -1}, "cuMemAllocHost: out of memory: asked for 5 B"},
		{Error{Op: "cuStreamSynchronize", Code: LaunchFailed, Kernel: "adam"},
			"cuStreamSynchronize: CUDA_ERROR_LAUNCH_FAILED (last kernel launched: adam; set MDLSTM_SYNC=1 to have the one at fault named)"},
		{Error{Op: "cuStreamSynchronize", Code: LaunchFailed, Kernel: "adam", Exact: true, Detail: "a\n  b\n\n"},
			"cuStreamSynchronize: kernel adam: CUDA_ERROR_LAUNCH_FAILED: a; b"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
	err := fmt.Errorf("step 3: %w", &Error{Op: "x", Code: OutOfMemory})
	if !errors.Is(err, OutOfMemory) || errors.Is(err, InvalidValue) {
		t.Error("errors.Is does not see the code")
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 33500000000: "31.2 GiB", 5 << 50: "5120.0 TiB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSizeClass(t *testing.T) {
	for n, want := range map[int64]int64{0: 512, 1: 512, 512: 512, 513: 1024, 4096: 4096, 16<<20 + 1: 18 << 20, 1<<63 - 1: 1<<63 - 1} {
		if got := sizeClass(n); got != want {
			t.Errorf("sizeClass(%d) = %d, want %d", n, got, want)
		}
	}
	for n := int64(1); n < 1<<26; n += n/7 + 1 {
		class := sizeClass(n)
		if class < n || class > n+max(n/7, 512) && class > n+2<<20 || sizeClass(class) != class {
			t.Errorf("sizeClass(%d) = %d, again %d", n, class, sizeClass(class))
		}
	}
}

// TestBuiltWithout: the twin without CUDA says so, and never computes instead.
func TestBuiltWithout(t *testing.T) {
	if _, err := newDriver(); err == nil {
		t.Skip("this binary was built with CUDA")
	}
	_, opened := Open(0)
	_, listed := Devices()
	for _, err := range []error{opened, listed} {
		if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), "make build") {
			t.Errorf("got %v", err)
		}
	}
}
