//go:build !linux

package machine

import "runtime"

// FreeMemory is not known here, so nothing is refused for it.
func FreeMemory() int64 { return 0 }

// Processor is the processor's architecture.
func Processor() string { return runtime.GOARCH }
