package task

import (
	"slices"
	"testing"

	"mdlstm-gpu/host/grid"
)

func TestParseClasses(t *testing.T) {
	tests := []struct {
		text, want string
		names      []string
		values     []int32
	}{
		{"3", "3", []string{"0", "1", "2"}, []int32{0, 1, 2}},
		{"0,1", "2", []string{"0", "1"}, []int32{0, 1}},
		{"bg, road", "bg=0,road=1", []string{"bg", "road"}, []int32{0, 1}},
		{"bg=0,road=128,-1=-1", "bg=0,road=128,-1=-1", []string{"bg", "road", "-1"}, []int32{0, 128, -1}},
		{"a=b=7,c", "a=b=7,c=1", []string{"a=b", "c"}, []int32{7, 1}},
	}
	for _, test := range tests {
		c, err := ParseClasses(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		var values []int32
		for _, class := range c {
			values = append(values, class.Value)
		}
		if c.String() != test.want || !slices.Equal(c.Names(), test.names) || !slices.Equal(values, test.values) {
			t.Errorf("%q: got %q, names %q, values %v; want %q, %q, %v", test.text, c, c.Names(), values, test.want, test.names, test.values)
		}
		again, err := ParseClasses(c.String())
		if err != nil || !slices.Equal(again, c) {
			t.Errorf("%q becomes %v (%v), want %v", c.String(), again, err, c)
		}
	}
	for text, want := range map[string]string{
		"1": "want 2 to", "-4": "want 2 to", "99999999": "want 2 to", "": "has no name", "road": "1 classes",
		"a,,b": "class 1 has no name", "a,a": `the class "a" comes twice`, "a=1,b": `"a" and "b" have the same value 1`,
		"\r\xff,\r\xff": `the class "\xff" comes twice`,
		"a=x,b":         "want a name, or name=value", "a,b=99999999999": "name=value", "=3,b": "class 0 has no name",
	} {
		_, err := ParseClasses(text)
		checkError(t, err, want)
	}
}

func TestClassesOf(t *testing.T) {
	c, err := classesOf(map[int32]int64{255: 3, 0: 1, 7: 2})
	if err != nil || c.String() != "0=0,7=7,255=255" {
		t.Errorf("got %v, %v", c, err)
	}
	_, err = classesOf(map[int32]int64{})
	checkError(t, err, "no pixel has a class")
	_, err = classesOf(map[int32]int64{4: 1})
	checkError(t, err, "the only value is 4")
}

func TestMostFrequent(t *testing.T) {
	const no = -1
	tests := []struct {
		name    string
		full    grid.Shape
		block   []int
		classes []int32
		want    []int32
	}{
		{"rows of two", grid.Shape{3, 2}, []int{1, 2}, []int32{0, 0, 1, 2, 2, 1}, []int32{0, 1, 1}},
		{"cut off", grid.Shape{3, 3}, []int{2, 2}, []int32{0, 1, 2, 1, 1, 2, 0, 2, 1}, []int32{1, 2, 0, 1}},
		{"ignored", grid.Shape{1, 6}, []int{1, 3}, []int32{no, no, 2, no, no, no}, []int32{2, no}},
		{"a tie", grid.Shape{4}, []int{4}, []int32{2, 1, 2, 1}, []int32{1}},
		{"volume", grid.Shape{2, 2, 2}, []int{2, 1, 2}, []int32{0, 1, 2, 2, 1, 1, 0, 2}, []int32{1, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := mostFrequent{block: test.block, votes: make([]int, 3)}
			got := make([]int32, len(test.want))
			for range 2 { // the second one finds the first one's scratch
				m.fill(got, test.classes, test.full, no)
				if !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}
