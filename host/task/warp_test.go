package task

import (
	"math"
	"slices"
	"testing"
)

// TestWarpNothing: without any change the image stays as it is, to the bit.
func TestWarpNothing(t *testing.T) {
	src := openFixture(t, nil).Train.(*MNIST).digits.image(0)
	dst := make([]byte, len(src))
	var r stream
	r.start(1, "test", 0)
	newWarper(28, 28).warp(dst, src, &r, deformation{scale: 1})
	if !slices.Equal(dst, src) {
		t.Error("an image changes without a deformation")
	}
}

// TestWarpTurnsAndScales: a quarter turn takes columns to rows, and twice the
// scale makes a square of 4 × 4 one of 8 × 8, whose strokes bleed nowhere.
func TestWarpTurnsAndScales(t *testing.T) {
	var r stream
	w := newWarper(16, 16)
	src, dst := make([]byte, 256), make([]byte, 256)
	src[3*16+8] = 200 // above the middle
	r.start(1, "test", 0)
	w.warp(dst, src, &r, deformation{angle: math.Pi / 2, scale: 1})
	found := slices.Index(dst, slices.Max(dst))
	if row, col := found/16, found%16; row != 8 || col != 12 {
		t.Errorf("a quarter turn takes the pixel to row %d, column %d, want 8, 12", row, col)
	}
	clear(src)
	for i := 6; i < 10; i++ {
		for j := 6; j < 10; j++ {
			src[i*16+j] = 100
		}
	}
	w.warp(dst, src, &r, deformation{scale: 2})
	ink := 0
	for _, v := range dst {
		if v > 0 {
			ink++
		}
	}
	if ink != 64 {
		t.Errorf("twice the scale makes an area of %d, want 64", ink)
	}
}

// TestWarpDisplacements: in the middle, where the zeros around the image do not
// reach, the standard deviation on each axis is that of the smoothed noise,
// α·√(1/3) / (2·√π·σ); neighbours move nearly alike.
func TestWarpDisplacements(t *testing.T) {
	const fields = 400
	w := newWarper(40, 40)
	src, dst := make([]byte, 1600), make([]byte, 1600)
	var r stream
	sum, square, step := 0.0, 0.0, 0.0
	for s := range fields {
		r.start(7, "test", int64(s))
		w.warp(dst, src, &r, elastic)
		for _, shift := range w.shift {
			at, next := float64(elastic.strength*shift[20*40+20]), float64(elastic.strength*shift[20*40+21])
			sum, square, step = sum+at, square+at*at, step+(at-next)*(at-next)
		}
	}
	n := float64(2 * fields)
	want := warpStrength * math.Sqrt(1.0/3) / (2 * math.SqrtPi * warpSigma)
	if got := math.Sqrt(square / n); !within(got, want, 0.1*want) {
		t.Errorf("displacements of %.3f pixels, want %.3f", got, want)
	}
	if !within(sum/n, 0, 4*want/math.Sqrt(n)) {
		t.Errorf("displacements of %.3f pixels on average, want 0", sum/n)
	}
	// The correlation of neighbours is exp(-1/(4σ²)).
	if got, want := math.Sqrt(step/n), want*math.Sqrt(2-2*math.Exp(-1.0/(4*warpSigma*warpSigma))); !within(got, want, 0.1*want) {
		t.Errorf("neighbours differ by %.3f pixels, want %.3f", got, want)
	}
}

// TestWarpFar: whatever is far outside is 0, and no index leaves the image.
func TestWarpFar(t *testing.T) {
	w := newWarper(3, 2)
	src := slices.Repeat([]byte{255}, 6)
	for _, c := range []struct {
		y, x float32
		want byte
	}{
		{0, 0, 255}, {2, 1, 255}, {-0.4, 0, 153}, {2.4, 1, 153}, {-0.6, 0, 0}, {2.6, 1, 0}, {-1, 0, 0}, {3, 0, 0}, {0, 2, 0},
		{1e30, 0, 0}, {float32(math.NaN()), 0, 0}, {0, float32(math.Inf(-1)), 0},
	} {
		if got := w.at(src, c.y, c.x); got != c.want {
			t.Errorf("at %v, %v: got %d, want %d", c.y, c.x, got, c.want)
		}
	}
}

func BenchmarkAugment(b *testing.B) {
	src := openFixture(b, func(o *MNISTOptions) { o.Augment = true }).Train.(*MNIST)
	epoch := int64(0)
	for b.Loop() {
		epoch++
		src.image(src.images[0], epoch)
	}
}
