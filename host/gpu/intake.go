package gpu

import (
	"errors"
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// intake brings batches and their tables to the device. The host writes them
// into pinned memory; a stream of their own copies them into a second buffer
// while the step before is computed; from there the next step takes them into
// the memory that kernels read, whose addresses never change, so that one graph
// serves all batches.
type intake struct {
	memory   *cuda.Memory // what kernels read
	staged   *cuda.Memory // where the next batch arrives
	pinned   *cuda.Pinned
	ints     []int32        // the pinned memory
	floats   []float32      // the same
	uploaded *cuda.Event    // staged has what was queued last
	taken    *cuda.Event    // memory has it, too
	tables   *grid.Schedule // of the first level, for which the tables were written
	marked   bool           // relevant rows are marked in the host's copy

	pending []span // to be uploaded, ascending
	due     []span // uploaded, not taken yet
	words   int64  // of each buffer
}

// span is a range of words.
type span struct{ from, to int64 }

// uploadGap is up to how many words that nobody needs are uploaded rather than
// starting another copy.
const uploadGap = 8 << 10

// newIntake takes memory for a block, whose memory becomes the one that kernels
// read.
func newIntake(c *cuda.Context, owner string, b *block, q *cuda.Stream) (*intake, error) {
	k := &intake{words: b.words}
	var errs [5]error
	k.memory, errs[0] = c.Alloc(owner, b.bytes())
	k.staged, errs[1] = c.Alloc(owner, b.bytes())
	k.uploaded, errs[2] = c.NewEvent(false)
	k.taken, errs[3] = c.NewEvent(false)
	k.pinned, errs[4] = c.AllocPinned(owner, b.bytes())
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, k.free())
	}
	b.memory = k.memory
	k.ints, k.floats = cuda.Slice[int32](k.pinned), cuda.Slice[float32](k.pinned)
	clear(k.ints)
	for _, m := range []*cuda.Memory{k.memory, k.staged} {
		if err := q.Fill32(m, 0, b.words, 0); err != nil {
			return nil, errors.Join(err, k.free())
		}
	}
	return k, k.taken.Record(q) // uploads come on another stream
}

func (k *intake) free() error {
	var errs []error
	for _, e := range []*cuda.Event{k.uploaded, k.taken} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(append(errs, k.pinned.Free(), k.staged.Free(), k.memory.Free())...)
}

// fresh waits until the host's copy may be written again.
func (k *intake) fresh() error {
	k.pending = k.pending[:0]
	return k.uploaded.Wait()
}

// changed says that the first n words of an array are to be uploaded; arrays
// come in their order in the block.
func (k *intake) changed(a array, n int) {
	s := span{a.at, a.at + int64(n)}
	if last := len(k.pending) - 1; last >= 0 && s.from-k.pending[last].to <= uploadGap {
		k.pending[last].to = s.to
		return
	}
	k.pending = append(k.pending, s)
}

// upload queues what has changed, once the batch before was taken; the step that
// took it may still be running.
func (k *intake) upload(copies *cuda.Stream) error {
	if err := copies.WaitFor(k.taken); err != nil {
		return err
	}
	for _, p := range k.pending {
		if err := copies.Upload(k.staged, 4*p.from, k.pinned, 4*p.from, 4*(p.to-p.from)); err != nil {
			return err
		}
	}
	if len(k.due) > 0 { // a batch that no step took: what it changed is due as well
		k.due = []span{{0, k.words}}
	} else {
		k.due = slices.Clone(k.pending)
	}
	return k.uploaded.Record(copies)
}

// take queues that the batch uploaded last goes to where kernels read it.
func (k *intake) take(q *cuda.Stream) error {
	if len(k.due) == 0 {
		return nil
	}
	if err := q.WaitFor(k.uploaded); err != nil {
		return err
	}
	for _, p := range k.due {
		if err := q.Copy(k.memory, 4*p.from, k.staged, 4*p.from, 4*(p.to-p.from)); err != nil {
			return err
		}
	}
	k.due = nil
	return k.taken.Record(q)
}
