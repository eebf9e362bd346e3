//go:build !linux

package cpu

// inHugePages does nothing: only Linux takes the hint.
func inHugePages[T any]([]T) {}
