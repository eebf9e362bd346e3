// Package tensorboard writes event files, which TensorBoard draws: scalars and
// pictures by step.
//
// An event file is a sequence of records as TensorFlow's TFRecord has them,
// little-endian:
//
//	length      uint64
//	checksum    uint32, of the eight bytes of length
//	data        length bytes, an Event
//	checksum    uint32, of data
//
// A checksum is CRC-32C, rotated and shifted by a constant ("masked"). An Event
// is a message of Protocol Buffers; event.go has the few fields that are written.
// Sources: tensorflow/core/lib/io/record_writer.cc, lib/hash/crc32c.h,
// core/util/event.proto and core/framework/summary.proto.
//
// A folder may hold several files, one for each time that a run was started or
// continued. TensorBoard reads them in the order of their names. Each begins
// with the step from which on it replaces what the files before it say, so that
// steps which a killed run had done beyond its checkpoint are not drawn twice.
package tensorboard
