package gpu

import (
	"errors"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// slot holds a batch and its tables, in pinned memory and on the device. A plan
// has two, so that a batch can arrive while the one before is computed.
type slot struct {
	memory   *cuda.Memory
	pinned   *cuda.Pinned
	ints     []int32   // the pinned memory
	floats   []float32 // the same
	uploaded *cuda.Event
	used     *cuda.Event    // the last work on memory but for uploads
	tables   *grid.Schedule // of the first level, for which the tables were written
	marked   bool           // relevant rows are marked in the host's copy

	pending []span // to be uploaded, ascending
}

// span is a range of words.
type span struct{ from, to int64 }

// uploadGap is up to how many words that nobody needs are uploaded rather than
// starting another copy.
const uploadGap = 8 << 10

func newSlot(c *cuda.Context, owner string, b *block, s *cuda.Stream) (*slot, error) {
	k := &slot{}
	var errs [4]error
	k.memory, errs[0] = c.Alloc(owner, b.bytes())
	k.uploaded, errs[1] = c.NewEvent(false)
	k.used, errs[2] = c.NewEvent(false)
	k.pinned, errs[3] = c.AllocPinned(owner, b.bytes())
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, k.free())
	}
	k.ints, k.floats = cuda.Slice[int32](k.pinned), cuda.Slice[float32](k.pinned)
	clear(k.ints)
	if err := s.Fill32(k.memory, 0, b.words, 0); err != nil {
		return nil, errors.Join(err, k.free())
	}
	return k, k.used.Record(s) // uploads come on another stream
}

func (k *slot) free() error {
	var errs []error
	for _, e := range []*cuda.Event{k.uploaded, k.used} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(append(errs, k.pinned.Free(), k.memory.Free())...)
}

// fresh waits until the host's copy may be written again.
func (k *slot) fresh() error {
	k.pending = k.pending[:0]
	return k.uploaded.Wait()
}

// changed says that the first n words of an array are to be uploaded; arrays
// come in their order in the block.
func (k *slot) changed(a array, n int) {
	s := span{a.at, a.at + int64(n)}
	if last := len(k.pending) - 1; last >= 0 && s.from-k.pending[last].to <= uploadGap {
		k.pending[last].to = s.to
		return
	}
	k.pending = append(k.pending, s)
}

// upload queues what has changed, behind the last work that reads the slot.
func (k *slot) upload(s *cuda.Stream) error {
	if err := s.WaitFor(k.used); err != nil {
		return err
	}
	for _, p := range k.pending {
		if err := s.Upload(k.memory, 4*p.from, k.pinned, 4*p.from, 4*(p.to-p.from)); err != nil {
			return err
		}
	}
	return k.uploaded.Record(s)
}
