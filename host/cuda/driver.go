package cuda

import "unsafe"

// Address is an address in device memory. 0 is no memory.
type Address uint64

// handle is one of the driver's pointers: a context, module, function, stream,
// graph or event.
type handle uintptr

// attribute numbers a CUdevice_attribute, functionAttribute a
// CUfunction_attribute.
type (
	attribute         int
	functionAttribute int
)

const (
	attributeMultiprocessors      attribute         = 16
	attributeClockKHz             attribute         = 13
	attributeL2                   attribute         = 38
	attributeMajor                attribute         = 75
	attributeMinor                attribute         = 76
	attributeThreadsPerMultiproc  attribute         = 39
	attributeRegsPerMultiproc     attribute         = 82
	attributeSharedPerBlock       attribute         = 8
	attributeSharedPerBlockOptin  attribute         = 97
	attributeSharedPerMultiproc   attribute         = 81
	attributeMemoryClockKHz       attribute         = 36
	attributeMemoryBusWidth       attribute         = 37
	attributeMaxThreadsPerBlock   attribute         = 1
	attributeMaxGridX             attribute         = 5
	attributeClusterLaunch        attribute         = 120
	functionMaxThreads            functionAttribute = 0
	functionShared                functionAttribute = 1
	functionLocal                 functionAttribute = 3
	functionRegisters             functionAttribute = 4
	functionPTXVersion            functionAttribute = 5
	functionBinaryVersion         functionAttribute = 6
	functionMaxDynamicSharedBytes functionAttribute = 8
)

// driver is the CUDA driver, a method a function. Methods panic only where the
// caller broke this package's own rules; every failure is a Result. All but the
// first six need a context that is current in the calling OS thread.
type driver interface {
	// refused says why the library could not be opened, missing which function
	// it lacks; "" when that is not what went wrong.
	refused() string
	missing() string
	// message is the emulator's explanation of its last failure, "" from a real
	// driver. counters fills c and is false with a real driver.
	message() string
	counters(c *Counters) bool

	start() Result // cuInit
	version() (int, Result)
	deviceCount() (int, Result)
	deviceName(device int) (string, Result)
	deviceMemory(device int) (int64, Result)
	deviceAttribute(device int, a attribute) (int, Result)

	retainContext(device int) (handle, Result)
	releaseContext(device int) Result
	setContext(context handle) Result
	synchronize() Result

	memoryInfo() (free, total int64, r Result)
	alloc(bytes int64) (Address, Result)
	free(p Address) Result
	allocHost(bytes int64) (unsafe.Pointer, Result)
	freeHost(p unsafe.Pointer) Result

	upload(to Address, from unsafe.Pointer, bytes int64) Result
	download(to unsafe.Pointer, from Address, bytes int64) Result
	uploadAsync(to Address, from unsafe.Pointer, bytes int64, stream handle) Result
	downloadAsync(to unsafe.Pointer, from Address, bytes int64, stream handle) Result
	copyAsync(to, from Address, bytes int64, stream handle) Result
	fill8Async(to Address, value byte, count int64, stream handle) Result
	fill32Async(to Address, value uint32, count int64, stream handle) Result

	loadModule(ptx string) (module handle, log string, r Result)
	unloadModule(module handle) Result
	function(module handle, name string) (handle, Result)
	functionAttribute(function handle, a functionAttribute) (int, Result)
	setFunctionAttribute(function handle, a functionAttribute, value int) Result
	occupancy(function handle, threads int, shared int) (int, Result)
	launch(function handle, grid, block Dim, shared int, stream handle, arguments []uint64) Result
	launchCluster(function handle, grid, block, cluster Dim, shared int, stream handle, arguments []uint64) Result

	createStream() (handle, Result)
	destroyStream(stream handle) Result
	waitStream(stream handle) Result
	streamWaitEvent(stream, event handle) Result
	beginCapture(stream handle) Result
	endCapture(stream handle) (graph handle, r Result)

	graphNodes(graph handle) (int, Result)
	instantiate(graph handle) (exec handle, r Result)
	launchGraph(exec, stream handle) Result
	destroyGraph(graph handle) Result
	destroyExec(exec handle) Result

	createEvent(timing bool) (handle, Result)
	destroyEvent(event handle) Result
	recordEvent(event, stream handle) Result
	recordEventNode(event, stream handle) Result
	queryEvent(event handle) Result
	waitEvent(event handle) Result
	elapsed(start, end handle) (milliseconds float32, r Result)
}
