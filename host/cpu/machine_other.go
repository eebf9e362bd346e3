//go:build !linux

package cpu

import "runtime"

// availableMemory is not known here, so nothing is refused for it.
func availableMemory() int64 { return 0 }

func processor() string { return runtime.GOARCH }
