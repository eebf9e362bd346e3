// Package mapped gives memory that lies in a file: arrays larger than the
// machine's memory, of which the kernel keeps in memory what is used and writes
// the rest to disk.
//
// A mapped page that the disk has no room for kills the process (SIGBUS) where
// it is first written. So every block is allocated before a file is mapped, and
// a disk that is too full is an error in one line. What nobody can guard against
// is another process that cuts a mapped file shorter, or a disk that fails.
//
// Linux and macOS; elsewhere every function returns [ErrUnsupported].
package mapped

import "errors"

// ErrUnsupported says that this system, or this machine's byte order, cannot
// map arrays.
var ErrUnsupported = errors.New("files cannot be mapped on this system")
