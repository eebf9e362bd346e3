package train

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdlstm-gpu/host/hostile"
)

// FuzzDecodeState: an error of one line, or a state that is written as it was
// read; memory in proportion to the bytes.
func FuzzDecodeState(f *testing.F) {
	var file bytes.Buffer
	if err := testState(f).encode(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s *state
		var err error
		hostile.Allocates(t, 4<<20+256*int64(len(data)), func() { s, err = decodeState(bytes.NewReader(data), int64(len(data))) })
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		if len(s.params) != s.model.Size() {
			t.Errorf("%d parameters, the model has %d", len(s.params), s.model.Size())
		}
		var again bytes.Buffer
		if err := s.encode(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := decodeState(bytes.NewReader(again.Bytes()), int64(again.Len())); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}

// FuzzDecodeRecord: an error of one line, or a record that is written as it was
// read.
func FuzzDecodeRecord(f *testing.F) {
	good, err := Record{Format: recordFormat, Settings: testSettings(), Engine: EngineInfo{Engine: "cpu", Device: "x", Settings: map[string]string{"blas": "gonum"}}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"format": "mdlstm-run-1", "settings": {"model": {"input": 1}}, "engine": {}, "data_sha256": ""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			hostile.OneLine(t, err, "")
			return
		}
		first, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		if second, err := again.encode(); err != nil || !bytes.Equal(second, first) {
			t.Errorf("first %s, again %s (%v)", first, second, err)
		}
	})
}

// FuzzParseSettings: what is accepted can be trained with and stored again.
func FuzzParseSettings(f *testing.F) {
	good, err := json.Marshal(testSettings())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"model": {"input": 1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSettings(data)
		if err != nil {
			return
		}
		stored, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseSettings(stored)
		if err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		if d := cmp.Diff(s, again); d != "" {
			t.Errorf("-first +again:\n%s", d)
		}
	})
}
