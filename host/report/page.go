package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.html
var pageText string

// page is what page.html shows. All texts are escaped by the template; only
// Src holds content of our own making.
type page struct {
	Title, Lead string
	Warnings    []string
	Results     []result
	Comparison  *comparisonTable
	Charts      []chartView
	Pictures    []pictureGroup
	Commands    []Command
	Tables      []tableView
}

// result is one of the key figures up front.
type result struct{ Name, Value, Note string }

type comparisonTable struct {
	HasRelevant bool
	Source      string // of the published figures, "" = none are shown
	Rows        []comparisonRow
}

type comparisonRow struct {
	Name                                    []string // a line may break between its parts
	Colour                                  int
	Parameters, Overall, Relevant, StepTime figure
}

// figure is ours with the published one, "" = none.
type figure struct{ Ours, Published string }

type tableView struct {
	Title string
	Rows  []KV
}

type pictureGroup struct {
	Heading string // "" for a single run
	Items   []pictureView
}

type pictureView struct {
	Caption, Alt string
	Src          template.URL
}

// runPage fills the page of one run.
func runPage(r Run, charts []*chart, pictures []renderedPicture) page {
	p := page{
		Title:    title(r.label(), r.Task),
		Lead:     r.Name,
		Results:  r.results(),
		Charts:   chartViews(charts),
		Commands: r.Commands,
		Tables:   tables(tableView{"Settings", r.Settings}, tableView{"Timings", r.timings()}, tableView{"Machine", r.Machine}),
	}
	p.Warnings = r.warnings("")
	if len(pictures) > 0 {
		p.Pictures = []pictureGroup{{Items: pictureViews(pictures, r.label())}}
	}
	return p
}

// comparisonPage fills the page of several runs.
func comparisonPage(c Comparison, charts []*chart, pictures [][]renderedPicture) page {
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
		if len(pictures[i]) > 0 {
			p.Pictures = append(p.Pictures, pictureGroup{r.label(), pictureViews(pictures[i], r.label())})
		}
		timings.Rows = append(timings.Rows, KV{r.label(), joined(r.timings())})
		p.Commands = append(p.Commands, r.Commands...)
	}
	p.Tables = append(p.Tables, tables(timings, tableView{"Machine", c.Machine})...)
	return p
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
	return list
}

// results are the figures that a reader looks for first.
func (r Run) results() []result {
	overall, n := finalLoss(r.Log.Overall)
	note := "mean of the last " + counted(n, "step")
	var list []result
	if anyNumber(r.Log.Relevant) {
		relevant, _ := finalLoss(r.Log.Relevant)
		list = append(list, result{"Relevant loss", formatLoss(relevant), note})
	}
	if n > 0 {
		list = append(list, result{"Overall loss", formatLoss(overall), note})
	}
	list = append(list, result{"Steps", groupDigits(int64(r.Log.Len())), ""})
	if n > 0 {
		list = append(list, result{"Time per step", formatSeconds(percentile(r.Log.Seconds, 0.5)), "median"})
	}
	if r.Parameters > 0 {
		list = append(list, result{"Parameters", groupDigits(r.Parameters), ""})
	}
	return list
}

// timings are the times of the run's parts.
func (r Run) timings() (rows []KV) {
	if r.Log.Len() > 0 {
		rows = append(rows,
			KV{"Median step", formatSeconds(percentile(r.Log.Seconds, 0.5))},
			KV{"95th percentile", formatSeconds(percentile(r.Log.Seconds, 0.95))},
			KV{"All steps", formatSeconds(total(r.Log.Seconds))})
	}
	if r.DataSeconds > 0 {
		rows = append(rows, KV{"Making data", formatSeconds(r.DataSeconds)})
	}
	if r.WallSeconds > 0 {
		rows = append(rows, KV{"Whole run", formatSeconds(r.WallSeconds)})
	}
	return rows
}

// table puts the runs' figures side by side, with published ones of the same
// model.
func (c Comparison) table() *comparisonTable {
	t := &comparisonTable{}
	var curves []Curve
	for _, r := range c.Runs {
		curves = append(curves, Curve{Model: r.Model})
		t.HasRelevant = t.HasRelevant || anyNumber(r.Log.Relevant)
	}
	colours := pickColours(curves)
	for i, r := range c.Runs {
		row := comparisonRow{Name: strings.SplitAfter(r.label(), "_"), Colour: colours[i]}
		if r.Parameters > 0 {
			row.Parameters.Ours = groupDigits(r.Parameters)
		}
		overall, _ := finalLoss(r.Log.Overall)
		row.Overall.Ours = formatLoss(overall)
		if anyNumber(r.Log.Relevant) {
			relevant, _ := finalLoss(r.Log.Relevant)
			row.Relevant.Ours = formatLoss(relevant)
		}
		row.StepTime.Ours = formatSeconds(percentile(r.Log.Seconds, 0.5))
		for _, p := range c.Published {
			if p.Model != r.Model {
				continue
			}
			row.Parameters.Published, row.Overall.Published = p.Parameters, p.Overall
			row.Relevant.Published, row.StepTime.Published = p.Relevant, p.StepTime
			t.Source = c.PublishedSource
			t.HasRelevant = t.HasRelevant || p.Relevant != ""
		}
		t.Rows = append(t.Rows, row)
	}
	return t
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
		views = append(views, pictureView{
			Caption: p.caption,
			Alt:     fmt.Sprintf("%s, %s: heat maps of the prediction, left, and the truth, right, on one colour scale", of, strings.ToLower(p.caption)),
			Src:     template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.png)),
		})
	}
	return views
}

// chartView is a chart for the page: lines in a square of 1000 × 1000 that the
// browser stretches, labels as text of its own size beside it.
type chartView struct {
	Title, Alt, Remark string
	X, Y               []axisLabel
	Legend             []chartName
	Lines              []chartPath
	Empty              bool
}

// axisLabel is a tick: Share of the axis in per cent, and the same in the
// square's units for its grid line.
type axisLabel struct{ Share, At, Label string }

type chartName struct {
	Colour int
	Name   string
}

// chartPath is a piece of a line without gaps.
type chartPath struct {
	Colour int
	Strong bool
	Points string
}

func chartViews(charts []*chart) (views []chartView) {
	for _, c := range charts {
		views = append(views, c.view())
	}
	return views
}

// view turns the chart's geometry into SVG coordinates.
func (c *chart) view() chartView {
	v := chartView{Title: c.title, Remark: c.remark(), Empty: c.empty, Alt: c.title + " over the steps, on a logarithmic scale"}
	x := func(at float64) float64 { return (at - c.x0) / (c.x1 - c.x0) }
	y := func(at float64) float64 { return (at - c.y0) / (c.y1 - c.y0) }
	for _, t := range c.xTicks {
		v.X = append(v.X, axisLabel{fmt.Sprintf("%.2f", 100*x(t.at)), fmt.Sprintf("%.1f", 1000*x(t.at)), t.label})
	}
	for _, t := range c.yTicks {
		v.Y = append(v.Y, axisLabel{fmt.Sprintf("%.2f", 100*y(t.at)), fmt.Sprintf("%.1f", 1000-1000*y(t.at)), t.label})
	}
	for _, strong := range []bool{false, true} {
		for _, l := range c.lines {
			segments := l.raw
			if strong {
				segments = l.mean
			}
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
				v.Lines = append(v.Lines, chartPath{l.colour, strong, b.String()})
			}
		}
	}
	if len(c.lines) > 1 {
		for _, l := range c.lines {
			v.Legend = append(v.Legend, chartName{l.colour, l.name})
		}
	}
	return v
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
