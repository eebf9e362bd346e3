// Command serve_load holds many clients on mdlstm-gpu serve and measures it.
//
//	serve_load [flags] PROGRAM MODEL TABLE
//
// It makes samples of noise, has them predicted by `PROGRAM predict` before and
// after, starts `PROGRAM serve`, and keeps -clients clients asking for one sample
// each, as a .npy body, for -seconds. Every answer is compared with what predict
// wrote. TABLE gets a line a second; the standard output a summary, a line a
// figure. It fails when an answer is wrong or none, when the memory grows, when
// the server does not end with 0, or when a sample takes more of the server's
// processor time than -ratio times predict's.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/npy"
)

type options struct {
	clients, samples int
	seconds, ratio   float64
	size             grid.Shape
	channels         int
	program, model   string
	table            string
	threads          string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("serve_load: ")
	var o options
	size := flag.String("size", "64x64", "grid of a sample")
	flag.IntVar(&o.clients, "clients", 1000, "clients at once")
	flag.IntVar(&o.samples, "samples", 512, "samples that they ask for in turn")
	flag.IntVar(&o.channels, "channels", 1, "channels of a sample")
	flag.Float64Var(&o.seconds, "seconds", 60, "how long they are held")
	flag.Float64Var(&o.ratio, "ratio", 1.1, "processor time of a sample, at most so many times predict's")
	flag.StringVar(&o.threads, "threads", "0", "--threads of both")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("want PROGRAM MODEL TABLE")
	}
	var err error
	if o.size, err = grid.ParseShape(*size); err != nil {
		log.Fatal(err)
	}
	o.program, o.model, o.table = flag.Arg(0), flag.Arg(1), flag.Arg(2)
	if err := run(o); err != nil {
		log.Fatal(err)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "serve_load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	x, err := makeSamples(o, filepath.Join(dir, "x.npy"))
	if err != nil {
		return err
	}
	var predicted []float64 // processor seconds a sample
	measure := func() error {
		for range 3 {
			cpu, err := predict(o, dir)
			if err != nil {
				return err
			}
			predicted = append(predicted, cpu/float64(o.samples))
		}
		return nil
	}
	if err := measure(); err != nil {
		return err
	}
	y, err := npy.Read(filepath.Join(dir, "y.npy"))
	if err != nil {
		return err
	}
	load, err := newLoad(o, x, y)
	if err != nil {
		return err
	}
	if err := load.serve(); err != nil {
		return err
	}
	if err := measure(); err != nil {
		return err
	}
	slices.Sort(predicted)
	return load.report((predicted[2] + predicted[3]) / 2)
}

// makeSamples writes noise [samples, grid …, channels].
func makeSamples(o options, path string) ([]float32, error) {
	random := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, o.samples*o.size.Cells()*o.channels)
	for i := range x {
		x[i] = random.Float32()
	}
	return x, npy.Write(path, append(append([]int{o.samples}, o.size...), o.channels), x)
}

// predict runs the command and returns the processor time that it took.
func predict(o options, dir string) (seconds float64, err error) {
	c := exec.Command(o.program, "predict", "--model", o.model, "--in", filepath.Join(dir, "x.npy"), "--out", filepath.Join(dir, "y.npy"),
		"--overwrite", "--threads", o.threads, "--device", "cpu")
	if out, err := c.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("predict: %w: %s", err, out)
	}
	return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(), nil
}

// load is the clients and what they saw.
type load struct {
	o      options
	bodies [][]byte
	want   [][]float32

	mu       sync.Mutex
	took     []time.Duration
	faults   []string // the first few
	failed   atomic.Int64
	done     atomic.Int64
	worst    float64 // largest difference from predict
	moments  []moment
	held     time.Duration
	cpu      float64
	answered int64
}

// moment is what was seen at one time.
type moment struct {
	at       time.Duration
	answered int64
	rss      int64 // KiB
	cpu      float64
}

func newLoad(o options, x []float32, y *npy.Array) (*load, error) {
	l := &load{o: o}
	shape := append(append([]int{1}, o.size...), o.channels)
	in, out := len(x)/o.samples, len(y.Data)/o.samples
	for i := range o.samples {
		body, err := npy.Append(nil, shape, x[i*in:][:in])
		if err != nil {
			return nil, err
		}
		l.bodies = append(l.bodies, body)
		l.want = append(l.want, y.Data[i*out:][:out])
	}
	return l, nil
}

// serve starts the server, holds the clients on it, and ends it.
func (l *load) serve() (err error) {
	c := exec.Command(l.o.program, "serve", "--model", l.o.model, "--addr", "127.0.0.1:0", "--queue", strconv.Itoa(l.o.clients),
		"--threads", l.o.threads, "--device", "cpu", "--timeout", "60s")
	said, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			c.Process.Kill()
			c.Wait()
		}
	}()
	lines := bufio.NewReader(said)
	url := ""
	for url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("serve ended: %s", line)
		}
		if _, rest, found := strings.Cut(line, " on http://"); found {
			host, _, _ := strings.Cut(rest, " ")
			url = "http://" + host
		}
	}
	if err := l.hold(url, c.Process.Pid); err != nil {
		return err
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		return err
	}
	if err := c.Wait(); err != nil {
		return fmt.Errorf("serve did not end well: %w: %s", err, rest)
	}
	return nil
}

// hold runs the clients until the time is up, and looks at the server every
// second.
func (l *load) hold(url string, pid int) error {
	transport := &http.Transport{MaxIdleConnsPerHost: l.o.clients, MaxConnsPerHost: l.o.clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	first, err := look(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	var clients sync.WaitGroup
	for i := range l.o.clients {
		clients.Go(func() {
			for n := i; ctx.Err() == nil; n += l.o.clients {
				l.ask(client, url, n%l.o.samples)
			}
		})
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Since(began).Seconds() < l.o.seconds {
		<-tick.C
		now, err := look(pid)
		if err != nil {
			stop()
			return err
		}
		now.at, now.answered, now.cpu = time.Since(began), l.done.Load(), now.cpu-first.cpu
		l.moments = append(l.moments, now)
	}
	stop()
	clients.Wait() // the last answers count, and so does what they cost
	l.held, l.answered = time.Since(began), l.done.Load()
	last, err := look(pid)
	l.cpu = last.cpu - first.cpu
	return err
}

// ask asks for one sample and compares the answer.
func (l *load) ask(client *http.Client, url string, i int) {
	began := time.Now()
	worst, err := l.answer(client, url, i)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed.Add(1)
		if len(l.faults) < 5 {
			l.faults = append(l.faults, err.Error())
		}
		return
	}
	l.done.Add(1)
	l.took = append(l.took, took)
	l.worst = max(l.worst, worst)
}

// tolerance is how far an answer may be from predict's, which computed the
// sample beside others; outputs are between 0 and 1.
const tolerance = 1e-5

func (l *load) answer(client *http.Client, url string, i int) (worst float64, err error) {
	answer, err := client.Post(url+"/predict", "application/x-npy", bytes.NewReader(l.bodies[i]))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("status %d: %.200s", answer.StatusCode, body)
	}
	file, err := npy.Parse(body)
	if err != nil {
		return 0, err
	}
	return difference(file, l.want[i])
}

// difference is the largest one between an answer and what it should be.
func difference(file *npy.Encoded, want []float32) (worst float64, err error) {
	if file.Size != len(want) {
		return 0, fmt.Errorf("sample of %d outputs, want %d", file.Size, len(want))
	}
	y := make([]float32, file.Size)
	if err := file.Values(y); err != nil {
		return 0, err
	}
	for k, v := range y {
		d := math.Abs(float64(v) - float64(want[k]))
		if !(d <= tolerance) {
			return 0, fmt.Errorf("output %d is %v, predict says %v", k, v, want[k])
		}
		worst = max(worst, d)
	}
	return worst, nil
}

// ticks are the units of /proc/PID/stat's times in a second, which Linux gives
// programs as 100 on every machine.
const ticks = 100

// look reads a process's memory and processor time.
func look(pid int) (m moment, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return m, fmt.Errorf("the server is gone: %w", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return m, errors.New("/proc/PID/stat has too few fields")
	}
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return m, err
		}
		m.cpu += float64(n) / ticks
	}
	pages, err := strconv.ParseInt(fields[21], 10, 64)
	m.rss = pages * int64(os.Getpagesize()) / 1024
	return m, err
}

// report writes the table and the summary, and says what is wrong.
func (l *load) report(predicted float64) error {
	var table strings.Builder
	table.WriteString("second\tanswered\trss_mib\tserver_cpu_s\n")
	for _, m := range l.moments {
		fmt.Fprintf(&table, "%.1f\t%d\t%.1f\t%.2f\n", m.at.Seconds(), m.answered, float64(m.rss)/1024, m.cpu)
	}
	if err := os.WriteFile(l.o.table, []byte(table.String()), 0o666); err != nil {
		return err
	}
	slices.Sort(l.took)
	share := func(p float64) string {
		if len(l.took) == 0 {
			return "nan"
		}
		return fmt.Sprintf("%.1f", 1000*l.took[min(int(p*float64(len(l.took))), len(l.took)-1)].Seconds())
	}
	early, late := growth(l.moments)
	served := l.cpu / float64(l.answered)
	for _, line := range []struct {
		name  string
		value any
	}{
		{"clients", l.o.clients}, {"seconds", fmt.Sprintf("%.1f", l.held.Seconds())}, {"answered", l.answered}, {"errors", l.failed.Load()},
		{"samples_a_second", fmt.Sprintf("%.1f", float64(l.answered)/l.held.Seconds())},
		{"p50_ms", share(0.5)}, {"p90_ms", share(0.9)}, {"p99_ms", share(0.99)}, {"max_ms", share(1)},
		{"rss_mib_first_half", fmt.Sprintf("%.1f", early)}, {"rss_mib_second_half", fmt.Sprintf("%.1f", late)},
		{"serve_cpu_ms_a_sample", fmt.Sprintf("%.4f", 1000*served)}, {"predict_cpu_ms_a_sample", fmt.Sprintf("%.4f", 1000*predicted)},
		{"ratio", fmt.Sprintf("%.3f", served/predicted)}, {"worst_difference", fmt.Sprintf("%.2g", l.worst)},
	} {
		fmt.Printf("%s\t%v\n", line.name, line.value)
	}
	switch {
	case l.failed.Load() > 0:
		return fmt.Errorf("%d requests failed: %s", l.failed.Load(), strings.Join(l.faults, "; "))
	case l.answered == 0:
		return errors.New("nothing was answered")
	case late > 1.2*early:
		return fmt.Errorf("the memory grows: %.1f MiB at most in the first half, %.1f in the second", early, late)
	case served > l.o.ratio*predicted:
		return fmt.Errorf("a sample takes %.4f ms of the processor, predict %.4f: want at most %g times that", 1000*served, 1000*predicted, l.o.ratio)
	}
	return nil
}

// growth is the most memory, in MiB, in the two halves of the time.
func growth(moments []moment) (early, late float64) {
	for i, m := range moments {
		mib := float64(m.rss) / 1024
		if i < (len(moments)+1)/2 {
			early = max(early, mib)
		} else {
			late = max(late, mib)
		}
	}
	return early, late
}
