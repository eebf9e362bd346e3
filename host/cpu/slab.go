package cpu

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/mapped"
)

// slab is memory on the heap, or in a temporary file: several fields of a stack
// which only predicts take it in turn, or it holds a batch's inputs.
type slab struct {
	need int // floats that the fields bound last need
	data []float32
	file *mapped.Floats // nil: on the heap
}

// grow makes room for what is needed.
func (s *slab) grow(inFile bool, folder string) error {
	if s.need <= len(s.data) {
		return nil
	}
	s.free()
	if !inFile {
		s.data = grow(s.data, s.need)
		return nil
	}
	file, err := mapped.Temp(folder, int64(s.need))
	if err != nil {
		return fmt.Errorf("%w: the batch does not fit into memory, nor on the disk: %w; predict fewer or smaller samples, or in tiles", engine.ErrMemory, err)
	}
	s.file, s.data = file, file.Data
	return nil
}

// free gives the memory back. Unmapping can fail only for memory that was never
// mapped.
func (s *slab) free() {
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.data = nil, nil
}

// The slabs of a stack that only predicts: stages read one of the first two and
// write the other; aside are the outputs of single directions that are then added
// up. Inputs lie in a slab of the plan's.
const (
	slabEven = iota
	slabOdd
	slabAside
	slabCount
)

// field makes a field of a stack: with a gradient, or in the slab whose turn it
// is.
func (k *stack) field(width int) *field {
	if !k.predict {
		return &field{width: width, back: true}
	}
	k.turn = slabEven + slabOdd - k.turn
	return k.inSlab(width, k.turn)
}

func (k *stack) inSlab(width, slab int) *field {
	f := &field{width: width, slab: &k.slabs[slab]}
	k.fields = append(k.fields, f)
	return f
}

// place gives the fields their memory, once all are bound.
func (k *stack) place() error {
	if !k.predict {
		return nil
	}
	for i := range k.slabs {
		if err := k.slabs[i].grow(k.inFile, k.e.options.Temp); err != nil {
			return err
		}
	}
	for _, f := range k.fields {
		f.place()
	}
	return nil
}
