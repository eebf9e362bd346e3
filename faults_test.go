package mdlstm_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
)

// TestFaultsAreTested: docs/faults.md names tests that there are.
func TestFaultsAreTested(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, root := range []string{"cmd", "host"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			sources.Write(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named, missing := missingTests(string(text), sources.String())
	if named < 40 || len(missing) > 0 {
		t.Errorf("docs/faults.md names %d tests, of which there are no %v", named, missing)
	}
}

// missingTests counts the tests that a text names and lists those that the
// sources do not have.
func missingTests(text, sources string) (named int, missing []string) {
	known := map[string]bool{}
	for _, m := range testFunc.FindAllStringSubmatch(sources, -1) {
		known[m[1]] = true
	}
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		named++
		if !known[m[1]] {
			missing = append(missing, m[1])
		}
	}
	return named, missing
}

func TestMissingTests(t *testing.T) {
	named, missing := missingTests("`TestA`, `FuzzB` and `TestC`; TestD", "func TestA(t *testing.T) {\n\tfunc TestC(\n// func TestC(\nfunc FuzzB(")
	if named != 3 || !slices.Equal(missing, []string{"TestC"}) {
		t.Errorf("%d named, missing %v", named, missing)
	}
}
