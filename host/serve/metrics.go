package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what GET /metrics shows, in a registry of the server's own.
type metrics struct {
	registry *prometheus.Registry

	requests     *prometheus.CounterVec
	latency      prometheus.Histogram
	batches      prometheus.Histogram // samples of each
	batchSeconds prometheus.Histogram
	samples      prometheus.Counter
	cells        prometheus.Counter
	left         prometheus.Counter
}

func newMetrics(g *gate, waiting func() int) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mdlstm_requests_total", Help: "Requests answered, by path and status; 499 = the client did not wait."}, []string{"path", "code"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mdlstm_predict_seconds", Help: "Time from the headers of a prediction's request to its answer, for those that were answered with 200.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16)}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mdlstm_batch_samples", Help: "Samples computed together.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		batchSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mdlstm_batch_seconds", Help: "Time to compute a batch.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{Name: "mdlstm_samples_total", Help: "Samples computed."}),
		cells:   prometheus.NewCounter(prometheus.CounterOpts{Name: "mdlstm_cells_total", Help: "Cells of the samples computed."}),
		left:    prometheus.NewCounter(prometheus.CounterOpts{Name: "mdlstm_dropped_total", Help: "Parts of requests left out because their client had gone or had waited too long."}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.registry.MustRegister( // panics on a name that comes twice
		m.requests, m.latency, m.batches, m.batchSeconds, m.samples, m.cells, m.left,
		gauge("mdlstm_queue_length", "Parts of requests, at most a batch each, that wait to be computed.", func() float64 { return float64(waiting()) }),
		gauge("mdlstm_requests_inside", "Predictions that are read, wait, or are computed.", func() float64 { n, _ := g.inside(); return float64(n) }),
		gauge("mdlstm_requests_bytes", "Bytes that they hold.", func() float64 { _, n := g.inside(); return float64(n) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) computed(samples, cells int, took time.Duration) {
	m.batches.Observe(float64(samples))
	m.batchSeconds.Observe(took.Seconds())
	m.samples.Add(float64(samples))
	m.cells.Add(float64(cells))
}

func (m *metrics) dropped(parts int) { m.left.Add(float64(parts)) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// counting counts the answers of a handler under a path's name.
func (m *metrics) counting(path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(&s, r)
		m.requests.WithLabelValues(path, strconv.Itoa(s.status)).Inc()
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
