// Package openblas brings OpenBLAS, through gonum's netlib, into builds with
// the tag openblas; they need a C compiler and libopenblas (Debian:
// libopenblas-dev). Without the tag it says that it is not there. It stands
// alone because a package that uses cgo may contain no Go assembly.
package openblas
