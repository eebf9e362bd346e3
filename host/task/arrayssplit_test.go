package task

import (
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

func TestPartOf(t *testing.T) {
	for _, c := range []struct {
		text    string
		n, want int
		err     string
	}{
		{"0.1", 50, 5, ""},
		{"0.5", 3, 2, ""},
		{"7", 50, 7, ""},
		{"0", 50, 0, "both parts need 1 or more"},
		{"50", 50, 0, "both parts"},
		{"0.001", 50, 0, "0 of 50 samples"},
		{"-3", 50, 0, "--valid"},
		{"1.5", 50, 0, "want a share"},
		{"ten", 50, 0, "want a share"},
		{"NaN", 50, 0, "want a share"},
	} {
		got, err := partOf(c.text, c.n)
		if c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%s of %d: got %d, %v, want %d", c.text, c.n, got, err, c.want)
		}
		if c.err != "" {
			checkError(t, err, c.err)
		}
	}
}

// TestArraysSplit: every sample is in one part, at the place of its own targets,
// and the seed decides which.
func TestArraysSplit(t *testing.T) {
	var values []float32
	var classes []int64
	for i := range 10 {
		values = append(values, float32(i), float32(i))
		classes = append(classes, int64(i), int64(i))
	}
	x := write(t, []int{10, 2, 1}, values)
	y := writeInts(t, []int{10, 2}, classes)
	parts := func(seed uint64) (train, valid []int) {
		s, err := OpenArrays(ArraysOptions{X: x, Y: y, Batch: 4, Seed: seed, Shuffle: true}, ArraysValid{Part: "0.3"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(model(t, 1, 10, "softmax", "cross_entropy")); err != nil {
			t.Fatal(err)
		}
		if s.Hash() != s.Train.Hash() || s.Settings()["valid"] != "3" {
			t.Errorf("hash %s of %s, settings %v", s.Hash(), s.Train.Hash(), s.Settings())
		}
		read := func(src Source) (all []int) {
			var batch engine.Batch
			for i := range src.Spec().Steps {
				if err := src.Batch(i, &batch); err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(batch.X); at += 2 {
					if batch.Class[at] != int32(batch.X[at]) {
						t.Errorf("sample %v has the class %d", batch.X[at], batch.Class[at])
					}
					all = append(all, int(batch.X[at]))
				}
			}
			if len(all) != src.Spec().Samples {
				t.Errorf("%d samples, want %d", len(all), src.Spec().Samples)
			}
			return all
		}
		counts := s.Train.(*Arrays).ClassCounts()
		train, valid = read(s.Train), read(s.Valid)
		for class, n := range counts {
			if want := 2; slices.Contains(train, class) != (n == want) {
				t.Errorf("class %d is counted %d times, trained on %v", class, n, train)
			}
		}
		return train, valid
	}
	train, valid := parts(1)
	if !slices.IsSorted(valid) || slices.IsSorted(train) {
		t.Errorf("order %v and %v, want the training part shuffled only", train, valid)
	}
	all := slices.Sorted(slices.Values(slices.Concat(train, valid)))
	if !slices.Equal(all, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("the parts have %v", all)
	}
	if _, again := parts(1); !slices.Equal(again, valid) {
		t.Errorf("another part with the same seed: %v, %v", again, valid)
	}
	if _, other := parts(2); slices.Equal(other, valid) {
		t.Errorf("the same part with another seed: %v", other)
	}
}

// TestArraysPartWithoutTargets: samples none of whose targets count are no part.
func TestArraysPartWithoutTargets(t *testing.T) {
	const samples = 10
	x, nan := write(t, []int{samples, 2, 1}, counting(2*samples)), float32(math.NaN())
	for name, c := range map[string]struct {
		y     func(counts func(sample int) bool) string
		model *nn.Model
		want  string
	}{
		"classes": {func(counts func(int) bool) string {
			classes := make([]int64, 2*samples)
			for i := range classes {
				if !counts(i / 2) {
					classes[i] = 2
				}
			}
			return writeInts(t, []int{samples, 2}, classes)
		}, model(t, 1, 2, "softmax", "cross_entropy", ignore(2)), "the ignore_index 2: give classes"},
		"values": {func(counts func(int) bool) string {
			values := counting(2 * samples)
			for i := range values {
				if !counts(i / 2) {
					values[i] = nan
				}
			}
			return write(t, []int{samples, 2, 1}, values)
		}, model(t, 1, 1, "linear", "mse"), "NaN: give values"},
	} {
		t.Run(name, func(t *testing.T) {
			two := 2
			open := func(counts func(int) bool) Split {
				s, err := OpenArrays(ArraysOptions{X: x, Y: c.y(counts), Batch: 4, Seed: 1, IgnoreIndex: &two}, ArraysValid{Part: "3"})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			all := open(func(int) bool { return true })
			valid := all.Valid.(*Arrays).used
			if err := all.Check(c.model); err != nil {
				t.Error(err)
			}
			if a, b := all.Train.(*Arrays).targets.y, all.Valid.(*Arrays).targets.y; a != b {
				t.Error("the parts have the targets twice")
			}
			in := func(sample int) bool { return slices.Contains(valid, sample) }
			checkError(t, open(func(b int) bool { return !in(b) }).Check(c.model), "validation data: ")
			checkError(t, open(func(b int) bool { return !in(b) }).Check(c.model), "no target of the 3 samples of this part counts: each is "+c.want)
			checkError(t, open(in).Check(c.model), "no target of the 7 samples of this part counts")
		})
	}
}

func TestArraysValidFiles(t *testing.T) {
	x := write(t, []int{1, 2, 1}, []float32{1, 2})
	y := writeInts(t, []int{1, 2}, []int64{0, 1})
	vx := write(t, []int{1, 3, 1}, []float32{3, 4, 5})
	vy := writeInts(t, []int{1, 3}, []int64{0, 1, 2})
	o := ArraysOptions{X: x, Y: y, Batch: 2}
	s, err := OpenArrays(o, ArraysValid{X: vx, Y: vy})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Train.Spec().Units; got != 3 {
		t.Errorf("%d units, want 3: one class is in the validation data only", got)
	}
	if s.Hash() == s.Train.Hash() || s.Settings()["valid-x"] != vx {
		t.Errorf("hash %s, settings %v", s.Hash(), s.Settings())
	}
	if err := s.Check(model(t, 1, 3, "softmax", "cross_entropy")); err != nil {
		t.Error(err)
	}
	checkError(t, s.Check(model(t, 2, 3, "softmax", "cross_entropy")), x)
	_, err = OpenArrays(o, ArraysValid{X: vx, Y: y})
	if err == nil {
		err = s.Check(model(t, 1, 2, "softmax", "cross_entropy"))
	}
	checkError(t, err, "validation data: ")
}
