package task

import (
	"encoding/hex"
	"errors"
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Class is a class of the cells of masks.
type Class struct {
	Name  string
	Value int32 // in the masks
}

// Classes are the classes of a task by their numbers, 0 and up.
type Classes []Class

// ParseClasses reads a number of classes, whose values in the masks are 0, 1, 2
// …, or their names, separated by commas: a name's place is its value unless
// name=value says another.
func ParseClasses(text string) (Classes, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 2 || n > maxClasses {
			return nil, fmt.Errorf("%d classes, want 2 to %d", n, maxClasses)
		}
		list := make(Classes, n)
		for i := range list {
			list[i] = Class{strconv.Itoa(i), int32(i)}
		}
		return list, nil
	}
	parts := strings.Split(text, ",")
	number := func() error {
		return fmt.Errorf("%.40q: %d classes, want a number of classes, or 2 to %d names separated by commas", text, len(parts), maxClasses)
	}
	if len(parts) > maxClasses {
		return nil, number()
	}
	list := make(Classes, len(parts))
	names, values := map[string]bool{}, map[int32]string{}
	for i, part := range parts {
		c := Class{strings.TrimSpace(part), int32(i)}
		if at := strings.LastIndexByte(c.Name, '='); at >= 0 {
			v, err := strconv.ParseInt(c.Name[at+1:], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%.40q: want a name, or name=value with a whole number", c.Name)
			}
			c = Class{strings.TrimSpace(c.Name[:at]), int32(v)}
		}
		other, taken := values[c.Value]
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("%.40q: class %d has no name", text, i)
		case names[c.Name]:
			return nil, fmt.Errorf("%.40q: the class %.40q comes twice", text, c.Name)
		case taken:
			return nil, fmt.Errorf("%.40q: the classes %.40q and %.40q have the same value %d", text, other, c.Name, c.Value)
		}
		names[c.Name], values[c.Value] = true, c.Name
		list[i] = c
	}
	if len(list) < 2 {
		return nil, number()
	}
	return list, nil
}

// String is the form that [ParseClasses] reads; empty for none.
func (c Classes) String() string {
	numbered := true
	parts := make([]string, len(c))
	for i, class := range c {
		numbered = numbered && class == Class{strconv.Itoa(i), int32(i)}
		parts[i] = fmt.Sprintf("%s=%d", class.Name, class.Value)
	}
	if numbered && len(c) > 0 {
		return strconv.Itoa(len(c))
	}
	return strings.Join(parts, ",")
}

// ParseColours reads a colour for each class, as [Folder.Settings] has them under
// "palette": red, green and blue in hexadecimal, "2b2d42,e69f00".
func ParseColours(text string) (color.Palette, error) {
	var list color.Palette
	for part := range strings.SplitSeq(text, ",") {
		rgb, err := hex.DecodeString(part)
		if err != nil || len(rgb) != 3 {
			return nil, fmt.Errorf("%.40q: want a colour such as 2b2d42", part)
		}
		list = append(list, color.RGBA{rgb[0], rgb[1], rgb[2], 0xff})
	}
	return list, nil
}

// Names are those of the classes, in their order.
func (c Classes) Names() []string {
	names := make([]string, len(c))
	for i, class := range c {
		names[i] = class.Name
	}
	return names
}

// numbers are the classes by their values.
func (c Classes) numbers() map[int32]int32 {
	numbers := make(map[int32]int32, len(c))
	for i, class := range c {
		numbers[class.Value] = int32(i)
	}
	return numbers
}

// classesOf makes a class of every value that occurs, in their order.
func classesOf(counts map[int32]int64) (Classes, error) {
	switch n := len(counts); {
	case n == 0:
		return nil, errors.New("no pixel has a class: all are the ignored value: give masks with classes")
	case n == 1:
		return nil, fmt.Errorf("the only value is %d: want masks of at least 2 classes, or --classes with all of them", slices.Collect(maps.Keys(counts))[0])
	case n > maxClasses:
		return nil, fmt.Errorf("%d values, want at most %d classes: save class numbers", n, maxClasses)
	}
	var list Classes
	for _, value := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, Class{strconv.Itoa(int(value)), value})
	}
	return list, nil
}

// mostFrequent gives, for a grid of classes cut into blocks, the class that most
// cells of a block have, the smaller one of equally many; ignored cells count
// only where a block has no others. What of a block lies beyond the grid does not
// count.
type mostFrequent struct {
	block []int // cells on each axis
	votes []int // [classes]
}

// fill writes [*out] classes from [*full] ones, where out is full over block,
// rounded up. Classes are below len(votes), or ignore.
func (m *mostFrequent) fill(out, classes []int32, full []int, ignore int32) {
	axes := len(full)
	at, inside, lengths := make([]int, axes), make([]int, axes), make([]int, axes)
	for o := range out {
		for d := range lengths {
			lengths[d] = min(m.block[d], full[d]-at[d]*m.block[d])
		}
		clear(m.votes)
		best := ignore
		for more := true; more; more = next(inside, lengths) {
			cell := 0
			for d := range full {
				cell = cell*full[d] + at[d]*m.block[d] + inside[d]
			}
			if c := classes[cell]; c != ignore {
				m.votes[c]++
				if best == ignore || m.votes[c] > m.votes[best] || m.votes[c] == m.votes[best] && c < best {
					best = c
				}
			}
		}
		out[o] = best
		for d := axes - 1; d >= 0; d-- { // the next block
			if at[d]++; at[d]*m.block[d] < full[d] {
				break
			}
			at[d] = 0
		}
	}
}

// next moves to the following cell of a grid in row-major order; it is false,
// and back at the first cell, after the last one.
func next(at, lengths []int) bool {
	for d := len(at) - 1; d >= 0; d-- {
		if at[d]++; at[d] < lengths[d] {
			return true
		}
		at[d] = 0
	}
	return false
}
