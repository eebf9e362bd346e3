// Package report writes what a person reads about a run: the log of every step,
// the loss curves, the pictures of predictions beside the truth, and one HTML
// page that holds all of it.
//
// It knows nobody else in this module: callers fill plain values in.
//
//	CreateLog, OpenLogAt, ReadLog      log.tsv, cut and continued on resume
//	CurvesPNG                          loss.png and relevant_loss.png
//	PicturePNG                         prediction_before.png, prediction_after.png
//	WriteRun, WriteComparison          all pictures and report.html in a folder
//
// Every file but the log appears by a rename, so a reader never sees half of
// one. The page loads nothing: styles and pictures are inside, and its content
// policy forbids requests, so it works from a file, by mail and offline.
package report
