package task

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Counts are how many samples each part of a split has.
type Counts struct{ Train, Valid, Test int }

// ParseCounts reads counts such as "8000/1000/1000".
func ParseCounts(text string) (Counts, error) {
	var n [3]int
	parts := strings.Split(text, "/")
	ok := len(parts) == len(n)
	for i := 0; ok && i < len(n); i++ {
		v, err := strconv.ParseUint(parts[i], 10, 31)
		n[i], ok = int(v), err == nil
	}
	if !ok {
		return Counts{}, fmt.Errorf("%.40q: want how many samples to train on, to validate on and to test on, such as 8000/1000/1000", text)
	}
	return Counts{n[0], n[1], n[2]}, nil
}

// String is the text that ParseCounts reads.
func (c Counts) String() string { return fmt.Sprintf("%d/%d/%d", c.Train, c.Valid, c.Test) }

// defaultCounts are for a folder with both pairs of files 11/12, 1/12 of the
// training files and all of the test files (55000/5000/10000 of MNIST), with one
// pair 80, 10 and 10 % of it.
func (d *digits) defaultCounts() Counts {
	n := d.count()
	if test := n - d.training; test > 0 && d.training > 0 {
		valid := d.training / 12
		return Counts{d.training - valid, valid, test}
	}
	return Counts{n - 2*(n/10), n / 10, n / 10}
}

// split picks the images of each part, in the order of the files. The seed
// permutes those of the training files and those of the test files, on the
// streams 0 and 1 of "split"; parts take from the beginning on: first training,
// then validation, and the test from its own files where there are both.
func (d *digits) split(c Counts, seed uint64) (train, valid, test []int, err error) {
	n, both := d.count(), d.training > 0 && d.training < d.count()
	switch {
	case c.Train < 1:
		return nil, nil, nil, fmt.Errorf("split %v: want at least 1 image to train on", c)
	case both && c.Train+c.Valid > d.training:
		return nil, nil, nil, fmt.Errorf("split %v: %d images to train and validate on, there are %d", c, c.Train+c.Valid, d.training)
	case both && c.Test > n-d.training:
		return nil, nil, nil, fmt.Errorf("split %v: %d images to test on, there are %d", c, c.Test, n-d.training)
	case c.Train+c.Valid+c.Test > n:
		return nil, nil, nil, fmt.Errorf("split %v: %d images in all, there are %d", c, c.Train+c.Valid+c.Test, n)
	}
	list := all(n)
	rest := list
	take := func(count int) []int {
		part := slices.Clone(rest[:count])
		rest = rest[count:]
		slices.Sort(part)
		return part
	}
	var random stream
	if both {
		for i, files := range [][]int{list[:d.training], list[d.training:]} {
			random.start(seed, "split", int64(i))
			permute(files, &random)
		}
	} else {
		random.start(seed, "split", 0)
		permute(list, &random)
	}
	train, valid = take(c.Train), take(c.Valid)
	if both {
		rest = list[d.training:]
	}
	return train, valid, take(c.Test), nil
}
