package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

// TestManual: the page has every command and flag, and no line that troff would
// take for a request by accident.
func TestManual(t *testing.T) {
	page := must(t, "man")
	request := regexp.MustCompile(`^\.(TH|SH|SS|PP|TP|B|I|nh|ad l|nf|fi)\b`)
	for line := range strings.Lines(page) {
		if line == "\n" || line[0] == '\'' || line[0] == '.' && !request.MatchString(line) {
			t.Errorf("line %q", line)
		}
	}
	plain := strings.ReplaceAll(page, `\-`, "-")
	for _, c := range newApp(streams{}).Commands {
		if c.Name != "help" && !strings.Contains(plain, ".SH "+strings.ToUpper(c.Name)+"\n") {
			t.Errorf("no command %s", c.Name)
		}
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				if name != "help" && name != "h" && !strings.Contains(plain, "--"+name) {
					t.Errorf("no flag --%s of %s", name, c.Name)
				}
			}
		}
	}
	for _, want := range []string{"train --size 128x128 --dry-run\n", `\fB--lr\fR \fIRATE\fR`, ".B 130", "learning rate (default 0.01)"} {
		if !strings.Contains(plain, want) {
			t.Errorf("no %q", want)
		}
	}
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skip("man is not installed: the page is not set")
	}
	path := filepath.Join(t.TempDir(), "mdlstm-gpu.1")
	if err := os.WriteFile(path, []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(man, "--warnings", "-l", path)
	c.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "MANPAGER=cat")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning") || !strings.Contains(string(out), "--checkpoint-every N") {
		t.Errorf("%v: %.2000s", err, out)
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"--lr 0.1": `\-\-lr 0.1`, ".npy files": `\&.npy files`, "'quoted'": `\&'quoted'`, `a\b`: `a\eb`, "RUN …": "RUN ...",
	} {
		if got := roff(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestBuildSettings(t *testing.T) {
	got := buildSettings([]debug.BuildSetting{
		{Key: "-compiler", Value: "gc"}, {Key: "-tags", Value: "cuda,openblas"}, {Key: "CGO_ENABLED", Value: "1"}, {Key: "GOAMD64", Value: "v3"},
		{Key: "vcs.modified", Value: "true"}, {Key: "GOEXPERIMENT", Value: "simd"}, {Key: "-race", Value: "true"},
	})
	if want := "tags cuda,openblas, cgo, GOAMD64=v3, GOEXPERIMENT=simd, -race"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := buildSettings([]debug.BuildSetting{{Key: "CGO_ENABLED", Value: "0"}}); got != "no cgo" {
		t.Errorf("got %q", got)
	}
}
