package nn

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestPhilox holds the generator against the known answers published with
// Random123 (tests/kat_vectors, philox 4x32 10).
func TestPhilox(t *testing.T) {
	const ones = math.MaxUint32
	for _, test := range []struct {
		name    string
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{"zeros", [4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{"ones", [4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{"pi", [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := philox(test.counter, test.key); got != test.want {
				t.Errorf("got %08x, want %08x", got, test.want)
			}
		})
	}
}

// TestDropMaskWords derives a mask from the documented words by hand.
func TestDropMaskWords(t *testing.T) {
	const key, sample, cell, dropout = 0xa4093822299f31d0, 5<<32 | 9, 17, 0.3
	got := make([]float32, 11)
	DropMask(key, sample, cell, dropout, got)
	for c, value := range got {
		words := philox([4]uint32{uint32(c) / 4, cell, 9, 5}, [2]uint32{0x299f31d0, 0xa4093822})
		u := float64(words[c%4]>>8) / (1 << 24)
		want := float32(1 / (1 - dropout))
		if u < dropout {
			want = 0
		}
		if value != want {
			t.Errorf("channel %d: got %v, want %v", c, value, want)
		}
	}
}

// TestDropMaskSplit: a channel does not know how many stand behind it.
func TestDropMaskSplit(t *testing.T) {
	whole := make([]float32, 67)
	DropMask(1, 2, 3, 0.5, whole)
	for n := range whole {
		part := make([]float32, n)
		DropMask(1, 2, 3, 0.5, part)
		if !slices.Equal(part, whole[:n]) {
			t.Errorf("the first %d channels changed", n)
		}
	}
}

func TestDropMaskRate(t *testing.T) {
	for _, dropout := range []float64{0, 0.1, 0.5, 0.9} {
		if err := checkRate(masks(dropout, DropKey(1, 2, 3)), dropout); err != nil {
			t.Errorf("dropout %v: %v", dropout, err)
		}
	}
	if err := checkRate(masks(0.52, DropKey(1, 2, 3)), 0.5); err == nil {
		t.Error("a rate of 0.52 passes for 0.5")
	}
}

// masks are the factors of 100 samples of 20 cells of 10 channels.
func masks(dropout float64, key uint64) []float32 {
	out := make([]float32, 0, 20000)
	for sample := range int64(100) {
		for cell := range 20 {
			var mask [10]float32
			DropMask(key, sample, cell, dropout, mask[:])
			out = append(out, mask[:]...)
		}
	}
	return out
}

// checkRate wants only 0 and 1/(1-dropout), as often as dropout says within 4
// standard errors.
func checkRate(values []float32, dropout float64) error {
	dropped := 0
	for i, v := range values {
		switch v {
		case 0:
			dropped++
		case float32(1 / (1 - dropout)):
		default:
			return fmt.Errorf("value %d: got %v", i, v)
		}
	}
	n := float64(len(values))
	if got := float64(dropped) / n; math.Abs(got-dropout) > 4*math.Sqrt(dropout*(1-dropout)/n) {
		return fmt.Errorf("dropped %v of %v values", got, n)
	}
	return nil
}

// TestDropKeysAreUnrelated: masks of different seeds, steps and layers agree in
// half of the bits, as independent ones do, also where the numbers are close or
// swapped.
func TestDropKeysAreUnrelated(t *testing.T) {
	keys := map[string]uint64{
		"seed 0": DropKey(0, 0, 0), "seed 1": DropKey(1, 0, 0), "step 1": DropKey(0, 1, 0), "layer 1": DropKey(0, 0, 1),
		"seed max": DropKey(math.MaxUint64, 0, 0), "step 2^40": DropKey(0, 1<<40, 0), "step 1 layer 1": DropKey(0, 1, 1),
	}
	all := map[string][]float32{}
	for name, key := range keys {
		all[name] = masks(0.5, key)
	}
	for name, a := range all {
		for other, b := range all {
			if name >= other {
				continue
			}
			same := 0
			for i := range a {
				if a[i] == b[i] {
					same++
				}
			}
			n := float64(len(a))
			if got := float64(same) / n; math.Abs(got-0.5) > 5*math.Sqrt(0.25/n) {
				t.Errorf("%s and %s agree in %v of the bits", name, other, got)
			}
		}
	}
}

// TestDropMaskEverySample tells samples, cells and steps apart one by one.
func TestDropMaskEverySample(t *testing.T) {
	type place struct {
		key    uint64
		sample int64
		cell   int
	}
	seen := map[[64]float32]place{}
	for _, p := range []place{
		{1, 0, 0}, {2, 0, 0}, {1 << 32, 0, 0}, {1, 1, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1 << 32, 0}, {1, 1 << 62, 0}, {1, 0, 1 << 30},
	} {
		var mask [64]float32
		DropMask(p.key, p.sample, p.cell, 0.5, mask[:])
		if other, ok := seen[mask]; ok {
			t.Errorf("%v and %v have one mask", p, other)
		}
		seen[mask] = p
	}
}

func TestDropThreshold(t *testing.T) {
	for _, test := range []struct {
		dropout float64
		want    uint32
	}{
		{0, 0}, {0.5, 1 << 23}, {0.25, 1 << 22}, {1.0 / (1 << 24), 1}, {1e-9, 1}, {0.5 + 1e-9, 1<<23 + 1}, {1 - 1e-9, 1 << 24},
	} {
		if got := DropThreshold(test.dropout); got != test.want {
			t.Errorf("%v: got %d, want %d", test.dropout, got, test.want)
		}
	}
}
