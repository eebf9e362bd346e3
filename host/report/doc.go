// Package report writes what a person reads about a run: the log of every step
// and of every validation, the curves, the pictures of predictions beside the
// truth, and one HTML page that holds all of it.
//
// It knows of this module only the colours of classes: callers fill plain values in.
//
//	CreateLog, OpenLogAt, ReadLog                  log.tsv, cut and continued on resume
//	CreateValidLog, OpenValidLogAt, ReadValidLog   valid.tsv, likewise
//	CurvesPNG                                      loss.png, relevant_loss.png, validation.png, label_error.png
//	PicturePNG                                     prediction_before.png, prediction_after.png; volumes as slices
//	ConfusionPNG                                   confusion.png
//	SheetPNG                                       sheet.png: many small samples with their predictions
//	Activity                                       activity.png, and the wavefronts that cross the grid on the page
//	WriteRun, WriteComparison                      all pictures and report.html in a folder
//
// Every file but the logs appears by a rename, so a reader never sees half of
// one. The page loads nothing: styles, pictures and data are inside, and its
// content policy forbids requests, so it works from a file, by mail and offline.
// Only a page with wavefronts has a script, page.js, which the policy names by
// its hash; without scripts their last state is a picture.
//
// scripts/page_test.sh looks at the pages in a browser.
package report
