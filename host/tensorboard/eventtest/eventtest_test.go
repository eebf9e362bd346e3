package eventtest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"
)

// record is a version event as TensorBoard's own writer gives it.
const record = "1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d"

// TestWrongRecords: every changed bit and every missing byte is noticed.
func TestWrongRecords(t *testing.T) {
	good, err := hex.DecodeString(record)
	if err != nil {
		t.Fatal(err)
	}
	if event, rest, err := Record(good); err != nil || len(event) != 24 || len(rest) != 0 {
		t.Fatalf("%d bytes, %d left, %v", len(event), len(rest), err)
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, _, err := Record(bad); err == nil {
			t.Errorf("bit %d is changed and not noticed", bit)
		}
	}
	for n := range good {
		if _, _, err := Record(good[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: error %v", n, err)
		}
	}
}

// TestWrongEvents: what TensorBoard would not take is an error.
func TestWrongEvents(t *testing.T) {
	const now = "0900000040fc54d941"
	for name, c := range map[string]struct {
		event string
		first bool
	}{
		"no version":            {now, true},
		"a second version":      {now + "1a0d627261696e2e4576656e743a32", false},
		"another version":       {now + "1a0d627261696e2e4576656e743a31", true},
		"no time":               {"1003", false},
		"unknown field":         {now + "4a00", false},
		"session that stops":    {now + "3a020802", false},
		"summary cut short":     {now + "2a05", false},
		"unknown kind":          {now + "0f", false},
		"value of another kind": {now + "2a020a021800", false},
		"image without pixels":  {now + "2a060a0422020802", false},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := hex.DecodeString(c.event)
			if err != nil {
				t.Fatal(err)
			}
			r := Run{Scalars: map[string][]Scalar{}, Images: map[string][]int64{}}
			if err := r.event(data, c.first); err == nil {
				t.Errorf("%s is taken: %+v", c.event, r)
			}
		})
	}
}
