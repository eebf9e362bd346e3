// Package mdlstm_test holds the rules that concern the repository as a whole.
package mdlstm_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path before every package of ours.
const module = "mdlstm-gpu/"

// mayImport lists for each package which of ours it may import itself. Imports
// point one way: cmd, train, engine, then grid and nn, which know nobody above
// them. host/ref indexes grids by itself, so that a bug in the schedule cannot
// become the truth.
var mayImport = map[string][]string{
	"host/grid":                         {},
	"host/machine":                      {},
	"host/nn/tensorfile":                {"host/machine"},
	"host/nn":                           {"host/nn/tensorfile"},
	"host/npy":                          {"host/machine", "host/mapped", "host/nn/tensorfile"},
	"host/imagefile":                    {"host/machine", "host/nn/tensorfile", "host/palette"},
	"host/mapped":                       {"host/machine"},
	"host/palette":                      {},
	"host/report":                       {"host/nn/tensorfile", "host/palette"},
	"host/ref":                          {"host/nn"},
	"host/engine":                       {"host/grid", "host/machine", "host/nn"},
	"host/engine/enginetest/approx":     {},
	"host/engine/enginetest":            {"host/engine", "host/engine/enginetest/approx", "host/grid", "host/nn", "host/ref"},
	"host/engine/batch":                 {"host/engine", "host/grid", "host/nn"},
	"host/engine/nonfinite":             {"host/nn"},
	"configs":                           {},
	"kernels":                           {},
	"host/cuda":                         {},
	"host/cuda/gputest":                 {"host/cuda"},
	"host/gpu":                          {"host/cuda", "host/engine", "host/engine/batch", "host/engine/nonfinite", "host/grid", "host/nn", "kernels"},
	"host/cpu":                          {"host/engine", "host/engine/batch", "host/engine/nonfinite", "host/grid", "host/machine", "host/mapped", "host/nn"},
	"host/cpu/openblas":                 {"host/cpu"},
	"host/compute":                      {"host/cpu", "host/cpu/openblas", "host/cuda", "host/engine", "host/gpu", "host/nn"},
	"host/mdlstm":                       {"host/compute", "host/cuda", "host/engine", "host/gpu", "host/grid", "host/nn", "host/task"},
	"host/dist":                         {},
	"host/task":                         {"host/engine", "host/grid", "host/imagefile", "host/machine", "host/nn", "host/nn/tensorfile", "host/npy"},
	"host/train":                        {"host/dist", "host/engine", "host/grid", "host/nn", "host/nn/tensorfile", "host/npy", "host/report", "host/task", "host/tensorboard"},
	"host/tensorboard":                  {},
	"host/tensorboard/eventtest":        {},
	"host/browsertest":                  {},
	"host/hostile":                      {},
	"host/serve":                        {"host/engine", "host/grid", "host/imagefile", "host/nn", "host/npy", "host/palette"},
	"scripts/serve_load":                {"host/grid", "host/npy"},
	"scripts/allreduce":                 {"host/dist"},
	"scripts/plot":                      {"host/palette"},
	"scripts/unequal":                   {},
	"cmd/mdlstm-gpu/internal/selfcheck": {"host/engine", "host/engine/enginetest/approx", "host/grid", "host/nn", "host/ref"},
	"cmd/mdlstm-gpu": {"cmd/mdlstm-gpu/internal/selfcheck", "configs", "host/compute", "host/cpu", "host/cpu/openblas", "host/cuda", "host/dist", "host/engine", "host/gpu", "host/grid", "host/imagefile", "host/machine", "host/mapped",
		"kernels", "host/nn", "host/nn/tensorfile", "host/npy", "host/report", "host/serve", "host/task", "host/train"},
}

func TestImportsPointOneWay(t *testing.T) {
	imports, err := readImports(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range importFaults(imports, mayImport) {
		t.Error(fault)
	}
}

// importFaults compares what packages import with what they may.
func importFaults(imports, allowed map[string][]string) []string {
	var faults []string
	for pkg, list := range imports {
		may, known := allowed[pkg]
		if !known {
			faults = append(faults, fmt.Sprintf("package %s: no rule says what it may import: add one to mayImport", pkg))
		}
		for _, imported := range list {
			if known && !slices.Contains(may, imported) {
				faults = append(faults, fmt.Sprintf("package %s imports %s, want only %v", pkg, imported, may))
			}
		}
	}
	for pkg := range allowed {
		if _, exists := imports[pkg]; !exists {
			faults = append(faults, fmt.Sprintf("mayImport has a rule for %s: no such package", pkg))
		}
	}
	slices.Sort(faults)
	return faults
}

// readImports maps every package below root to the packages of ours that its
// files import, tests excepted. It reads the files of all build tags, which
// go list would not, and reads them in this process, so that go test notices
// when its cached result is out of date.
func readImports(root string) (map[string][]string, error) {
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != root {
				return filepath.SkipDir // a module of its own: host/cpu/gen
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		list := imports[pkg]
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
			}
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(list, ours) {
				list = append(list, ours)
			}
		}
		imports[pkg] = list
		return nil
	})
	return imports, err
}

func TestImportFaults(t *testing.T) {
	allowed := map[string][]string{"host/grid": {}, "host/cpu": {"host/grid"}}
	tests := []struct {
		name    string
		imports map[string][]string
		want    string
	}{
		{"as allowed", map[string][]string{"host/grid": nil, "host/cpu": {"host/grid"}}, ""},
		{"the wrong way", map[string][]string{"host/grid": {"host/cpu"}, "host/cpu": nil},
			"package host/grid imports host/cpu, want only []"},
		{"a new package", map[string][]string{"host/grid": nil, "host/cpu": nil, "host/new": {"host/cpu"}},
			"package host/new: no rule says what it may import: add one to mayImport"},
		{"a package is gone", map[string][]string{"host/grid": nil},
			"mayImport has a rule for host/cpu: no such package"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := strings.Join(importFaults(test.imports, allowed), "; "); got != test.want {
				t.Errorf("faults %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadImports(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"host/a/a.go":          "package a\n\nimport _ \"fmt\"\n",
		"host/a/a_cuda.go":     "//go:build cuda\n\npackage a\n\nimport _ \"mdlstm-gpu/host/b\"\n",
		"host/a/a_test.go":     "package a\n\nimport _ \"mdlstm-gpu/host/c\"\n",
		"host/a/testdata/x.go": "package x\n\nimport _ \"mdlstm-gpu/host/d\"\n",
		"host/b/b.go":          "package b\n",
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readImports(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"host/b"}; len(got) != 2 || !slices.Equal(got["host/a"], want) || len(got["host/b"]) != 0 {
		t.Errorf("imports %v, want host/a: %v and host/b: none", got, want)
	}
}

// TestModuleIsOurs keeps the prefix above the module's: with another one every
// import would look like somebody else's.
func TestModuleIsOurs(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "module " + path.Clean(module) + "\n"; !strings.Contains(string(text), want) {
		t.Errorf("go.mod does not say %q", want)
	}
}
