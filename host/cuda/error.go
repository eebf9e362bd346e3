package cuda

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoDevice is wrapped by the errors of [Open] and [Devices] when this
// machine, or this binary, has no GPU that can be used: built without the cuda
// tag, no driver, a driver that is too old, no device, a device below
// [MinCapability]. A library named by MDLSTM_CUDA_LIBRARY that cannot be used
// is another error: somebody asked for it.
var ErrNoDevice = errors.New("no usable CUDA device")

// ErrRange is wrapped by errors about offsets, lengths and arguments that this
// package refuses before the driver sees them.
var ErrRange = errors.New("out of range")

// ErrClosed is wrapped by errors about a context that was closed or memory that
// was freed.
var ErrClosed = errors.New("closed")

// Error is a driver call that failed.
type Error struct {
	Op     string // the driver's function: "cuMemAlloc"
	Code   Result
	Kernel string // the kernel at fault when Exact, else the one launched last; "" when none was
	Exact  bool   // Kernel is known to be at fault
	Owner  string // whose memory was asked for
	Bytes  int64  // out of memory: bytes asked for
	Free   int64  // out of memory: bytes free on the device, -1 when not known
	Detail string // what else is known: the compiler's log, the emulator's explanation
}

// Error is one line: operation, code, and what is known about the cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Owner != "" {
		fmt.Fprintf(&b, " for %s", e.Owner)
	}
	if e.Code == OutOfMemory && e.Bytes > 0 {
		fmt.Fprintf(&b, ": out of memory: asked for %s", FormatBytes(e.Bytes))
		if e.Free >= 0 {
			fmt.Fprintf(&b, ", %s free", FormatBytes(e.Free))
		}
		return b.String()
	}
	if e.Kernel != "" && e.Exact {
		fmt.Fprintf(&b, ": kernel %s", e.Kernel)
	}
	fmt.Fprintf(&b, ": %v", e.Code)
	if e.Detail != "" {
		fmt.Fprintf(&b, ": %s", oneLine(e.Detail))
	}
	if e.Kernel != "" && !e.Exact {
		fmt.Fprintf(&b, " (last kernel launched: %s; set MDLSTM_SYNC=1 to have the one at fault named)", e.Kernel)
	}
	return b.String()
}

// Unwrap gives the code, so that errors.Is(err, OutOfMemory) holds.
func (e *Error) Unwrap() error { return e.Code }

// oneLine joins the lines of a log.
func oneLine(s string) string {
	var lines []string
	for _, l := range strings.Split(s, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "; ")
}

// FormatBytes writes a number of bytes for a person: "512 B", "31.2 GiB".
func FormatBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	for value >= 1023.95 && unit < len(units)-1 { // 1023.95 would print as 1024.0
		value /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
