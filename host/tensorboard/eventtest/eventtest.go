// Package eventtest reads event files, for tests: it decodes what the files hold
// by the rules of Protocol Buffers, with no knowledge of how they were written,
// and applies TensorBoard's rule for runs that were continued.
package eventtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Scalar is a value of a step.
type Scalar struct {
	Step  int64
	Value float32
}

// Run is what TensorBoard would show of a folder.
type Run struct {
	Files   int
	Scalars map[string][]Scalar // by tag, in the order of the files
	Images  map[string][]int64  // steps of the pictures by tag

	// Partial counts the bytes behind the last whole record of each file, as a
	// killed process leaves them.
	Partial int
}

// ReadDir reads the event files of a folder in the order of their names.
func ReadDir(dir string) (Run, error) {
	r := Run{Scalars: map[string][]Scalar{}, Images: map[string][]int64{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	if err != nil {
		return r, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return r, err
		}
		if err := r.file(data); err != nil {
			return r, fmt.Errorf("%s: %w", path, err)
		}
		r.Files++
	}
	return r, nil
}

// file reads the records of a file.
func (r *Run) file(data []byte) error {
	for n := 0; len(data) > 0; n++ {
		event, rest, err := Record(data)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			r.Partial += len(data)
			return nil
		}
		if err == nil {
			err = r.event(event, n == 0)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		data = rest
	}
	return nil
}

// Record takes the first record off data. One that is cut short is
// [io.ErrUnexpectedEOF].
func Record(data []byte) (event, rest []byte, err error) {
	if len(data) < 12 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	if got, want := binary.LittleEndian.Uint32(data[8:]), checksum(data[:8]); got != want {
		return nil, nil, fmt.Errorf("checksum of the length: %#x, want %#x", got, want)
	}
	length := binary.LittleEndian.Uint64(data)
	if uint64(len(data)-12) < length || uint64(len(data)-12)-length < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	event, rest = data[12:12+length], data[12+length:]
	if got, want := binary.LittleEndian.Uint32(rest), checksum(event); got != want {
		return nil, nil, fmt.Errorf("checksum of the data: %#x, want %#x", got, want)
	}
	return event, rest[4:], nil
}

func checksum(data []byte) uint32 {
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// field is a field of a message: its number, and a number or bytes.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// fields decodes a message.
func fields(data []byte) ([]field, error) {
	var list []field
	for len(data) > 0 {
		key, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, errors.New("no key")
		}
		data = data[n:]
		f := field{number: key >> 3}
		size := 0
		switch key & 7 {
		case 0:
			if f.value, size = binary.Uvarint(data); size <= 0 {
				return nil, fmt.Errorf("field %d: no number", f.number)
			}
		case 1:
			if size = 8; len(data) >= size {
				f.value = binary.LittleEndian.Uint64(data)
			}
		case 2:
			length, n := binary.Uvarint(data)
			if n <= 0 || length > uint64(len(data)-n) {
				return nil, fmt.Errorf("field %d: %d bytes, %d are left", f.number, length, len(data))
			}
			size = n + int(length)
			f.bytes = data[n:size]
		case 5:
			if size = 4; len(data) >= size {
				f.value = uint64(binary.LittleEndian.Uint32(data))
			}
		default:
			return nil, fmt.Errorf("field %d: kind %d", f.number, key&7)
		}
		if size > len(data) {
			return nil, fmt.Errorf("field %d: cut short", f.number)
		}
		data = data[size:]
		list = append(list, f)
	}
	return list, nil
}

// event takes one in. The first of a file has its version, and nothing else does.
func (r *Run) event(data []byte, first bool) error {
	list, err := fields(data)
	if err != nil {
		return err
	}
	step, version, when := int64(0), "", 0.0
	var summaries, sessions [][]byte
	for _, f := range list {
		switch f.number {
		case 1:
			when = math.Float64frombits(f.value)
		case 2:
			step = int64(f.value)
		case 3:
			version = string(f.bytes)
		case 5:
			summaries = append(summaries, f.bytes)
		case 7:
			sessions = append(sessions, f.bytes)
		default:
			return fmt.Errorf("field %d in an event", f.number)
		}
	}
	if first != (version == "brain.Event:2") {
		return fmt.Errorf("version %q, want brain.Event:2 in the first event only", version)
	}
	if when < 1e9 || when > 1e10 {
		return fmt.Errorf("wall time %v, want seconds since 1970", when)
	}
	for _, s := range sessions {
		if !bytes.Equal(s, []byte{1 << 3, 1}) {
			return fmt.Errorf("session log %v, want status START", s)
		}
		r.purge(step)
	}
	for _, s := range summaries {
		if err := r.summary(step, s); err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
	}
	return nil
}

// purge drops what was said of a step and those after it.
func (r *Run) purge(step int64) {
	for tag, list := range r.Scalars {
		r.Scalars[tag] = slices.DeleteFunc(list, func(s Scalar) bool { return s.Step >= step })
	}
	for tag, list := range r.Images {
		r.Images[tag] = slices.DeleteFunc(list, func(s int64) bool { return s >= step })
	}
}

func (r *Run) summary(step int64, data []byte) error {
	values, err := fields(data)
	if err != nil {
		return err
	}
	for _, v := range values {
		list, err := fields(v.bytes)
		if err != nil || v.number != 1 {
			return fmt.Errorf("field %d in a summary: %w", v.number, err)
		}
		tag := ""
		for _, f := range list {
			switch f.number {
			case 1:
				tag = string(f.bytes)
			case 2:
				r.Scalars[tag] = append(r.Scalars[tag], Scalar{step, math.Float32frombits(uint32(f.value))})
			case 4:
				if err := checkImage(f.bytes); err != nil {
					return fmt.Errorf("image %q: %w", tag, err)
				}
				r.Images[tag] = append(r.Images[tag], step)
			default:
				return fmt.Errorf("field %d in a value", f.number)
			}
		}
	}
	return nil
}

// checkImage compares a picture with the size beside it.
func checkImage(data []byte) error {
	list, err := fields(data)
	if err != nil {
		return err
	}
	var height, width uint64
	var encoded []byte
	for _, f := range list {
		switch f.number {
		case 1:
			height = f.value
		case 2:
			width = f.value
		case 4:
			encoded = f.bytes
		}
	}
	img, err := png.Decode(bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	if size := img.Bounds().Size(); size.X != int(width) || size.Y != int(height) {
		return fmt.Errorf("%v pixels, the event says %d × %d", size, width, height)
	}
	return nil
}
