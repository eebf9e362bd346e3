package train

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecodeState: no bytes make it panic or allocate beyond their length.
func FuzzDecodeState(f *testing.F) {
	var file bytes.Buffer
	if err := testState(f).encode(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeState(bytes.NewReader(data), int64(len(data)))
		if err == nil && len(s.params) != s.model.Size() {
			t.Errorf("%d parameters, the model has %d", len(s.params), s.model.Size())
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
