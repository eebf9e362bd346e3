package tensorboard

import (
	"encoding/binary"
	"math"
)

// fileVersion is the only one that TensorBoard knows to have session logs.
const fileVersion = "brain.Event:2"

// Kinds of fields on the wire.
const (
	kindVarint  = 0
	kindFixed64 = 1
	kindBytes   = 2
	kindFixed32 = 5
)

// Fields of the messages, by their numbers.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string
	eventSummary     = 5 // Summary
	eventSessionLog  = 7 // SessionLog

	sessionStatus = 1 // enum
	sessionStart  = 1 // its value: what older files say from this step on is void

	summaryValue = 1 // repeated Value

	valueTag    = 1 // string
	valueSimple = 2 // float
	valueImage  = 4 // Image

	imageHeight     = 1 // int32
	imageWidth      = 2 // int32
	imageColorspace = 3 // int32
	imageEncoded    = 4 // bytes

	colorspaceRGBA = 4
)

// message is an encoded message of Protocol Buffers that grows at its end.
type message []byte

func (m message) key(field, kind uint64) message {
	return binary.AppendUvarint(m, field<<3|kind)
}

func (m message) varint(field, v uint64) message {
	return binary.AppendUvarint(m.key(field, kindVarint), v)
}

func (m message) double(field uint64, v float64) message {
	return binary.LittleEndian.AppendUint64(m.key(field, kindFixed64), math.Float64bits(v))
}

func (m message) float(field uint64, v float32) message {
	return binary.LittleEndian.AppendUint32(m.key(field, kindFixed32), math.Float32bits(v))
}

// bytes adds a text, an array of bytes or another message.
func (m message) bytes(field uint64, v []byte) message {
	return append(binary.AppendUvarint(m.key(field, kindBytes), uint64(len(v))), v...)
}

func scalarValue(s Scalar) message {
	return message(nil).bytes(valueTag, []byte(s.Tag)).float(valueSimple, float32(s.Value))
}

func imageValue(tag string, width, height int, png []byte) message {
	image := message(nil).varint(imageHeight, uint64(height)).varint(imageWidth, uint64(width)).
		varint(imageColorspace, colorspaceRGBA).bytes(imageEncoded, png)
	return message(nil).bytes(valueTag, []byte(tag)).bytes(valueImage, image)
}
