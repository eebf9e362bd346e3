package task

import (
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
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
