package dist

// blockValues is how many values are summed at a time: it bounds the memory of a
// sum, and keeps lengths in bytes within MPI's 31 bits.
const blockValues = 1 << 26

// Reducer sums arrays over all ranks; see the package comment for the order. It
// keeps its memory, as many bytes as the largest array but at most 256 MiB.
type Reducer struct {
	c        Comm
	block    int
	offsets  []int
	received []float32 // [ranks, own part]
	sum      []float32 // [own part]
}

// NewReducer makes one for the ranks of c.
func NewReducer(c Comm) *Reducer {
	return &Reducer{c: c, block: blockValues, offsets: make([]int, c.Size()+1)}
}

// Reduce replaces values, of the same length on all ranks, by their sum over the
// ranks: the same bits on all.
func (r *Reducer) Reduce(values []float32) error {
	for from := 0; from < len(values); from += r.block {
		part := values[from:min(from+r.block, len(values))]
		if err := r.reduce(Host(part), len(part)); err != nil {
			return err
		}
	}
	return nil
}

// Device says whether ReduceDevice works: MPI takes addresses of a GPU.
func (r *Reducer) Device() bool { return r.c.Device() }

// ReduceDevice is Reduce for n float32 in the memory of the GPU, which nothing
// else may be using. Parts come to the host to be summed, and the result goes
// back, without a copy of the whole in between.
func (r *Reducer) ReduceDevice(address uintptr, n int) error {
	for from := 0; from < n; from += r.block {
		part := min(r.block, n-from)
		if err := r.reduce(DeviceMemory(address+uintptr(4*from), 4*part), part); err != nil {
			return err
		}
	}
	return nil
}

// reduce sums one block of n values.
func (r *Reducer) reduce(values Memory, n int) error {
	size, rank := r.c.Size(), r.c.Rank()
	for k := range r.offsets {
		r.offsets[k] = 4 * (n * k / size)
	}
	own := (r.offsets[rank+1] - r.offsets[rank]) / 4
	r.received, r.sum = resize(r.received, size*own), resize(r.sum, own)
	if err := r.c.Exchange(values, bytesOf(r.received), r.offsets); err != nil {
		return err
	}
	sumRanks(r.sum, r.received)
	return r.c.Gather(bytesOf(r.sum), values, r.offsets)
}

// sumRanks sums the parts [ranks, len(sum)] of all ranks from rank 0 up. In
// float64 the sum of float32 loses nothing worth a word, and is rounded once: N
// ranks come as near to one rank as can be.
func sumRanks(sum, parts []float32) {
	var room [512]float64 // stays in the nearest cache
	for from := 0; from < len(sum); from += len(room) {
		totals := room[:min(len(room), len(sum)-from)]
		clear(totals)
		for at := from; at < len(parts); at += len(sum) {
			part := parts[at:][:len(totals)]
			for i, v := range part {
				totals[i] += float64(v)
			}
		}
		for i, v := range totals {
			sum[from+i] = float32(v)
		}
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
