package main

import (
	"sync"
	"testing"

	"mdlstm-gpu/host/dist"
)

// TestTimes: all ranks make the same number of calls, or this would not end.
func TestTimes(t *testing.T) {
	var wait sync.WaitGroup
	for k, c := range dist.Local(2) {
		wait.Go(func() {
			times, err := timesOf(c, 1000)
			if err != nil || len(times) < leastCalls || times[0] <= 0 {
				t.Errorf("rank %d: %d times, %v", k, len(times), err)
			}
		})
	}
	wait.Wait()
}
