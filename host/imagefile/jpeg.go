package imagefile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"mdlstm-gpu/host/nn/tensorfile"
)

// isProgressive reads a JPEG from its beginning up to the header of its frame.
// What it does not understand it takes for progressive, which costs more; the
// decoder says what is wrong.
func isProgressive(r io.Reader) bool {
	const (
		baseline, extended = 0xc0, 0xc1
		progressive        = 0xc2
		restart0, start    = 0xd0, 0xd8 // without a length, as all between them
	)
	in := bufio.NewReader(r)
	for {
		marker, err := in.ReadByte()
		if err != nil {
			return true
		}
		if marker != 0xff {
			continue
		}
		for marker == 0xff { // any number of them
			if marker, err = in.ReadByte(); err != nil {
				return true
			}
		}
		switch {
		case marker == baseline, marker == extended:
			return false
		case marker == progressive:
			return true
		case marker == 0, marker >= restart0 && marker <= start:
			continue
		}
		var length [2]byte // of the segment, with itself
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return true
		}
		if _, err := in.Discard(int(binary.BigEndian.Uint16(length[:])) - 2); err != nil {
			return true
		}
	}
}

// Every scan of a progressive JPEG changes all of the picture, and 20 bytes are
// enough for one. Programs write about ten; the more bytes a file has, the more
// work it may be.
const (
	scansOfAny  = 100
	bytesAScan  = 16 << 10
	scanMarker  = "\xff\xda"
	scansAdvice = "save it anew, as a PNG or a JPEG that is not progressive"
)

// checkScans refuses a progressive JPEG that is small and much work. It counts
// the marker of a scan wherever it stands: in thumbnails too, but there is no way
// to hide one.
func (f *file) checkScans() error {
	in := bufio.NewReaderSize(f, 1<<16)
	scans, before := int64(0), byte(0)
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return tensorfile.Reason(err)
		}
		if before == scanMarker[0] && b == scanMarker[1] {
			scans++
		}
		before = b
	}
	if most := scansOfAny + f.length/bytesAScan; scans > most {
		return fmt.Errorf("a progressive JPEG of %d scans in %d bytes, want at most %d: %s", scans, f.length, most, scansAdvice)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return tensorfile.Reason(err)
	}
	return nil
}
