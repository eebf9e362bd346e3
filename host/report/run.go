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

	DataSeconds float64 // spent on making data, in total; 0 = not measured
	WallSeconds float64 // of the whole run, in total; 0 = not measured

	Settings []KV // task, optimizer, architecture, engine …
	Machine  []KV // CPU, cores, OS, Go, BLAS, vector unit, device …

	Before, After *Picture // predictions of one sample; nil = no picture
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

// Comparison is a report of several runs of the same task, drawn over each other.
type Comparison struct {
	Title    string // "" = Comparison
	Task     string
	Runs     []Run // one or more
	Settings []KV  // what the runs share
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

// WriteRun writes loss.png, relevant_loss.png (unless the log holds no relevant
// loss), prediction_before.png and prediction_after.png (where there is a
// picture) and report.html into the folder dir, which must exist. Each file is
// replaced as a whole, the page last; nothing is written when the run cannot be
// drawn. Errors name the run, picture or file at fault.
func WriteRun(dir string, r Run) error {
	files, err := r.files()
	if err != nil {
		return fmt.Errorf("report of run %q: %w", r.Name, err)
	}
	return writeFiles(dir, files)
}

func (r Run) files() ([]outFile, error) {
	charts, files, err := lossFiles([]Run{r})
	if err != nil {
		return nil, err
	}
	pictures, err := r.pictures()
	if err != nil {
		return nil, err
	}
	for _, p := range pictures {
		files = append(files, outFile{p.file, p.png})
	}
	html, err := renderPage(runPage(r, charts, pictures))
	if err != nil {
		return nil, err
	}
	return append(files, outFile{"report.html", html}), nil
}

// WriteComparison writes loss.png and relevant_loss.png with all runs over each
// other, and report.html with each run's pictures, as [WriteRun] does.
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
	charts, files, err := lossFiles(c.Runs)
	if err != nil {
		return nil, err
	}
	pictures := make([][]renderedPicture, len(c.Runs))
	for i, r := range c.Runs {
		if pictures[i], err = r.pictures(); err != nil {
			return nil, fmt.Errorf("run %q: %w", r.Name, err)
		}
	}
	html, err := renderPage(comparisonPage(c, charts, pictures))
	if err != nil {
		return nil, err
	}
	return append(files, outFile{"report.html", html}), nil
}

// lossFiles lays out and draws the figures of the runs' losses. The relevant
// loss is left out when no run has one.
func lossFiles(runs []Run) (charts []*chart, files []outFile, err error) {
	var overall, relevant []Curve
	for _, r := range runs {
		if err := r.Log.check(); err != nil {
			return nil, nil, fmt.Errorf("log of run %q: %w", r.Name, err)
		}
		overall = append(overall, Curve{r.label(), r.Model, r.Log.Steps, r.Log.Overall})
		if anyNumber(r.Log.Relevant) {
			relevant = append(relevant, Curve{r.label(), r.Model, r.Log.Steps, r.Log.Relevant})
		}
	}
	figures := []struct {
		file, title string
		curves      []Curve
	}{{"loss.png", "Overall loss", overall}}
	if relevant != nil {
		figures = append(figures, struct {
			file, title string
			curves      []Curve
		}{"relevant_loss.png", "Relevant loss", relevant})
	}
	for _, f := range figures {
		c, err := newChart(f.title, f.curves)
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

// label names a run in a legend.
func (r Run) label() string {
	if r.Model != "" {
		return r.Model
	}
	return r.Name
}

// renderedPicture is a picture as PNG.
type renderedPicture struct {
	file, caption string
	png           []byte
}

// pictures draws those that the run has.
func (r Run) pictures() (done []renderedPicture, err error) {
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
			return nil, err
		}
		done = append(done, renderedPicture{p.file, p.caption, data})
	}
	return done, nil
}

func writeFiles(dir string, files []outFile) error {
	for _, f := range files {
		if err := replaceFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}
