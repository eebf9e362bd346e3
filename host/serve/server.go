package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Server answers predictions with one engine.
type Server struct {
	options Options
	model   *nn.Model
	gate    *gate
	batcher *batcher
	decoder *decoder
	metrics *metrics
	handler http.Handler
	log     *log.Logger
	ending  atomic.Bool
	buffers sync.Pool // of *[]byte: bodies and answers
}

// New makes a server that computes with e, which nothing else may use until
// [Server.Close] has returned. Errors are those of the options.
func New(e engine.Engine, o Options) (*Server, error) {
	return newServer(e.Model(), func(samples []grid.Shape, x, out []float32) error {
		plan, err := e.Plan(samples, engine.Capacity{Predict: true})
		if err != nil {
			return err
		}
		if _, err := plan.Load(&engine.Batch{Samples: samples, X: x}); err != nil {
			return err
		}
		_, err = plan.Predict(out)
		return err
	}, o)
}

func newServer(m *nn.Model, compute computeFunc, o Options) (*Server, error) {
	o, err := o.withDefaults(m.Units())
	if err != nil {
		return nil, err
	}
	s := &Server{
		options: o, model: m, log: o.Log,
		gate:    &gate{mostRequests: o.Queue, mostBytes: o.Memory},
		decoder: &decoder{model: m, maxCells: o.MaxCells},
		buffers: sync.Pool{New: func() any { return new([]byte) }},
	}
	if s.log == nil {
		s.log = log.New(io.Discard, "", 0)
	}
	// The batcher's queue is only looked at when somebody asks for the metrics.
	s.metrics = newMetrics(s.gate, func() int { return s.batcher.waiting() })
	s.batcher = newBatcher(o, compute, s.metrics)
	s.handler = s.routes()
	return s, nil
}

// Handler answers all requests.
func (s *Server) Handler() http.Handler { return s.handler }

// Close ends the computing, after the batch at work. Requests that wait get 503.
func (s *Server) Close() { s.batcher.close() }

// How long a connection may take for headers, and be idle.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Serve answers on l until ctx ends. Then it takes no more connections, finishes
// what is under way, and returns nil; what has not ended after Options.Shutdown
// is cut off, which is an error. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: s.handler, ErrorLog: s.log, MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		// The handler sets the deadline for bodies. This one is for clients that do
		// not take their answer.
		WriteTimeout: 2*s.options.Timeout + headerTimeout,
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.ending.Store(true)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Shutdown)
	defer cancel()
	if err := h.Shutdown(patience); err != nil {
		n, _ := s.gate.inside()
		h.Close()
		return fmt.Errorf("serve: %d requests had not ended %v after the signal and were cut off", n, s.options.Shutdown)
	}
	return nil
}

// routes are the paths, each with its one method.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	add := func(method, path string, h http.HandlerFunc, open bool) {
		var inner http.Handler = only(method, h)
		if !open {
			inner = guarded(s.options.Token, inner)
		}
		pattern := path
		if path == "/" {
			pattern = "/{$}"
		}
		mux.Handle(pattern, s.metrics.counting(path, inner))
	}
	add(http.MethodGet, "/", servePage, true)
	add(http.MethodGet, "/healthz", s.health, true)
	add(http.MethodGet, "/metrics", s.metrics.handler().ServeHTTP, false)
	add(http.MethodGet, "/model", s.describe, false)
	add(http.MethodPost, "/predict", s.predict, false)
	mux.Handle("/", s.metrics.counting("other", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tell(w, faultf(http.StatusNotFound, "no path %.60q: want /predict, /model, /healthz, /metrics or /", r.URL.Path))
	})))
	// Pages of other sites that a browser on this machine shows may not use it.
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(s.metrics.counting("other", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tell(w, faultf(http.StatusForbidden, "the request comes from a page of another site: use the page of this server"))
	})))
	inner := foreign.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		readBy(w, time.Now().Add(s.options.Timeout)) // the body, also one that nobody asks for
		inner.ServeHTTP(w, r)
	})
}

// readBy sets the deadline for a request's body; the zero time is none.
func readBy(w http.ResponseWriter, deadline time.Time) {
	http.NewResponseController(w).SetReadDeadline(deadline) // fails where there is no connection, or none any more
}

// only refuses other methods; HEAD goes with GET.
func only(method string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(r.Method == http.MethodHead && method == http.MethodGet) {
			f := faultf(http.StatusMethodNotAllowed, "%.20q is no method of %s: use %s", r.Method, r.URL.Path, method)
			f.allow = method
			tell(w, f)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.ending.Load() {
		tell(w, busyf(http.StatusServiceUnavailable, "the server is shutting down: ask another"))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// predict answers POST /predict. The request is inside until its answer is
// written: a client that takes long to read it holds memory as well.
func (s *Server) predict(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	v, err := s.gate.enter()
	if err != nil {
		tell(w, s.blame(r, err))
		return
	}
	defer v.leave()
	ctx, cancel := context.WithDeadline(r.Context(), began.Add(s.options.Timeout))
	defer cancel()
	answer := s.buffers.Get().(*[]byte)
	defer s.recycle(answer)
	k, err := s.answer(ctx, w, r, v, answer)
	if err != nil {
		tell(w, s.blame(r, err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", string(k))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(*answer)))
	w.Write(*answer) // a client that has gone hears nothing
	s.metrics.latency.Observe(time.Since(began).Seconds())
}

// answer computes a request's answer into dst.
func (s *Server) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, v *visit, dst *[]byte) (kind, error) {
	asked, err := bodyKind(r.Header)
	if err != nil {
		return "", err
	}
	in, err := s.inputs(w, r, asked, v)
	if err != nil {
		return "", err
	}
	k, err := answerKind(r.Header, in.kind, s.model)
	if err != nil {
		return "", err
	}
	out, err := s.outputs(ctx, in, k, v)
	if err != nil {
		return "", err
	}
	*dst, err = out.encode((*dst)[:0], form{
		kind: k, model: s.model, labels: s.options.Labels, palette: s.options.Palette, numbers: r.URL.Query().Get("mask") == "numbers", bits: in.bits,
	})
	return k, err
}

// inputs reads a body.
func (s *Server) inputs(w http.ResponseWriter, r *http.Request, asked kind, v *visit) (*inputs, error) {
	body := s.buffers.Get().(*[]byte)
	defer s.recycle(body)
	if err := s.read(w, r, v, body); err != nil {
		return nil, err
	}
	return s.decoder.decode(asked, *body, v)
}

// outputs computes.
func (s *Server) outputs(ctx context.Context, in *inputs, k kind, v *visit) (*outputs, error) {
	out, values, err := newOutputs(s.model, in.samples)
	if err != nil {
		return nil, err
	}
	if err := v.hold(values*bytesAValue(k) + bytesASample*int64(len(in.samples))); err != nil {
		return nil, err
	}
	out.y = make([]float32, values)
	work := &work{ctx: ctx, done: make(chan struct{})}
	if err := s.batcher.submit(work, in.samples, out.sizes, s.model.Config.Input, in.x, out.y); err != nil {
		return nil, err
	}
	select {
	case <-work.done:
		return out, work.err
	case <-ctx.Done():
		v.leaveAfter(work.done)
		return nil, ctx.Err()
	}
}

// read reads a body into dst, at most as much as is allowed. Memory is asked for
// before it is taken.
func (s *Server) read(w http.ResponseWriter, r *http.Request, v *visit, dst *[]byte) error {
	tooLarge := func(size string) error {
		return faultf(http.StatusRequestEntityTooLarge, "the body has %s, the server takes %d: send fewer samples a request", size, s.options.MaxBody)
	}
	length := r.ContentLength
	if length > s.options.MaxBody {
		return tooLarge(fmt.Sprintf("%d bytes", length))
	}
	most := length
	if length < 0 {
		most = s.options.MaxBody
	}
	if err := v.hold(most); err != nil {
		return err
	}
	b := bytes.NewBuffer((*dst)[:0])
	if length >= 0 {
		b.Grow(int(length) + bytes.MinRead)
	}
	n, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, s.options.MaxBody))
	*dst = b.Bytes()
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge("more bytes than that")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return faultf(http.StatusRequestTimeout, "the body did not arrive within %v: send it faster, or in smaller requests", s.options.Timeout)
	case err != nil:
		return faultf(http.StatusBadRequest, "the body ended after %d bytes: %v", n, err)
	}
	readBy(w, time.Time{}) // else it would end the request's context while it is computed
	return v.hold(n - most)
}

// blame is what a client is told of an error; what only the server's owner can
// mend is written to the log.
func (s *Server) blame(r *http.Request, err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case r.Context().Err() != nil:
		return faultf(clientGone, "the client did not wait")
	case errors.Is(err, context.DeadlineExceeded):
		return busyf(http.StatusServiceUnavailable, "the prediction was not ready within %v: try again later, or send fewer samples", s.options.Timeout)
	case errors.Is(err, errClosed):
		return busyf(http.StatusServiceUnavailable, "the server is shutting down: ask another")
	case errors.Is(err, engine.ErrMemory):
		s.log.Printf("predict: %v", err)
		return busyf(http.StatusServiceUnavailable, "the server has no memory for a sample of this size now: try again later, or send a smaller one")
	case errors.Is(err, engine.ErrShape), errors.Is(err, engine.ErrData):
		return faultf(http.StatusUnprocessableEntity, "%v", err)
	}
	s.log.Printf("predict: %v", err)
	return faultf(http.StatusInternalServerError, "the server could not compute this: its log says why")
}

// largestKept is the size of a buffer that is kept for the next request.
const largestKept = 1 << 20

func (s *Server) recycle(b *[]byte) {
	if cap(*b) > largestKept {
		*b = nil
	}
	s.buffers.Put(b)
}
