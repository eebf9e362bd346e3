package nn

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/hostile"
	"mdlstm-gpu/host/nn/tensorfile"
)

func TestModelFileRoundTrip(t *testing.T) {
	for _, cell := range Cells {
		t.Run(cell, func(t *testing.T) {
			m := newModel(t, small(cell))
			params := m.Init(1)
			path := filepath.Join(t.TempDir(), "model.safetensors")
			if err := SaveModel(path, m, params); err != nil {
				t.Fatal(err)
			}
			back, values, err := LoadModel(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(back, m); diff != "" {
				t.Errorf("got (-) and want (+):\n%s", diff)
			}
			if !slices.Equal(values, params) {
				t.Error("parameters changed")
			}
			var again bytes.Buffer
			if err := EncodeModel(&again, back, values); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Bytes(), content) {
				t.Error("a second file differs from the first")
			}
		})
	}
}

// parts are what a model file is made of, to be spoiled one at a time.
type parts struct {
	tensors []tensorfile.Tensor
	meta    map[string]string
}

func (p *parts) tensor(name string) *tensorfile.Tensor {
	for i := range p.tensors {
		if p.tensors[i].Name == name {
			return &p.tensors[i]
		}
	}
	return nil
}

func TestLoadModelRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(p *parts)
		want  string
	}{
		{"foreign", func(p *parts) { p.meta = nil }, `no format in the metadata, want "mdlstm-1"`},
		{"foreign with metadata", func(p *parts) { p.meta = map[string]string{"trainer": "other"} }, "no format in the metadata"},
		{"later version", func(p *parts) { p.meta["format"] = "mdlstm-2" }, `format "mdlstm-2", want "mdlstm-1"`},
		{"no config", func(p *parts) { delete(p.meta, "config") }, "config: not JSON"},
		{"bad config", func(p *parts) { p.meta["config"] = strings.Replace(p.meta["config"], "plain", "plane", 1) }, `config: layers[0].cell: got "plane"`},
		{"config of another size", func(p *parts) {
			p.meta["config"] = strings.Replace(p.meta["config"], `"hidden":4`, `"hidden":5`, 1)
		}, `tensor "layers.0.weight_ih": shape [2 20 3], want [2 25 3]`},
		{"config of a gigantic model", func(p *parts) {
			p.meta["config"] = strings.Replace(p.meta["config"], `"units":2`, `"units":100000000`, 1)
		}, `tensor "head.weight": shape [2 8], want [100000000 8]`},
		{"missing tensor", func(p *parts) { p.tensors = p.tensors[1:] }, `tensor "layers.0.weight_ih": missing`},
		{"unknown tensors", func(p *parts) {
			p.tensors = append(p.tensors, tensorfile.Tensor{Name: "z", Shape: []int{0}}, tensorfile.Tensor{Name: "momentum", Shape: []int{0}})
		}, `tensor "momentum": not in the model`},
		{"transposed", func(p *parts) { slices.Reverse(p.tensor("head.weight").Shape) }, `tensor "head.weight": shape [8 2], want [2 8]`},
		{"flattened", func(p *parts) { p.tensor("head.weight").Shape = []int{16} }, `tensor "head.weight": shape [16], want [2 8]`},
		{"NaN", func(p *parts) { p.tensor("layers.0.weight_hh").Data[163] = float32(math.NaN()) }, `tensor "layers.0.weight_hh": value [1 0 0 3] is NaN`},
		{"infinity", func(p *parts) { p.tensor("head.bias").Data[1] = float32(math.Inf(-1)) }, `tensor "head.bias": value [1] is -Inf`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t, small(CellPlain))
			flat := m.Init(1)
			config, err := m.Config.JSON()
			if err != nil {
				t.Fatal(err)
			}
			p := parts{meta: map[string]string{"format": ModelFormat, "config": string(config)}}
			for _, q := range m.Params {
				p.tensors = append(p.tensors, tensorfile.Tensor{Name: q.Name, Shape: slices.Clone(q.Shape), Data: flat[q.Offset : q.Offset+q.Size()]})
			}
			path := filepath.Join(t.TempDir(), "model.safetensors")
			if err := tensorfile.Write(path, p.tensors, p.meta); err != nil {
				t.Fatal(err)
			}
			if _, _, err := LoadModel(path); err != nil {
				t.Fatalf("before it is spoiled: %v", err)
			}
			test.spoil(&p)
			if err := tensorfile.Write(path, p.tensors, p.meta); err != nil {
				t.Fatal(err)
			}
			got, params, err := LoadModel(path)
			if err == nil {
				t.Fatal("got no error")
			}
			if got != nil && params != nil {
				t.Error("got a model beside the error")
			}
			checkMessage(t, err, "load "+path+": ", []string{test.want})
		})
	}
}

// TestLoadModelTruncated cuts a file at every byte.
func TestLoadModelTruncated(t *testing.T) {
	content := encoded(t)
	for n := range content {
		_, _, err := DecodeModel(bytes.NewReader(content[:n]), int64(n))
		if err == nil {
			t.Fatalf("%d of %d bytes: got no error", n, len(content))
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%d bytes: got %q, want one line", n, err)
		}
	}
	if _, _, err := DecodeModel(bytes.NewReader(content), int64(len(content))); err != nil {
		t.Errorf("whole file: %v", err)
	}
}

func TestSaveModelRefuses(t *testing.T) {
	m := newModel(t, small(CellPlain))
	nan := m.Init(1)
	nan[5] = float32(math.NaN())
	for _, test := range []struct {
		name   string
		params []float32
		want   string
	}{
		{"too few", make([]float32, m.Size()-1), "got 497 parameters, the model has 498"},
		{"none", nil, "got 0 parameters"},
		{"NaN", nan, `tensor "layers.0.weight_ih": value [0 1 2] is NaN`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "model.safetensors")
			if err := SaveModel(path, m, m.Init(2)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			err = SaveModel(path, m, test.params)
			if err == nil {
				t.Fatal("got no error")
			}
			checkMessage(t, err, "write "+path+": ", []string{test.want})
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(after, before) {
				t.Errorf("the file that was there changed (%v)", err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("got %v, want the model alone", entries)
			}
		})
	}
}

// encoded is a small model file.
func encoded(t testing.TB) []byte {
	m, err := New(small(CellGraves))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := EncodeModel(&b, m, m.Init(1)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzDecodeModel wants an error or a model that is written as it was read.
func FuzzDecodeModel(f *testing.F) {
	whole := encoded(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-4])
	f.Add(whole[:100])
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *Model
		var params []float32
		var err error
		hostile.Allocates(t, 1<<20+1024*int64(len(data)), func() { m, params, err = DecodeModel(bytes.NewReader(data), int64(len(data))) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		var again bytes.Buffer
		if err := EncodeModel(&again, m, params); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, values, err := DecodeModel(bytes.NewReader(again.Bytes()), int64(again.Len()))
		if err != nil || len(values) != len(params) || back.Size() != m.Size() {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
