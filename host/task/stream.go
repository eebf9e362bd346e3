package task

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
)

// streamVersion changes when the same seed is to mean other data.
const streamVersion = 1

// stream is the source of random numbers of one sample; see the package comment.
type stream struct{ chacha rand.ChaCha8 }

// start sets the stream to the beginning of sample s of the named task.
func (r *stream) start(seed uint64, name string, s int64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(s))
	copy(key[16:24], name)
	binary.LittleEndian.PutUint64(key[24:], streamVersion)
	r.chacha.Seed(key)
}

// uniform is uniform on [0, 1): the upper 24 bits of one draw times 2^-24, so
// every value is exact in float32.
func (r *stream) uniform() float32 {
	return float32(r.chacha.Uint64()>>40) * 0x1p-24
}

// intN is uniform on 0 … n-1: the upper half of one draw times n. The bias is
// below n·2^-64. n must be at least 1.
func (r *stream) intN(n int) int {
	high, _ := bits.Mul64(r.chacha.Uint64(), uint64(n))
	return int(high)
}

// normals are two independent standard normal values from two draws (Box and
// Muller 1958).
func (r *stream) normals() (a, b float64) {
	// The first is in (0, 1]: its logarithm is finite.
	radius := math.Sqrt(-2 * math.Log(float64(r.chacha.Uint64()>>11+1)*0x1p-53))
	sin, cos := math.Sincos(2 * math.Pi * float64(r.chacha.Uint64()>>11) * 0x1p-53)
	return radius * cos, radius * sin
}
