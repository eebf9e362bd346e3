//go:build !linux && !darwin

package mapped

import "os"

func open(*os.File, int64, int64, bool) (*Floats, error) { return nil, ErrUnsupported }

func reserve(*os.File, int64) error { return ErrUnsupported }

// Close does nothing here.
func (f *Floats) Close() error { return nil }
