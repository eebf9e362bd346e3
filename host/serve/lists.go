package serve

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"mdlstm-gpu/host/grid"
)

// maxDepth is how deep lists of numbers may lie in each other: a grid's axes and
// the channels.
const maxDepth = grid.MaxAxes + 1

// flatten appends the numbers of nested JSON lists to x, and returns the lists'
// lengths. raw must be valid JSON, which encoding/json has seen to.
func flatten(raw []byte, x []float32) (shape []int, _ []float32, err error) {
	var counts []int // what the open lists have so far
	leaves := 0      // how deep numbers lie; 0 = none seen yet
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ',':
			i++
		case c == '[':
			if len(counts) == maxDepth {
				return nil, x, fmt.Errorf("lists lie more than %d deep in each other: want one level for each axis of the grid and one for the channels", maxDepth)
			}
			if leaves > 0 && len(counts) == leaves {
				return nil, x, errors.New("a list where other places have a number: want lists of the same depth everywhere")
			}
			counts = append(counts, 0)
			if len(shape) < len(counts) {
				shape = append(shape, -1)
			}
			i++
		case c == ']':
			top := len(counts) - 1
			n := counts[top]
			switch {
			case n == 0:
				return nil, x, errors.New("an empty list: want numbers")
			case shape[top] < 0:
				shape[top] = n
			case shape[top] != n:
				return nil, x, fmt.Errorf("a list of %d at depth %d where the first one has %d: want lists of the same length at each depth", n, top, shape[top])
			}
			counts = counts[:top]
			if top > 0 {
				counts[top-1]++
			}
			i++
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(raw) && (raw[end] >= '0' && raw[end] <= '9' || raw[end] == '.' || raw[end] == 'e' || raw[end] == 'E' || raw[end] == '+' || raw[end] == '-') {
				end++
			}
			switch {
			case len(counts) == 0:
				return nil, x, errors.New("a number: want nested lists of numbers")
			case leaves == 0:
				leaves = len(counts)
			case leaves != len(counts):
				return nil, x, errors.New("a number where other places have a list: want lists of the same depth everywhere")
			}
			v, err := strconv.ParseFloat(string(raw[i:end]), 32)
			if err != nil {
				return nil, x, fmt.Errorf("the number %.40s does not fit a float32", raw[i:end])
			}
			x = append(x, float32(v))
			counts[len(counts)-1]++
			i = end
		default: // true, null, a string, an object
			return nil, x, fmt.Errorf("%.20q: want nested lists of numbers", raw[i:])
		}
	}
	return shape, x, nil
}

// appendLists appends values as nested JSON lists of a shape; those that JSON has
// no number for become null.
func appendLists(dst []byte, shape []int, values []float32) []byte {
	if len(shape) == 0 {
		return appendNumber(dst, values[0])
	}
	step := len(values) / shape[0]
	dst = append(dst, '[')
	for i := range shape[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendLists(dst, shape[1:], values[i*step:][:step])
	}
	return append(dst, ']')
}

func appendNumber(dst []byte, v float32) []byte {
	if v-v != 0 {
		return append(dst, "null"...)
	}
	format := byte('f')
	if a := math.Abs(float64(v)); a != 0 && (a < 1e-5 || a >= 1e9) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, float64(v), format, -1, 32)
}

// appendClasses appends class numbers as nested JSON lists.
func appendClasses(dst []byte, shape []int, classes []int32) []byte {
	if len(shape) == 0 {
		return strconv.AppendInt(dst, int64(classes[0]), 10)
	}
	step := len(classes) / shape[0]
	dst = append(dst, '[')
	for i := range shape[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendClasses(dst, shape[1:], classes[i*step:][:step])
	}
	return append(dst, ']')
}
