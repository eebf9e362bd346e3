// Package tensorfile reads and writes safetensors files of float32 tensors, and
// replaces files so that a crash at any moment leaves either the old or the new
// one, whole.
//
// The format is an 8-byte little-endian length, a JSON header of that length
// that gives each tensor's dtype, shape and byte range and under "__metadata__"
// a map of strings, then the tensors' values, little-endian, without gaps
// (https://github.com/huggingface/safetensors).
package tensorfile
