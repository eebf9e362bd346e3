// Package imagefile reads and writes pictures: PNG and JPEG as float32 grids of
// one (grey) or three (RGB) channels in 0..1, and PNG masks of class numbers.
//
// What a file is follows from its first bytes, not from its name. Its size in
// pixels is read first and checked against a limit, the length of the file and
// the memory that is free, so that a small file which claims to be huge costs an
// error, not the memory it asks for. Values are the file's own, as stored: no
// gamma is applied, transparency is dropped (the colour below it counts), and an
// orientation in a JPEG's EXIF data is not heeded.
//
// Files are written under a temporary name and renamed. Errors are one line that
// begins with "load" or "write" and the path.
package imagefile
