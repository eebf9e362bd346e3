package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mdlstm-gpu/host/grid"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// sizes are how many samples each batch had.
func (f *fake) sizes() (list []int) {
	for _, b := range f.seen() {
		list = append(list, len(b))
	}
	return list
}

// TestBatching: requests of several clients, of any sizes, make one batch.
func TestBatching(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       Options
		samples []int // of each request, which come together
		want    []int // samples of the batches
	}{
		{"full", Options{Batch: 4, BatchWait: patience}, []int{1, 1, 1, 1}, []int{4}},
		{"deadline", Options{Batch: 8, BatchWait: 300 * time.Millisecond}, []int{1, 2}, []int{3}},
		{"full of cells", Options{Batch: 99, BatchCells: 12, BatchWait: patience}, []int{2, 1}, []int{3}},
		{"one request, several batches", Options{Batch: 3}, []int{7}, []int{3, 3, 1}},
		{"one request, few cells", Options{BatchCells: 9}, []int{5}, []int{2, 2, 1}},
		{"samples beyond a batch's cells", Options{BatchCells: 3}, []int{3}, []int{1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{model: model(t, 1, 1)}
			_, h := start(t, f, c.o)
			var all sync.WaitGroup
			for i, n := range c.samples {
				all.Go(func() {
					shape, y := values(t, send(t, "POST", h.URL+"/predict", array(t, float32(i), n, 2, 2, 1)))
					if shape[0] != n || y[0] != float32(i)+4 || y[len(y)-1] != float32(i)+4+float32(n-1)*0.5-float32((n-1)/2) {
						t.Errorf("request %d: %v %v", i, shape, y)
					}
				})
			}
			all.Wait()
			if got := f.sizes(); !slices.Equal(got, c.want) {
				t.Errorf("batches of %v samples, want %v", got, c.want)
			}
		})
	}
}

// TestBatchesWhileBusy: what comes while the engine works is computed together,
// without waiting.
func TestBatchesWhileBusy(t *testing.T) {
	f := &fake{model: model(t, 1, 1), hold: make(chan struct{}, 9), began: make(chan int, 9)}
	s, h := start(t, f, Options{})
	var all sync.WaitGroup
	ask := func() {
		all.Go(func() { values(t, send(t, "POST", h.URL+"/predict", array(t, 0, 1, 2, 2, 1))) })
	}
	ask()
	<-f.began
	for range 5 {
		ask()
	}
	eventually(t, "five requests in the queue", func() bool { return s.batcher.waiting() == 5 })
	f.hold <- struct{}{}
	f.hold <- struct{}{}
	all.Wait()
	if got := f.sizes(); !slices.Equal(got, []int{1, 5}) {
		t.Errorf("batches of %v samples, want 1 and 5", got)
	}
}

// TestOneFailureAlone: where a batch fails, its requests are tried one by one.
func TestOneFailureAlone(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	bad := errors.New("too large")
	compute := func(samples []grid.Shape, x, out []float32) error {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(samples))
		if slices.Contains(x, 7) {
			return bad
		}
		copy(out, x)
		return nil
	}
	b := newBatcher(Options{Batch: 3, BatchCells: 99, BatchWait: patience}, compute, newMetrics(&gate{}, nil))
	defer b.close()
	var works []*work
	outs := make([][]float32, 3)
	for i, v := range []float32{1, 7, 3} {
		w := &work{ctx: t.Context(), done: make(chan struct{})}
		outs[i] = make([]float32, 1)
		works = append(works, w)
		if err := b.submit(w, []grid.Shape{{1}}, []int{1}, 1, []float32{v}, outs[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []error{nil, bad, nil} {
		<-works[i].done
		if works[i].err != want {
			t.Errorf("request %d: error %v, want %v", i, works[i].err, want)
		}
	}
	if outs[0][0] != 1 || outs[2][0] != 3 || !slices.Equal(sizes, []int{3, 1, 1, 1}) {
		t.Errorf("outputs %v, batches of %v", outs, sizes)
	}
}

// TestBusy: beyond the queue and the memory requests are refused, and let in
// again afterwards.
func TestBusy(t *testing.T) {
	body := array(t, 0, 1, 10, 10, 1) // 528 bytes, 400 of values, 800 of outputs and their answer, a sample's 128
	for _, c := range []struct {
		name string
		o    Options
		text string
	}{
		{"queue", Options{Queue: 1}, "1 requests are being served"},
		{"memory", Options{Memory: 2200}, "the server's memory for requests is taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{model: model(t, 1, 1), hold: make(chan struct{}), began: make(chan int, 9)}
			_, h := start(t, f, c.o)
			done := make(chan reply)
			go func() {
				r, err := try(context.Background(), "POST", h.URL+"/predict", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
				}
				done <- r
			}()
			<-f.began
			r := send(t, "POST", h.URL+"/predict", body)
			faulty(t, r, http.StatusTooManyRequests, c.text)
			if r.header.Get("Retry-After") != "1" {
				t.Errorf("headers %v, want Retry-After: 1", r.header)
			}
			close(f.hold)
			values(t, <-done)
			values(t, send(t, "POST", h.URL+"/predict", body))
		})
	}
}

// TestTimeout: a request that waits too long is told so, and not computed when
// its turn comes.
func TestTimeout(t *testing.T) {
	f := &fake{model: model(t, 1, 1), hold: make(chan struct{}), began: make(chan int, 9)}
	s, h := start(t, f, Options{Timeout: 50 * time.Millisecond})
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			r := send(t, "POST", h.URL+"/predict", array(t, 0, 1, 2, 2, 1))
			faulty(t, r, http.StatusServiceUnavailable, "not ready within 50ms")
		})
		if i == 0 {
			<-f.began
		}
	}
	all.Wait()
	if n, bytes := s.gate.inside(); n != 2 || bytes == 0 {
		t.Errorf("%d requests and %d bytes are inside, want those that are in the queue still", n, bytes)
	}
	close(f.hold)
	eventually(t, "both left", func() bool { n, _ := s.gate.inside(); return n == 0 })
	if got := f.sizes(); !slices.Equal(got, []int{1}) {
		t.Errorf("batches of %v samples, want the first one only", got)
	}
}

// TestCancelled: a client that goes away is not computed for.
func TestCancelled(t *testing.T) {
	f := &fake{model: model(t, 1, 1), hold: make(chan struct{}), began: make(chan int, 9)}
	s, h := start(t, f, Options{})
	var all sync.WaitGroup
	all.Go(func() { values(t, send(t, "POST", h.URL+"/predict", array(t, 0, 1, 2, 2, 1))) })
	<-f.began
	ctx, leave := context.WithCancel(t.Context())
	all.Go(func() {
		if _, err := try(ctx, "POST", h.URL+"/predict", bytes.NewReader(array(t, 0, 1, 3, 3, 1))); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	eventually(t, "the second in the queue", func() bool { return s.batcher.waiting() == 1 })
	leave()
	eventually(t, "its going noticed", func() bool {
		return strings.Contains(string(send(t, "GET", h.URL+"/metrics", nil).body), `mdlstm_requests_total{code="499",path="/predict"} 1`)
	})
	close(f.hold)
	all.Wait()
	values(t, send(t, "POST", h.URL+"/predict", array(t, 0, 1, 2, 2, 1)))
	if got := f.seen(); len(got) != 2 || !got[1][0].Equal(grid.Shape{2, 2}) {
		t.Errorf("batches %v, want none of 3x3", got)
	}
	if text := string(send(t, "GET", h.URL+"/metrics", nil).body); !strings.Contains(text, "mdlstm_dropped_total 1") {
		t.Errorf("not counted as dropped:\n%s", text)
	}
}

// TestSlowBody: a body that does not arrive holds its place for so long only, and
// one without a length is taken up to the limit.
func TestSlowBody(t *testing.T) {
	_, h := start(t, &fake{model: model(t, 1, 1)}, Options{Timeout: 200 * time.Millisecond, MaxBody: 1000})
	slow, stuck := io.Pipe()
	defer stuck.Close()
	r, err := try(t.Context(), "POST", h.URL+"/predict", slow)
	if err != nil {
		t.Fatal(err)
	}
	faulty(t, r, http.StatusRequestTimeout, "did not arrive within 200ms")
	// io.MultiReader hides the length, so it comes in chunks.
	r, err = try(t.Context(), "POST", h.URL+"/predict", io.MultiReader(bytes.NewReader(array(t, 0, 1, 2, 2, 1))))
	if err != nil {
		t.Fatal(err)
	}
	values(t, r)
	r, err = try(t.Context(), "POST", h.URL+"/predict", io.MultiReader(bytes.NewReader(make([]byte, 5000))))
	if err != nil {
		t.Fatal(err)
	}
	faulty(t, r, http.StatusRequestEntityTooLarge, "the server takes 1000")
	// A long computation is not ended by the deadline of a body.
	if r := send(t, "POST", h.URL+"/predict", array(t, 0, 1, 2, 2, 1)); r.status != 200 {
		t.Errorf("got %v", r)
	}
}

// slowReader is a client that reads its answer when it is asked to look.
type slowReader struct {
	*httptest.ResponseRecorder
	look func()
}

func (w slowReader) Write(b []byte) (int, error) {
	w.look()
	return w.ResponseRecorder.Write(b)
}

// TestSlowReader: an answer counts until it is written.
func TestSlowReader(t *testing.T) {
	s, _ := start(t, &fake{model: model(t, 1, 1)}, Options{})
	looked := 0
	w := slowReader{httptest.NewRecorder(), func() {
		if n, bytes := s.gate.inside(); n != 1 || bytes < 10*10*8 {
			t.Errorf("%d requests and %d bytes are inside while the answer is written", n, bytes)
		}
		looked++
	}}
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/predict", bytes.NewReader(array(t, 0, 1, 10, 10, 1))))
	if w.Code != http.StatusOK || looked == 0 {
		t.Errorf("status %d, %d writes: %s", w.Code, looked, w.Body)
	}
}

// TestShutdown: the end of the context finishes what is under way, and cuts off
// what takes too long.
func TestShutdown(t *testing.T) {
	for _, c := range []struct {
		name     string
		patience time.Duration
	}{{"finished", patience}, {"cut off", 30 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{model: model(t, 1, 1), hold: make(chan struct{}), began: make(chan int, 9)}
			s, err := newServer(f.model, f.compute, Options{Shutdown: c.patience, Log: log.New(io.Discard, "", 0)})
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, end := context.WithCancel(t.Context())
			served := make(chan error, 1)
			go func() { served <- s.Serve(ctx, l) }()
			url := "http://" + l.Addr().String()
			var all sync.WaitGroup
			for i := range 3 {
				all.Go(func() {
					r, err := try(context.Background(), "POST", url+"/predict", bytes.NewReader(array(t, 0, 1, 2, 2, 1)))
					if c.name == "finished" {
						if err != nil {
							t.Errorf("a request that was under way: %v", err)
							return
						}
						values(t, r)
					} else if err == nil {
						t.Errorf("got %v, want a broken connection", r)
					}
				})
				if i == 0 {
					<-f.began
				}
			}
			eventually(t, "two more in the queue", func() bool { return s.batcher.waiting() == 2 })
			end()
			if c.name == "finished" {
				eventually(t, "no new connections", func() bool {
					conn, err := net.Dial("tcp", l.Addr().String())
					if err == nil {
						conn.Close()
					}
					return err != nil
				})
				if !s.ending.Load() {
					t.Error("health does not know")
				}
				close(f.hold)
			}
			err = <-served
			all.Wait()
			if c.name == "finished" && err != nil {
				t.Error(err)
			}
			if c.name == "cut off" {
				if err == nil || !strings.Contains(err.Error(), "3 requests had not ended 30ms after the signal") {
					t.Errorf("got %v", err)
				}
				close(f.hold)
			}
			s.Close()
		})
	}
}
