package nn

import "fmt"

// LargestClasses is the class with the largest share in each cell of outputs [*size,
// classes], the first of equal ones. NaN is an error.
func LargestClasses(out []float32, size []int, classes int) ([]int32, error) {
	numbers := make([]int32, len(out)/classes)
	for i := range numbers {
		shares := out[i*classes:][:classes]
		for class, v := range shares {
			if v != v {
				return nil, fmt.Errorf("the model puts out NaN in cell %v", cellAt(i, size))
			}
			if v > shares[numbers[i]] {
				numbers[i] = int32(class)
			}
		}
	}
	return numbers, nil
}

// cellAt are the coordinates of cell i in row-major order.
func cellAt(i int, size []int) []int {
	at := make([]int, len(size))
	for d := len(size) - 1; d >= 0; d-- {
		at[d] = i % size[d]
		i /= size[d]
	}
	return at
}
