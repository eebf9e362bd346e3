package serve

import (
	"bytes"
	"encoding/json"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/hostile"
	"mdlstm-gpu/host/npy"
)

// FuzzBody: no body makes the decoder panic, allocate far beyond what it asked
// for, or let a value through that is not finite.
func FuzzBody(f *testing.F) {
	for _, seed := range bodies(f) {
		f.Add(seed)
	}
	d := &decoder{model: model(f, 1, 2), maxCells: 4096}
	f.Fuzz(func(t *testing.T, body []byte) {
		g := &gate{mostRequests: 1, mostBytes: 1 << 20}
		v, err := g.enter()
		if err != nil {
			t.Fatal(err)
		}
		var in *inputs
		// Of what is let go, slices that grew and a picture's colours weigh most.
		hostile.Allocates(t, 4<<20+64*int64(len(body)), func() { in, err = d.decode("", body, v) })
		if err != nil {
			return
		}
		cells := 0
		for _, s := range in.samples {
			cells += s.Cells()
		}
		if len(in.x) != cells {
			t.Errorf("%d values for %d cells", len(in.x), cells)
		}
		if d.finite(in) != nil {
			t.Error("a value that is not finite")
		}
	})
}

// FuzzRequest: whatever a request is, the answer has a status that is meant, an
// error is one line of JSON, a prediction is what its type says, and nothing of
// the request stays behind.
func FuzzRequest(f *testing.F) {
	for _, seed := range bodies(f) {
		f.Add("POST", "/predict", "", "", seed)
		f.Add("POST", "/predict?mask=numbers", "image/png", "application/json", seed)
	}
	f.Add("GET", "/", "", "", []byte(nil))
	f.Add("GET", "/metrics", "", "text/plain", []byte(nil))
	f.Add("DELETE", "/model", "a/b;c=d", "*/*,image/*;q=0", []byte("{"))
	m := model(f, 1, 2)
	compute := func(samples []grid.Shape, _, out []float32) error {
		n := 0
		for _, s := range samples {
			n += 2 * s.Cells()
		}
		for i := range out[:n] {
			out[i] = float32(i % 3)
		}
		return nil
	}
	s, err := newServer(m, compute, Options{MaxCells: 4096, Memory: 1 << 22, MaxBody: 1 << 16})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	statuses := []int{200, 301, 307, 400, 403, 404, 405, 406, 413, 415, 422}
	f.Fuzz(func(t *testing.T, method, target, content, accept string, body []byte) {
		r, err := http.NewRequest(method, "http://localhost"+target, bytes.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip("no request that a client could send")
		}
		r.Header.Set("Content-Type", content)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		answer := w.Body.Bytes()
		if !slices.Contains(statuses, w.Code) {
			t.Fatalf("status %d: %.200q", w.Code, answer)
		}
		if w.Code >= 400 && method != http.MethodHead {
			var said struct{ Error string }
			if err := json.Unmarshal(answer, &said); err != nil || said.Error == "" || strings.ContainsAny(said.Error, "\r\n") {
				t.Errorf("status %d with %.200q (%v)", w.Code, answer, err)
			}
		}
		if w.Code == http.StatusOK && r.URL.Path == "/predict" {
			var err error
			switch kind(w.Header().Get("Content-Type")) {
			case kindArray:
				_, err = npy.Parse(answer)
			case kindPicture:
				_, err = png.Decode(bytes.NewReader(answer))
			default:
				if !json.Valid(answer) {
					t.Errorf("no JSON: %.200q", answer)
				}
			}
			if err != nil {
				t.Errorf("%.200q: %v", answer, err)
			}
		}
		if n, held := s.gate.inside(); n != 0 || held != 0 {
			t.Fatalf("%d requests and %d bytes are still inside", n, held)
		}
	})
}

// bodies are one of each kind.
func bodies(f *testing.F) [][]byte {
	return [][]byte{array(f, 0, 1, 2, 3, 1), picture(f, 3, 4, false), picture(f, 8, 8, true), []byte(`{"samples": [[[[1], [2e3]]]]}`)}
}
