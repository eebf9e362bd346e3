package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const hostileText = `</title></style><script>alert("1")</script><img src=http://x.example/a.png onerror='x'>{{.}}`

// sampleRun is a run of n steps with all that a report can show.
func sampleRun(n int) Run {
	r := Run{
		Name: "runs/MD_LSTM-1", Model: "MD_LSTM", Task: "diagonal, 8x8", Parameters: 1745,
		WaitSeconds: 0.1, WallSeconds: 130,
		Settings: []KV{{"Learning rate", "0.01"}},
		Machine:  []KV{{"Processor", "Some CPU"}},
		Commands: []Command{{"Go on training", "mdlstm-gpu train --resume runs/MD_LSTM-1 --steps 2000"}},
	}
	for i := range n {
		r.Log.Append(LogLine{int64(i), 0.25 / float64(i+1), 0.002, 0.5 / float64(i+1)})
	}
	before, after := gridPicture(8, 8), gridPicture(8, 8)
	r.Before, r.After = &before, &after
	return r
}

// checkPage reads the page as a tree of elements and refuses what is not closed,
// what a request would be made for, and scripts but for ours, which the content
// policy must name by its hash.
func checkPage(html []byte) error {
	if before, after, found := bytes.Cut(html, []byte("<script>"+pageScript+"</script>")); found {
		hash := sha256.Sum256([]byte(pageScript))
		policy := "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'\""
		if !strings.Contains(strings.ReplaceAll(string(before), "&#43;", "+"), policy) {
			return errors.New("a script that the content policy does not allow")
		}
		html = slices.Concat(before, after)
	}
	d := xml.NewDecoder(bytes.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "img", "wbr"}, xml.HTMLEntity
	var open []string
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "script", "link", "iframe", "object", "embed", "base", "form":
				return fmt.Errorf("element %s", e.Name.Local)
			}
			for _, a := range e.Attr {
				switch name := a.Name.Local; {
				case (name == "src" || name == "href" || name == "srcset" || name == "action") && !strings.HasPrefix(a.Value, "data:image/png;base64,"):
					return fmt.Errorf("%s of %s loads %.40q", name, e.Name.Local, a.Value)
				case strings.HasPrefix(name, "on"):
					return fmt.Errorf("%s has a handler %s", e.Name.Local, name)
				case name == "style" && strings.Contains(a.Value, "url"):
					return fmt.Errorf("style of %s: %q", e.Name.Local, a.Value)
				}
			}
			if !slices.Contains(d.AutoClose, e.Name.Local) {
				open = append(open, e.Name.Local)
			}
		case xml.EndElement:
			if slices.Contains(d.AutoClose, e.Name.Local) {
				continue
			}
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				return fmt.Errorf("end of %s inside %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 && open[len(open)-1] == "style" && (bytes.Contains(e, []byte("url(")) || bytes.Contains(e, []byte("@import"))) {
				return errors.New("the styles load something")
			}
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%v not closed", open)
	}
	return nil
}

func TestCheckPageSeesWhatIsWrong(t *testing.T) {
	for _, html := range []string{
		`<p>a`, `<p><b>a</p></b>`, `<p></p></p>`, `<script>1</script>`, `<img src="http://x/y.png">`, `<img src="//x/y.png">`,
		`<a href="https://x">a</a>`, `<p onclick="x">a</p>`, `<style>p{background:url(x)}</style>`, `<style>@import "x";</style>`,
		`<p style="background: url(x)">a</p>`, `<link rel="stylesheet">`, `<script src="data:image/png;base64,AA"></script>`,
		"<script>" + pageScript + "</script>", `<meta content="default-src 'none'; script-src 'sha256-AA='"><script>` + pageScript + "</script>",
	} {
		if checkPage([]byte(html)) == nil {
			t.Errorf("nothing wrong was seen in %s", html)
		}
	}
	if err := checkPage([]byte(`<!DOCTYPE html><p>a &amp; b<img src="data:image/png;base64,AA"></p>`)); err != nil {
		t.Error(err)
	}
}

// fileNamed is the content of the file of that name.
func fileNamed(t *testing.T, files []outFile, name string) []byte {
	t.Helper()
	for _, f := range files {
		if f.name == name {
			return f.data
		}
	}
	t.Fatalf("no file %s", name)
	return nil
}

func names(files []outFile) (list []string) {
	for _, f := range files {
		list = append(list, f.name)
	}
	return list
}

func TestRunPageShowsTheRun(t *testing.T) {
	r := sampleRun(200)
	r.Warning = "stopped at step 199"
	r.Log.Partial = 7
	files, err := r.files()
	if err != nil {
		t.Fatal(err)
	}
	html := fileNamed(t, files, "report.html")
	if err := checkPage(html); err != nil {
		t.Error(err)
	}
	text := strings.ReplaceAll(string(html), "&#43;", "+") // in base64
	overall, _ := FinalLoss(r.Log.Overall)
	relevant, _ := FinalLoss(r.Log.Relevant)
	for _, want := range []string{
		"<title>MD_LSTM on diagonal, 8x8</title>", "runs/MD_LSTM-1", "stopped at step 199", "7 bytes",
		"<dt>Overall loss</dt><dd>" + formatLoss(overall), "<dt>Relevant loss</dt><dd>" + formatLoss(relevant), "mean of the last 50 steps",
		"<dt>Steps</dt><dd>200", "<dt>Parameters</dt><dd>1,745", "<dt>Time per step</dt><dd>2.00 ms",
		"Learning rate", "Some CPU", `<pre tabindex="0"><code>mdlstm-gpu train --resume runs/MD_LSTM-1 --steps 2000</code></pre>`, "white-space: pre; overflow-x: auto",
		"95th percentile", "Waiting for data", "100 ms, 20.0 % of the time", "2.17 min", "400 ms",
		base64.StdEncoding.EncodeToString(fileNamed(t, files, "prediction_before.png")),
		base64.StdEncoding.EncodeToString(fileNamed(t, files, "prediction_after.png")),
		"prefers-color-scheme: dark", `name="viewport"`, "<polyline",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %.80q", want)
		}
	}
	if n := bytes.Count(html, []byte("<img ")); n != bytes.Count(html, []byte(`alt="`)) || n != 2 {
		t.Errorf("%d pictures, %d alternative texts, want 2", n, bytes.Count(html, []byte(`alt="`)))
	}
}

// inBase64 is where any letters may stand beside each other.
var inBase64 = regexp.MustCompile(`[A-Za-z0-9+/=;&#]{60,}`)

func TestRunPageOfOddLogs(t *testing.T) {
	nan := math.NaN()
	withLog := func(lines ...LogLine) Run {
		r := sampleRun(0)
		r.Before, r.After = nil, nil
		for i, line := range lines {
			line.Step = int64(i)
			r.Log.Append(line)
		}
		return r
	}
	withValid := func(line ValidLine) Run {
		r := Run{Name: "a", BestStep: -1}
		r.Valid.Append(line)
		return r
	}
	all := []string{"loss.png", "relevant_loss.png", "report.html"}
	for _, c := range []struct {
		name  string
		run   Run
		files []string
	}{
		{"empty run", Run{}, []string{"loss.png", "report.html"}},
		{"no steps", withLog(), []string{"loss.png", "report.html"}},
		{"one step", withLog(LogLine{0, 1, 1, 1}), all},
		{"no relevant loss", withLog(LogLine{0, 1, 1, nan}, LogLine{0, 1, 1, nan}), []string{"loss.png", "report.html"}},
		{"relevant loss at one step", withLog(LogLine{0, 1, 1, nan}, LogLine{0, 1, 1, 1}), all},
		{"not finite", withLog(LogLine{0, nan, nan, nan}, LogLine{0, math.Inf(1), math.Inf(1), math.Inf(-1)}), all},
		{"everything", fullRun(), []string{"loss.png", "relevant_loss.png", "validation.png", "label_error.png", "prediction_before.png",
			"prediction_after.png", "confusion.png", "sheet.png", "activity.png", "report.html"}},
		{"validations without classes", withValid(ValidLine{9, 1, nan, nan, 1}), []string{"loss.png", "report.html"}},
		{"validations of cells", withValid(ValidLine{9, 1, 0, nan, 1}), []string{"loss.png", "validation.png", "report.html"}},
		{"validations that are not finite", withValid(ValidLine{9, nan, nan, nan, nan}), []string{"loss.png", "report.html"}},
		{"pictures", sampleRun(3), []string{"loss.png", "relevant_loss.png", "prediction_before.png", "prediction_after.png", "report.html"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := c.run.files()
			if err != nil {
				t.Fatal(err)
			}
			if got := names(files); !slices.Equal(got, c.files) {
				t.Errorf("files %v, want %v", got, c.files)
			}
			html := fileNamed(t, files, "report.html")
			if err := checkPage(html); err != nil {
				t.Error(err)
			}
			for _, wrong := range []string{"NaN", "ZgotmplZ", "%!"} { // in a coordinate, by the escaper, by a format
				if bytes.Contains(inBase64.ReplaceAll(html, nil), []byte(wrong)) {
					t.Errorf("the page contains %q", wrong)
				}
			}
			for _, f := range files[:len(files)-1] {
				decode(t, f.data)
			}
		})
	}
}

func TestHostileTextStaysText(t *testing.T) {
	r := sampleRun(3)
	r.Name, r.Model, r.Task, r.Warning = hostileText, hostileText, hostileText, hostileText
	r.Settings = []KV{{hostileText, hostileText}}
	r.Machine, r.Commands = r.Settings, []Command{{hostileText, hostileText}}
	r.Before.Title = hostileText
	whole := fullRun()
	r.Valid, r.Confusion, r.Sheet, r.Activity = whole.Valid, whole.Confusion, whole.Sheet, whole.Activity
	r.Confusion.Title, r.Confusion.Unit, r.Confusion.Classes[1] = hostileText, hostileText, hostileText
	r.Sheet.Title, r.Sheet.Items[1].Caption, r.Sheet.Classes = hostileText, hostileText, []string{hostileText, hostileText}
	r.Activity.Title = hostileText
	runFiles, err := r.files()
	if err != nil {
		t.Fatal(err)
	}
	other := sampleRun(3)
	other.Model = hostileText + "2"
	c := Comparison{Title: hostileText, Task: hostileText, Runs: []Run{r, other}, Settings: r.Settings, Machine: r.Settings,
		Published: []Published{{hostileText, hostileText, hostileText, hostileText, hostileText}}, PublishedSource: hostileText, Commands: r.Commands}
	comparisonFiles, err := c.files()
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]outFile{runFiles, comparisonFiles} {
		html := fileNamed(t, files, "report.html")
		if err := checkPage(html); err != nil {
			t.Error(err)
		}
		if !bytes.Contains(html, []byte("&lt;script&gt;")) || bytes.Contains(html, []byte(`<script>alert`)) {
			t.Error("a hostile name was not escaped")
		}
	}
}

func TestComparisonPage(t *testing.T) {
	c := Comparison{Task: "diagonal", PublishedSource: "the seed",
		Published: []Published{{Model: "SNAKE_SD_LSTM", Overall: "0.0150", Relevant: "0.0095", StepTime: "5.7 ms"}, {Model: "Other", Overall: "0.777"}}}
	for i, model := range []string{"MD_LSTM", "HORIZONTAL_SD_LSTM", "SNAKE_SD_LSTM"} {
		r := sampleRun(10 * (i + 1))
		r.Model, r.Parameters = model, int64(1000*(i+1))
		c.Runs = append(c.Runs, r)
	}
	files, err := c.files()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(files), []string{"loss.png", "relevant_loss.png", "report.html"}; !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	html := string(fileNamed(t, files, "report.html"))
	if err := checkPage([]byte(html)); err != nil {
		t.Error(err)
	}
	relevant, _ := FinalLoss(c.Runs[2].Log.Relevant)
	for _, want := range []string{
		"Comparison on diagonal", "<small>0.0150</small>", "<small>5.7 ms</small>", "the seed", "3,000", "HORIZONTAL_<wbr>SD_<wbr>LSTM",
		"<td>" + formatLoss(relevant) + "<small>0.0095</small></td>",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, "0.777") {
		t.Error("a published figure of a model that did not run is shown")
	}
	if n := strings.Count(html, "<img "); n != 6 {
		t.Errorf("%d pictures, want 6", n)
	}
	for i := range 3 {
		if !strings.Contains(html, fmt.Sprintf(`"mean s%d d0"`, i)) {
			t.Errorf("no strong line in colour %d", i)
		}
	}
	if _, err := (Comparison{}).files(); err == nil {
		t.Error("a comparison of nothing was drawn")
	}
}

func TestComparisonOfAnyRuns(t *testing.T) {
	files, err := fullComparison().files()
	if err != nil {
		t.Fatal(err)
	}
	html := string(fileNamed(t, files, "report.html"))
	if err := checkPage([]byte(html)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`<th scope="col">Validation loss</th>`, `<th scope="col">Wrong labels</th>`, `<th scope="col">Steps</th>`, "<small>arrays of volumes</small>", "<small>mnist</small>",
		"runs/a-run-with-a-long-name-11: Go on training", `class="key k0 y1"`, "<td>–</td>", "<small>0.0145</small>",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, wrong := range []string{">nan<", ">unknown<", "ZgotmplZ"} {
		if strings.Contains(html, wrong) {
			t.Errorf("the page contains %q", wrong)
		}
	}
	if n := strings.Count(html, "<tr><th scope=\"row\"><span"); n != 12 {
		t.Errorf("%d rows of results, want 12", n)
	}
	same := Comparison{Task: "one", Runs: []Run{sampleRun(5), sampleRun(5)}}
	if got, want := same.table().Columns, []string{"Relevant loss", "Overall loss", "Time per step", "Params"}; !slices.Equal(got, want) {
		t.Errorf("columns %q of equal runs, want %q", got, want)
	}
}

func TestPageHasTheFiguresColours(t *testing.T) {
	for i, c := range curveColours {
		if want := fmt.Sprintf("--c%d: #%02x%02x%02x", i, c.R, c.G, c.B); !strings.Contains(pageText, want) {
			t.Errorf("page.html lacks %q", want)
		}
		if !strings.Contains(pageText, fmt.Sprintf(".s%d {", i)) || !strings.Contains(pageText, fmt.Sprintf(".k%d {", i)) {
			t.Errorf("page.html lacks the classes of colour %d", i)
		}
	}
}

func TestWriteRunReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	r := sampleRun(5)
	if err := WriteRun(dir, r); err != nil {
		t.Fatal(err)
	}
	want := []string{"loss.png", "prediction_after.png", "prediction_before.png", "relevant_loss.png", "report.html"}
	if got := listing(t, dir); !slices.Equal(got, want) {
		t.Errorf("folder holds %v, want %v", got, want)
	}
	before := readFile(t, filepath.Join(dir, "report.html"))

	broken := sampleRun(6)
	broken.After.Truth = nil
	if err := WriteRun(dir, broken); err == nil || !strings.Contains(err.Error(), r.Name) {
		t.Errorf("got %v, want an error that names the run", err)
	}
	broken = sampleRun(6)
	broken.Log.Seconds = nil
	if err := WriteRun(dir, broken); err == nil {
		t.Error("columns of unequal length were drawn")
	}
	broken = sampleRun(6)
	broken.Valid.Steps = []int64{1}
	if err := WriteRun(dir, broken); err == nil || !strings.Contains(err.Error(), "validations") {
		t.Errorf("validations of unequal length: %v", err)
	}
	if readFile(t, filepath.Join(dir, "report.html")) != before {
		t.Error("the report changed though the new one could not be drawn")
	}

	if err := WriteRun(dir, sampleRun(7)); err != nil {
		t.Fatal(err)
	}
	if readFile(t, filepath.Join(dir, "report.html")) == before {
		t.Error("the report did not change")
	}
	info, err := os.Stat(filepath.Join(dir, "report.html"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWriteErrorsNameTheFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	if err := WriteRun(none, sampleRun(1)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join(none, "loss.png")) {
		t.Errorf("missing folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "report.html", "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	err := WriteComparison(dir, Comparison{Runs: []Run{sampleRun(1)}})
	if err == nil || !strings.Contains(err.Error(), "report.html") {
		t.Errorf("a folder in the way: %v", err)
	}
	if got, want := listing(t, dir), []string{"loss.png", "relevant_loss.png", "report.html"}; !slices.Equal(got, want) {
		t.Errorf("folder holds %v, want %v and no temporary file", got, want)
	}
}

func listing(t *testing.T, dir string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		files = append(files, e.Name())
	}
	return files
}
