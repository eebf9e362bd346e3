package task

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ArraysValid says on what a model of arrays is validated: on files of their own,
// or on samples of the training files that are not trained on. The zero value
// means on nothing.
type ArraysValid struct {
	// X, Y and Sizes are as in [ArraysOptions]; all empty for none.
	X, Y, Sizes string
	// Part is how many samples are split off, "200", or which share, "0.1".
	Part string
}

// OpenArrays reads the files and makes the parts for training and, where v is not
// zero, for validation, whose batches follow the file. Samples that are split off
// are the first of a permutation that the seed draws on the stream "valid". Errors
// are those of [NewArrays], or name the flag.
func OpenArrays(o ArraysOptions, v ArraysValid) (Split, error) {
	train, err := NewArrays(o)
	if err != nil {
		return Split{}, err
	}
	o.Shuffle = false
	switch {
	case v.X != "" && v.Part != "":
		return Split{}, fmt.Errorf("task arrays: validation on %s and on the part %s of the samples: give one", v.X, v.Part)
	case v.X != "":
		o.X, o.Y, o.Sizes = v.X, v.Y, v.Sizes
		valid, err := NewArrays(o)
		if err != nil {
			return Split{}, fmt.Errorf("validation data: %w", err)
		}
		// A class that only one of the files has belongs to the model too.
		units := max(train.spec.Units, valid.spec.Units)
		if train.spec.Loss == "cross_entropy" && valid.spec.Loss == train.spec.Loss {
			train.spec.Units, valid.spec.Units = units, units
		}
		return Split{Train: train, Valid: valid}, nil
	case v.Part == "":
		return Split{Train: train}, nil
	}
	rest, part, err := divide(len(train.sizes), v.Part, o.Seed)
	if err != nil {
		return Split{}, err
	}
	valid := *train
	valid.options = o
	// They share the arrays, which are only read.
	valid.use(part)
	train.use(rest)
	return Split{Train: train, Valid: &valid}, nil
}

// divide draws a part of n samples for validation on the stream "valid" and
// leaves both in order.
func divide(n int, part string, seed uint64) (train, valid []int, err error) {
	count, err := partOf(part, n)
	if err != nil {
		return nil, nil, err
	}
	list := all(n)
	var r stream
	r.start(seed, "valid", 0)
	permute(list, &r)
	slices.Sort(list[:count])
	slices.Sort(list[count:])
	return list[count:], list[:count], nil
}

// partOf is how many of n samples a part is.
func partOf(text string, n int) (int, error) {
	bad := fmt.Errorf("--valid %.40q: want a share of the samples above 0 and below 1, such as 0.1, or a number of them", text)
	count, err := strconv.Atoi(text)
	if err != nil {
		share, err := strconv.ParseFloat(text, 64)
		if err != nil || !(share > 0 && share < 1) {
			return 0, bad
		}
		count = int(share*float64(n) + 0.5)
	}
	switch {
	case count < 0 || strings.HasPrefix(text, "-"):
		return 0, bad
	case count < 1 || count >= n:
		return 0, fmt.Errorf("--valid %s: %d of %d samples: both parts need 1 or more: give a larger or smaller share, or more samples", text, count, n)
	}
	return count, nil
}

// Settings are those of the training part and, for arrays, what OpenArrays needs to
// make the validation part again.
func (s Split) Settings() map[string]string {
	settings := maps.Clone(s.Train.Settings())
	train, ok := s.Train.(*Arrays)
	valid, ok2 := s.Valid.(*Arrays)
	switch {
	case !ok || !ok2:
	case valid.x == train.x:
		settings["valid"] = strconv.Itoa(len(valid.used))
	default:
		for _, key := range []string{"x", "y", "sizes"} {
			settings["valid-"+key] = valid.Settings()[key]
		}
	}
	return settings
}
