package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/browsertest"
	"mdlstm-gpu/host/grid"
)

// bands stands for a model of classes: the brighter a pixel's red, the higher its
// class.
func bands(channels, units int) computeFunc {
	return func(_ []grid.Shape, x, out []float32) error {
		clear(out)
		for cell := range len(out) / units {
			class := min(int(x[cell*channels]*float32(units)), units-1)
			out[cell*units+class] = 1
		}
		return nil
	}
}

// hills is a picture with something to see in it.
func hills(t *testing.T, path string, height, width int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			red := 0.5 + 0.25*math.Sin(9*u+4*v) + 0.25*math.Cos(7*v-3*u*u)
			img.SetRGBA(x, y, color.RGBA{uint8(255 * red), uint8(200 * (1 - v)), uint8(120 + 100*u), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// until is a script that waits for a condition, and then gives what the page shows.
func until(condition string) string {
	return fmt.Sprintf(`(async () => {
		for (let n = 0; !(%s); n++) {
			if (n > 1000) throw new Error("it never happens");
			await new Promise((done) => setTimeout(done, 10));
		}
		const shown = (id) => { const e = document.getElementById(id); return e.hidden ? "" : e.innerText; };
		return {Lead: shown("lead"), Error: shown("error"), Status: shown("status"), Input: shown("input-size"), Output: shown("output-size"),
			Legend: [...document.querySelectorAll("#legend li")].map((e) => e.innerText.trim()), Commands: shown("commands"),
			Picture: document.getElementById("output").toDataURL(), Drop: !document.getElementById("drop").hidden,
			Token: !document.getElementById("token-form").hidden, Focus: document.activeElement.id};
	})()`, condition)
}

type shown struct {
	Lead, Error, Status, Input, Output, Commands, Picture, Focus string
	Legend                                                       []string
	Drop, Token                                                  bool
}

const (
	ready     = `!$("drop").hidden`
	predicted = `$("status").textContent.includes("predicted in")`
)

func TestPageInBrowser(t *testing.T) {
	b := browsertest.Start(t)
	dir := browsertest.Samples()
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(t.TempDir(), "hills.png")
	body := hills(t, path, 90, 120)
	s, err := newServer(model(t, 3, 5), bands(3, 5), Options{MaxCells: 20000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	want := legendOf(t, send(t, "POST", h.URL+"/predict", body), 5)
	ours := func(url string) bool {
		return strings.HasPrefix(url, h.URL+"/") || strings.HasPrefix(url, "blob:"+h.URL)
	}
	for _, screen := range browsertest.Screens() {
		name := fmt.Sprintf("serve-%d-%s", screen.Width, screen.Scheme)
		if err := tryPage(b, h.URL+"/", screen, path, want, filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(b.Complaints(ours), b.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tryPage predicts a picture, and checks what is seen of it.
func tryPage(b *browsertest.Browser, page string, screen browsertest.Screen, path string, legend []string, shots string) error {
	if err := b.Open(page, screen); err != nil {
		return err
	}
	look := func(what string) error {
		shot, err := b.Check(screen)
		return errors.Join(err, os.WriteFile(shots+what+".png", shot, 0o666))
	}
	var got shown
	if err := b.Evaluate(until(ready), &got); err != nil {
		return err
	}
	if want := "The model takes grids of 2 axes, 3 channels, and gives 5 classes a cell."; got.Lead != want || got.Error != "" || !strings.Contains(got.Commands, "curl --data-binary @X.npy "+page+"predict") {
		return fmt.Errorf("at first it says %+v", got)
	}
	if err := look(""); err != nil {
		return err
	}
	if err := b.Choose("#file", path); err != nil {
		return err
	}
	if err := b.Evaluate(until(predicted), &got); err != nil {
		return err
	}
	if got.Input != "120×90" || got.Output != "120×90" || !slices.Equal(got.Legend, legend) || got.Error != "" {
		return fmt.Errorf("of the picture it says %+v, want the legend %q", got, legend)
	}
	if err := look("-predicted"); err != nil {
		return err
	}
	first := got.Picture
	// The slider, by the keyboard's event; a picture that is dropped, too large.
	if err := b.Evaluate(strings.Replace(until("true"), "(async () => {", `(async () => {
		$("opacity").focus();
		$("opacity").value = 0;
		$("opacity").dispatchEvent(new Event("input"));`, 1), &got); err != nil {
		return err
	}
	if got.Picture == first || got.Focus != "opacity" {
		return errors.New("the slider changes nothing, or cannot be reached")
	}
	var saved string
	if err := b.Evaluate(`(async () => {
		let saved = "";
		HTMLAnchorElement.prototype.click = function () { saved = this.download + " " + this.href.slice(0, 5); };
		$("save").click();
		for (let n = 0; n < 1000 && !saved; n++) await new Promise((done) => setTimeout(done, 10));
		return saved;
	})()`, &saved); err != nil {
		return err
	}
	if saved != "prediction.png blob:" {
		return fmt.Errorf("saved %q", saved)
	}
	drop := func(file string) string {
		return strings.Replace(until(`$("status").textContent.includes("dropped") || !$("error").hidden`), "(async () => {", `(async () => {
			const files = new DataTransfer(), canvas = document.createElement("canvas");
			canvas.width = canvas.height = 200;
			canvas.getContext("2d").fillRect(0, 0, 200, 100);
			const blob = await new Promise((done) => canvas.toBlob(done));
			files.items.add(`+file+`);
			document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));`, 1)
	}
	if err := b.Evaluate(drop(`new File([blob], "dropped.png", {type: "image/png"})`), &got); err != nil {
		return err
	}
	if got.Input != "141×141, scaled down from 200×200" || got.Output != "141×141" || got.Error != "" {
		return fmt.Errorf("of a picture that is too large it says %+v", got)
	}
	if err := b.Evaluate(drop(`new File(["text"], "notes.txt", {type: "text/plain"})`), &got); err != nil {
		return err
	}
	if !strings.Contains(got.Error, "notes.txt: this browser cannot read it as a picture") {
		return fmt.Errorf("of a text it says %+v", got)
	}
	return look("-refused")
}

// legendOf is the legend for a mask, the largest share first.
func legendOf(t *testing.T, r reply, classes int) (lines []string) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(r.body))
	if err != nil {
		t.Fatalf("%v: %v", r, err)
	}
	mask := img.(*image.Paletted)
	counts, order := make([]int, classes), []int{}
	for _, class := range mask.Pix {
		counts[class]++
	}
	for class, n := range counts {
		if n > 0 {
			order = append(order, class)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	for _, class := range order {
		lines = append(lines, fmt.Sprintf("class %d: %.1f %%", class, 100*float64(counts[class])/float64(len(mask.Pix))))
	}
	return lines
}

// TestTokenInBrowser: the page asks for the token, and says when it is wrong.
func TestTokenInBrowser(t *testing.T) {
	b := browsertest.Start(t)
	s, err := newServer(model(t, 1, 2), bands(1, 2), Options{Token: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	screen := browsertest.Screens()[1]
	if err := b.Open(h.URL+"/", screen); err != nil {
		t.Fatal(err)
	}
	var got shown
	give := func(token, condition string) {
		t.Helper()
		text, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		script := strings.Replace(until(condition), "(async () => {", fmt.Sprintf(`(async () => {
			$("token").value = %s;
			document.querySelector("#token-form button").click();`, text), 1)
		if err := b.Evaluate(script, &got); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Evaluate(until(`!$("token-form").hidden`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Drop || got.Error != "" || got.Focus != "token" {
		t.Errorf("at first: %+v", got)
	}
	shot, err := b.Check(screen)
	if err != nil {
		t.Error(err)
	}
	if dir := browsertest.Samples(); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "serve-token.png"), shot, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	give("wrong", `!$("error").hidden`)
	if !strings.Contains(got.Error, "not the server's token") || got.Drop {
		t.Errorf("with a wrong token: %+v", got)
	}
	give("s3cret", ready)
	if got.Token || got.Error != "" || !strings.Contains(got.Commands, "Authorization: Bearer TOKEN") || strings.Contains(got.Commands, "s3cret") {
		t.Errorf("with the token: %+v", got)
	}
	// Two refusals on the console are the browser's own words for a status 401.
	if err := b.Complaints(func(url string) bool { return strings.HasPrefix(url, h.URL+"/") }); err == nil || strings.Count(err.Error(), "401") != strings.Count(err.Error(), "\n")+1 {
		t.Errorf("complaints: %v, want those of 401 only", err)
	}
}

// TestArraysOnlyInBrowser: a model that takes no pictures says so.
func TestArraysOnlyInBrowser(t *testing.T) {
	b := browsertest.Start(t)
	s, err := newServer(model(t, 2, 2), bands(2, 2), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	if err := b.Open(h.URL+"/", browsertest.Screens()[0]); err != nil {
		t.Fatal(err)
	}
	var got shown
	if err := b.Evaluate(until(`$("status").textContent`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Drop || got.Status != "This model does not take pictures: send it arrays." || strings.Contains(got.Commands, "mask.png") {
		t.Errorf("got %+v", got)
	}
	if _, err := b.Check(browsertest.Screens()[0]); err != nil {
		t.Error(err)
	}
}
