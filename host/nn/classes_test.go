package nn

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestLargestClasses(t *testing.T) {
	got, err := LargestClasses([]float32{0.2, 0.5, 0.3, 0.4, 0.4, 0.2}, []int{1, 2}, 3)
	if err != nil || !slices.Equal(got, []int32{1, 0}) {
		t.Errorf("got %v (%v), want classes 1 and, the first of equal ones, 0", got, err)
	}
	nan := float32(math.NaN())
	if _, err := LargestClasses([]float32{0, 1, 0, 1, 0, nan}, []int{1, 3}, 2); err == nil || !strings.Contains(err.Error(), "NaN in cell [0 2]") {
		t.Errorf("NaN: %v", err)
	}
}
