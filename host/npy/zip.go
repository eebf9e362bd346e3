package npy

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Bounds on what a member of an archive may claim to inflate to.
const (
	// maxRatio is the most that deflate can do: 258 bytes for 2 bits.
	maxRatio = 1032
	// Above bombSize, an archive must be honest work: all but constant arrays
	// compress less than bombRatio.
	bombSize  = 1 << 30
	bombRatio = 200
)

// inputsAndTargets are the arrays that belong in one archive: inputs, targets
// and sizes. With more, each may be a sample.
const inputsAndTargets = 3

// decodeZip reads the member key of an archive of size bytes, or its only one
// when key is empty.
func decodeZip(r io.ReaderAt, size int64, key string) (*Array, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("truncated or no .npz archive: %w", err)
	}
	f, err := findMember(archive, key)
	if err != nil {
		return nil, err
	}
	a, err := decodeMember(f, size)
	if err != nil {
		return nil, fmt.Errorf("array %q: %w", memberName(f), err)
	}
	return a, nil
}

// memberName is the name that numpy.load shows.
func memberName(f *zip.File) string { return strings.TrimSuffix(f.Name, ".npy") }

func findMember(archive *zip.Reader, key string) (*zip.File, error) {
	var names []string
	var found *zip.File
	for _, f := range archive.File {
		name := memberName(f)
		if key == "" || name == key || f.Name == key {
			if found != nil && key != "" {
				return nil, fmt.Errorf("holds the array %q twice", key)
			}
			found = f
		}
		names = append(names, name)
	}
	switch {
	case len(names) == 0:
		return nil, errors.New("holds no array")
	case found == nil:
		return nil, fmt.Errorf("holds no array %q, only %s", key, list(names))
	case key == "" && len(names) > 1:
		hint := ""
		if len(names) > inputsAndTargets {
			hint = "; samples of unequal sizes are one array too: " + padHint
		}
		return nil, fmt.Errorf("holds the arrays %s: name one, file.npz:%s%s", list(names), names[0], hint)
	}
	return found, nil
}

// list shows the first few names, sorted.
func list(names []string) string {
	const most = 8
	names = slices.Sorted(slices.Values(names))
	rest := ""
	if len(names) > most {
		rest = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(names, ", ") + rest
}

// decodeMember checks what the member claims before it inflates any of it. The
// zip reader then holds it to the claimed length and its CRC.
func decodeMember(f *zip.File, size int64) (*Array, error) {
	packed, claimed := f.CompressedSize64, f.UncompressedSize64
	switch {
	case f.Flags&1 != 0:
		return nil, errors.New("encrypted: save it with numpy.savez")
	case packed > uint64(size):
		return nil, fmt.Errorf("truncated: it claims %d bytes of an archive of %d", packed, size)
	case f.Method == zip.Store && claimed != packed,
		claimed/maxRatio > packed:
		return nil, fmt.Errorf("damaged: %d bytes cannot hold the %d it claims", packed, claimed)
	case claimed > bombSize && claimed/bombRatio > packed:
		return nil, fmt.Errorf("would inflate from %d to %d bytes: save arrays that are this empty with numpy.savez, not savez_compressed", packed, claimed)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	defer r.Close()
	return decodeArray(r, int64(claimed))
}
