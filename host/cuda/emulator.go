package cuda

// Counters is what the emulated device has done since it was opened. They
// depend on the program only, not on the order seed, the threads or the clock.
type Counters struct {
	Launches      uint64 // kernels run, those in graphs included
	Captures      uint64 // graphs recorded
	GraphLaunches uint64
	GraphNodes    uint64 // nodes run in graphs
	Blocks        uint64
	Threads       uint64
	Barriers      uint64 // __syncthreads passed, counted once a block
	WarpOps       uint64 // shuffles, votes and __syncwarp, counted once a warp
	Waits         uint64 // times the host waited: streams, events, device
	UploadBytes   uint64
	DownloadBytes uint64
	// Of global memory by kernels. Only the checking build of the emulator
	// counts them; 0 in the others.
	LoadBytes  uint64
	StoreBytes uint64
	// Of clusters of blocks.
	ClusterBarriers uint64 // passed, counted once a cluster
	ClusterBytes    uint64 // of shared memory of other blocks, by kernels
}

// Counters reads what the emulator counted; false on a real device.
func (c *Context) Counters() (Counters, bool) {
	var n Counters
	return n, c.drv.counters(&n)
}
