// Package browsertest looks at pages in a real, headless Chromium, for tests. They
// are skipped unless the test binary is given one (scripts/page_test.sh does):
//
//	go test ./host/report -browser /usr/bin/chromium -sample DIR
package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
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

var (
	browserPath = flag.String("browser", "", "a Chromium that the pages are opened in")
	samplesPath = flag.String("sample", "", "folder that sample pages and their screenshots are written to")
)

// Samples is the folder given with -sample, "" without one.
func Samples() string { return *samplesPath }

// Screen is what a page is looked at on.
type Screen struct {
	Width  int    // pixels; below 600 it is a phone
	Scheme string // "light", "dark"
}

// Screens are a phone and a desk, light and dark.
func Screens() []Screen {
	return []Screen{{390, "light"}, {390, "dark"}, {1280, "light"}, {1280, "dark"}}
}

// FileURL is how a browser names a file.
func FileURL(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "file", Path: absolute}).String(), nil
}

// Browser is a headless Chromium, spoken to over pipes in the DevTools protocol.
type Browser struct {
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

// Start starts the browser given with -browser, and ends it with the test; without
// one it skips the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := *browserPath
	if path == "" {
		t.Skip("no browser: give one with -browser, or run scripts/page_test.sh")
	}
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
	b := &Browser{in: ourOut, replies: make(chan message, 1000)}
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
func (b *Browser) call(method string, params map[string]any, result any) error {
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

func (b *Browser) next(patience time.Duration) (message, error) {
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

// Open opens a page in a new tab and waits until it is loaded.
func (b *Browser) Open(page string, s Screen) error {
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
	for _, c := range []struct {
		method string
		params map[string]any
	}{
		{"Page.enable", nil}, {"Runtime.enable", nil}, {"Log.enable", nil}, {"Network.enable", nil},
		{"Emulation.setDeviceMetricsOverride", map[string]any{"width": s.Width, "height": 800, "deviceScaleFactor": 1, "mobile": s.Width < 600}},
		{"Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": s.Scheme}}}},
		{"Page.navigate", map[string]any{"url": page}},
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

// Evaluate runs an expression in the page; a promise is waited for.
func (b *Browser) Evaluate(expression string, value any) error {
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

// Look opens a page and returns its picture, with an error when anything about it
// is wrong: what [Browser.Check] finds, an error on the console, a request.
func (b *Browser) Look(page string, s Screen) (shot []byte, err error) {
	if err := b.Open(page, s); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, b.Complaints(func(url string) bool { return url == page }), b.Close())
	}()
	return b.Check(s)
}

// Close closes the page.
func (b *Browser) Close() error { return b.call("Page.close", nil, nil) }

// Choose puts files into the page's input for files that a selector names.
func (b *Browser) Choose(selector string, files ...string) error {
	var document struct {
		Root struct {
			NodeID int `json:"nodeId"`
		} `json:"root"`
	}
	var found struct {
		NodeID int `json:"nodeId"`
	}
	if err := b.call("DOM.getDocument", nil, &document); err != nil {
		return err
	}
	if err := b.call("DOM.querySelector", map[string]any{"nodeId": document.Root.NodeID, "selector": selector}, &found); err != nil {
		return err
	}
	return b.call("DOM.setFileInputFiles", map[string]any{"nodeId": found.NodeID, "files": files}, nil)
}

// Check returns a picture of the page as it is, with an error when it is wrong: a
// width that scrolls, a blank picture or one of another width.
func (b *Browser) Check(s Screen) (shot []byte, err error) {
	var layout struct {
		Wide   int    `json:"wide"`
		Height int    `json:"height"`
		Which  string `json:"which"`
	}
	err = b.Evaluate(`(() => {
		const root = document.scrollingElement;
		const inside = (e) => { for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== "visible") return true; };
		const out = [...document.body.querySelectorAll("*")].find((e) => e.getBoundingClientRect().right > innerWidth + 1 && !inside(e));
		return {wide: root.scrollWidth, height: root.scrollHeight, which: out ? out.outerHTML.slice(0, 120) : ""};
	})()`, &layout)
	if err != nil {
		return nil, err
	}
	if layout.Wide > s.Width || layout.Which != "" {
		err = fmt.Errorf("the page is wider than the screen, %d pixels: %s", layout.Wide, layout.Which)
	}
	shot, shotErr := b.Screenshot(0, s.Width, layout.Height)
	if shotErr != nil {
		return nil, errors.Join(err, shotErr)
	}
	return shot, errors.Join(err, checkShot(shot, s.Width))
}

// Screenshot is a picture of the page from top on.
func (b *Browser) Screenshot(top, width, height int) ([]byte, error) {
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

// Complaints are what the page wrote to the console as errors, what it threw,
// and what it asked for that it may not.
func (b *Browser) Complaints(may func(url string) bool) error {
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
		case m.Method == "Network.requestWillBeSent" && !strings.HasPrefix(p.Request.URL, "data:") && !may(p.Request.URL):
			all = append(all, fmt.Errorf("it requests %s", p.Request.URL))
		}
	}
	return errors.Join(all...)
}
