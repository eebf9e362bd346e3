package cpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

func TestCutSamples(t *testing.T) {
	mixed := []grid.Shape{{60, 60}, {20, 20}, {20, 30}, {1, 1}, {45, 20}, {60, 20}, {2, 2}, {33, 21}, {20, 20}}
	for _, c := range []struct {
		samples []grid.Shape
		n       int
		want    []int
	}{
		{[]grid.Shape{{3}}, 1, []int{0, 1}},
		{slices.Repeat([]grid.Shape{{28, 28}}, 8), 1, []int{0, 8}},
		{slices.Repeat([]grid.Shape{{28, 28}}, 8), 4, []int{0, 2, 4, 6, 8}},
		{slices.Repeat([]grid.Shape{{28, 28}}, 5), 4, []int{0, 1, 2, 4, 5}},
		{slices.Repeat([]grid.Shape{{7}}, 3), 3, []int{0, 1, 2, 3}},
		{mixed, 2, []int{0, 2, 9}},
		{mixed, 4, []int{0, 1, 4, 6, 9}}, // the first is larger than a quarter
		{[]grid.Shape{{1}, {1}, {100}}, 3, []int{0, 2, 3}},
		{[]grid.Shape{{100}, {1}, {1}}, 2, []int{0, 1, 3}},
	} {
		if got := cutSamples(c.samples, c.n, nil); !slices.Equal(got, c.want) {
			t.Errorf("%v in %d parts: got %v, want %v", c.samples, c.n, got, c.want)
		}
	}
}

func TestPartsOf(t *testing.T) {
	e := open(t, oneLayer("plain", 1, 8, 2, 1), Options{Threads: 1})
	large := open(t, oneLayer("plain", 1, 128, 2, 4), Options{Threads: 1})
	for _, c := range []struct {
		e       *Engine
		samples int
		bytes   int64
		want    int
	}{
		{e, 64, 1, 1}, {e, 64, partBytes, 1}, {e, 64, partBytes * 3 / 2, 2}, {e, 64, partBytes * 5, 4}, {e, 64, partBytes * 6, 8},
		{e, 3, partBytes * 100, 3}, {e, 1, partBytes * 100, 1}, {large, 64, partBytes * 6, 2},
	} {
		if got := c.e.partsOf(c.samples, c.bytes); got != c.want {
			t.Errorf("%d samples of %d bytes: %d parts, want %d", c.samples, c.bytes, got, c.want)
		}
	}
}

// TestPartsGiveTheSameBits: whoever computes the parts, in whatever order.
func TestPartsGiveTheSameBits(t *testing.T) {
	samples := append(slices.Repeat([]grid.Shape{{8, 6}, {4, 2}, {2, 9}}, 15), grid.Shape{10, 12})
	b := makeBatch(2, 0, samples...)
	for _, recompute := range []bool{false, true} {
		for _, cell := range nn.Cells {
			t.Run(fmt.Sprintf("%s/recompute=%v", cell, recompute), func(t *testing.T) {
				one := open(t, deep(cell), Options{Threads: 2, Recompute: recompute, part: 1 << 40})
				if b.Y == nil {
					p, err := one.Plan(samples, engine.Capacity{})
					if err != nil {
						t.Fatal(err)
					}
					b.Y = make([]float32, p.(*plan).cells*2)
					for i := range b.Y {
						b.Y[i] = float32(i%7) / 7
					}
				}
				wantLoss, want := gradients(t, one, b)
				wantOut := outputs(t, one, b, engine.Capacity{})
				var first []float32
				for _, threads := range []int{1, 2, 3, 70} {
					e := open(t, deep(cell), Options{Threads: threads, Recompute: recompute, part: 3000})
					loss, got := gradients(t, e, b)
					if n := len(e.plans[0].parts); n < 8 || n >= len(samples) {
						t.Fatalf("%d parts", n)
					}
					if first == nil {
						first = slices.Clone(got)
					}
					if !slices.Equal(got, first) {
						t.Errorf("%d threads give other bits than 1", threads)
					}
					if i := farApart(got, want); i >= 0 || math.Abs(loss.Sum-wantLoss.Sum) > 1e-9*wantLoss.Sum || loss.Weight != wantLoss.Weight {
						t.Errorf("%d threads: loss %v, want %v; gradient %d differs from that of one part", threads, loss, wantLoss, i)
					}
					for _, predict := range []bool{false, true} {
						if got := outputs(t, e, b, engine.Capacity{Predict: predict}); !slices.Equal(got, wantOut) {
							t.Errorf("%d threads, predict only %v: other outputs than in one part", threads, predict)
						}
					}
				}
			})
		}
	}
}

// TestPartsTakeLittleMemory: of a batch, a plan keeps inputs, targets, outputs of
// one part for each worker.
func TestPartsTakeLittleMemory(t *testing.T) {
	samples := slices.Repeat([]grid.Shape{{28, 28}}, 256)
	for _, threads := range []int{1, 2} {
		e := open(t, oneLayer("stable", 1, 16, 2, 4), Options{Threads: threads})
		want := e.estimate(samples, false, false).total()
		p, err := e.Plan(samples, engine.Capacity{})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := p.Bytes()
		if share := float64(got) / float64(want); share < 0.8 || share > 1.2 {
			t.Errorf("%d threads: the plan holds %d bytes; estimated were %d", threads, got, want)
		}
		if whole := e.needOf(samples, false, threads).total(); got > int64(threads+1)*partBytes*3/2 || whole < 20*got/int64(threads) {
			t.Errorf("%d threads: %d bytes, in one part %d", threads, got, whole)
		}
	}
}

// TestPartsOfManyWorkers: more workers than runs of parts, more parts than workers.
func TestPartsOfManyWorkers(t *testing.T) {
	c, samples := oneLayer("plain", 1, 3, 2, 2), slices.Repeat([]grid.Shape{{5, 6}, {3, 2}}, 40)
	b := makeBatch(1, 1, samples...)
	one := open(t, c, Options{Threads: 1, part: 1})
	_, want := gradients(t, one, b)
	wantOut := outputs(t, one, b, engine.Capacity{Predict: true})
	for _, threads := range []int{31, 33, 48, 64, 65} {
		e := open(t, c, Options{Threads: threads, part: 1})
		if _, got := gradients(t, e, b); !slices.Equal(got, want) {
			t.Errorf("%d threads: other gradients", threads)
		}
		for _, predict := range []bool{false, true} {
			if got := outputs(t, e, b, engine.Capacity{Predict: predict}); !slices.Equal(got, wantOut) {
				t.Errorf("%d threads, predict only %v: other outputs", threads, predict)
			}
		}
	}
}

// TestPartsWhereMemoryIsShort: one stack, whose work is shared, in the place of one
// for each worker, with the same bits.
func TestPartsWhereMemoryIsShort(t *testing.T) {
	c, samples := oneLayer("graves", 1, 9, 2, 4), slices.Repeat([]grid.Shape{{40, 50}}, 8)
	b := makeBatch(1, 1, samples...)
	ordinary := open(t, c, Options{Threads: 4, part: 1})
	want := outputs(t, ordinary, b, engine.Capacity{Predict: true})
	apart, together := ordinary.estimate(samples, true, false).total(), ordinary.estimate(samples, true, true).total()
	if apart < together*5/4 {
		t.Fatalf("apart %d bytes, together %d", apart, together)
	}
	e := open(t, c, Options{Threads: 4, part: 1, Memory: together, Temp: "/nowhere"})
	if got := outputs(t, e, b, engine.Capacity{Predict: true}); !slices.Equal(got, want) {
		t.Error("other outputs")
	}
	if n := len(e.plans[0].stacks); n != 1 {
		t.Errorf("%d stacks, want 1", n)
	}
	if n := len(ordinary.plans[0].stacks); n != 4 {
		t.Errorf("%d stacks where there is room, want 4", n)
	}
}

// TestPartsOfLargeBatchThenOne: a batch of one part finds its memory in that of
// several, whoever computed them.
func TestPartsOfLargeBatchThenOne(t *testing.T) {
	for _, recompute := range []bool{false, true} {
		c := oneLayer("layernorm", 1, 5, 2, 2)
		many, one := makeBatch(1, 1, slices.Repeat([]grid.Shape{{30, 40}}, 6)...), makeBatch(1, 1, grid.Shape{30, 40})
		_, want := gradients(t, open(t, c, Options{Threads: 1, Recompute: recompute, part: 1}), one)
		e := open(t, c, Options{Threads: 3, Recompute: recompute, part: 1})
		for range 2 {
			gradients(t, e, many)
			p := e.plans[0]
			before, _ := p.Bytes()
			if _, got := gradients(t, e, one); !slices.Equal(got, want) {
				t.Errorf("recompute %v: other bits than alone", recompute)
			}
			if after, _ := p.Bytes(); len(e.plans) != 1 || after > before*5/4 {
				t.Errorf("recompute %v: %d plans, %d bytes after %d", recompute, len(e.plans), after, before)
			}
		}
	}
}

// TestPartsNameTheCell: an error says where in the batch, not where in a part.
func TestPartsNameTheCell(t *testing.T) {
	e := open(t, oneLayer("plain", 1, 4, 2, 1), Options{Threads: 2, part: 1})
	samples := slices.Repeat([]grid.Shape{{3, 4}}, 6)
	p, err := e.Plan(samples, engine.Capacity{})
	if err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(b *engine.Batch){
		"sample 4, cell [1 2], channel 0": func(b *engine.Batch) { b.X[4*12+6] = float32(math.NaN()) },
		"output cell 60, unit 0":          func(b *engine.Batch) { b.Y[60] = float32(math.Inf(1)) },
	} {
		b := makeBatch(1, 1, samples...)
		spoil(b)
		if _, err := p.Load(b); !errors.Is(err, engine.ErrData) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one with %q", err, want)
		}
		if _, err := p.Gradients(engine.Pass{}); err == nil {
			t.Error("gradients of a batch that was refused")
		}
	}
}

// TestPartsFindNonFinite: the first stage at fault, also where a later part is
// worse.
func TestPartsFindNonFinite(t *testing.T) {
	e := open(t, oneLayer("plain", 1, 3, 2, 2), Options{Threads: 2, part: 1})
	samples := slices.Repeat([]grid.Shape{{4, 6}}, 5)
	b := makeBatch(1, 1, samples...)
	gradients(t, e, b)
	if got, err := e.plans[0].FindNonFinite(); got != "" || err != nil {
		t.Fatalf("all is finite, found %q, %v", got, err)
	}
	// The head is NaN for every sample, the layer only for the fourth: ∞·0.
	head, _ := e.model.Param("head.bias")
	weight, _ := e.model.Param("layers.0.weight_ih")
	e.params[head.Offset], e.params[weight.Offset] = float32(math.NaN()), float32(math.Inf(1))
	e.version++
	clear(b.X[3*24 : 4*24])
	gradients(t, e, b)
	if got, err := e.plans[0].FindNonFinite(); err != nil || !strings.HasPrefix(got, "layer 0 gate i") {
		t.Errorf("found %q, %v", got, err)
	}
}
