package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/mdlstm"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/palette"
)

// model is a small one that takes pictures: units outputs, classes where there
// are more than one.
func model(t testing.TB, channels, units int) *nn.Model {
	t.Helper()
	loss := nn.MSE
	if units > 1 {
		loss = nn.CrossEntropy
	}
	m, err := nn.New(mdlstm.OneLayer(2, channels, 3, units, loss))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fake computes without an engine: each sample's outputs are its first value and
// its number of cells. What it is asked for can be looked at, and held up.
type fake struct {
	model *nn.Model
	hold  chan struct{} // when it is there, each batch takes a token from it
	began chan int      // gets the samples of each batch that begins; nil = nobody looks
	err   error

	mu      sync.Mutex
	batches [][]grid.Shape
}

func (f *fake) compute(samples []grid.Shape, x, out []float32) error {
	f.mu.Lock()
	f.batches = append(f.batches, slices.Clone(samples))
	f.mu.Unlock()
	if f.began != nil {
		f.began <- len(samples)
	}
	if f.hold != nil {
		<-f.hold
	}
	if f.err != nil {
		return f.err
	}
	for _, s := range samples {
		n := s.Cells()
		for i := range n * f.model.Units() {
			out[i] = x[0] + float32(n)
		}
		x, out = x[n*f.model.Config.Input:], out[n*f.model.Units():]
	}
	return nil
}

func (f *fake) seen() [][]grid.Shape {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.batches)
}

// start serves with a fake.
func start(t *testing.T, f *fake, o Options) (*Server, *httptest.Server) {
	t.Helper()
	s, err := newServer(f.model, f.compute, o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		h.Close()
		s.Close()
		if n, bytes := s.gate.inside(); n != 0 || bytes != 0 {
			t.Errorf("%d requests and %d bytes are still inside", n, bytes)
		}
	})
	return s, h
}

// array is a .npy file of a shape, its values first, first+1/8, …
func array(t testing.TB, first float32, shape ...int) []byte {
	t.Helper()
	n := 1
	for _, length := range shape {
		n *= length
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = first + float32(i%8)/8
	}
	body, err := npy.Append(nil, shape, x)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %.300q", r.status, r.body) }

func send(t testing.TB, method, url string, body []byte, headers ...string) reply {
	t.Helper()
	r, err := try(context.Background(), method, url, bytes.NewReader(body), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(ctx context.Context, method, url string, body io.Reader, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, text}, err
}

// values reads a .npy answer.
func values(t testing.TB, r reply) (shape []int, y []float32) {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("got %v, want 200", r)
	}
	file, err := npy.Parse(r.body)
	if err != nil {
		t.Fatal(err)
	}
	y = make([]float32, file.Size)
	if err := file.Values(y); err != nil {
		t.Fatal(err)
	}
	return file.Shape, y
}

// faulty checks that an answer is a fault: its status, JSON, one line.
func faulty(t testing.TB, r reply, status int, text string) {
	t.Helper()
	var f struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(r.body, &f); err != nil {
		t.Errorf("got %v, want JSON: %v", r, err)
	}
	if r.status != status || !strings.Contains(f.Error, text) || strings.Contains(f.Error, "\n") || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v %v, want %d and a line with %q", r, r.header, status, text)
	}
}

func picture(t testing.TB, height, width int, jpg bool) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		img.SetRGBA(i%width, i/width, color.RGBA{uint8(40 * i), uint8(90 * i), uint8(7 * i), 255})
	}
	var b bytes.Buffer
	var err error
	if jpg {
		err = jpeg.Encode(&b, img, nil)
	} else {
		err = png.Encode(&b, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFaults has every way in which a request can be wrong.
func TestFaults(t *testing.T) {
	nan := float32(math.NaN())
	withNaN, err := npy.Append(nil, []int{1, 1, 2, 1}, []float32{0, nan})
	if err != nil {
		t.Fatal(err)
	}
	good := array(t, 0, 1, 2, 3, 1)
	huge := picture(t, 30, 40, false)
	for _, c := range []struct {
		name, method, path string
		body               []byte
		headers            []string
		status             int
		text               string
	}{
		{"method", "GET", "/predict", nil, nil, 405, `"GET" is no method of /predict: use POST`},
		{"method of a page", "POST", "/model", nil, nil, 405, "use GET"},
		{"path", "GET", "/etc/passwd", nil, nil, 404, `no path "/etc/passwd": want /predict`},
		{"another site", "POST", "/predict", good, []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{"type", "POST", "/predict", good, []string{"Content-Type", "text/csv"}, 415, `Content-Type "text/csv": want application/x-npy`},
		{"type that is none", "POST", "/predict", good, []string{"Content-Type", "a/b/c;;"}, 415, "want application/x-npy"},
		{"unknown body", "POST", "/predict", []byte("1,2,3"), nil, 415, "neither a .npy array"},
		{"answer", "POST", "/predict", good, []string{"Accept", "text/html"}, 406, "can be had as application/x-npy"},
		{"empty", "POST", "/predict", nil, nil, 400, "the body is empty"},
		{"npz", "POST", "/predict", []byte("PK\x03\x04aaaaaaaaaaaaaaa"), nil, 400, "numpy.save"},
		{"npy cut off", "POST", "/predict", good[:len(good)-1], nil, 400, "truncated"},
		{"npy header cut off", "POST", "/predict", good[:20], nil, 400, "truncated"},
		{"npy of a huge shape", "POST", "/predict", bytes.Replace(good, []byte("(1, 2, 3, 1), }"), []byte("(1,9999999,3,1)}"), 1), nil, 400, "truncated"},
		{"no samples axis", "POST", "/predict", array(t, 0, 2, 3, 1), nil, 422, "x[None]"},
		{"no channels axis", "POST", "/predict", array(t, 0, 4, 2, 3), nil, 422, "x[..., None]"},
		{"channels", "POST", "/predict", array(t, 0, 1, 2, 3, 2), nil, 422, "shape [1 2 3 2], want [samples, grid …, 1]"},
		{"axes", "POST", "/predict", array(t, 0, 1, 2, 3, 4, 1), nil, 422, "shape [1 2 3 4 1], want [samples, grid …, 1]: a grid of 2 axes, channels last"},
		{"no sample", "POST", "/predict", array(t, 0, 0, 2, 3, 1), nil, 422, "want [samples"},
		{"no cells", "POST", "/predict", array(t, 0, 1, 0, 3, 1), nil, 422, "length 0 on axis 0"},
		{"NaN", "POST", "/predict", withNaN, nil, 422, "sample 0, cell 1 in row-major order, channel 0 is NaN"},
		{"too many cells", "POST", "/predict", array(t, 0, 1, 30, 40, 1), nil, 413, "1200 cells, the server takes 1000"},
		{"too many pixels", "POST", "/predict", huge, nil, 413, "1200 cells, the server takes 1000 a sample: scale it down"},
		{"too many bytes", "POST", "/predict", make([]byte, 20001), nil, 413, "20001 bytes, the server takes 20000"},
		{"too much memory", "POST", "/predict", array(t, 0, 4, 30, 40, 1)[:19999], []string{"Content-Type", "application/json"}, 413, "the server has 200000 for all"},
		{"picture cut off", "POST", "/predict", huge[:len(huge)/2], nil, 413, "1200 cells"},
		{"small picture cut off", "POST", "/predict", picture(t, 10, 10, false)[:60], nil, 400, "damaged"},
		{"not a picture", "POST", "/predict", []byte("hello"), []string{"Content-Type", "image/png"}, 400, "neither a PNG nor a JPEG"},
		{"picture that lies", "POST", "/predict", lying(t), nil, 400, "65535×65535 pixels, which a file of 155 bytes cannot hold"},
		{"JSON", "POST", "/predict", []byte(`{"samples": [`), nil, 400, "want {\"samples\""},
		{"JSON key", "POST", "/predict", []byte(`{"x": []}`), nil, 400, `unknown field "x"`},
		{"JSON twice", "POST", "/predict", []byte(`{"samples": [[[[1]]]]} {}`), nil, 400, "more behind"},
		{"JSON without samples", "POST", "/predict", []byte(`{}`), nil, 422, "no samples"},
		{"JSON text", "POST", "/predict", []byte(`{"samples": [[[["a"]]]]}`), nil, 422, "sample 0: "},
		{"JSON channels", "POST", "/predict", []byte(`{"samples": [[[[1, 2]]]]}`), nil, 422, "sample 0 has shape [1 1 2], want [grid …, 1]"},
		{"JSON axes", "POST", "/predict", []byte(`{"samples": [[[[1]]], [[1]]]}`), nil, 422, "sample 1: grid [1]: got 1 axes"},
		{"JSON cells", "POST", "/predict", []byte(`{"samples": [[` + strings.Repeat("[[1]],", 1000) + `[[1]]]]}`), nil, 413, "sample 0: grid 1001x1 has 1001 cells"},
		{"unequal outputs", "POST", "/predict", []byte(`{"samples": [[[[1]]], [[[1],[2]]]]}`), []string{"Accept", "application/x-npy"}, 406, "output 1 has the grid 1x2, output 0 1x1"},
		{"several outputs", "POST", "/predict", array(t, 0, 2, 2, 3, 1), []string{"Accept", "image/png"}, 406, "2 outputs are no one picture"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{model: model(t, 1, 3)}
			_, h := start(t, f, Options{MaxBody: 20000, MaxCells: 1000, Memory: 200000})
			faulty(t, send(t, c.method, h.URL+c.path, c.body, c.headers...), c.status, c.text)
			if c.status == http.StatusMethodNotAllowed || c.status == http.StatusNotAcceptable {
				return
			}
			if n := len(f.seen()); n != 0 {
				t.Errorf("%d batches were computed", n)
			}
		})
	}
}

// lying is a small PNG whose header says 65535×65535 pixels.
func lying(t *testing.T) []byte {
	body := picture(t, 10, 10, false)
	for i := range 2 {
		copy(body[16+4*i:], []byte{0, 0, 0xff, 0xff})
	}
	binary.BigEndian.PutUint32(body[29:], crc32.ChecksumIEEE(body[12:29]))
	return body
}

// TestFaultsOfTheServer: what is no fault of the client says nothing of the
// inside, which goes to the log.
func TestFaultsOfTheServer(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{fmt.Errorf("cuMemcpy: /secret/path"), 500, "its log says why"},
		{fmt.Errorf("plan: %w", engine.ErrMemory), 503, "no memory"},
		{fmt.Errorf("%w: too long", engine.ErrShape), 422, "too long"},
	} {
		_, h := start(t, &fake{model: model(t, 1, 1), err: c.err}, Options{})
		r := send(t, "POST", h.URL+"/predict", array(t, 0, 1, 1, 1, 1))
		faulty(t, r, c.status, c.text)
		if strings.Contains(string(r.body), "/secret") {
			t.Errorf("got %v, a path of the server's", r)
		}
	}
}

// TestKinds: every kind of body, and the same values whatever the kind.
func TestKinds(t *testing.T) {
	e := newEngine(t, model(t, 3, 4), cpu.Options{Threads: 1})
	s, err := New(e, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()

	shot := picture(t, 5, 6, false)
	mask := send(t, "POST", h.URL+"/predict", shot, "Content-Type", "image/png")
	img, err := png.Decode(bytes.NewReader(mask.body))
	if err != nil || mask.header.Get("Content-Type") != "image/png" {
		t.Fatalf("got %v (%v), want a PNG", mask, err)
	}
	indices := img.(*image.Paletted)
	lists := send(t, "POST", h.URL+"/predict", shot, "Content-Type", "application/octet-stream", "Accept", "application/json")
	var said struct {
		Outputs [][][][]float32
		Classes [][][]int
	}
	if err := json.Unmarshal(lists.body, &said); err != nil {
		t.Fatalf("%v: %v", lists, err)
	}
	shape, y := values(t, send(t, "POST", h.URL+"/predict", shot, "Accept", "text/plain, application/x-npy;q=0.5"))
	if want := []int{1, 5, 6, 4}; !slices.Equal(shape, want) {
		t.Errorf("shape %v, want %v", shape, want)
	}
	for i := range 30 {
		row, column := i/6, i%6
		if got, want := int(indices.ColorIndexAt(column, row)), said.Classes[0][row][column]; got != want {
			t.Errorf("row %d, column %d: the mask has class %d, the lists %d", row, column, got, want)
		}
		if got := said.Outputs[0][row][column]; !slices.Equal(got, y[4*i:][:4]) {
			t.Errorf("row %d, column %d: lists %v, array %v", row, column, got, y[4*i:][:4])
		}
	}
	for name, headers := range map[string][]string{"any": {"Accept", "*/*"}, "curl": {"Content-Type", "application/x-www-form-urlencoded", "Accept", "*/*"}} {
		if r := send(t, "POST", h.URL+"/predict", picture(t, 4, 4, true), headers...); r.status != 200 || r.header.Get("Content-Type") != "image/png" {
			t.Errorf("a JPEG, %s: %v", name, r)
		}
	}
}

func newEngine(t testing.TB, m *nn.Model, o cpu.Options) engine.Engine {
	t.Helper()
	e, err := cpu.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if err := e.SetParameters(m.Init(1)); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestSameOutputs: whatever was computed beside a sample, its outputs are those
// that the engine gives for it alone: to the bit with gonum's products, whose
// bits do not depend on the number of rows.
func TestSameOutputs(t *testing.T) {
	for _, c := range []struct {
		name string
		o    cpu.Options
		rel  float64
	}{
		{"gonum", gonum(), 0},
		{"as built", cpu.Options{Threads: 2}, 3e-6},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := model(t, 2, 3)
			alone := newEngine(t, m, c.o)
			s, err := New(newEngine(t, m, c.o), Options{Batch: 8, BatchWait: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			h := httptest.NewServer(s.Handler())
			defer h.Close()
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() {
					samples, rows, columns := 1+i%3, 1+i%5, 2+i%4
					body := array(t, float32(i)/10, samples, rows, columns, 2)
					got, err := try(t.Context(), "POST", h.URL+"/predict", bytes.NewReader(body))
					if err != nil {
						t.Error(err)
						return
					}
					shape, y := values(t, got)
					if want := []int{samples, rows, columns, 3}; !slices.Equal(shape, want) {
						t.Errorf("shape %v, want %v", shape, want)
						return
					}
					want := make([]float32, len(y))
					if err := computeOn(alone, &aloneTurn, samples, grid.Shape{rows, columns}, body, want); err != nil {
						t.Error(err)
						return
					}
					if c.rel == 0 {
						if !slices.Equal(y, want) {
							t.Errorf("request %d: %v, alone %v", i, y, want)
						}
						return
					}
					if _, err := approx.Compare(fmt.Sprint("request ", i), shape, y, want, approx.Tolerance{Rel: c.rel, Abs: 1e-7}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}

var aloneTurn sync.Mutex

func gonum() cpu.Options {
	o := cpu.Options{Threads: 1}
	o.BLAS, o.BLASName = cpu.Gonum()
	return o
}

// computeOn computes a body's samples one by one.
func computeOn(e engine.Engine, turn *sync.Mutex, samples int, size grid.Shape, body []byte, out []float32) error {
	turn.Lock()
	defer turn.Unlock()
	file, err := npy.Parse(body)
	if err != nil {
		return err
	}
	x := make([]float32, file.Size)
	if err := file.Values(x); err != nil {
		return err
	}
	for i := range samples {
		plan, err := e.Plan([]grid.Shape{size}, engine.Capacity{Predict: true})
		if err != nil {
			return err
		}
		n := len(x) / samples
		if _, err := plan.Load(&engine.Batch{Samples: []grid.Shape{size}, X: x[i*n:][:n]}); err != nil {
			return err
		}
		n = len(out) / samples
		if _, err := plan.Predict(out[i*n:][:n]); err != nil {
			return err
		}
	}
	return nil
}

func TestPages(t *testing.T) {
	_, h := start(t, &fake{model: model(t, 1, 3)}, Options{MaxCells: 77})
	if r := send(t, "GET", h.URL+"/healthz", nil); r.status != 200 || string(r.body) != "ok\n" {
		t.Errorf("health: %v", r)
	}
	if r := send(t, "HEAD", h.URL+"/healthz", nil); r.status != 200 {
		t.Errorf("health, head: %v", r)
	}
	var d Description
	if r := send(t, "GET", h.URL+"/model", nil); json.Unmarshal(r.body, &d) != nil {
		t.Fatalf("model: %v", r)
	}
	if !d.Pictures || d.Axes != 2 || d.Channels != 1 || d.Units != 3 || len(d.Classes) != 3 || d.MaxCells != 77 || !slices.Equal(d.Window, []int{1, 1}) {
		t.Errorf("model: %+v", d)
	}
	r := send(t, "GET", h.URL+"/", nil)
	policy := r.header.Get("Content-Security-Policy")
	if r.status != 200 || !strings.Contains(string(r.body), "<title>") || !strings.Contains(policy, "default-src 'none'; script-src 'sha256-") {
		t.Errorf("page: %d, policy %q", r.status, policy)
	}
	if strings.Contains(string(r.body), "http:") || strings.Contains(string(r.body), "https:") {
		t.Error("the page refers to something outside")
	}
}

// TestLabels: masks hold the values of the training masks, in their palette, or
// the classes' numbers when asked.
func TestLabels(t *testing.T) {
	labels := []Label{{0, "ground"}, {128, "road"}, {255, "255"}}
	colours := make(color.Palette, 256)
	for i := range colours {
		colours[i] = color.RGBA{uint8(i), 1, 2, 255}
	}
	for name, o := range map[string]Options{"palette": {Labels: labels, Palette: colours}, "grey": {Labels: labels}} {
		s, err := newServer(model(t, 1, 3), bands(1, 3), o)
		if err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(s.Handler())
		body := array(t, 0, 1, 1, 8, 1) // 0, 1/8 … 7/8: classes 0 0 0 1 1 1 2 2
		at := func(path string) image.Image {
			t.Helper()
			r := send(t, "POST", h.URL+path, body, "Accept", "image/png")
			img, err := png.Decode(bytes.NewReader(r.body))
			if err != nil {
				t.Fatalf("%v: %v", r, err)
			}
			return img
		}
		var got []uint8
		switch img := at("/predict").(type) {
		case *image.Paletted:
			got = img.Pix
			if name != "palette" || img.Palette[128] != colours[128] {
				t.Errorf("%s: a palette with %v", name, img.Palette[128])
			}
		case *image.Gray:
			got = img.Pix
		}
		if want := []uint8{0, 0, 0, 128, 128, 128, 255, 255}; !slices.Equal(got, want) {
			t.Errorf("%s: values %v, want %v", name, got, want)
		}
		if img, ok := at("/predict?mask=numbers").(*image.Paletted); !ok || !slices.Equal(img.Pix, []uint8{0, 0, 0, 1, 1, 1, 2, 2}) || img.Palette[1] != palette.Class(1) {
			t.Errorf("%s: numbers %v", name, img)
		}
		var d Description
		if r := send(t, "GET", h.URL+"/model", nil); json.Unmarshal(r.body, &d) != nil || d.Classes[1].Value != 128 || d.Classes[1].Name != "road" {
			t.Errorf("%s: model %v", name, r)
		}
		h.Close()
		s.Close()
	}
}

func TestToken(t *testing.T) {
	_, h := start(t, &fake{model: model(t, 1, 1)}, Options{Token: "s3cret"})
	body := array(t, 0, 1, 1, 1, 1)
	for _, c := range []struct {
		name, header string
		status       int
	}{
		{"none", "", 401}, {"wrong", "Bearer s3creT", 401}, {"longer", "Bearer s3cret0", 401}, {"scheme", "Basic s3cret", 401},
		{"bare", "s3cret", 401}, {"right", "Bearer s3cret", 200}, {"lower case", "bearer s3cret", 200},
	} {
		for _, path := range []string{"/predict", "/model", "/metrics"} {
			method := http.MethodGet
			if path == "/predict" {
				method = http.MethodPost
			}
			var headers []string
			if c.header != "" {
				headers = []string{"Authorization", c.header}
			}
			r := send(t, method, h.URL+path, body, headers...)
			if r.status != c.status {
				t.Errorf("%s, %s: %v, want %d", c.name, path, r, c.status)
			}
			if c.status == 401 {
				faulty(t, r, 401, "Authorization: Bearer TOKEN")
				if r.header.Get("WWW-Authenticate") == "" || strings.Contains(string(r.body), "s3cret") {
					t.Errorf("%s: %v %v", c.name, r, r.header)
				}
			}
		}
	}
	for _, path := range []string{"/healthz", "/"} {
		if r := send(t, "GET", h.URL+path, nil); r.status != 200 {
			t.Errorf("%s: %v, want it without a token", path, r)
		}
	}
}

func TestMetrics(t *testing.T) {
	_, h := start(t, &fake{model: model(t, 1, 1)}, Options{})
	for range 2 {
		values(t, send(t, "POST", h.URL+"/predict", array(t, 0, 3, 2, 2, 1)))
	}
	send(t, "POST", h.URL+"/predict", nil)
	send(t, "GET", h.URL+"/../etc", nil)
	text := string(send(t, "GET", h.URL+"/metrics", nil).body)
	for _, want := range []string{
		`mdlstm_requests_total{code="200",path="/predict"} 2`, `mdlstm_requests_total{code="400",path="/predict"} 1`,
		"mdlstm_predict_seconds_count 2", "mdlstm_samples_total 6", "mdlstm_cells_total 24", "mdlstm_batch_samples_count 2",
		"mdlstm_batch_samples_sum 6", "mdlstm_batch_seconds_count 2", "mdlstm_queue_length 0", "mdlstm_requests_inside 0",
		"mdlstm_requests_bytes 0", "mdlstm_dropped_total 0", "process_cpu_seconds_total ", "go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no line %q in:\n%s", want, text)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Batch: -1}, {Queue: -1}, {Memory: -1}, {MaxBody: -5}, {BatchWait: -1}, {Timeout: -1}, {Labels: make([]Label, 2)}} {
		if _, err := newServer(model(t, 1, 1), nil, o); err == nil || !strings.HasPrefix(err.Error(), "options: ") {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}
