package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
)

// block is one allocation that is cut into arrays before it is made: sizes are
// known first, so what does not fit is refused as a whole.
type block struct {
	memory *cuda.Memory
	words  int64   // of 4 bytes, so far
	zeros  []array // rows of zeros, to be cleared once
}

// array is a part of a block. The zero array is none, at address 0.
type array struct {
	of    *block
	at, n int64 // words
}

// alignWords keeps arrays 256 bytes apart, so that vector loads stay aligned.
const alignWords = 64

// take cuts off an array with the product of the sizes.
func (b *block) take(sizes ...int) array {
	a := array{of: b, at: b.words, n: product(sizes)}
	b.words = min(a.at+a.n, math.MaxInt64/8)
	b.words = (b.words + alignWords - 1) / alignWords * alignWords
	return a
}

// takeRows cuts off [sets, rows+1, width] whose last row of each set is a row of
// zeros.
func (b *block) takeRows(sets, rows, width int) array {
	a := b.take(sets, rows+1, width)
	for q := range sets {
		b.zeros = append(b.zeros, array{b, a.at + product([]int{q, rows + 1, width}) + product([]int{rows, width}), int64(width)})
	}
	return a
}

// product saturates, far above any memory.
func product(sizes []int) int64 {
	p := int64(1)
	for _, n := range sizes {
		if n > 0 && p > math.MaxInt64/16/int64(n) {
			return math.MaxInt64 / 16
		}
		p *= int64(n)
	}
	return p
}

func (b *block) bytes() int64 { return 4 * b.words }

// alloc makes the allocation and queues the clearing of its rows of zeros.
func (b *block) alloc(c *cuda.Context, owner string, s *cuda.Stream) (err error) {
	if b.memory, err = c.Alloc(owner, b.bytes()); err != nil {
		return err
	}
	for _, z := range b.zeros {
		if err := z.clear(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *block) free() error {
	m := b.memory
	b.memory = nil
	return m.Free()
}

// address is where the array lies on the device, 0 before its block is allocated.
func (a array) address() cuda.Address {
	if a.of == nil || a.of.memory == nil {
		return 0
	}
	return a.of.memory.Address() + cuda.Address(4*a.at)
}

// clear queues setting the array to 0.
func (a array) clear(s *cuda.Stream) error { return s.Fill32(a.of.memory, 4*a.at, a.n, 0) }

// download copies the first len(dst) elements from element from on, and waits.
func (a array) download(dst []float32, from int) error {
	return cuda.Download(dst, a.of.memory, int(a.at)+from)
}

// part is the array's part of a host copy of its block.
func part[T cuda.Number](a array, host []T) []T { return host[a.at : a.at+a.n] }
