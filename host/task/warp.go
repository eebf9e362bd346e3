package task

import "math"

// Elastic deformations of images as Simard, Steinkraus and Platt 2003 ("Best
// Practices for Convolutional Neural Networks Applied to Visual Document
// Analysis") make them: every pixel is moved by its own displacement, and
// neighbours by nearly the same.
const (
	warpSigma    = 4  // σ of the Gaussian that smooths the displacements, in pixels
	warpStrength = 34 // α, which they are multiplied by; moves a pixel by about 1.4 on each axis
	warpRadius   = 3 * warpSigma

	// Augmentation draws from these ranges on both sides of no change.
	augmentAngle = 0.2 // radians
	augmentScale = 0.1 // of the size
)

// deformation is how an image is changed. The pixel at p shows what was at
//
//	c + A·(p - c) + strength · (G_σ * u)(p)
//
// where c is the middle of the image, A turns by angle and divides by scale, u is
// uniform on [-1, 1) for each pixel and axis, 0 outside, and G_σ is a Gaussian.
type deformation struct {
	strength, angle, scale float32
}

// elastic is the deformation of the warped test set.
var elastic = deformation{strength: warpStrength, scale: 1}

// randomDeformation is one of augmentation: strength in [0, α), angle and scale
// around none, drawn in this order.
func randomDeformation(r *stream) deformation {
	strength := warpStrength * r.uniform()
	angle := augmentAngle * (2*r.uniform() - 1)
	return deformation{strength: strength, angle: angle, scale: 1 + augmentScale*(2*r.uniform()-1)}
}

// warper deforms images of one size.
type warper struct {
	rows, cols int
	taps       [warpRadius + 1]float32 // of the Gaussian, from its middle
	shift      [2][]float32            // [rows, cols] displacements down and to the right
	smooth     []float32               // [rows, cols] scratch: smoothed along the columns
	line       []float32               // [warpRadius + cols + warpRadius] scratch: a row between zeros
}

func newWarper(rows, cols int) *warper {
	w := &warper{
		rows: rows, cols: cols,
		shift:  [2][]float32{make([]float32, rows*cols), make([]float32, rows*cols)},
		smooth: make([]float32, rows*cols),
		line:   make([]float32, cols+2*warpRadius),
	}
	var taps [warpRadius + 1]float64
	sum := 0.0
	for k := range taps {
		taps[k] = math.Exp(-float64(k*k) / (2 * warpSigma * warpSigma))
		sum += taps[k]
		if k > 0 {
			sum += taps[k]
		}
	}
	for k, tap := range taps {
		w.taps[k] = float32(tap / sum)
	}
	return w
}

// warp writes src, deformed, to dst: both [rows, cols], not overlapping. It
// draws the displacements down, row-major, then those to the right. Values are
// interpolated between the four nearest pixels, 0 outside, and rounded; where the
// nearest has no ink there is none, so that strokes keep their width and as many
// pixels are background as in images that are not deformed.
func (w *warper) warp(dst, src []byte, r *stream, d deformation) {
	for _, shift := range w.shift {
		for i := range shift {
			shift[i] = 2*r.uniform() - 1
		}
		w.blur(shift)
	}
	sin, cos := math.Sincos(float64(d.angle))
	along, across := float32(cos)/d.scale, float32(sin)/d.scale
	midRow, midCol := float32(w.rows-1)/2, float32(w.cols-1)/2
	for row := range w.rows {
		down := float32(row) - midRow
		for col := range w.cols {
			i := row*w.cols + col
			right := float32(col) - midCol
			y := midRow + along*down - across*right + d.strength*w.shift[0][i]
			x := midCol + across*down + along*right + d.strength*w.shift[1][i]
			dst[i] = w.at(src, y, x)
		}
	}
}

// blur convolves a field with the Gaussian, first down, then to the right.
func (w *warper) blur(field []float32) {
	for row := range w.rows {
		out := w.smooth[row*w.cols:][:w.cols]
		for i, v := range field[row*w.cols:][:w.cols] {
			out[i] = w.taps[0] * v
		}
		for k := 1; k <= warpRadius; k++ {
			for _, from := range [2]int{row - k, row + k} {
				if from < 0 || from >= w.rows {
					continue
				}
				for i, v := range field[from*w.cols:][:w.cols] {
					out[i] += w.taps[k] * v
				}
			}
		}
	}
	for row := range w.rows {
		copy(w.line[warpRadius:], w.smooth[row*w.cols:][:w.cols])
		out := field[row*w.cols:][:w.cols]
		for i := range out {
			near := w.line[i : i+2*warpRadius+1]
			sum := w.taps[0] * near[warpRadius]
			for k := 1; k <= warpRadius; k++ {
				sum += w.taps[k] * (near[warpRadius-k] + near[warpRadius+k])
			}
			out[i] = sum
		}
	}
}

// at is the value of an image between its pixels.
func (w *warper) at(src []byte, y, x float32) byte {
	// Also false for a NaN; beyond, all four pixels are outside.
	if !(y > -1 && y < float32(w.rows) && x > -1 && x < float32(w.cols)) {
		return 0
	}
	// Rounds down, as y+1 and x+1 are positive.
	top, left := int(y+1)-1, int(x+1)-1
	fy, fx := y-float32(top), x-float32(left)
	pixel := func(row, col int) float32 {
		if row < 0 || row >= w.rows || col < 0 || col >= w.cols {
			return 0
		}
		return float32(src[row*w.cols+col])
	}
	if pixel(top+int(fy+0.5), left+int(fx+0.5)) == 0 {
		return 0
	}
	upper := pixel(top, left)*(1-fx) + pixel(top, left+1)*fx
	lower := pixel(top+1, left)*(1-fx) + pixel(top+1, left+1)*fx
	return max(1, byte(upper*(1-fy)+lower*fy+0.5))
}
