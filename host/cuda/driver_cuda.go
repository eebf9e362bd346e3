//go:build cuda && cgo && linux

package cuda

/*
#cgo LDFLAGS: -ldl -lpthread
#include <cuda.h>
#include <string.h>

static int load_module(CUmodule *module, const char *ptx, char *log, size_t log_bytes) {
	CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {log, (void *)log_bytes};
	memset(log, 0, log_bytes);
	return cuModuleLoadDataEx(module, ptx, 2, options, values);
}

// Each argument has eight bytes of its own.
static int launch_cluster(CUfunction f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned x, unsigned y, unsigned z, unsigned shared,
                          CUstream stream, unsigned long long *arguments, int count) {
	enum { most = 64 };
	CUlaunchAttribute cluster;
	CUlaunchConfig config = {grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, &cluster, 1};
	void *slots[most];
	if (count > most) return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < count; i++) slots[i] = &arguments[i];
	memset(&cluster, 0, sizeof cluster);
	cluster.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
	cluster.value.clusterDim.x = x;
	cluster.value.clusterDim.y = y;
	cluster.value.clusterDim.z = z;
	return cuLaunchKernelEx(&config, f, slots, NULL);
}

// The emulator's own functions, NULL in a real driver.
static int emulator_counters(unsigned long long *values, int count) {
	int (*f)(unsigned long long *, int) = (int (*)(unsigned long long *, int))mdlstm_cuda_symbol("mdlstm_emu_counters");
	return f ? f(values, count) : 0;
}

static void emulator_message(char *text, int bytes) {
	void (*f)(char *, int) = (void (*)(char *, int))mdlstm_cuda_symbol("mdlstm_emu_message");
	text[0] = 0;
	if (f) f(text, bytes);
}
*/
import "C"

import (
	"unsafe"

	"github.com/barnex/cuda5/cu"
)

// library is the CUDA driver through cuda5, and through cgo where cuda5 has no
// such function, leaks, or cannot say what went wrong.
type library struct{}

var _ driver = library{}

func newDriver() (driver, error) { return library{}, nil }

// recovered is the one place that turns cuda5's panics into results.
func recovered(f func()) (r Result) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case cu.Result:
			r = Result(p)
		default:
			panic(p)
		}
	}()
	f()
	return Success
}

func (library) refused() string { return C.GoString(C.mdlstm_cuda_refused()) }

func (library) missing() string {
	if p := C.mdlstm_cuda_missing(); p != nil {
		return C.GoString(p)
	}
	return ""
}

func (library) message() string {
	var text [512]C.char
	C.emulator_message(&text[0], C.int(len(text)))
	return C.GoString(&text[0])
}

func (library) counters(c *Counters) bool {
	values := c.values()
	raw := make([]C.ulonglong, len(values))
	if int(C.emulator_counters(&raw[0], C.int(len(raw)))) != len(raw) {
		return false
	}
	for i, p := range values {
		*p = uint64(raw[i])
	}
	return true
}

func (library) start() Result { return recovered(func() { cu.Init(0) }) }

func (library) version() (v int, r Result) {
	r = recovered(func() { v = cu.Version() })
	return v, r
}

func (library) deviceCount() (n int, r Result) {
	r = recovered(func() { n = cu.DeviceGetCount() })
	return n, r
}

func (library) deviceName(device int) (name string, r Result) {
	r = recovered(func() { name = cu.Device(device).Name() })
	return name, r
}

func (library) deviceMemory(device int) (n int64, r Result) {
	r = recovered(func() { n = cu.Device(device).TotalMem() })
	return n, r
}

func (library) deviceAttribute(device int, a attribute) (v int, r Result) {
	r = recovered(func() { v = cu.Device(device).Attribute(cu.DeviceAttribute(a)) })
	return v, r
}

func (library) retainContext(device int) (handle, Result) {
	var c C.CUcontext
	r := C.cuDevicePrimaryCtxRetain(&c, C.CUdevice(device))
	return handle(unsafe.Pointer(c)), Result(r)
}

func (library) releaseContext(device int) Result {
	return Result(C.cuDevicePrimaryCtxRelease(C.CUdevice(device)))
}

func (library) setContext(c handle) Result { return recovered(func() { cu.Context(c).SetCurrent() }) }
func (library) synchronize() Result        { return recovered(cu.CtxSynchronize) }

func (library) memoryInfo() (free, total int64, r Result) {
	r = recovered(func() { free, total = cu.MemGetInfo() })
	return free, total, r
}

func (library) alloc(bytes int64) (p Address, r Result) {
	r = recovered(func() { p = Address(cu.MemAlloc(bytes)) })
	return p, r
}

func (library) free(p Address) Result { return recovered(func() { cu.DevicePtr(p).Free() }) }

func (library) allocHost(bytes int64) (p unsafe.Pointer, r Result) {
	r = recovered(func() { p = cu.MemAllocHost(bytes) })
	return p, r
}

func (library) freeHost(p unsafe.Pointer) Result { return recovered(func() { cu.MemFreeHost(p) }) }

func (library) upload(to Address, from unsafe.Pointer, bytes int64) Result {
	return recovered(func() { cu.MemcpyHtoD(cu.DevicePtr(to), from, bytes) })
}

func (library) download(to unsafe.Pointer, from Address, bytes int64) Result {
	return recovered(func() { cu.MemcpyDtoH(to, cu.DevicePtr(from), bytes) })
}

func (library) uploadAsync(to Address, from unsafe.Pointer, bytes int64, s handle) Result {
	return recovered(func() { cu.MemcpyHtoDAsync(cu.DevicePtr(to), from, bytes, cu.Stream(s)) })
}

func (library) downloadAsync(to unsafe.Pointer, from Address, bytes int64, s handle) Result {
	return recovered(func() { cu.MemcpyDtoHAsync(to, cu.DevicePtr(from), bytes, cu.Stream(s)) })
}

func (library) copyAsync(to, from Address, bytes int64, s handle) Result {
	return recovered(func() { cu.MemcpyDtoDAsync(cu.DevicePtr(to), cu.DevicePtr(from), bytes, cu.Stream(s)) })
}

func (library) fill8Async(to Address, value byte, count int64, s handle) Result {
	return recovered(func() { cu.MemsetD8Async(cu.DevicePtr(to), value, count, cu.Stream(s)) })
}

func (library) fill32Async(to Address, value uint32, count int64, s handle) Result {
	return recovered(func() { cu.MemsetD32Async(cu.DevicePtr(to), value, count, cu.Stream(s)) })
}

// loadModule gives the compiler a buffer for its errors, which cuda5 does not.
func (library) loadModule(ptx string) (handle, string, Result) {
	const logBytes = 8 << 10
	text, log := C.CString(ptx), C.malloc(logBytes)
	defer C.free(unsafe.Pointer(text))
	defer C.free(log)
	var m C.CUmodule
	r := C.load_module(&m, text, (*C.char)(log), logBytes)
	return handle(unsafe.Pointer(m)), C.GoString((*C.char)(log)), Result(r)
}

func (library) unloadModule(m handle) Result {
	return Result(C.cuModuleUnload(*(*C.CUmodule)(unsafe.Pointer(&m))))
}

func (library) function(m handle, name string) (f handle, r Result) {
	r = recovered(func() { f = handle(cu.Module(m).GetFunction(name)) })
	return f, r
}

func (library) functionAttribute(f handle, a functionAttribute) (v int, r Result) {
	r = recovered(func() { v = cu.Function(f).GetAttribute(cu.FunctionAttribute(a)) })
	return v, r
}

func (library) setFunctionAttribute(f handle, a functionAttribute, value int) Result {
	return Result(C.cuFuncSetAttribute(*(*C.CUfunction)(unsafe.Pointer(&f)), C.CUfunction_attribute(a), C.int(value)))
}

func (library) occupancy(f handle, threads, shared int) (int, Result) {
	var blocks C.int
	r := C.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, *(*C.CUfunction)(unsafe.Pointer(&f)), C.int(threads), C.size_t(shared))
	return int(blocks), Result(r)
}

// launch gives every argument its own eight bytes, as cuda5 reads eight of each.
func (library) launch(f handle, grid, block Dim, shared int, s handle, arguments []uint64) Result {
	slots := make([]unsafe.Pointer, len(arguments))
	for i := range arguments {
		slots[i] = unsafe.Pointer(&arguments[i])
	}
	return recovered(func() {
		cu.LaunchKernel(cu.Function(f), grid.X, grid.Y, grid.Z, block.X, block.Y, block.Z, shared, cu.Stream(s), slots)
	})
}

// launchCluster is written in C above: cuda5 knows no clusters.
func (library) launchCluster(f handle, grid, block, cluster Dim, shared int, s handle, arguments []uint64) Result {
	if len(arguments) == 0 {
		arguments = []uint64{0}
	}
	return Result(C.launch_cluster(*(*C.CUfunction)(unsafe.Pointer(&f)), C.uint(grid.X), C.uint(grid.Y), C.uint(grid.Z),
		C.uint(block.X), C.uint(block.Y), C.uint(block.Z), C.uint(cluster.X), C.uint(cluster.Y), C.uint(cluster.Z),
		C.uint(shared), stream(s), (*C.ulonglong)(unsafe.Pointer(&arguments[0])), C.int(len(arguments))))
}

func (library) createStream() (s handle, r Result) {
	r = recovered(func() { s = handle(cu.StreamCreate()) })
	return s, r
}

func (library) destroyStream(s handle) Result {
	return recovered(func() { stream := cu.Stream(s); stream.Destroy() })
}

func (library) waitStream(s handle) Result { return recovered(func() { cu.Stream(s).Synchronize() }) }

// A handle is reinterpreted, not converted: it is C's pointer, and vet rightly
// refuses unsafe.Pointer(uintptr) in general.
func stream(s handle) C.CUstream  { return *(*C.CUstream)(unsafe.Pointer(&s)) }
func event(e handle) C.CUevent    { return *(*C.CUevent)(unsafe.Pointer(&e)) }
func graph(g handle) C.CUgraph    { return *(*C.CUgraph)(unsafe.Pointer(&g)) }
func exec(x handle) C.CUgraphExec { return *(*C.CUgraphExec)(unsafe.Pointer(&x)) }

func (library) streamWaitEvent(s, e handle) Result {
	return Result(C.cuStreamWaitEvent(stream(s), event(e), 0))
}

// beginCapture lets other threads use the driver meanwhile.
func (library) beginCapture(s handle) Result {
	return Result(C.cuStreamBeginCapture(stream(s), C.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))
}

func (library) endCapture(s handle) (handle, Result) {
	var g C.CUgraph
	r := C.cuStreamEndCapture(stream(s), &g)
	return handle(unsafe.Pointer(g)), Result(r)
}

func (library) graphNodes(g handle) (int, Result) {
	var n C.size_t
	r := C.cuGraphGetNodes(graph(g), nil, &n)
	return int(n), Result(r)
}

func (library) instantiate(g handle) (handle, Result) {
	var x C.CUgraphExec
	r := C.cuGraphInstantiateWithFlags(&x, graph(g), 0)
	return handle(unsafe.Pointer(x)), Result(r)
}

func (library) launchGraph(x, s handle) Result { return Result(C.cuGraphLaunch(exec(x), stream(s))) }
func (library) destroyGraph(g handle) Result   { return Result(C.cuGraphDestroy(graph(g))) }
func (library) destroyExec(x handle) Result    { return Result(C.cuGraphExecDestroy(exec(x))) }

func (library) createEvent(timing bool) (handle, Result) {
	flags := C.uint(C.CU_EVENT_DISABLE_TIMING)
	if timing {
		flags = C.CU_EVENT_DEFAULT
	}
	var e C.CUevent
	r := C.cuEventCreate(&e, flags)
	return handle(unsafe.Pointer(e)), Result(r)
}

func (library) destroyEvent(e handle) Result   { return Result(C.cuEventDestroy(event(e))) }
func (library) recordEvent(e, s handle) Result { return Result(C.cuEventRecord(event(e), stream(s))) }

// recordEventNode makes the mark a node of the graph that is being captured.
func (library) recordEventNode(e, s handle) Result {
	return Result(C.cuEventRecordWithFlags(event(e), stream(s), C.CU_EVENT_RECORD_EXTERNAL))
}

func (library) queryEvent(e handle) Result { return Result(C.cuEventQuery(event(e))) }
func (library) waitEvent(e handle) Result  { return Result(C.cuEventSynchronize(event(e))) }

func (library) elapsed(start, end handle) (float32, Result) {
	var ms C.float
	r := C.cuEventElapsedTime(&ms, event(start), event(end))
	return float32(ms), Result(r)
}

// values lists the counters in the order of kernels/emu/counters.h.
func (c *Counters) values() []*uint64 {
	return []*uint64{&c.Launches, &c.Captures, &c.GraphLaunches, &c.GraphNodes, &c.Blocks, &c.Threads, &c.Barriers, &c.WarpOps,
		&c.Waits, &c.UploadBytes, &c.DownloadBytes, &c.LoadBytes, &c.StoreBytes, &c.ClusterBarriers, &c.ClusterBytes}
}
