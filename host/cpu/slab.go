package cpu

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/mapped"
)

// slab is memory that several fields of a plan which only predicts take in turn:
// on the heap, or in a temporary file.
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

// The slabs of a plan that only predicts. The inputs stay, so that a batch can
// be predicted twice; stages read one of the next two and write the other; aside
// are the outputs of single directions that are then added up.
const (
	slabInput = iota
	slabEven
	slabOdd
	slabAside
	slabCount
)

// field makes a field of a plan: with a gradient, or in the slab whose turn it
// is.
func (p *plan) field(width int) *field {
	if !p.predict {
		return &field{width: width, back: true}
	}
	p.turn = slabEven + slabOdd - p.turn
	return p.inSlab(width, p.turn)
}

func (p *plan) inSlab(width, slab int) *field {
	f := &field{width: width, slab: &p.slabs[slab]}
	p.fields = append(p.fields, f)
	return f
}

// place gives the fields their memory, once all are bound.
func (p *plan) place() error {
	if !p.predict {
		return nil
	}
	for i := range p.slabs {
		if err := p.slabs[i].grow(p.inFile, p.e.options.Temp); err != nil {
			return err
		}
	}
	for _, f := range p.fields {
		f.place()
	}
	return nil
}

// free gives back what the garbage collector does not know.
func (p *plan) free() {
	for i := range p.slabs {
		p.slabs[i].free()
	}
}
