//go:build mpi && cgo

package dist

/*
#cgo pkg-config: ompi-c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <mpi.h>
#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif

// start leaves errors to the caller. Open MPI's handlers for SIGSEGV and the like
// would take the place of Go's, which need them.
static int start(int *level) {
	setenv("OMPI_MCA_opal_signal", "", 0);
	int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, level);
	if (code != MPI_SUCCESS) return code;
	return MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

static int rank_of(int *rank) { return MPI_Comm_rank(MPI_COMM_WORLD, rank); }
static int size_of(int *size) { return MPI_Comm_size(MPI_COMM_WORLD, size); }

// cuda_aware says whether MPI takes addresses of an NVIDIA GPU.
static int cuda_aware(void) {
#if defined(OPEN_MPI) && defined(MPIX_CUDA_AWARE_SUPPORT)
	return MPIX_Query_cuda_support();
#else
	return 0;
#endif
}

// An address is the host's, or the device's where that is NULL.
static void *address(void *host, uintptr_t device) { return host ? host : (void *)device; }

static int exchange(void *host, uintptr_t device, int *counts, int *at, void *recv, int *own, int *own_at) {
	return MPI_Alltoallv(address(host, device), counts, at, MPI_BYTE, recv, own, own_at, MPI_BYTE, MPI_COMM_WORLD);
}

static int gather(void *own, int bytes, void *host, uintptr_t device, int *counts, int *at) {
	return MPI_Allgatherv(own, bytes, MPI_BYTE, address(host, device), counts, at, MPI_BYTE, MPI_COMM_WORLD);
}

static int broadcast(void *data, int bytes) { return MPI_Bcast(data, bytes, MPI_BYTE, 0, MPI_COMM_WORLD); }

static void end_all(int code) { MPI_Abort(MPI_COMM_WORLD, code); }
*/
import "C"

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"unsafe"
)

// mostBroadcast is how many bytes go in one call: lengths have 31 bits.
const mostBroadcast = 1 << 30

// mpi is this process among those of MPI_COMM_WORLD. All calls are made by one
// goroutine on one thread, as MPI_THREAD_FUNNELED wants it.
type mpi struct {
	calls      chan func()
	rank, size int
	device     bool

	counts, at, own, ownAt []C.int // [size]
}

var _ Comm = (*mpi)(nil)

// Open joins the ranks that a launcher such as mpirun started; without one it is
// [Single]. It can be called once in a process. MDLSTM_MPI_DEVICE=1 or 0 overrules
// what MPI says about taking addresses of a GPU.
func Open() (Comm, error) {
	if _, size := Launched(); size == 0 {
		return Single{}, nil
	}
	m := &mpi{calls: make(chan func())}
	go m.serve()
	err := m.do("MPI_Init_thread", func() C.int {
		var level, rank, size C.int
		code := C.start(&level)
		if code == C.MPI_SUCCESS {
			code = C.rank_of(&rank)
		}
		if code == C.MPI_SUCCESS {
			code = C.size_of(&size)
		}
		m.rank, m.size, m.device = int(rank), int(size), C.cuda_aware() != 0
		return code
	})
	if err != nil {
		return nil, err
	}
	switch v := os.Getenv("MDLSTM_MPI_DEVICE"); v {
	case "":
	case "0", "1":
		m.device = v == "1"
	default:
		return nil, fmt.Errorf("MDLSTM_MPI_DEVICE=%q: want 1 (MPI takes addresses of a GPU), 0, or nothing (ask MPI)", v)
	}
	for _, list := range []*[]C.int{&m.counts, &m.at, &m.own, &m.ownAt} {
		*list = make([]C.int, m.size)
	}
	return m, nil
}

// Library is MPI's name and version.
func Library() string {
	var text [C.MPI_MAX_LIBRARY_VERSION_STRING]C.char
	var n C.int
	C.MPI_Get_library_version(&text[0], &n)
	name, _, _ := strings.Cut(C.GoString(&text[0]), ",")
	return strings.TrimSpace(name)
}

// serve runs the calls on one thread, which ends with it.
func (m *mpi) serve() {
	runtime.LockOSThread()
	for call := range m.calls {
		call()
	}
}

// do makes a call on MPI's thread and waits for it.
func (m *mpi) do(name string, call func() C.int) error {
	done := make(chan error)
	m.calls <- func() {
		code := call()
		if code == C.MPI_SUCCESS {
			done <- nil
			return
		}
		var text [C.MPI_MAX_ERROR_STRING]C.char
		var n C.int
		C.MPI_Error_string(code, &text[0], &n)
		done <- fmt.Errorf("%s: %s", name, C.GoString(&text[0]))
	}
	return <-done
}

func (m *mpi) Rank() int    { return m.rank }
func (m *mpi) Size() int    { return m.size }
func (m *mpi) Device() bool { return m.device }

// ranges fills counts and at from offsets.
func (m *mpi) ranges(offsets []int) error {
	if last := offsets[m.size]; last > math.MaxInt32 {
		return fmt.Errorf("%d bytes in one call, MPI takes at most %d", last, math.MaxInt32)
	}
	for k := range m.counts {
		m.at[k], m.counts[k] = C.int(offsets[k]), C.int(offsets[k+1]-offsets[k])
	}
	return nil
}

func (m *mpi) Exchange(send Memory, recv []byte, offsets []int) error {
	if err := m.ranges(offsets); err != nil {
		return err
	}
	own := m.counts[m.rank]
	if int(own)*m.size > math.MaxInt32 {
		return fmt.Errorf("%d bytes received in one call, MPI takes at most %d", int(own)*m.size, math.MaxInt32)
	}
	for k := range m.own {
		m.own[k], m.ownAt[k] = own, C.int(k)*own
	}
	return m.do("MPI_Alltoallv", func() C.int {
		return C.exchange(pointer(send.host), C.uintptr_t(send.device), &m.counts[0], &m.at[0], pointer(recv), &m.own[0], &m.ownAt[0])
	})
}

func (m *mpi) Gather(own []byte, all Memory, offsets []int) error {
	if err := m.ranges(offsets); err != nil {
		return err
	}
	return m.do("MPI_Allgatherv", func() C.int {
		return C.gather(pointer(own), C.int(len(own)), pointer(all.host), C.uintptr_t(all.device), &m.counts[0], &m.at[0])
	})
}

func (m *mpi) Broadcast(data []byte) error {
	for len(data) > 0 {
		part := data[:min(len(data), mostBroadcast)]
		data = data[len(part):]
		if err := m.do("MPI_Bcast", func() C.int { return C.broadcast(pointer(part), C.int(len(part))) }); err != nil {
			return err
		}
	}
	return nil
}

// pointer is nil for no bytes.
func pointer(x []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

// Abort is called from any goroutine: the one that serves may be waiting for
// ranks that do not come. It does not return.
func (m *mpi) Abort(code int) {
	C.end_all(C.int(code))
	os.Exit(code)
}

// Close waits for all ranks to call it.
func (m *mpi) Close() error {
	err := m.do("MPI_Finalize", func() C.int { return C.MPI_Finalize() })
	close(m.calls)
	return err
}
