package kernels

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	entryRE = regexp.MustCompile(`(?s)\.visible \.entry (\w+)\((.*?)\)\s*((?:\.\w+ [\d, ]+\n)*)\{`)
	paramRE = regexp.MustCompile(`\.param \.(\w+)`)
	ntidRE  = regexp.MustCompile(`\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?`)
)

// readEntries reads what PTX says about its kernels. A parameter of a type that
// no wrapper can pass has the letter "?".
func readEntries(file, ptx string) map[string]Entry {
	letters := map[string]string{"u64": "p", "u32": "i", "f32": "f"}
	found := map[string]Entry{}
	for _, m := range entryRE.FindAllStringSubmatch(ptx, -1) {
		e := Entry{Name: m[1], File: file}
		for _, p := range paramRE.FindAllStringSubmatch(m[2], -1) {
			letter, ok := letters[p[1]]
			if !ok {
				letter = "?"
			}
			e.Params += letter
		}
		if n := ntidRE.FindStringSubmatch(m[3]); n != nil {
			e.Threads = 1
			for _, side := range n[1:] {
				if v, err := strconv.Atoi(side); err == nil {
					e.Threads *= v
				}
			}
		}
		found[e.Name] = e
	}
	return found
}

// differences says where table and PTX differ, both ways.
func differences(table []Entry, ptx map[string]Entry) []string {
	var out []string
	left := map[string]bool{}
	for name := range ptx {
		left[name] = true
	}
	for _, want := range table {
		got, ok := ptx[want.Name]
		switch {
		case !ok:
			out = append(out, want.Name+": not in the PTX")
		case got != want:
			out = append(out, want.Name+": PTX and table differ")
		}
		delete(left, want.Name)
	}
	for name := range left {
		out = append(out, name+": in the PTX, not in the table")
	}
	slices.Sort(out)
	return out
}

func TestEntriesMatchPTX(t *testing.T) {
	for _, file := range Files() {
		var table []Entry
		for _, e := range Entries() {
			if e.File == file {
				table = append(table, e)
			}
		}
		variants := Variants(file)
		if len(variants) == 0 {
			t.Errorf("%s: no PTX embedded", file)
		}
		for _, v := range variants {
			ptx, got, err := PTX(file, v)
			if err != nil || got != v {
				t.Fatalf("PTX(%q, %d) = variant %d, %v", file, v, got, err)
			}
			for _, d := range differences(table, readEntries(file, ptx)) {
				t.Errorf("%s.%d.ptx: %s", file, v, d)
			}
		}
	}
}

// TestDifferences feeds the comparison wrong answers.
func TestDifferences(t *testing.T) {
	const ptx = ".visible .entry one(\n\t.param .u64 one_param_0,\n\t.param .u32 one_param_1\n)\n.maxntid 64, 2, 1\n{\n}\n" +
		".visible .entry two(\n\t.param .f64 two_param_0\n)\n{\n}\n"
	read := readEntries("x", ptx)
	one := Entry{"one", "x", "pi", 128}
	two := Entry{"two", "x", "?", 0}
	for _, c := range []struct {
		name  string
		table []Entry
		want  string
	}{
		{"same", []Entry{one, two}, ""},
		{"other parameters", []Entry{{"one", "x", "pf", 128}, two}, "one: PTX and table differ"},
		{"a parameter less", []Entry{{"one", "x", "p", 128}, two}, "one: PTX and table differ"},
		{"other threads", []Entry{{"one", "x", "pi", 64}, two}, "one: PTX and table differ"},
		{"double passed as float", []Entry{one, {"two", "x", "f", 0}}, "two: PTX and table differ"},
		{"missing in the table", []Entry{one}, "two: in the PTX, not in the table"},
		{"missing in the PTX", []Entry{one, two, {"three", "x", "", 0}}, "three: not in the PTX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(differences(c.table, read), "; "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestFilesOnDisk finds a source without PTX, a PTX without source, and a file
// that the table forgets.
func TestFilesOnDisk(t *testing.T) {
	sources, err := filepath.Glob("*.cu")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sources {
		names = append(names, strings.TrimSuffix(s, ".cu"))
	}
	if !slices.Equal(names, Files()) {
		t.Errorf("sources %v, table %v", names, Files())
	}
	compiled, err := filepath.Glob("ptx/*.ptx")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range compiled {
		file, _, _ := strings.Cut(filepath.Base(p), ".")
		if !slices.Contains(names, file) {
			t.Errorf("%s has no source", p)
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n.version 8.0\n") || strings.Contains(string(text), "used_bytes_mask") {
			t.Errorf("%s is not lowered to PTX ISA 8.0: make ptx", p)
		}
	}
}

// TestInlineAssembly: only mma.cuh and cluster.cuh have any, and only with a model of it beside:
// what else a kernel does, the emulator shows.
func TestInlineAssembly(t *testing.T) {
	for _, pattern := range []string{"*.cu", "*.cuh", "testdata/*.cu"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := regexp.MustCompile(`\b(asm|__asm__)\b`).Match(text); got != (file == "mma.cuh" || file == "cluster.cuh") {
				t.Errorf("%s: inline assembly %v", file, got)
			}
		}
	}
}

func TestPTX(t *testing.T) {
	for _, c := range []struct {
		file       string
		capability int
		variant    int // 0: an error
	}{
		{"optimizer", 75, 75}, {"optimizer", 86, 75}, {"optimizer", 120, 75}, {"optimizer", 70, 0}, {"absent", 90, 0}, {"wave_mma", 90, 80}, {"wave_mma", 75, 0},
		{"cluster_plain", 120, 90}, {"cluster_plain", 90, 90}, {"cluster_plain", 89, 0},
	} {
		ptx, variant, err := PTX(c.file, c.capability)
		if variant != c.variant || (err == nil) != (c.variant != 0) || (ptx == "") != (c.variant == 0) {
			t.Errorf("PTX(%q, %d): variant %d, %d bytes, %v; want variant %d", c.file, c.capability, variant, len(ptx), err, c.variant)
		}
	}
}

func TestFilesFor(t *testing.T) {
	if got := FilesFor(90); !slices.Equal(got, Files()) {
		t.Errorf("9.0: %v, want all", got)
	}
	got := FilesFor(89)
	if !slices.Contains(got, "sweep_plain") || slices.Contains(got, "cluster_plain") || len(got) != len(Files())-5 {
		t.Errorf("8.9: %v, want all but those in clusters", got)
	}
	if got := FilesFor(70); len(got) != 0 {
		t.Errorf("7.0: %v, want none", got)
	}
}

func TestNormBlocks(t *testing.T) {
	for n, want := range map[int]int{1: 1, 1024: 1, 1025: 2, 512 * 1024: 512, 1<<31 - 1: 512} {
		if got := NormBlocks(n); got != want {
			t.Errorf("NormBlocks(%d) = %d, want %d", n, got, want)
		}
	}
}
