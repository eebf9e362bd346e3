package report

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripts/page_test.sh gives these.
var (
	browserPath = flag.String("browser", "", "a Chromium that the pages are opened in")
	samplesPath = flag.String("sample", "", "folder that sample pages and their screenshots are written to")
)

// TestSamplePage writes pages with everything that there is into a folder, to be
// looked at.
func TestSamplePage(t *testing.T) {
	if *samplesPath == "" {
		t.Skip("no folder: give one with -sample")
	}
	writeSamples(t, *samplesPath)
}

func writeSamples(t *testing.T, dir string) (pages []string) {
	t.Helper()
	all, err := fullPages()
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range all {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := writeFiles(filepath.Join(dir, name), files); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, filepath.Join(dir, name, "report.html"))
	}
	slices.Sort(pages)
	return pages
}

// screen is what a page is looked at on.
type screen struct {
	width  int
	scheme string
}

var screens = []screen{{390, "light"}, {390, "dark"}, {1280, "light"}, {1280, "dark"}}

// TestPagesInBrowser opens the sample pages, and those named after -args, from
// their files.
func TestPagesInBrowser(t *testing.T) {
	if *browserPath == "" {
		t.Skip("no browser: give one with -browser, or run scripts/page_test.sh")
	}
	dir := *samplesPath
	if dir == "" {
		dir = t.TempDir()
	}
	b := startBrowser(t, *browserPath)
	for _, page := range append(writeSamples(t, dir), flag.Args()...) {
		for _, s := range screens {
			shot, err := b.look(page, s)
			if err != nil {
				t.Errorf("%s, %d pixels, %s: %v", page, s.width, s.scheme, err)
			}
			name := fmt.Sprintf("%s-%d-%s.png", filepath.Base(filepath.Dir(page)), s.width, s.scheme)
			if err := os.WriteFile(filepath.Join(dir, name), shot, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	shot, err := b.play(filepath.Join(dir, "run", "report.html"))
	if err != nil {
		t.Errorf("the wavefronts: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wavefronts-390.png"), shot, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestBrowserSeesWhatIsWrong shows the browser pages that it must refuse.
func TestBrowserSeesWhatIsWrong(t *testing.T) {
	if *browserPath == "" {
		t.Skip("no browser: give one with -browser, or run scripts/page_test.sh")
	}
	b := startBrowser(t, *browserPath)
	const head = `<!DOCTYPE html><meta name="viewport" content="width=device-width">`
	for _, c := range []struct{ name, html, want string }{
		{"right", `<p>text</p>`, ""},
		{"console", `<p>text</p><script>console.error("wrong")</script>`, "wrong"},
		{"exception", `<p>text</p><script>nothing()</script>`, "nothing is not defined"},
		{"forbidden script", `<meta http-equiv="Content-Security-Policy" content="default-src 'none'"><p>text</p><script>1</script>`, "Content Security Policy"},
		{"missing picture", `<p>text</p><img src="none.png">`, "requests"},
		{"wide", `<p>text</p><div style="width: 2000px">a</div>`, "wider"},
		{"blank", ``, "blank"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "page.html")
			if err := os.WriteFile(path, []byte(head+c.html), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := b.look(path, screens[0])
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// browser is a headless Chromium, spoken to over pipes in the DevTools protocol.
type browser struct {
	in      *os.File
	replies chan message
	id      int
	session string
	events  []message
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
	Session string `json:"sessionId,omitempty"`
}

func startBrowser(t *testing.T, path string) *browser {
	t.Helper()
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--no-first-run", "--disable-background-networking", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{in: ourOut, replies: make(chan message, 1000)}
	go func() {
		defer close(b.replies)
		r := bufio.NewReader(ourIn)
		for {
			text, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m message
			if json.Unmarshal(text[:len(text)-1], &m) == nil {
				b.replies <- m
			}
		}
	}()
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil) // it removes its files; the end of the pipe would do too
		ourOut.Close()
		cmd.Wait()
		cancel()
		if b.session == "" { // it never opened a page
			t.Logf("the browser said: %.2000s", complaints.String())
		}
	})
	return b
}

// call sends a command and waits for its result; events meanwhile are kept.
func (b *browser) call(method string, params map[string]any, result any) error {
	b.id++
	text, err := json.Marshal(map[string]any{"id": b.id, "method": method, "params": params})
	if err != nil {
		return err
	}
	if b.session != "" && method != "Browser.close" {
		text = append(text[:len(text)-1], fmt.Sprintf(`,"sessionId":%q}`, b.session)...)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		m, err := b.next(60 * time.Second)
		if err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		switch {
		case m.ID != b.id:
			b.events = append(b.events, m)
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, result)
		}
	}
}

func (b *browser) next(patience time.Duration) (message, error) {
	select {
	case m, alive := <-b.replies:
		if !alive {
			return m, errors.New("the browser is gone")
		}
		return m, nil
	case <-time.After(patience):
		return message{}, errors.New("the browser does not answer")
	}
}

// open opens a page in a new tab and waits until it is loaded.
func (b *browser) open(path string, s screen) error {
	b.session, b.events = "", nil
	var target struct {
		TargetID  string `json:"targetId"`
		SessionID string `json:"sessionId"`
	}
	if err := b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return err
	}
	if err := b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target); err != nil {
		return err
	}
	b.session = target.SessionID
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		method string
		params map[string]any
	}{
		{"Page.enable", nil}, {"Runtime.enable", nil}, {"Log.enable", nil}, {"Network.enable", nil},
		{"Emulation.setDeviceMetricsOverride", map[string]any{"width": s.width, "height": 800, "deviceScaleFactor": 1, "mobile": s.width < 600}},
		{"Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": s.scheme}}}},
		{"Page.navigate", map[string]any{"url": (&url.URL{Scheme: "file", Path: absolute}).String()}},
	} {
		if err := b.call(c.method, c.params, nil); err != nil {
			return err
		}
	}
	for !slices.ContainsFunc(b.events, func(m message) bool { return m.Method == "Page.loadEventFired" }) {
		m, err := b.next(60 * time.Second)
		if err != nil {
			return err
		}
		b.events = append(b.events, m)
	}
	return nil
}

// evaluate runs an expression in the page; a promise is waited for.
func (b *browser) evaluate(expression string, value any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	err := b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	switch {
	case err != nil:
		return err
	case answer.ExceptionDetails != nil:
		return fmt.Errorf("%s: %s", expression, answer.ExceptionDetails.Text)
	}
	return json.Unmarshal(answer.Result.Value, value)
}

// look opens a page and returns its picture, with an error when anything about
// it is wrong: an error on the console, a request, a width that scrolls, a blank
// picture or one of another width.
func (b *browser) look(path string, s screen) (shot []byte, err error) {
	if err := b.open(path, s); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.complaints(path)); b.call("Page.close", nil, nil) }()

	var layout struct {
		Wide   int    `json:"wide"`
		Height int    `json:"height"`
		Which  string `json:"which"`
	}
	err = b.evaluate(`(() => {
		const root = document.scrollingElement;
		const inside = (e) => { for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== "visible") return true; };
		const out = [...document.body.querySelectorAll("*")].find((e) => e.getBoundingClientRect().right > innerWidth + 1 && !inside(e));
		return {wide: root.scrollWidth, height: root.scrollHeight, which: out ? out.outerHTML.slice(0, 120) : ""};
	})()`, &layout)
	if err != nil {
		return nil, err
	}
	if layout.Wide > s.width || layout.Which != "" {
		err = fmt.Errorf("the page is wider than the screen, %d pixels: %s", layout.Wide, layout.Which)
	}
	shot, shotErr := b.screenshot(0, s.width, layout.Height)
	if shotErr != nil {
		return nil, errors.Join(err, shotErr)
	}
	return shot, errors.Join(err, checkShot(shot, s.width))
}

// screenshot is a picture of the page from top on.
func (b *browser) screenshot(top, width, height int) ([]byte, error) {
	var picture struct {
		Data string `json:"data"`
	}
	err := b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": top, "width": width, "height": min(max(height, 100), 12000), "scale": 1}}, &picture)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(picture.Data)
}

// checkShot refuses a picture of another width, and one of hardly any colours.
func checkShot(shot []byte, width int) error {
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return err
	}
	if got := img.Bounds().Dx(); got != width {
		return fmt.Errorf("the screenshot is %d pixels wide, want %d", got, width)
	}
	seen := map[[3]uint32]bool{}
	for y := 0; y < img.Bounds().Dy() && len(seen) < 4; y++ {
		for x := range width {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	if len(seen) < 4 {
		return fmt.Errorf("the screenshot is blank: %d colours", len(seen))
	}
	return nil
}

func TestCheckShot(t *testing.T) {
	shot, err := encodePNG(image.NewRGBA(image.Rect(0, 0, 40, 30)))
	if err != nil {
		t.Fatal(err)
	}
	for width, want := range map[int]string{40: "blank", 41: "41"} {
		if err := checkShot(shot, width); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// complaints are what the page wrote to the console as errors, what it threw,
// and what it asked for beside itself.
func (b *browser) complaints(path string) error {
	var all []error
	for _, m := range b.events {
		var p struct {
			Type  string           `json:"type"`
			Args  []map[string]any `json:"args"`
			Entry struct {
				Level string `json:"level"`
				Text  string `json:"text"`
			} `json:"entry"`
			ExceptionDetails struct {
				Exception struct {
					Description string `json:"description"`
				} `json:"exception"`
			} `json:"exceptionDetails"`
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		if json.Unmarshal(m.Params, &p) != nil {
			continue
		}
		switch {
		case m.Method == "Runtime.consoleAPICalled" && (p.Type == "error" || p.Type == "warning" || p.Type == "assert"):
			all = append(all, fmt.Errorf("console: %s: %v", p.Type, p.Args))
		case m.Method == "Runtime.exceptionThrown":
			all = append(all, fmt.Errorf("exception: %s", p.ExceptionDetails.Exception.Description))
		case m.Method == "Log.entryAdded" && (p.Entry.Level == "error" || p.Entry.Level == "warning"):
			all = append(all, fmt.Errorf("log: %s", p.Entry.Text))
		case m.Method == "Network.requestWillBeSent" && !strings.HasPrefix(p.Request.URL, "data:") && !strings.HasSuffix(p.Request.URL, filepath.Base(path)):
			all = append(all, fmt.Errorf("it requests %s", p.Request.URL))
		}
	}
	return errors.Join(all...)
}

// play moves the slider of the sample page, chooses, and plays, and wants the
// picture to follow. It returns a screenshot of a wavefront on its way.
func (b *browser) play(path string) (shot []byte, err error) {
	if err := b.open(path, screens[0]); err != nil {
		return nil, err
	}
	var got struct {
		Last, First, Other, Unit, Played, Autoplay string
		Top                                        int
	}
	err = b.evaluate(`(async () => {
		const f = document.querySelector("[data-wavefronts]");
		const [slider, play, output] = ["input", "button", "output"].map((s) => f.querySelector(s));
		const [direction, map] = f.querySelectorAll("select");
		const state = () => output.textContent + f.querySelector("canvas").toDataURL();
		const choose = (select, i) => { select.value = i; select.dispatchEvent(new Event("change")); };
		const wait = (ms) => new Promise((done) => setTimeout(done, ms));
		const got = {Last: state()};
		await wait(300);
		got.Autoplay = state();
		slider.value = 3;
		slider.dispatchEvent(new Event("input"));
		got.First = state();
		choose(direction, 3);
		slider.value = 3;
		slider.dispatchEvent(new Event("input"));
		got.Other = state();
		choose(map, 1);
		got.Unit = state();
		slider.value = slider.max - 1;
		play.click();
		await wait(1500);
		got.Played = output.textContent + play.textContent;
		slider.value = 13;
		slider.dispatchEvent(new Event("input"));
		got.Top = Math.round(f.getBoundingClientRect().top + scrollY);
		return got;
	})()`, &got)
	if err == nil {
		shot, err = b.screenshot(got.Top, screens[0].width, 620)
	}
	if err != nil {
		return nil, err
	}
	// Wavefront 3 of 12 × 16 cells has 4 cells, the last one 1.
	switch {
	case !strings.HasPrefix(got.Last, "wavefront 26 of 0 … 26: 1 cell at once"):
		return shot, fmt.Errorf("at first %.60q", got.Last)
	case got.Autoplay != got.Last:
		return shot, errors.New("it plays though nobody asked")
	case !strings.HasPrefix(got.First, "wavefront 3 of 0 … 26: 4 cells at once"):
		return shot, fmt.Errorf("moved to %.60q", got.First)
	case got.First == got.Last || got.First == got.Other || got.Other == got.Unit:
		return shot, errors.New("the picture does not follow")
	case got.Played != "wavefront 26 of 0 … 26: 1 cell at oncePlay":
		return shot, fmt.Errorf("played to %q", got.Played)
	}
	return shot, b.complaints(path)
}
