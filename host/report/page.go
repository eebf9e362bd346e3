package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

// pageScript moves the wavefronts. It is on the page only where there are any,
// and the content policy allows it, and no other script, by its hash.
//
//go:embed page.js
var pageScript string

// page is what page.html shows. All texts are escaped by the template; only
// Src and Script hold content of our own making.
type page struct {
	Title, Lead string
	Progress    string // of a run: see [Progress]
	Warnings    []string
	Results     []result
	Comparison  *comparisonTable
	Charts      []chartView
	Pictures    []pictureGroup
	Confusions  []confusionView
	Sheets      []sheetView
	Activities  []activityView
	Commands    []Command
	Tables      []tableView

	Script     template.JS // "" = none
	ScriptHash string
}

// result is one of the key figures up front.
type result struct{ Name, Value, Note string }

type comparisonTable struct {
	Columns []string // beside the run
	Steps   string   // which ones the losses are means of
	Source  string   // of the published figures, "" = none are shown
	Rows    []comparisonRow
}

type comparisonRow struct {
	Name         []string // a line may break between its parts
	Task         string   // "" = that of all
	Colour, Dash int
	Cells        []comparisonCell
}

// comparisonCell is our figure with the published one, "" = none.
type comparisonCell struct{ Ours, Published string }

type tableView struct {
	Title string
	Rows  []KV
}

type pictureGroup struct {
	Heading string // "" for a single run
	Items   []pictureView
}

type pictureView struct {
	Caption, Note, Alt string
	Wide               bool // it is scrolled on a narrow screen
	Src                template.URL
}

// dataURL is a picture inside the page.
func dataURL(png []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
}

// runPage fills the page of one run.
func runPage(r Run, charts []*chart, shown rendered) page {
	p := page{
		Title:    title(r.label(), r.Task),
		Lead:     r.Name,
		Progress: Progress(r.Log, r.Valid, r.Warning != ""),
		Results:  r.results(),
		Charts:   chartViews(charts),
		Commands: r.Commands,
		Tables:   tables(tableView{"Settings", r.Settings}, tableView{"Timings", r.timings()}, tableView{"Machine", r.Machine}),
	}
	p.Warnings = r.warnings("")
	p.show("", r, shown)
	return p
}

// comparisonPage fills the page of several runs.
func comparisonPage(c Comparison, charts []*chart, shown []rendered) page {
	name := c.Title
	if name == "" {
		name = "Comparison"
	}
	p := page{
		Title:      title(name, c.Task),
		Lead:       counted(len(c.Runs), "run") + ", over each other",
		Comparison: c.table(),
		Charts:     chartViews(charts),
		Commands:   c.Commands,
		Tables:     tables(tableView{"Settings", c.Settings}),
	}
	timings := tableView{Title: "Timings"}
	for i, r := range c.Runs {
		p.Warnings = append(p.Warnings, r.warnings(r.label()+": ")...)
		p.show(r.label(), r, shown[i])
		timings.Rows = append(timings.Rows, KV{r.label(), joined(r.timings())})
		for _, command := range r.Commands {
			p.Commands = append(p.Commands, Command{r.label() + ": " + command.What, command.Line})
		}
	}
	p.Tables = append(p.Tables, tables(timings, tableView{"Machine", c.Machine})...)
	return p
}

// show adds what a run has beside its curves, under a heading unless that is "".
func (p *page) show(heading string, r Run, shown rendered) {
	if len(shown.pictures) > 0 {
		p.Pictures = append(p.Pictures, pictureGroup{heading, pictureViews(shown.pictures, r.label())})
	}
	if r.Confusion != nil {
		p.Confusions = append(p.Confusions, r.Confusion.view(heading, r.label(), shown.fileNamed("confusion.png")))
	}
	if r.Sheet != nil {
		p.Sheets = append(p.Sheets, r.Sheet.view(heading))
	}
	if shown.wave != nil {
		p.Activities = append(p.Activities, r.Activity.view(heading, shown.wave, shown.fileNamed("activity.png")))
		hash := sha256.Sum256([]byte(pageScript))
		p.Script, p.ScriptHash = template.JS(pageScript), "sha256-"+base64.StdEncoding.EncodeToString(hash[:])
	}
}

// joined puts the lines of a table of our own words into one.
func joined(rows []KV) string {
	var parts []string
	for _, row := range rows {
		parts = append(parts, strings.ToLower(row.Key)+" "+row.Value)
	}
	return strings.Join(parts, ", ")
}

// title joins a name and a task, either of which may be missing.
func title(name, task string) string {
	switch {
	case name == "" && task == "":
		return "Training run"
	case task == "":
		return name
	case name == "":
		return task
	}
	return name + " on " + task
}

// warnings are what a reader must know before the figures.
func (r Run) warnings(prefix string) (list []string) {
	if r.Warning != "" {
		list = append(list, prefix+r.Warning)
	}
	if r.Log.Partial > 0 {
		list = append(list, fmt.Sprintf("%sthe last line of the log is not whole (%d bytes) and was left out", prefix, r.Log.Partial))
	}
	if r.Valid.Partial > 0 {
		list = append(list, fmt.Sprintf("%sthe last line of the validations is not whole (%d bytes) and was left out", prefix, r.Valid.Partial))
	}
	return list
}

// results are the figures that a reader looks for first.
func (r Run) results() []result {
	overall, n := FinalLoss(r.Log.Overall)
	note := "mean of the last " + counted(n, "step")
	var list []result
	if anyNumber(r.Log.Relevant) {
		relevant, _ := FinalLoss(r.Log.Relevant)
		list = append(list, result{"Relevant loss", formatLoss(relevant), note})
	}
	if n > 0 {
		list = append(list, result{"Overall loss", formatLoss(overall), note})
	}
	if i, what := r.best(); i >= 0 {
		note := fmt.Sprintf("%s, step %s", what, groupDigits(r.Valid.Steps[i]))
		list = append(list, result{"Validation loss", formatLoss(r.Valid.Loss[i]), note})
		if v := r.Valid.Error[i]; !math.IsNaN(v) {
			list = append(list, result{"Wrong cells", formatShare(v), note})
		}
		if v := r.Valid.LabelError[i]; !math.IsNaN(v) {
			list = append(list, result{"Wrong labels", formatShare(v), note})
		}
	}
	list = append(list, result{"Steps", groupDigits(int64(r.Log.Len())), ""})
	if n > 0 {
		list = append(list, result{"Time per step", formatSeconds(median(r.Log.Seconds)), "median"})
	}
	if r.Parameters > 0 {
		list = append(list, result{"Parameters", groupDigits(r.Parameters), ""})
	}
	return list
}

// best is the index of the validation that stands for the run, the best or else
// the last, and which of them it is; -1 when there are none.
func (r Run) best() (index int, what string) {
	if i := slices.Index(r.Valid.Steps, r.BestStep); i >= 0 {
		return i, "the best"
	}
	return r.Valid.Len() - 1, "the last"
}

// timings are the times of the run's parts.
func (r Run) timings() (rows []KV) {
	if r.Log.Len() > 0 {
		rows = append(rows,
			KV{"Median step", formatSeconds(median(r.Log.Seconds))},
			KV{"95th percentile", formatSeconds(percentile(r.Log.Seconds, 0.95))},
			KV{"All steps", formatSeconds(total(r.Log.Seconds))})
	}
	if n := r.Valid.Len(); n > 0 {
		rows = append(rows, KV{counted(n, "validation"), formatSeconds(total(r.Valid.Seconds))})
	}
	if r.WaitSeconds > 0 {
		share := r.WaitSeconds / (r.WaitSeconds + total(r.Log.Seconds))
		rows = append(rows, KV{"Waiting for data", fmt.Sprintf("%s, %s of the time", formatSeconds(r.WaitSeconds), formatShare(share))})
	}
	if r.WallSeconds > 0 {
		rows = append(rows, KV{"Whole run", formatSeconds(r.WallSeconds)})
	}
	return rows
}

// table puts the runs' figures side by side, with published ones of the same
// model. Columns that no run fills are left out.
func (c Comparison) table() *comparisonTable {
	all := []struct {
		name      string
		ours      func(Run) string
		published func(Published) string
	}{
		{"Relevant loss", func(r Run) string { return finalText(r.Log.Relevant) }, func(p Published) string { return p.Relevant }},
		{"Overall loss", func(r Run) string { return finalText(r.Log.Overall) }, func(p Published) string { return p.Overall }},
		{"Validation loss", func(r Run) string { return r.bestText(r.Valid.Loss, formatLoss) }, nil},
		{"Wrong cells", func(r Run) string { return r.bestText(r.Valid.Error, formatShare) }, nil},
		{"Wrong labels", func(r Run) string { return r.bestText(r.Valid.LabelError, formatShare) }, nil},
		{"Steps", func(r Run) string { return groupDigits(int64(r.Log.Len())) }, nil},
		{"Time per step", func(r Run) string { return medianText(r.Log.Seconds) }, func(p Published) string { return p.StepTime }},
		{"Params", func(r Run) string { return positiveText(r.Parameters) }, func(p Published) string { return p.Parameters }},
	}
	t := &comparisonTable{Steps: FinalSteps(c.Runs)}
	styles := stylesOf(c.Runs)
	for i, r := range c.Runs {
		row := comparisonRow{Name: strings.SplitAfter(r.label(), "_"), Colour: styles[i].colour, Dash: styles[i].dash}
		if c.Task == "" {
			row.Task = r.Task
		}
		t.Rows = append(t.Rows, row)
	}
	for _, column := range all {
		cells := make([]comparisonCell, len(c.Runs))
		filled, differ := false, false
		for i, r := range c.Runs {
			cells[i].Ours = column.ours(r)
			for _, p := range c.Published {
				if p.Model == r.Model && column.published != nil {
					cells[i].Published = column.published(p)
					t.Source = c.PublishedSource
				}
			}
			filled = filled || cells[i] != comparisonCell{}
			differ = differ || cells[i].Ours != cells[0].Ours
		}
		if !filled || column.name == "Steps" && !differ {
			continue
		}
		t.Columns = append(t.Columns, column.name)
		for i := range t.Rows {
			t.Rows[i].Cells = append(t.Rows[i].Cells, cells[i])
		}
	}
	return t
}

// finalText is the loss at the end, "" when there is none.
func finalText(values []float64) string {
	if !anyNumber(values) {
		return ""
	}
	v, _ := FinalLoss(values)
	return formatLoss(v)
}

// bestText is a value of the run's best validation, "" when there is none.
func (r Run) bestText(values []float64, format func(float64) string) string {
	i, _ := r.best()
	if i < 0 || math.IsNaN(values[i]) {
		return ""
	}
	return format(values[i])
}

func medianText(seconds []float64) string {
	if !anyNumber(seconds) {
		return ""
	}
	return formatSeconds(median(seconds))
}

func positiveText(n int64) string {
	if n <= 0 {
		return ""
	}
	return groupDigits(n)
}

// tables drops those without rows.
func tables(all ...tableView) (filled []tableView) {
	for _, t := range all {
		if len(t.Rows) > 0 {
			filled = append(filled, t)
		}
	}
	return filled
}

func pictureViews(pictures []renderedPicture, of string) (views []pictureView) {
	for _, p := range pictures {
		v := pictureView{Caption: p.caption, Note: "prediction left, truth right", Wide: p.volume, Src: dataURL(p.png)}
		if p.volume {
			v.Note = "slices along the first axis, prediction above truth"
		}
		v.Alt = fmt.Sprintf("%s, %s: heat maps, %s, on one colour scale", of, strings.ToLower(p.caption), v.Note)
		views = append(views, v)
	}
	return views
}

// confusionView is a confusion matrix as a table, or as a picture with the most
// frequent mistakes where there are too many classes for a table.
type confusionView struct {
	Heading, Title, Note, Alt string
	Classes                   []string
	Rows                      []confusionRow
	Src                       template.URL // "" = the table says it all
	Mistakes                  []mistakeView
}

type confusionRow struct {
	Name, Sum string
	Cells     []confusionCell
}

// confusionCell is a count with its share of the row, and how strongly that is
// coloured.
type confusionCell struct {
	Share, Count, Strength string
	Right                  bool
}

type mistakeView struct{ Truth, Prediction, Count, Share string }

func (c Confusion) view(heading, of string, png []byte) confusionView {
	v := confusionView{Heading: heading, Title: cmp.Or(c.Title, "Confusion matrix"), Note: c.note()}
	if len(c.Classes) > maxNumbered {
		v.Alt = fmt.Sprintf("%s: confusion matrix of %d classes, the most frequent mistakes are in the table", of, len(c.Classes))
		v.Src = dataURL(png)
		for _, m := range c.mistakes(maxMistakes) {
			v.Mistakes = append(v.Mistakes, mistakeView{c.Classes[m.truth], c.Classes[m.prediction], groupDigits(m.count), formatShare(m.share)})
		}
		return v
	}
	v.Classes = c.Classes
	for i, sum := range c.sums() {
		row := confusionRow{Name: c.Classes[i], Sum: groupDigits(int64(sum))}
		for j, count := range c.Counts[i] {
			cell := confusionCell{Right: i == j, Strength: "0"}
			if sum > 0 {
				share := float64(count) / sum
				cell.Share, cell.Count, cell.Strength = shortShare(share), groupDigits(count), fmt.Sprintf("%.3f", strength(share))
			}
			row.Cells = append(row.Cells, cell)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

// sheetView is a sheet with a picture for each item, so that captions are text.
type sheetView struct {
	Heading, Title, Note string
	Tiles                int // of an item at most
	Items                []sheetItemView
	Key                  []keyView
}

type sheetItemView struct {
	Caption, Alt string
	Wrong        bool
	Src          template.URL
}

type keyView struct{ Name, Colour string }

func (s Sheet) view(heading string) sheetView {
	v := sheetView{Heading: heading, Title: s.Title, Note: s.note()}
	for _, item := range s.shown() {
		tiles, names := item.tiles()
		v.Tiles = max(v.Tiles, len(tiles))
		png, err := encodePNG(item.itemImage(sheetTile / 2))
		if err != nil {
			continue // an image in memory is always written
		}
		alt := strings.Join(names, ", ")
		if item.Caption != "" {
			alt += " of " + item.Caption
		}
		v.Items = append(v.Items, sheetItemView{item.Caption, alt, item.Wrong, dataURL(png)})
	}
	names, colours := s.key()
	for i, c := range colours {
		v.Key = append(v.Key, keyView{names[i], fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)})
	}
	return v
}

// activityView is an activity as the script reads it, and its last state as a
// picture for where no script runs.
type activityView struct {
	Heading, Title, Note, Data, Alt string
	Src, Input                      template.URL
}

func (a Activity) view(heading string, w *wave, png []byte) activityView {
	v := activityView{Heading: heading, Title: a.Title, Note: w.note, Src: dataURL(png)}
	v.Alt = fmt.Sprintf("Mean magnitude of h in every cell after the last wavefront, %s, side by side", counted(len(a.Directions), "direction"))
	v.Data, _ = w.json() // texts and numbers are always written
	if !a.Input.empty() {
		img := a.Input.image(2 * maxActivitySide)
		if png, err := encodePNG(enlarged(img, max(1, 240/max(img.Rect.Dx(), img.Rect.Dy())))); err == nil {
			v.Input = dataURL(png)
		}
	}
	return v
}

// chartView is a chart for the page: lines in a square of 1000 × 1000 that the
// browser stretches, labels as text of its own size beside it.
type chartView struct {
	Title, Unit, Alt, Remark string
	X, Y                     []axisLabel
	Legend                   []chartName
	Lines                    []chartPath
	Empty                    bool
}

// axisLabel is a tick: Share of the axis in per cent, and the same in the
// square's units for its grid line.
type axisLabel struct{ Share, At, Label string }

type chartName struct {
	Colour, Dash int
	Sparse       bool
	Name         string
}

// chartPath is a piece of a line without gaps, or markers: lines of no length
// with round ends.
type chartPath struct {
	Class  string
	Points string // of a polyline
	Dots   string // of a path, instead
}

func chartViews(charts []*chart) (views []chartView) {
	for _, c := range charts {
		views = append(views, c.view())
	}
	return views
}

// view turns the chart's geometry into SVG coordinates.
func (c *chart) view() chartView {
	v := chartView{Title: c.title, Unit: c.unit + ", log scale", Remark: c.remark(), Empty: c.empty, Alt: c.alt()}
	x := func(at float64) float64 { return (at - c.x0) / (c.x1 - c.x0) }
	y := func(at float64) float64 { return (at - c.y0) / (c.y1 - c.y0) }
	for _, t := range c.xTicks {
		v.X = append(v.X, axisLabel{fmt.Sprintf("%.2f", 100*x(t.at)), fmt.Sprintf("%.1f", 1000*x(t.at)), t.label})
	}
	for _, t := range c.yTicks {
		v.Y = append(v.Y, axisLabel{fmt.Sprintf("%.2f", 100*y(t.at)), fmt.Sprintf("%.1f", 1000-1000*y(t.at)), t.label})
	}
	lines := func(class string, segments [][]point) {
		for _, s := range segments {
			var b strings.Builder
			for i, at := range s {
				if i > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, "%.1f,%.1f", 1000*x(at.x), 1000-1000*y(at.y))
			}
			if len(s) == 1 { // a line to itself is drawn as a dot
				fmt.Fprintf(&b, " %s", b.String())
			}
			v.Lines = append(v.Lines, chartPath{Class: class, Points: b.String()})
		}
	}
	dots := func(class string, points []point) {
		if len(points) == 0 {
			return
		}
		var b strings.Builder
		for _, at := range points {
			fmt.Fprintf(&b, "M%.1f %.1fh0", 1000*x(at.x), 1000-1000*y(at.y))
		}
		v.Lines = append(v.Lines, chartPath{Class: class, Dots: b.String()})
	}
	for _, l := range c.lines {
		if c.faint {
			lines(fmt.Sprintf("raw s%d", l.colour), l.raw)
		}
	}
	for _, l := range c.lines {
		class := "mean"
		if l.sparse {
			class = "valid"
		}
		lines(fmt.Sprintf("%s s%d d%d", class, l.colour, l.dash), l.mean)
	}
	for _, l := range c.lines {
		dots(fmt.Sprintf("dots s%d", l.colour), l.markers)
		dots(fmt.Sprintf("ring s%d", l.colour), l.best)
		dots("hole", l.best)
	}
	for _, l := range c.legend {
		v.Legend = append(v.Legend, chartName{l.colour, l.dash, l.sparse, l.name})
	}
	return v
}

// alt says in words what the figure shows.
func (c *chart) alt() string {
	text := fmt.Sprintf("%s over the steps, on a logarithmic scale", c.title)
	if remark := c.remark(); remark != "" {
		text += "; " + remark
	}
	return text
}

// renderPage fills the template.
func renderPage(p page) ([]byte, error) {
	t, err := template.New("page.html").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("report.html: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("report.html: %w", err)
	}
	return out.Bytes(), nil
}
