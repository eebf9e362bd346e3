package train_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// A group trains one run on n ranks, which are goroutines. Functions may be nil.
type group struct {
	settings train.Settings
	data     func(rank int) (task.Split, error)
	engine   func(rank int, e engine.Engine) engine.Engine
	observe  func(rank int, stop context.CancelFunc) train.Observer
	resume   bool
	changes  train.Changes
}

// train returns the error of each rank and the parameters that each ends with.
func (g group) train(dir string, n int) ([]error, [][]float32) {
	errs, params := make([]error, n), make([][]float32, n)
	var wait sync.WaitGroup
	for k, c := range dist.Local(n) {
		wait.Go(func() {
			if params[k], errs[k] = g.rank(dir, c); !dist.Agreed(errs[k]) {
				c.Abort(1)
			}
		})
	}
	wait.Wait()
	return errs, params
}

func (g group) rank(dir string, c dist.Comm) ([]float32, error) {
	m, err := nn.New(g.settings.Model)
	if err != nil {
		return nil, err
	}
	data, err := g.data(c.Rank())
	if err != nil {
		return nil, err
	}
	if err := data.Check(m); err != nil {
		return nil, err
	}
	var e engine.Engine
	if e, err = cpu.New(m, cpu.Options{Threads: 1}); err != nil {
		return nil, err
	}
	defer e.Close()
	if g.engine != nil {
		e = g.engine(c.Rank(), e)
	}
	var r *train.Run
	if c.Rank() == 0 && g.resume {
		r, err = train.Open(dir, g.changes)
	} else if c.Rank() == 0 {
		r, err = train.Create(dir, train.Start{Settings: g.settings, Engine: train.WithRanks(e.Info(), c.Size()), DataHash: data.Hash(), Validates: data.Valid != nil})
	}
	if r, err = train.Join(c, r, err); err != nil {
		return nil, err
	}
	defer r.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var see train.Observer
	if g.observe != nil {
		see = g.observe(c.Rank(), stop)
	}
	if err := r.Train(ctx, e, data, see); err != nil {
		return nil, err
	}
	params := make([]float32, m.Size())
	return params, e.Parameters(params)
}

// must is train where no rank may fail; it returns the parameters.
func (g group) must(t *testing.T, dir string, n int) []float32 {
	t.Helper()
	errs, params := g.train(dir, n)
	for k, err := range errs {
		if err != nil {
			t.Fatalf("%d ranks, rank %d: %v", n, k, err)
		}
		if err := approx.SameBits(fmt.Sprintf("parameters of rank %d", k), params[k], params[0]); err != nil {
			t.Error(err)
		}
	}
	return params[0]
}

// none stands for a loss of nothing, NaN in the log, which no comparison accepts.
const none = -1

// losses are the columns of overall and relevant loss.
func losses(t *testing.T, dir string) (overall, relevant []float64) {
	t.Helper()
	for _, line := range lossColumns(t, dir)[1:] {
		columns := strings.Fields(line)
		for i, to := range []*[]float64{&overall, &relevant} {
			v, err := strconv.ParseFloat(columns[1+i], 64)
			if err != nil {
				t.Fatal(err)
			}
			if math.IsNaN(v) {
				v = none
			}
			*to = append(*to, v)
		}
	}
	return overall, relevant
}

// within compares losses.
func within(t *testing.T, name string, got, want []float64, tolerance float64) {
	t.Helper()
	report, err := approx.Compare(name, []int{len(want)}, got, want, approx.Tolerance{Abs: tolerance})
	if err != nil {
		t.Error(err)
	}
	t.Log(report)
}

func diagonal(s *train.Settings, size grid.Shape) func(int) (task.Split, error) {
	return func(int) (task.Split, error) {
		src, err := task.NewDiagonal(task.Options{Size: size, Batch: s.Batch, Channels: 2, Seed: s.Seed})
		if err != nil {
			return task.Split{}, err
		}
		return task.Split{Train: src}, nil
	}
}

// labelled are 7 samples of unequal size with classes, some of which do not count:
// all cells of sample 2. Batches have 5 and 2 of them.
func labelled(t *testing.T, s *train.Settings) func(int) (task.Split, error) {
	t.Helper()
	dir := t.TempDir()
	x, y, sizes := make([]float32, 7*4*3), make([]byte, 7*4*3), make([]byte, 0, 7*2)
	for i := range x {
		x[i], y[i] = float32(math.Sin(float64(i*i))), byte(i*7%3)
		if i/12 == 2 || i%5 == 0 {
			y[i] = 9
		}
	}
	for b := range byte(7) {
		sizes = append(sizes, 1+b%4, 1+b%3)
	}
	if err := npy.Write(filepath.Join(dir, "x.npy"), []int{7, 4, 3, 1}, x); err != nil {
		t.Fatal(err)
	}
	writeBytes(t, filepath.Join(dir, "y.npy"), "7, 4, 3", y)
	writeBytes(t, filepath.Join(dir, "sizes.npy"), "7, 2", sizes)
	ignored := 9
	return func(int) (task.Split, error) {
		o := task.ArraysOptions{X: filepath.Join(dir, "x.npy"), Y: filepath.Join(dir, "y.npy"), Sizes: filepath.Join(dir, "sizes.npy"),
			Loss: nn.CrossEntropy, IgnoreIndex: &ignored, Batch: s.Batch, Shuffle: true, Seed: s.Seed}
		src, err := task.NewArrays(o)
		if err != nil {
			return task.Split{}, err
		}
		o.Shuffle, o.Batch = false, 2
		valid, err := task.NewArrays(o)
		return task.Split{Train: src, Valid: valid}, err
	}
}

// writeBytes writes a .npy file of uint8.
func writeBytes(t *testing.T, path, shape string, values []byte) {
	t.Helper()
	header := "{'descr': '|u1', 'fortran_order': False, 'shape': (" + shape + ")}\n"
	file := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	if err := os.WriteFile(path, append(append(file, header...), values...), 0o666); err != nil {
		t.Fatal(err)
	}
}

func classSettings(t *testing.T) train.Settings {
	t.Helper()
	s := realSettings(t, "stable", "0.2")
	config, err := nn.ParseConfig([]byte(`{"input": 1, "layers": [
		{"type": "mdlstm", "cell": "stable", "hidden": 3, "directions": ["++", "--"], "dropout": 0.2}],
		"head": {"units": 3, "activation": "softmax"}, "loss": "cross_entropy", "ignore_index": 9, "class_weights": [1, 2, 0.5]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Model, s.Task, s.Batch, s.Steps, s.ValidEvery, s.Patience = config, "arrays", 5, 30, 7, 3
	return s
}

// seedModel has the seed's layer. With only a few hidden units layer norm has gains
// so large that rounding alone, of whatever kind, soon decides where a training goes.
func seedModel(t *testing.T) nn.Config {
	t.Helper()
	config, err := nn.ParseConfig([]byte(`{"input": 2, "layers": [
		{"type": "mdlstm", "cell": "layernorm", "hidden": 16, "directions": ["++"]}],
		"head": {"units": 1, "activation": "sigmoid"}, "loss": "mse"}`))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestRanksFollowOne: the shares of N ranks train as one rank does with the whole
// batch, and to the same bits each time.
func TestRanksFollowOne(t *testing.T) {
	for _, test := range []struct {
		name   string
		ranks  []int
		change func(s *train.Settings)
	}{
		{"adam", []int{2, 4}, func(s *train.Settings) { s.Steps = 100 }},
		{"sgd", []int{4}, func(s *train.Settings) { s.Steps, s.Optimizer, s.Momentum, s.LR = 100, engine.SGD, 0.9, 0.1 }},
		{"layernorm", []int{4}, func(s *train.Settings) { s.Model, s.Batch, s.Steps = seedModel(t), 16, 30 }},
		{"clipping", []int{3}, func(s *train.Settings) { s.Clip = 0.01 }},
		{"dropout", []int{3}, func(s *train.Settings) { s.Model = realSettings(t, "graves", "0.3").Model }},
		{"accumulated", []int{4}, func(s *train.Settings) { s.Accumulate = 3 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := realSettings(t, "stable", "0")
			s.Batch, s.Steps = 8, 20
			test.change(&s)
			g := group{settings: s, data: diagonal(&s, grid.Shape{5, 6})}
			whole := filepath.Join(t.TempDir(), "run")
			g.must(t, whole, 1)
			wantAll, wantRelevant := losses(t, whole)
			for _, n := range test.ranks {
				dir := filepath.Join(t.TempDir(), "run")
				g.must(t, dir, n)
				gotAll, gotRelevant := losses(t, dir)
				// Measured: 4.3e-9 and 5.3e-8 at most.
				within(t, fmt.Sprintf("%d ranks: overall loss", n), gotAll, wantAll, 4e-8)
				within(t, fmt.Sprintf("%d ranks: relevant loss", n), gotRelevant, wantRelevant, 5e-7)
				again := filepath.Join(t.TempDir(), "run")
				g.must(t, again, n)
				if modelOf(t, again) != modelOf(t, dir) || !slices.Equal(lossColumns(t, again), lossColumns(t, dir)) {
					t.Errorf("%d ranks: another training has other bits", n)
				}
			}
		})
	}
}

// TestRanksParameters: after 20 steps of SGD.
func TestRanksParameters(t *testing.T) {
	s := realSettings(t, "stable", "0")
	s.Batch, s.Steps, s.Optimizer, s.Momentum, s.LR = 8, 20, engine.SGD, 0.9, 0.1
	g := group{settings: s, data: diagonal(&s, grid.Shape{5, 6})}
	want := g.must(t, filepath.Join(t.TempDir(), "run"), 1)
	wide := make([]float64, len(want))
	for i, v := range want {
		wide[i] = float64(v)
	}
	for _, n := range []int{2, 4} {
		got := g.must(t, filepath.Join(t.TempDir(), "run"), n)
		report, err := approx.Compare(fmt.Sprintf("%d ranks", n), []int{len(want)}, got, want, approx.OfLargest(wide, 2e-7, 0)) // measured: 2.2e-8
		if err != nil {
			t.Error(err)
		}
		t.Log(report)
	}
}

// TestRanksUnequal: samples of unequal size, cells that do not count, fewer samples
// than ranks in some batches, and validations that are divided too.
func TestRanksUnequal(t *testing.T) {
	s := classSettings(t)
	g := group{settings: s, data: labelled(t, &s)}
	whole := filepath.Join(t.TempDir(), "run")
	g.must(t, whole, 1)
	want, _ := losses(t, whole)
	if !slices.Contains(want, none) {
		t.Error("no batch without a cell that counts: give another seed")
	}
	for _, n := range []int{2, 4} {
		dir := filepath.Join(t.TempDir(), "run")
		g.must(t, dir, n)
		got, _ := losses(t, dir)
		// Measured: 1.2e-8 and 5.4e-9 at most.
		within(t, fmt.Sprintf("%d ranks: loss", n), got, want, 1e-7)
		within(t, fmt.Sprintf("%d ranks: validation", n), validations(t, dir), validations(t, whole), 5e-8)
	}
}

// validations are the losses and errors in valid.tsv.
func validations(t *testing.T, dir string) (all []float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "valid.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		for _, column := range strings.Split(line, "\t")[:3] {
			v, err := strconv.ParseFloat(column, 64)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, v)
		}
	}
	return all
}

// TestRanksStop: what one rank is told ends all after the same step, and the run
// goes on with any number of ranks.
func TestRanksStop(t *testing.T) {
	s := classSettings(t)
	g := group{settings: s, data: labelled(t, &s)}
	for told := range 3 {
		t.Run(fmt.Sprintf("rank %d", told), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			g := g
			g.observe = func(rank int, stop context.CancelFunc) train.Observer {
				return train.Observer{Step: func(p train.Progress) {
					if rank == told && p.Step == 10 {
						stop()
					}
				}}
			}
			errs, _ := g.train(dir, 3)
			for k, err := range errs {
				if !errors.Is(err, train.ErrInterrupted) || !strings.Contains(err.Error(), "interrupted after 12 of 30 steps") || !dist.Agreed(err) {
					t.Errorf("rank %d: error %v, want an interruption after the step in which it was told", k, err)
				}
			}
			var warned string
			g.resume = true
			g.observe = func(rank int, _ context.CancelFunc) train.Observer {
				if rank > 0 {
					return train.Observer{}
				}
				return train.Observer{Warn: func(text string) { warned = text }}
			}
			g.must(t, dir, 2)
			if !strings.Contains(warned, `ranks "3" to "2"`) {
				t.Errorf("warning %q, want that the number of ranks changed", warned)
			}
			if lines := lossColumns(t, dir); len(lines) != 31 {
				t.Errorf("%d lines in the log, want 31", len(lines))
			}
		})
	}
}

// TestRanksResume: with the same number of ranks the bits are those of a run that
// was not stopped.
func TestRanksResume(t *testing.T) {
	s := classSettings(t)
	g := group{settings: s, data: labelled(t, &s)}
	whole, parts := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	g.must(t, whole, 2)
	short := g
	short.settings.Steps = 14
	short.must(t, parts, 2)
	g.resume, g.changes = true, train.Changes{Steps: &s.Steps}
	g.must(t, parts, 2)
	// The step where the first part ended had a validation that the whole has too.
	if modelOf(t, parts) != modelOf(t, whole) || !slices.Equal(lossColumns(t, parts), lossColumns(t, whole)) {
		t.Error("the resumed run has other bits")
	}
}

// brokenEngine fails in some way from some update on.
type brokenEngine struct {
	engine.Engine
	change func() // after an update
	update error
}

func (e *brokenEngine) Update(u engine.Update) (engine.UpdateResult, error) {
	r, err := e.Engine.Update(u)
	if e.change != nil {
		e.change()
	}
	return r, errors.Join(err, e.update)
}

// brokenSource fails at a batch.
type brokenSource struct {
	task.Divisible
	at   int64
	err  error
	huge bool
}

func (s brokenSource) BatchPart(t int64, p task.Part, b *engine.Batch) error {
	if err := s.Divisible.BatchPart(t, p, b); err != nil || t != s.at {
		return err
	}
	if s.huge {
		b.Y[0] = math.MaxFloat32
	}
	return s.err
}

func (s brokenSource) Fork() task.Divisible {
	s.Divisible = s.Divisible.Fork()
	return s
}

// TestRanksFail: an error of one rank ends all, and each knows why.
func TestRanksFail(t *testing.T) {
	s := realSettings(t, "plain", "0")
	s.Model.Head.Activation = "linear"
	s.Steps, s.CheckpointEvery = 8, 2
	whole := diagonal(&s, grid.Shape{5, 6})
	source := func(at int64, err error, huge bool) func(g *group) {
		return func(g *group) {
			g.data = func(rank int) (task.Split, error) {
				d, e := whole(rank)
				if rank == 2 {
					d.Train = brokenSource{d.Train.(task.Divisible), at, err, huge}
				}
				return d, e
			}
		}
	}
	lost := errors.New("disk lost")
	for _, test := range []struct {
		name   string
		break_ func(g *group)
		want   string // on rank 0
		agreed bool
		step   int64 // of the checkpoint that is left; -1 for none
	}{
		{"data in the middle", source(5, lost, false), "step 5: rank 2 of 3 on " + dist.Hostname() + ": disk lost", true, 4},
		{"huge target", source(5, nil, true), "step 5: NaN or infinity in", true, 4},
		{"other data", func(g *group) {
			g.data = func(rank int) (task.Split, error) {
				other := s
				if rank == 1 {
					other.Seed++
				}
				return diagonal(&other, grid.Shape{5, 6})(rank)
			}
		}, "rank 1 of 3 on " + dist.Hostname() + ": ", true, 0},
		{"other engine", func(g *group) {
			g.engine = func(rank int, e engine.Engine) engine.Engine {
				if rank == 1 {
					return otherInfo{e}
				}
				return e
			}
		}, `it computes otherwise than rank 0 (blas "`, true, 0},
		{"other parameters", func(g *group) {
			g.engine = func(rank int, e engine.Engine) engine.Engine {
				if rank != 2 {
					return e
				}
				return &brokenEngine{Engine: e, change: func() {
					p := make([]float32, e.Model().Size())
					if e.Parameters(p) == nil {
						p[0] = math.Float32frombits(math.Float32bits(p[0]) ^ 1)
						e.SetParameters(p)
					}
				}}
			}
		}, "it has come to other parameters than rank 0", true, 0},
		{"an update that fails", func(g *group) {
			g.engine = func(rank int, e engine.Engine) engine.Engine {
				if rank == 2 {
					return &brokenEngine{Engine: e, update: errors.New("device lost")}
				}
				return e
			}
		}, dist.ErrAborted.Error(), false, 0},
		{"no folder", func(g *group) { g.resume = true }, "--resume", true, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := group{settings: s, data: whole}
			test.break_(&g)
			dir := filepath.Join(t.TempDir(), "run")
			errs, _ := g.train(dir, 3)
			for k, err := range errs {
				if err == nil || dist.Agreed(err) != test.agreed {
					t.Errorf("rank %d: error %v, want one that is agreed on: %v", k, err, test.agreed)
				}
			}
			if errs[0] == nil || !strings.Contains(errs[0].Error(), test.want) {
				t.Errorf("rank 0: error %v, want %q", errs[0], test.want)
			}
			if test.step < 0 {
				return
			}
			r, err := train.Open(dir, train.Changes{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if r.Step() != test.step {
				t.Errorf("checkpoint of step %d, want %d", r.Step(), test.step)
			}
		})
	}
}

// otherInfo is an engine with other products.
type otherInfo struct{ engine.Engine }

func (e otherInfo) Info() engine.Info {
	i := e.Engine.Info()
	i.Settings = map[string]string{"blas": "another", "vector": i.Settings["vector"]}
	return i
}

// TestRanksFullDisk: rank 0 cannot write a checkpoint, and all stop.
func TestRanksFullDisk(t *testing.T) {
	s := realSettings(t, "plain", "0")
	s.Steps, s.CheckpointEvery = 8, 2
	dir := filepath.Join(t.TempDir(), "run")
	g := group{settings: s, data: diagonal(&s, grid.Shape{5, 6})}
	g.observe = func(rank int, _ context.CancelFunc) train.Observer {
		return train.Observer{Step: func(p train.Progress) {
			if rank == 0 && p.Step == 2 { // in place of the file to be written
				if err := os.Mkdir(filepath.Join(dir, "state.safetensors.tmp"), 0o777); err != nil {
					t.Error(err)
				}
			}
		}}
	}
	errs, _ := g.train(dir, 2)
	for k, err := range errs {
		if err == nil || !dist.Agreed(err) || !strings.Contains(err.Error(), "checkpoint of step 4: ") {
			t.Errorf("rank %d: error %v, want one that all agree on", k, err)
		}
	}
	if r, err := train.Open(dir, train.Changes{}); err != nil || r.Step() != 2 {
		t.Errorf("left: %v, %v, want the checkpoint of step 2", r, err)
	}
}

// counted counts the bytes that a rank sends to others, in gathers as often as they
// arrive.
type counted struct {
	dist.Comm
	sent, calls int
}

func (c *counted) Exchange(send dist.Memory, recv []byte, offsets []int) error {
	c.calls++
	c.sent += offsets[c.Size()] - (offsets[c.Rank()+1] - offsets[c.Rank()])
	return c.Comm.Exchange(send, recv, offsets)
}

func (c *counted) Gather(own []byte, all dist.Memory, offsets []int) error {
	c.calls++
	c.sent += len(own) * (c.Size() - 1)
	return c.Comm.Gather(own, all, offsets)
}

// TestRanksBytes: a step sends each gradient 2·(N-1)/N times, 4 bytes each, and 72
// bytes to each other rank: weight, losses and whether to go on. docs/distributed.md
// has these numbers.
func TestRanksBytes(t *testing.T) {
	s := realSettings(t, "plain", "0")
	s.Model, s.Batch = seedModel(t), 4
	m, err := nn.New(s.Model)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 4} {
		g := group{settings: s, data: diagonal(&s, grid.Shape{4, 4})}
		g.settings.CheckpointEvery, g.settings.Steps = 0, 10
		first := make([]int, n)
		ranks := make([]*counted, n)
		g.observe = func(rank int, _ context.CancelFunc) train.Observer {
			return train.Observer{Step: func(p train.Progress) {
				if p.Step == 1 {
					first[rank] = ranks[rank].sent
				}
				if p.Step != 9 {
					return
				}
				got := float64(ranks[rank].sent-first[rank]) / 8
				want := 2*float64(n-1)/float64(n)*4*float64(m.Size()) + 72*float64(n-1)
				if math.Abs(got-want) > 4*float64(n) { // parts differ by one value
					t.Errorf("%d ranks, rank %d: %v bytes a step, want %v", n, rank, got, want)
				}
				t.Logf("%d ranks, %d parameters: rank %d sends %v bytes a step", n, m.Size(), rank, got)
			}}
		}
		var wait sync.WaitGroup
		for k, c := range dist.Local(n) {
			ranks[k] = &counted{Comm: c}
		}
		dir := filepath.Join(t.TempDir(), "run")
		for k := range ranks {
			wait.Go(func() {
				if _, err := g.rank(dir, ranks[k]); err != nil {
					t.Error(err)
					ranks[k].Abort(1)
				}
			})
		}
		wait.Wait()
	}
}

// TestRanksRecorded: config.json says how many ranks compute, one needs no word.
func TestRanksRecorded(t *testing.T) {
	s := realSettings(t, "plain", "0")
	s.Steps = 1
	for n, want := range map[int]string{1: "", 3: "3"} {
		dir := filepath.Join(t.TempDir(), "run")
		group{settings: s, data: diagonal(&s, grid.Shape{5, 6})}.must(t, dir, n)
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var record struct{ Engine train.EngineInfo }
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&record); err != nil {
			t.Fatal(err)
		}
		if got := record.Engine.Settings["ranks"]; got != want {
			t.Errorf("%d ranks: config.json says %q, want %q", n, got, want)
		}
	}
}
