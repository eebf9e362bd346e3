package task

import (
	"fmt"
	"strconv"
	"strings"
)

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
		return 0, fmt.Errorf("--valid %s: %d of %d samples: both parts need 1 or more", text, count, n)
	}
	return count, nil
}
