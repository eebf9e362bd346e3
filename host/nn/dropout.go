package nn

import "math"

// DropKey is the key of the dropout masks of one layer in one step:
// mix(mix(mix(seed) + step) + layer), mix being the splitmix64 finaliser.
func DropKey(seed uint64, step int64, layer int) uint64 {
	return mix64(mix64(mix64(seed)+uint64(step)) + uint64(layer))
}

// DropMask writes the factors of inverted dropout for the input channels 0 …
// len(out)-1 of one cell: 0 for a channel that is dropped, 1/(1-dropout) for one
// that is kept. Channel c takes word c%4 of Philox4x32-10 under key (low word
// first) at the counter (c/4, cell, low word of sample, high word of sample) and
// is dropped when the word's upper 24 bits lie below [DropThreshold]. So a
// channel's factor depends on nothing but the arguments: not on the engine, the
// order of the batch or how it is split.
//
// Sample is the sample's number in the run, cell the packed index of the cell in
// its sample on the layer's input grid, dropout the probability, at least 0 and
// below 1.
func DropMask(key uint64, sample int64, cell int, dropout float64, out []float32) {
	threshold := DropThreshold(dropout)
	keep := float32(1 / (1 - dropout))
	var words [4]uint32
	for c := range out {
		if c%4 == 0 {
			words = philox([4]uint32{uint32(c / 4), uint32(cell), uint32(sample), uint32(uint64(sample) >> 32)},
				[2]uint32{uint32(key), uint32(key >> 32)})
		}
		out[c] = keep
		if words[c%4]>>8 < threshold {
			out[c] = 0
		}
	}
}

// DropThreshold is ⌈dropout · 2^24⌉: a channel is dropped when its random 24
// bits lie below it, which is the same as u < dropout for u = bits · 2^-24, in
// integers.
func DropThreshold(dropout float64) uint32 {
	return uint32(math.Ceil(dropout * (1 << 24)))
}

// philox is Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): a counter-based
// random number generator.
func philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	for range 10 {
		a := uint64(counter[0]) * 0xd2511f53
		b := uint64(counter[2]) * 0xcd9e8d57
		counter = [4]uint32{
			uint32(b>>32) ^ counter[1] ^ key[0], uint32(b),
			uint32(a>>32) ^ counter[3] ^ key[1], uint32(a),
		}
		key[0] += 0x9e3779b9
		key[1] += 0xbb67ae85
	}
	return counter
}
