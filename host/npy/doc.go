// Package npy reads NumPy's array files, .npy and .npz, and writes .npy.
//
// A .npy file is
//
//	"\x93NUMPY"  6 bytes
//	version      2 bytes: major 1, 2 or 3, minor 0
//	length       2 bytes (version 1) or 4 bytes, little endian
//	header       a Python dict as text: descr, fortran_order, shape
//	values       one after another, nothing behind them
//
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), and
// a .npz file is a zip archive of such files. Nothing read from a file is
// allocated before it was checked against the size of the file, so a hostile
// file costs an error, not the memory it asks for.
//
// github.com/sbinet/npyio was tried and not taken: version 0.6.0 allocates the
// header's length (up to 4 GiB) unchecked, panics on a header without a newline,
// and knows neither version 3 nor Fortran order beyond two axes.
package npy
