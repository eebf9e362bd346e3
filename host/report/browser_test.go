package report

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/browsertest"
)

// TestSamplePage writes pages with everything that there is into a folder, to be
// looked at.
func TestSamplePage(t *testing.T) {
	if browsertest.Samples() == "" {
		t.Skip("no folder: give one with -sample")
	}
	writeSamples(t, browsertest.Samples())
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

// TestPagesInBrowser opens the sample pages, and those named after -args, from
// their files.
func TestPagesInBrowser(t *testing.T) {
	b := browsertest.Start(t)
	dir := browsertest.Samples()
	if dir == "" {
		dir = t.TempDir()
	}
	for _, page := range append(writeSamples(t, dir), flag.Args()...) {
		for _, s := range browsertest.Screens() {
			address, err := browsertest.FileURL(page)
			if err != nil {
				t.Fatal(err)
			}
			shot, err := b.Look(address, s)
			if err != nil {
				t.Errorf("%s, %d pixels, %s: %v", page, s.Width, s.Scheme, err)
			}
			name := fmt.Sprintf("%s-%d-%s.png", filepath.Base(filepath.Dir(page)), s.Width, s.Scheme)
			if err := os.WriteFile(filepath.Join(dir, name), shot, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	shot, err := play(b, filepath.Join(dir, "run", "report.html"))
	if err != nil {
		t.Errorf("the wavefronts: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wavefronts-390.png"), shot, 0o666); err != nil {
		t.Fatal(err)
	}
}

// play moves the slider of the sample page, chooses, and plays, and wants the
// picture to follow. It returns a screenshot of a wavefront on its way.
func play(b *browsertest.Browser, path string) (shot []byte, err error) {
	page, err := browsertest.FileURL(path)
	if err != nil {
		return nil, err
	}
	phone := browsertest.Screens()[0]
	if err := b.Open(page, phone); err != nil {
		return nil, err
	}
	var got struct {
		Last, First, Other, Unit, Played, Autoplay string
		Top                                        int
	}
	err = b.Evaluate(`(async () => {
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
		shot, err = b.Screenshot(got.Top, phone.Width, 620)
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
	return shot, b.Complaints(func(url string) bool { return url == page })
}
