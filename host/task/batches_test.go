package task

import (
	"math/rand/v2"
	"slices"
	"testing"

	"mdlstm-gpu/host/grid"
)

// unequal are sizes with sides of 20 to 60.
func unequal(n int) []grid.Shape {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := make([]grid.Shape, n)
	for i := range sizes {
		sizes[i] = grid.Shape{20 + r.IntN(41), 20 + r.IntN(41)}
	}
	return sizes
}

// epochOf are the samples of an epoch's batches.
func epochOf(b *batches, epoch int64) (list [][]int, firsts []int64) {
	steps := int64(b.steps())
	for t := epoch * steps; t < (epoch+1)*steps; t++ {
		_, first, samples := b.of(t)
		list, firsts = append(list, slices.Clone(samples)), append(firsts, first)
	}
	return list, firsts
}

// partition says what is wrong with the batches of an epoch of n samples.
func partition(list [][]int, firsts []int64, epoch int64, n, size int) string {
	var samples []int
	numbers := map[int64]bool{}
	short := 0
	for i, batch := range list {
		samples = append(samples, batch...)
		if len(batch) != size {
			short++
		}
		for j := range batch {
			number := firsts[i] + int64(j)
			if numbers[number] || number < epoch*int64(n) || number >= (epoch+1)*int64(n) {
				return "a number comes twice or belongs to another epoch"
			}
			numbers[number] = true
		}
	}
	slices.Sort(samples)
	switch {
	case !slices.Equal(samples, all(n)):
		return "not every sample comes once"
	case short > 1 || short == 1 && n%size == 0:
		return "batches that are not full"
	}
	return ""
}

func TestBatchesArePartitions(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 64, 100, 531} {
		for _, size := range []int{1, 2, 8, 1000} {
			for _, shuffle := range []bool{false, true} {
				for _, bucket := range [][]grid.Shape{nil, unequal(n)} {
					b := newBatches(size, newOrder(n, shuffle, 5), bucket)
					for epoch := range int64(2) {
						list, firsts := epochOf(&b, epoch)
						if fault := partition(list, firsts, epoch, n, size); fault != "" {
							t.Errorf("%d samples, batches of %d, shuffled %v, bucketed %v, epoch %d: %s: %v", n, size, shuffle, bucket != nil, epoch, fault, list)
						}
					}
				}
			}
		}
	}
}

func TestPartitionNotices(t *testing.T) {
	for name, list := range map[string][][]int{
		"missing": {{0, 1}}, "twice": {{0, 1}, {1, 2}}, "short ones": {{0}, {1}, {2}},
	} {
		firsts := make([]int64, len(list))
		for i := range firsts {
			firsts[i] = int64(2 * i)
		}
		if partition(list, firsts, 0, 3, 2) == "" {
			t.Errorf("%s: not noticed", name)
		}
	}
	if partition([][]int{{0, 1}, {2, 3}}, []int64{0, 1}, 0, 4, 2) == "" {
		t.Error("numbers that overlap: not noticed")
	}
}

// TestBatchesArePure: batch t does not depend on what was asked before.
func TestBatchesArePure(t *testing.T) {
	const n, size = 100, 8
	sizes := unequal(n)
	inOrder := newBatches(size, newOrder(n, true, 5), sizes)
	jumps := newBatches(size, newOrder(n, true, 5), sizes)
	other := newBatches(size, newOrder(n, true, 6), sizes)
	var want [][]int
	for t := range int64(40) {
		_, _, samples := inOrder.of(t)
		want = append(want, slices.Clone(samples))
	}
	differ := false
	for _, at := range rand.New(rand.NewPCG(3, 4)).Perm(40) {
		if _, _, got := jumps.of(int64(at)); !slices.Equal(got, want[at]) {
			t.Errorf("batch %d is %v, in order it was %v", at, got, want[at])
		}
		_, _, got := other.of(int64(at))
		differ = differ || !slices.Equal(got, want[at])
	}
	if !differ {
		t.Error("another seed gives the same batches")
	}
	if slices.EqualFunc(want[:13], want[13:26], slices.Equal[[]int]) {
		t.Error("the second epoch is the first")
	}
}

// TestBucketsAreEven: the wavefronts of a batch are as many as its longest sample
// has, and nearly all samples are in nearly all of them.
func TestBucketsAreEven(t *testing.T) {
	const n, size = 1000, 16
	sizes := unequal(n)
	filled := func(bucket []grid.Shape, shuffle bool) float64 {
		b := newBatches(size, newOrder(n, shuffle, 5), bucket)
		used, room := 0, 0
		list, _ := epochOf(&b, 3)
		for _, batch := range list {
			longest := 0
			for _, i := range batch {
				longest = max(longest, total(sizes[i]))
				used += total(sizes[i])
			}
			room += longest * len(batch)
		}
		return float64(used) / float64(room)
	}
	if got := filled(sizes, true); got < 0.95 {
		t.Errorf("bucketed batches fill %.3f of their wavefronts, want at least 0.95", got)
	}
	if got := filled(sizes, false); got < 0.97 {
		t.Errorf("sorted batches fill %.3f of their wavefronts, want at least 0.97", got)
	}
	if got := filled(nil, true); got > 0.8 {
		t.Errorf("batches without buckets fill %.3f of their wavefronts: the test says nothing", got)
	}
}
