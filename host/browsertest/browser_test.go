package browsertest

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrowserSeesWhatIsWrong shows the browser pages that it must refuse.
func TestBrowserSeesWhatIsWrong(t *testing.T) {
	b := Start(t)
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
			page, err := FileURL(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Look(page, Screens()[0])
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestCheckShot(t *testing.T) {
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewRGBA(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	for width, want := range map[int]string{40: "blank", 41: "41"} {
		if err := checkShot(blank.Bytes(), width); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
