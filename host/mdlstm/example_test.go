package mdlstm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"mdlstm-gpu/host/mdlstm"
)

// parities are grids of bits with, as targets, whether the number of ones
// above and to the left of a cell, itself included, is odd.
func parities(shapes ...mdlstm.Shape) []mdlstm.Sample {
	random := rand.New(rand.NewPCG(1, 2))
	samples := make([]mdlstm.Sample, len(shapes))
	for n, shape := range shapes {
		x := make([]float32, shape.Cells())
		y := make([]float32, shape.Cells())
		for i := range x {
			x[i] = float32(random.IntN(2))
			row, column := i/shape[1], i%shape[1]
			ones := 0
			for j := range i + 1 {
				if j/shape[1] <= row && j%shape[1] <= column {
					ones += int(x[j])
				}
			}
			y[i] = float32(ones % 2)
		}
		samples[n] = mdlstm.Sample{Shape: shape, X: x, Y: y}
	}
	return samples
}

// repeat lists a shape n times.
func repeat(n int, shape ...int) []mdlstm.Shape {
	shapes := make([]mdlstm.Shape, n)
	for i := range shapes {
		shapes[i] = shape
	}
	return shapes
}

// Build a model, train it, predict: the sum of each cell and the one above it.
func Example() {
	random := rand.New(rand.NewPCG(1, 2))
	samples := make([]mdlstm.Sample, 32)
	for n := range samples {
		s := mdlstm.Sample{Shape: mdlstm.Shape{4, 4}, X: make([]float32, 16), Y: make([]float32, 16)}
		for cell := range s.X {
			s.X[cell] = random.Float32()
			s.Y[cell] = s.X[cell]
			if cell >= 4 {
				s.Y[cell] += s.X[cell-4]
			}
		}
		samples[n] = s
	}

	// Grids of 2 axes, 1 channel, 8 hidden units a corner, 1 value a cell.
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 8, 1, "mse"), mdlstm.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	ctx := context.Background()
	if err := model.Train(ctx, samples, mdlstm.TrainOptions{Epochs: 30, LR: 0.03}); err != nil {
		log.Fatal(err)
	}
	score, err := model.Evaluate(ctx, samples)
	if err != nil {
		log.Fatal(err)
	}
	outputs, err := model.Predict(ctx, samples[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("loss below 0.01: %v\n", score.Loss < 0.01)
	fmt.Printf("outputs of a grid of %v: %d\n", outputs[0].Shape, len(outputs[0].Y))
	// Output:
	// loss below 0.01: true
	// outputs of a grid of 4x4: 16
}

// Samples of unequal size go side by side, in training and prediction.
func Example_unequalSizes() {
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 4, 1, "binary_cross_entropy"), mdlstm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	samples := parities(mdlstm.Shape{2, 5}, mdlstm.Shape{4, 3}, mdlstm.Shape{1, 1})

	ctx := context.Background()
	if err := model.Train(ctx, samples, mdlstm.TrainOptions{Steps: 3}); err != nil {
		log.Fatal(err)
	}
	outputs, err := model.Predict(ctx, samples...)
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range outputs {
		fmt.Println(o.Shape, len(o.Y))
	}
	// Output:
	// 2x5 10
	// 4x3 12
	// 1x1 1
}

// Classes of the cells of volumes: is the cell behind this one, along the last
// axis, brighter or darker? One direction that comes from behind is enough.
func Example_classes() {
	random := rand.New(rand.NewPCG(1, 2))
	samples := make([]mdlstm.Sample, 16)
	for n := range samples {
		s := mdlstm.Sample{Shape: mdlstm.Shape{2, 2, 4}, X: make([]float32, 16), Class: make([]int32, 16)}
		for cell := range s.X {
			s.X[cell] = float32(random.IntN(2))
		}
		for cell := range s.X {
			switch {
			case cell%4 == 3: // nothing is behind it
				s.Class[cell] = 255
			case s.X[cell+1] > s.X[cell]:
				s.Class[cell] = 1
			case s.X[cell+1] < s.X[cell]:
				s.Class[cell] = 2
			}
		}
		samples[n] = s
	}

	config := mdlstm.OneLayer(3, 1, 8, 3, "cross_entropy")
	config.Layers[0].Directions = []string{"++-"}
	config.IgnoreIndex = new(int)
	*config.IgnoreIndex = 255
	model, err := mdlstm.New(config, mdlstm.Options{Seed: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	ctx := context.Background()
	if err := model.Train(ctx, samples, mdlstm.TrainOptions{Steps: 100, Clip: 1}); err != nil {
		log.Fatal(err)
	}
	score, err := model.Evaluate(ctx, samples)
	if err != nil {
		log.Fatal(err)
	}
	outputs, err := model.Predict(ctx, samples[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("accuracy %.2f\n", score.Accuracy)
	fmt.Println("classes", outputs[0].Classes()[12:15], "of", samples[0].X[12:])
	// Output:
	// accuracy 1.00
	// classes [0 2 1] of [1 1 0 1]
}

// A model file holds all that predicting needs. The program mdlstm-gpu and
// scripts/torch_mdlstm.py read it too.
func ExampleModel_Save() {
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 4, 1, "mse"), mdlstm.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	dir, err := os.MkdirTemp("", "mdlstm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	if err := model.Save(path); err != nil {
		log.Fatal(err)
	}

	again, err := mdlstm.Load(path, mdlstm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer again.Close()
	x := mdlstm.Sample{Shape: mdlstm.Shape{1, 2}, X: []float32{0.5, -0.5}}
	a, err := model.Predict(context.Background(), x)
	if err != nil {
		log.Fatal(err)
	}
	b, err := again.Predict(context.Background(), x)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same:", a[0].Y[0] == b[0].Y[0] && a[0].Y[1] == b[0].Y[1])
	// Output: the same: true
}

// A training that is cancelled leaves a model that can be used, and trained
// further to the bits that it would have had.
func ExampleModel_Train_cancel() {
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 4, 1, "mse"), mdlstm.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = model.Train(ctx, parities(repeat(4, 3, 3)...), mdlstm.TrainOptions{
		Steps: 1000,
		Progress: func(p mdlstm.Progress) error {
			if p.Step == 9 {
				cancel()
			}
			return nil
		},
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.Canceled), model.Steps())
	// Output:
	// train: step 10 of 1000: context canceled
	// true 10
}

// noise is a source: grids of noise that never repeat, whose target is their
// mirror image along the last axis.
type noise struct {
	size mdlstm.Shape
	seed uint64
}

func (n noise) Batch(t int64, b *mdlstm.Batch) error {
	random := rand.New(rand.NewPCG(n.seed, uint64(t)))
	*b = mdlstm.Batch{Samples: []mdlstm.Shape{n.size, n.size}, First: 2 * t}
	width := n.size[len(n.size)-1]
	for range 2 * n.size.Cells() {
		b.X = append(b.X, random.Float32())
	}
	b.Y = make([]float32, len(b.X))
	for i := range b.X {
		b.Y[i/width*width+width-1-i%width] = b.X[i]
	}
	return nil
}

// Generated data come from a type with a method Batch.
func ExampleModel_TrainSource() {
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 4, 1, "mse"), mdlstm.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	ctx := context.Background()
	src := noise{size: mdlstm.Shape{2, 3}, seed: 7}
	if err := model.TrainSource(ctx, src, mdlstm.TrainOptions{Steps: 300}); err != nil {
		log.Fatal(err)
	}
	// Batches that training never reaches measure it.
	score, err := model.EvaluateSource(ctx, src, 1<<40, 4)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("loss below 0.06:", score.Loss < 0.06)
	// Output: loss below 0.06: true
}

// forked is noise for several goroutines: Batch changes nothing of it.
type forked struct{ noise }

// Fork returns the source itself, which has nothing of its own to keep apart.
func (f forked) Fork() mdlstm.Source { return f }

// A source with a method Fork has its batches made by several goroutines beside a
// GPU, and the time that steps waited for them says whether that was enough.
func ExampleForker() {
	model, err := mdlstm.New(mdlstm.OneLayer(2, 1, 4, 1, "mse"), mdlstm.Options{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	src := forked{noise{size: mdlstm.Shape{2, 3}, seed: 7}}
	var waited, all time.Duration
	err = model.TrainSource(context.Background(), src, mdlstm.TrainOptions{Steps: 50, Progress: func(p mdlstm.Progress) error {
		waited += p.Waited
		all += p.Waited + p.Took
		return nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("waited for less than all the time:", waited < all)
	// Output: waited for less than all the time: true
}

// What computes, and how, are options. What this machine does not have is an
// error.
func ExampleOptions() {
	config := mdlstm.OneLayer(2, 1, 64, 1, "mse")
	exact := mdlstm.Options{Device: mdlstm.CPU, BLAS: mdlstm.BLASGonum, Recompute: true}
	model, err := mdlstm.New(config, exact)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	fmt.Println(model.Info().Engine, model.Info().Settings["blas"])

	_, err = mdlstm.New(config, mdlstm.Options{Device: mdlstm.CPU, Precision: mdlstm.TF32})
	fmt.Println(err)
	// Output:
	// cpu gonum
	// options: Precision "tf32": device cpu computes in float32: ask for device gpu, or for float32
}
