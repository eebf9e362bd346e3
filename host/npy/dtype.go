package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// dtype decodes the values of one type.
type dtype struct {
	name  string
	descr string // "<f4"
	kind  Kind
	size  int // bytes of a value

	// Just one of them is set, as kind says.
	float   func(b []byte) float32
	integer func(b []byte) int64
	// unsigned is set for uint64, whose upper half int64 cannot hold.
	unsigned bool
}

// parseDType finds the type that a descr like "<f4" names. Errors say what the
// array holds and how to save it so that it can be read.
func parseDType(descr string) (dtype, error) {
	d, err := typeOf(descr)
	d.descr = descr
	return d, err
}

func typeOf(descr string) (dtype, error) {
	if len(descr) < 2 {
		return dtype{}, fmt.Errorf("has the dtype %q, want float32, float64 or integers", descr)
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch descr[0] {
	case '<':
	case '>':
		order = binary.BigEndian
	case '|': // one byte has no order
		if descr != "|b1" && descr != "|i1" && descr != "|u1" {
			return dtype{}, refuse(descr)
		}
	default:
		return dtype{}, refuse(descr)
	}
	switch descr[1:] {
	case "f4":
		return dtype{name: "float32", kind: Float, size: 4, float: func(b []byte) float32 {
			return math.Float32frombits(order.Uint32(b))
		}}, nil
	case "f8":
		return dtype{name: "float64", kind: Float, size: 8, float: func(b []byte) float32 {
			return float32(math.Float64frombits(order.Uint64(b)))
		}}, nil
	case "b1":
		return dtype{name: "bool", kind: Int, size: 1, integer: func(b []byte) int64 {
			if b[0] != 0 {
				return 1
			}
			return 0
		}}, nil
	case "i1":
		return integer("int8", 1, func(b []byte) int64 { return int64(int8(b[0])) }), nil
	case "u1":
		return integer("uint8", 1, func(b []byte) int64 { return int64(b[0]) }), nil
	case "i2":
		return integer("int16", 2, func(b []byte) int64 { return int64(int16(order.Uint16(b))) }), nil
	case "u2":
		return integer("uint16", 2, func(b []byte) int64 { return int64(order.Uint16(b)) }), nil
	case "i4":
		return integer("int32", 4, func(b []byte) int64 { return int64(int32(order.Uint32(b))) }), nil
	case "u4":
		return integer("uint32", 4, func(b []byte) int64 { return int64(order.Uint32(b)) }), nil
	case "i8":
		return integer("int64", 8, func(b []byte) int64 { return int64(order.Uint64(b)) }), nil
	case "u8":
		d := integer("uint64", 8, func(b []byte) int64 { return int64(order.Uint64(b)) })
		d.unsigned = true
		return d, nil
	}
	return dtype{}, refuse(descr)
}

func integer(name string, size int, decode func([]byte) int64) dtype {
	return dtype{name: name, kind: Int, size: size, integer: decode}
}

// padHint is what to do with samples that make no array of one shape.
const padHint = "pad to one shape and give the true sizes with --sizes S.npy [B, D]"

// refuse says why a dtype cannot be read and what to do.
func refuse(descr string) error {
	switch descr[1] {
	case 'O':
		return errors.New("holds pickled Python objects (dtype object), which are never read: save one array of numbers; samples of unequal sizes: " + padHint)
	case 'c':
		return fmt.Errorf("holds complex numbers (dtype %q): save real and imaginary part as two channels", descr)
	case 'S', 'U', 'a':
		return fmt.Errorf("holds strings (dtype %q): save numbers, classes as integers from 0", descr)
	case 'f', 'i', 'u', 'b':
		return fmt.Errorf("has the dtype %q, want float32, float64 or integers: save it with .astype(numpy.float32)", descr)
	}
	return fmt.Errorf("has the dtype %q, want float32, float64 or integers", descr)
}
