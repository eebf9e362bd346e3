// Command allreduce measures how long the sum of an array over the ranks takes, by
// its size, as train --distributed sums gradients:
//
//	mpirun -n 2 go run -tags mpi ./scripts/allreduce
//
// It prints a markdown table: values, bytes, microseconds of a call (median, and
// the fastest and slowest tenth), and the bytes of the array over that time.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"mdlstm-gpu/host/dist"
)

const (
	leastCalls = 20
	mostCalls  = 5000
	perSize    = 300 * time.Millisecond
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "allreduce:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	c, err := dist.Open()
	if err != nil {
		return err
	}
	if err := measure(c, out); err != nil {
		c.Abort(1)
		return err
	}
	return c.Close()
}

// measure prints the table on rank 0.
func measure(c dist.Comm, out io.Writer) error {
	if c.Rank() != 0 {
		out = io.Discard
	}
	fmt.Fprintf(out, "%d ranks, %s\n\n| values | KiB | µs | fastest tenth | slowest tenth | GB/s |\n|---:|---:|---:|---:|---:|---:|\n", c.Size(), dist.Library())
	for n := 1; n <= 1<<24; n *= 8 {
		times, err := timesOf(c, n)
		if err != nil {
			return err
		}
		at := func(share float64) time.Duration { return times[int(share*float64(len(times)-1))] }
		us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
		fmt.Fprintf(out, "| %d | %.4g | %.4g | %.4g | %.4g | %.3g |\n", n, float64(n)/256, us(at(0.5)), us(at(0.1)), us(at(0.9)), 4*float64(n)/float64(at(0.5).Nanoseconds()))
	}
	return nil
}

// timesOf measures calls for n values, as many as rank 0 finds time for, in the
// order of their times.
func timesOf(c dist.Comm, n int) ([]time.Duration, error) {
	reducer, values := dist.NewReducer(c), make([]float32, n)
	call := func() (time.Duration, error) {
		began := time.Now()
		err := reducer.Reduce(values)
		return time.Since(began), err
	}
	for range 3 { // memory is touched, connections are made
		if _, err := call(); err != nil {
			return nil, err
		}
	}
	took, err := call()
	if err != nil {
		return nil, err
	}
	calls := []float64{0}
	if c.Rank() == 0 {
		calls[0] = float64(min(max(perSize/max(took, 1), leastCalls), mostCalls))
	}
	if err := dist.Sum(c, calls, nil); err != nil {
		return nil, err
	}
	times := make([]time.Duration, int(calls[0]))
	for i := range times {
		if times[i], err = call(); err != nil {
			return nil, err
		}
	}
	slices.Sort(times)
	return times, nil
}
