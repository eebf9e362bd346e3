package report

import (
	"fmt"
	"path/filepath"
)

// KV is a line of a table.
type KV struct{ Key, Value string }

// Command is a command line that a person may copy, and what it does.
type Command struct{ What, Line string }

// Run is all that the report of one training run shows. Empty fields are left
// out of the page.
type Run struct {
	Name  string // the run's folder or another name that tells it from others
	Model string // "MD_LSTM"; the seed's three names have colours of their own
	Task  string // "diagonal, 8x8"

	// Warning says, in a sentence, why the run is not as it should be: "stopped
	// at step 412: the loss is not finite, first in layer 0 gate f_1".
	Warning string

	Parameters int64   // of the model; 0 = unknown
	Log        Columns // every step; its columns have equal lengths

	Valid    ValidColumns // every validation; empty = there were none
	BestStep int64        // the step of Valid that is marked as the best; -1 = none

	WaitSeconds float64 // that steps waited for their data, in total; 0 = not measured
	WallSeconds float64 // of the whole run, in total; 0 = not measured

	Settings []KV // task, optimizer, architecture, engine …
	Machine  []KV // CPU, cores, OS, Go, BLAS, vector unit, device …

	Before, After *Picture   // predictions of one sample; nil = no picture
	Confusion     *Confusion // after training; nil = none
	Sheet         *Sheet     // samples with their predictions; nil = none
	Activity      *Activity  // the wavefronts of a layer; nil = none
	Commands      []Command
}

// Published are figures that others measured, shown beside ours. They are texts
// so that they keep the digits of their source; "" = none.
type Published struct {
	Model      string // the Run.Model that it belongs to
	Parameters string
	Overall    string
	Relevant   string
	StepTime   string // with its unit
}

// Comparison is a report of several runs, drawn over each other. They may be of
// different models, tasks and lengths.
type Comparison struct {
	Title    string // "" = Comparison
	Task     string // that all runs share; "" = each run's own is shown
	Runs     []Run  // one or more
	Settings []KV   // what the runs share
	Machine  []KV

	// Published figures stand below ours, PublishedSource says whose they are.
	Published       []Published
	PublishedSource string

	Commands []Command
}

// outFile is a file of a report before it is written.
type outFile struct {
	name string
	data []byte
}

// WriteRun writes what the run has of loss.png, relevant_loss.png,
// validation.png (share of wrong cells), label_error.png (share of wrongly
// labelled samples), prediction_before.png, prediction_after.png, confusion.png,
// sheet.png and activity.png, and report.html into the folder dir, which must
// exist. Each file is replaced as a whole, the page last; nothing is written
// when the run cannot be drawn. Errors name the run, picture or file at fault.
func WriteRun(dir string, r Run) error {
	files, err := r.files()
	if err != nil {
		return fmt.Errorf("report of run %q: %w", r.Name, err)
	}
	return writeFiles(dir, files)
}

func (r Run) files() ([]outFile, error) {
	charts, files, err := chartFiles([]Run{r})
	if err != nil {
		return nil, err
	}
	shown, err := r.render()
	if err != nil {
		return nil, err
	}
	html, err := renderPage(runPage(r, charts, shown))
	if err != nil {
		return nil, err
	}
	return append(append(files, shown.files...), outFile{"report.html", html}), nil
}

// WriteComparison writes the curves with all runs over each other, and
// report.html with what each run has, as [WriteRun] does.
func WriteComparison(dir string, c Comparison) error {
	files, err := c.files()
	if err != nil {
		return fmt.Errorf("report of the comparison: %w", err)
	}
	return writeFiles(dir, files)
}

func (c Comparison) files() ([]outFile, error) {
	if len(c.Runs) == 0 {
		return nil, fmt.Errorf("no runs, want one or more")
	}
	charts, files, err := chartFiles(c.Runs)
	if err != nil {
		return nil, err
	}
	shown := make([]rendered, len(c.Runs))
	for i, r := range c.Runs {
		if shown[i], err = r.render(); err != nil {
			return nil, fmt.Errorf("run %q: %w", r.Name, err)
		}
	}
	html, err := renderPage(comparisonPage(c, charts, shown))
	if err != nil {
		return nil, err
	}
	return append(files, outFile{"report.html", html}), nil
}

// stylesOf gives each run the style of its lines in every figure.
func stylesOf(runs []Run) []lineStyle {
	curves := make([]Curve, len(runs))
	for i, r := range runs {
		curves[i].Model = r.Model
	}
	return pickStyles(curves)
}

// figure is curves that share a file.
type figure struct {
	file, title, unit string
	curves            []Curve
	styles            []lineStyle
}

func (f *figure) add(style lineStyle, curve Curve) {
	f.curves, f.styles = append(f.curves, curve), append(f.styles, style)
}

// chartFiles lays out and draws the figures of the runs' losses and errors.
// Those that no run has are left out, but for the overall loss.
func chartFiles(runs []Run) (charts []*chart, files []outFile, err error) {
	overall := &figure{file: "loss.png", title: "Overall loss", unit: "loss"}
	relevant := &figure{file: "relevant_loss.png", title: "Relevant loss", unit: "loss"}
	cells := &figure{file: "validation.png", title: "Wrong cells in validation", unit: "per cent"}
	labels := &figure{file: "label_error.png", title: "Wrong labels in validation", unit: "per cent"}
	styles := stylesOf(runs)
	for i, r := range runs {
		if err := r.Log.check(); err != nil {
			return nil, nil, fmt.Errorf("log of run %q: %w", r.Name, err)
		}
		if err := r.Valid.check(); err != nil {
			return nil, nil, fmt.Errorf("validations of run %q: %w", r.Name, err)
		}
		name, style := r.label(), styles[i]
		overall.add(style, Curve{Name: name, Steps: r.Log.Steps, Values: r.Log.Overall})
		if anyNumber(r.Log.Relevant) {
			relevant.add(style, Curve{Name: name, Steps: r.Log.Steps, Values: r.Log.Relevant})
		}
		sparse := func(values []float64) Curve {
			return Curve{Name: name, Steps: r.Valid.Steps, Values: values, Sparse: true, Best: r.BestStep}
		}
		if r.Valid.Len() > 0 {
			overall.add(style, sparse(r.Valid.Loss))
		}
		if anyNumber(r.Valid.Error) {
			cells.add(style, sparse(percents(r.Valid.Error)))
		}
		if anyNumber(r.Valid.LabelError) {
			labels.add(style, sparse(percents(r.Valid.LabelError)))
		}
	}
	for _, f := range []*figure{overall, relevant, cells, labels} {
		if len(f.curves) == 0 {
			continue
		}
		c, err := newChart(f.title, f.unit, f.curves, f.styles)
		if err != nil {
			return nil, nil, err
		}
		data, err := c.png()
		if err != nil {
			return nil, nil, err
		}
		charts = append(charts, c)
		files = append(files, outFile{f.file, data})
	}
	return charts, files, nil
}

func percents(shares []float64) []float64 {
	values := make([]float64, len(shares))
	for i, v := range shares {
		values[i] = 100 * v
	}
	return values
}

// label names a run in a legend.
func (r Run) label() string {
	if r.Model != "" {
		return r.Model
	}
	return r.Name
}

// rendered is what a run has beside its curves, drawn.
type rendered struct {
	files    []outFile // confusion.png is not on the page where the table says the same
	pictures []renderedPicture
	wave     *wave // nil = none
}

// renderedPicture is a picture as PNG.
type renderedPicture struct {
	file, caption string
	volume        bool // slices, the prediction above the truth
	png           []byte
}

// render draws what the run has.
func (r Run) render() (rendered, error) {
	var done rendered
	for _, p := range []struct {
		picture       *Picture
		file, caption string
	}{
		{r.Before, "prediction_before.png", "Before training"},
		{r.After, "prediction_after.png", "After training"},
	} {
		if p.picture == nil {
			continue
		}
		data, err := PicturePNG(*p.picture)
		if err != nil {
			return done, err
		}
		done.pictures = append(done.pictures, renderedPicture{p.file, p.caption, len(p.picture.Shape) > 2, data})
		done.files = append(done.files, outFile{p.file, data})
	}
	if r.Confusion != nil {
		data, err := ConfusionPNG(*r.Confusion)
		if err != nil {
			return done, err
		}
		done.files = append(done.files, outFile{"confusion.png", data})
	}
	if r.Sheet != nil {
		data, err := SheetPNG(*r.Sheet)
		if err != nil {
			return done, err
		}
		done.files = append(done.files, outFile{"sheet.png", data})
	}
	if r.Activity != nil {
		w, err := newWave(*r.Activity)
		if err != nil {
			return done, err
		}
		data, err := w.png(r.Activity.Title)
		if err != nil {
			return done, err
		}
		done.wave = w
		done.files = append(done.files, outFile{"activity.png", data})
	}
	return done, nil
}

// fileNamed is the drawn file of that name; nil when there is none.
func (r rendered) fileNamed(name string) []byte {
	for _, f := range r.files {
		if f.name == name {
			return f.data
		}
	}
	return nil
}

func writeFiles(dir string, files []outFile) error {
	for _, f := range files {
		if err := replaceFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}
