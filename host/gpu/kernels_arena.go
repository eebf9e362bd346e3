package gpu

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/cuda"
)

// arenaThreads is kArenaThreads, jobWords kJob in kernels/arena.cu.
const (
	arenaThreads = 256
	jobWords     = 12
)

// PackJob copies a permuted array: To, dense, [n_0, n_1, n_2, n_3], element
// (c_0, c_1, c_2, c_3) from From at Σ c_i·stride_i.
type PackJob struct {
	From, To cuda.Address
	Sizes    [4]int
	Strides  [4]int // of From, in elements
}

// PackInputs makes the weights of an input projection, [R, N, K] as in the model
// file, into [R, K, N]: ihT. A dense layer has R = 1 and N units.
func PackInputs(from, to cuda.Address, r, n, k int) PackJob {
	return PackJob{from, to, [4]int{1, r, k, n}, [4]int{0, n * k, 1, k}}
}

// PackForward makes recurrent weights, [R, D, N, H] as in the model file with
// N = G·H, into [R, D·H, N]: hhT.
func PackForward(from, to cuda.Address, r, d, n, h int) PackJob {
	return PackJob{from, to, [4]int{r, d, h, n}, [4]int{d * n * h, n * h, 1, h}}
}

// PackBackward makes recurrent weights, [R, D, N, H] as in the model file with
// N = G·H, into [R, N, D·H]: hhB.
func PackBackward(from, to cuda.Address, r, d, n, h int) PackJob {
	return PackJob{from, to, [4]int{r, n, d, h}, [4]int{d * n * h, h, n * h, 1}}
}

// ReduceJob adds Slots arrays of Count values, Stride values apart from From on,
// to the array at To, in the order of the slots.
type ReduceJob struct {
	From, To             cuda.Address
	Count, Slots, Stride int
}

// Jobs is a table of jobs on the device, as PackTable or ReduceTable made it.
type Jobs struct {
	Table         cuda.Address // uint64, as returned
	Count, Blocks int
}

// PackTable encodes jobs for [Kernels.Pack]: upload the table, give its address
// to Jobs.
func PackTable(list []PackJob) (table []uint64, jobs Jobs, err error) {
	c := checking("pack_weights")
	for _, j := range list {
		count := 1
		c.present("From", j.From).present("To", j.To).product("a packed array", j.Sizes[:]...)
		words := [jobWords]uint64{}
		for i, n := range j.Sizes {
			c.positive("Sizes", n).within("Strides", j.Strides[i], 0, math.MaxInt32)
			count *= n
			words[7+i] = uint64(j.Strides[i])
			if i > 0 {
				words[3+i] = uint64(n)
			}
		}
		table = appendJob(table, &jobs, words, j.From, j.To, count)
	}
	return table, jobs, c.err
}

// ReduceTable encodes jobs for [Kernels.Reduce]: upload the table, give its
// address to Jobs.
func ReduceTable(list []ReduceJob) (table []uint64, jobs Jobs, err error) {
	c := checking("reduce_slots")
	for _, j := range list {
		c.present("From", j.From).present("To", j.To).positive("Count", j.Count).positive("Slots", j.Slots).
			within("Stride", j.Stride, 0, math.MaxInt32)
		words := [jobWords]uint64{}
		words[4], words[5] = uint64(j.Slots), uint64(j.Stride)
		table = appendJob(table, &jobs, words, j.From, j.To, j.Count)
	}
	return table, jobs, c.err
}

// appendJob completes the words that all jobs have.
func appendJob(table []uint64, jobs *Jobs, words [jobWords]uint64, from, to cuda.Address, count int) []uint64 {
	words[0], words[1], words[2], words[3] = uint64(jobs.Blocks), uint64(from), uint64(to), uint64(count)
	jobs.Count++
	jobs.Blocks += blocksOf(count, arenaThreads)
	return append(table, words[:]...)
}

// Pack queues the copies of weights that products read (kernels/arena.cu).
func (k *Kernels) Pack(s *cuda.Stream, j Jobs) error { return k.arena(s, "pack_weights", j) }

// Reduce queues the sums of slots into the gradients (kernels/arena.cu).
func (k *Kernels) Reduce(s *cuda.Stream, j Jobs) error { return k.arena(s, "reduce_slots", j) }

func (k *Kernels) arena(s *cuda.Stream, name string, j Jobs) error {
	if j.Count == 0 {
		return nil
	}
	if c := checking(name).present("Table", j.Table).positive("Count", j.Count).positive("Blocks", j.Blocks); c.err != nil {
		return fmt.Errorf("%w (jobs)", c.err)
	}
	return k.launch(s, name, cuda.Dim{X: j.Blocks}, 0, ptr(j.Table), i32(j.Count))
}
