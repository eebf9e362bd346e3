package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/tensorboard"
	"mdlstm-gpu/host/tensorboard/eventtest"
)

var errDead = errors.New("the process was killed")

// faultyFiles stops a run at its left-th operation on files, counted from 0. A
// stopped write leaves half of its bytes. Nothing waits for the disk: a killed
// process, unlike a power failure, loses nothing that it has written.
type faultyFiles struct {
	osFiles
	left int
	// alive: the operation fails as on a full disk and later ones work again;
	// otherwise the process is dead and nothing works any more.
	alive bool
	// noLinks: the file system has no hard links.
	noLinks bool
	done    []string // operations asked for
}

// stop counts an operation and says whether it fails.
func (f *faultyFiles) stop(op, path string) error {
	f.left--
	f.done = append(f.done, op+" "+filepath.Base(path))
	switch {
	case f.left >= 0, f.alive && f.left < -1:
		return nil
	case f.alive:
		return &fs.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
	}
	return errDead
}

func (f *faultyFiles) dead() bool { return !f.alive && f.left < 0 }

func (f *faultyFiles) Mkdir(path string) error {
	if err := f.stop("mkdir", path); err != nil {
		return err
	}
	return f.osFiles.Mkdir(path)
}

func (f *faultyFiles) Write(path string, encode func(io.Writer) error) error {
	was := f.dead()
	err := f.stop("write", path)
	if was {
		return err
	}
	var whole bytes.Buffer
	if e := encode(&whole); e != nil {
		return e
	}
	if err != nil {
		whole.Truncate(whole.Len() / 2)
	}
	if e := os.WriteFile(path, whole.Bytes(), 0o666); e != nil {
		return e
	}
	return err
}

func (f *faultyFiles) Link(from, to string) error {
	if err := f.stop("link", to); err != nil {
		return err
	}
	if f.noLinks {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM}
	}
	return f.osFiles.Link(from, to)
}

func (f *faultyFiles) Rename(from, to string) error {
	if err := f.stop("rename", to); err != nil {
		return err
	}
	return f.osFiles.Rename(from, to)
}

func (f *faultyFiles) Remove(path string) error {
	if err := f.stop("remove", path); err != nil {
		return err
	}
	return f.osFiles.Remove(path)
}

func (f *faultyFiles) SyncDir(path string) error {
	if err := f.stop("sync folder", path); err != nil {
		return err
	}
	return nil
}

func (f *faultyFiles) CreateLog(path string) error {
	if err := f.stop("create", path); err != nil {
		return err
	}
	l, err := report.CreateLog(path)
	if err != nil {
		return err
	}
	return l.Close()
}

func (f *faultyFiles) CreateValidLog(path string) error {
	if err := f.stop("create", path); err != nil {
		return err
	}
	l, err := report.CreateValidLog(path)
	if err != nil {
		return err
	}
	return l.Close()
}

func (f *faultyFiles) OpenValidLog(path string, length int64) (validLog, error) {
	if err := f.stop("open", path); err != nil {
		return nil, err
	}
	l, err := f.osFiles.OpenValidLog(path, length)
	if err != nil {
		return nil, err
	}
	return &faultyValidLog{validLog: l, files: f, path: path}, nil
}

// faultyValidLog is faultyLog for validations.
type faultyValidLog struct {
	validLog
	files *faultyFiles
	path  string
}

func (l *faultyValidLog) Append(line report.ValidLine) error {
	was := l.files.dead()
	if err := l.files.stop("append to", l.path); err != nil {
		if was {
			return err
		}
		return errors.Join(err, l.validLog.Flush(), appendText(l.path, fmt.Sprintf("%d\t0.12", line.Step)))
	}
	return l.validLog.Append(line)
}

func (l *faultyValidLog) Sync() error {
	if err := l.files.stop("sync", l.path); err != nil {
		return err
	}
	return l.validLog.Flush()
}

func (l *faultyValidLog) Close() error {
	if l.files.dead() {
		return errDead
	}
	return l.validLog.Close()
}

func (f *faultyFiles) OpenLog(path string, length int64) (stepLog, error) {
	if err := f.stop("open", path); err != nil {
		return nil, err
	}
	l, err := f.osFiles.OpenLog(path, length)
	if err != nil {
		return nil, err
	}
	return &faultyLog{stepLog: l, files: f, path: path}, nil
}

// faultyLog fails with its files; when the process dies in the middle of a line,
// all before it and half of it are on disk.
type faultyLog struct {
	stepLog
	files *faultyFiles
	path  string
}

func (l *faultyLog) Append(line report.LogLine) error {
	was := l.files.dead()
	if err := l.files.stop("append to", l.path); err != nil {
		if was {
			return err
		}
		return errors.Join(err, l.stepLog.Flush(), appendText(l.path, fmt.Sprintf("%d\t0.12", line.Step)))
	}
	return l.stepLog.Append(line)
}

func (l *faultyLog) Sync() error {
	if err := l.files.stop("sync", l.path); err != nil {
		return err
	}
	return l.stepLog.Flush()
}

// Close of a dead process flushes nothing; the collector closes the file.
func (l *faultyLog) Close() error {
	if l.files.dead() {
		return errDead
	}
	return l.stepLog.Close()
}

func (f *faultyFiles) CreateEvents(dir string, step int64, begin func(eventLog) error) (eventLog, error) {
	if err := f.stop("create", dir); err != nil {
		return nil, err
	}
	l, err := f.osFiles.CreateEvents(dir, step, begin)
	if err != nil {
		return nil, err
	}
	return &faultyEvents{eventLog: l, files: f, dir: dir}, nil
}

// faultyEvents is faultyLog for event files.
type faultyEvents struct {
	eventLog
	files *faultyFiles
	dir   string
}

// stop counts an operation; when the process dies in it, all events before it and
// a part of one are on disk.
func (l *faultyEvents) stop(op string) error {
	was := l.files.dead()
	err := l.files.stop(op, l.dir)
	if err == nil || was {
		return err
	}
	paths, _ := filepath.Glob(filepath.Join(l.dir, "*tfevents*"))
	return errors.Join(err, l.eventLog.Flush(), appendText(slices.Max(paths), "\x18\x00\x00"))
}

func (l *faultyEvents) Scalars(step int64, values ...tensorboard.Scalar) error {
	if err := l.stop("append to"); err != nil {
		return err
	}
	return l.eventLog.Scalars(step, values...)
}

func (l *faultyEvents) Image(step int64, tag string, png []byte) error {
	if err := l.stop("append to"); err != nil {
		return err
	}
	return l.eventLog.Image(step, tag, png)
}

func (l *faultyEvents) Sync() error {
	if err := l.files.stop("sync", l.dir); err != nil {
		return err
	}
	return l.eventLog.Flush()
}

func (l *faultyEvents) Close() error {
	if l.files.dead() {
		return errDead
	}
	return l.eventLog.Close()
}

func appendText(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// outcome is what two equal runs have in common.
type outcome struct {
	step, updates int64
	params, m, v  []float32
	log, valid    []string // without their time columns
	model, best   []byte   // best is nil without validation
	events        []string // what TensorBoard shows, without the times
	names         []string // of the files in the folder
}

func outcomeOf(t testing.TB, dir string) outcome {
	t.Helper()
	s, err := loadState(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{step: s.step, updates: s.updates, params: s.params, m: s.m, v: s.v}
	o.log = logLines(t, filepath.Join(dir, logName), 2)
	if s.valid != nil {
		o.valid = logLines(t, filepath.Join(dir, validName), 4)
		if o.best, err = os.ReadFile(filepath.Join(dir, bestName)); err != nil && s.valid.params != nil {
			t.Fatal(err)
		}
	}
	if o.model, err = os.ReadFile(filepath.Join(dir, modelName)); err != nil {
		t.Fatal(err)
	}
	o.events = eventLines(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		o.names = append(o.names, e.Name())
	}
	return o
}

// logLines are the lines of a log without one of their columns.
func logLines(t testing.TB, path string, column int) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		lines = append(lines, strings.Join(slices.Delete(columns, column, column+1), "\t")+"\n")
	}
	return lines
}

// eventLines are what TensorBoard shows of a run, sorted, but for times.
func eventLines(t testing.TB, dir string) []string {
	t.Helper()
	events, err := eventtest.ReadDir(filepath.Join(dir, eventsName))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for tag, list := range events.Scalars {
		for _, s := range list {
			if tag == tagSeconds {
				s.Value = 0
			}
			lines = append(lines, fmt.Sprintf("%s %d %v", tag, s.Step, s.Value))
		}
	}
	for tag, steps := range events.Images {
		lines = append(lines, fmt.Sprintf("%s %v", tag, steps))
	}
	slices.Sort(lines)
	return lines
}

// differs says what is not the same, "" when all is.
func (a outcome) differs(b outcome) string {
	switch {
	case a.step != b.step:
		return fmt.Sprintf("step %d, want %d", a.step, b.step)
	case a.updates != b.updates:
		return fmt.Sprintf("%d updates, want %d", a.updates, b.updates)
	case !sameBits(a.params, b.params):
		return fmt.Sprintf("parameters %v, want %v", a.params, b.params)
	case !sameBits(a.m, b.m), !sameBits(a.v, b.v):
		return "other moments"
	case !slices.Equal(a.log, b.log):
		return fmt.Sprintf("log\n%s\nwant\n%s", strings.Join(a.log, ""), strings.Join(b.log, ""))
	case !slices.Equal(a.valid, b.valid):
		return fmt.Sprintf("validations\n%s\nwant\n%s", strings.Join(a.valid, ""), strings.Join(b.valid, ""))
	case !bytes.Equal(a.model, b.model):
		return "another model file"
	case !bytes.Equal(a.best, b.best):
		return "another best model"
	case !slices.Equal(a.events, b.events):
		return fmt.Sprintf("events\n%s\nwant\n%s", strings.Join(a.events, "\n"), strings.Join(b.events, "\n"))
	case !slices.Equal(a.names, b.names):
		return fmt.Sprintf("files %v, want %v", a.names, b.names)
	}
	return ""
}

// uninterrupted is the outcome of a run with these settings.
func uninterrupted(t testing.TB, s Settings) outcome {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Create(dir, startFor(s))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{Picture: fakePicture}); err != nil {
		t.Fatal(err)
	}
	return outcomeOf(t, dir)
}

// attempt makes or continues the run at dir on the given files, and returns the
// newest checkpoint that it announced.
func attempt(t *testing.T, disk *faultyFiles, dir string, s Settings) (announced int64, err error) {
	t.Helper()
	var r *Run
	if _, statErr := os.Stat(dir); statErr == nil {
		r, err = open(disk, dir, Changes{})
	} else {
		r, err = create(disk, dir, startFor(s))
	}
	if err != nil {
		return -1, err
	}
	defer r.Close()
	announced = r.Step()
	err = r.Train(context.Background(), newFakeEngine(), dataFor(s), Observer{
		Checkpoint: func(step int64) { announced = step },
		Picture:    fakePicture,
	})
	if errors.Is(err, ErrNothingToDo) {
		err = nil
	}
	return announced, err
}

const never = 1 << 30

// checkSurvives looks at what a killed run left.
func checkSurvives(t *testing.T, dir string, announced int64) {
	t.Helper()
	if lost := lostOf(dir, announced); lost != "" {
		t.Fatal(lost)
	}
}

// lostOf says what a killed run lost, "" when there is no run and none was
// announced, or one whose announced checkpoint can be loaded, under one name or
// the other.
func lostOf(dir string, announced int64) string {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if announced >= 0 {
			return fmt.Sprintf("the run of step %d is gone", announced)
		}
		return ""
	}
	newest, err := loadState(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		newest, err = loadState(filepath.Join(dir, prevName))
	}
	if err != nil {
		return fmt.Sprintf("no valid state is left: %v", err)
	}
	if newest.step < announced {
		return fmt.Sprintf("the state left is of step %d, step %d was announced", newest.step, announced)
	}
	return ""
}

func TestLostOf(t *testing.T) {
	r := newRun(t, testSettings())
	if err := trainFake(t, r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	want := func(dir string, announced int64, part string) {
		t.Helper()
		if got := lostOf(dir, announced); got == "" != (part == "") || !strings.Contains(got, part) {
			t.Errorf("step %d announced: got %q, want %q", announced, got, part)
		}
	}
	gone := filepath.Join(t.TempDir(), "gone")
	want(gone, -1, "")
	want(gone, 0, "the run of step 0 is gone")
	want(r.Dir(), 7, "")
	want(r.Dir(), 8, "of step 7, step 8 was announced")
	if err := os.Truncate(r.path(stateName), 500); err != nil {
		t.Fatal(err)
	}
	want(r.Dir(), 6, "no valid state")
	if err := os.Remove(r.path(stateName)); err != nil {
		t.Fatal(err)
	}
	want(r.Dir(), 6, "")
	want(r.Dir(), 7, "of step 6, step 7 was announced")
}

// TestSyncedBeforeNamed: what a checkpoint names is on the disk before it has its
// name, so that not even a power failure loses one that was announced.
func TestSyncedBeforeNamed(t *testing.T) {
	var last []string // operations of the newest checkpoint, from the first sync on
	for _, operation := range operations(t, killedSettings(), false) {
		if operation == "sync "+logName {
			last = nil
		}
		last = append(last, operation)
	}
	// Whatever stands between them.
	want := []string{"sync " + logName, "sync " + eventsName, "sync " + validName, "write " + stateName + tempSuffix, "rename " + prevName,
		"rename " + stateName, "sync folder run", "write " + modelName + tempSuffix, "rename " + modelName, "sync folder run"}
	found := 0
	for _, operation := range last {
		if found < len(want) && operation == want[found] {
			found++
		}
	}
	if found < len(want) {
		t.Errorf("operations %q: want %q after the ones before it", last, want[found])
	}
}

// operations are those of a whole run, in their order.
func operations(t *testing.T, s Settings, noLinks bool) []string {
	t.Helper()
	disk := &faultyFiles{left: never, noLinks: noLinks}
	if _, err := attempt(t, disk, filepath.Join(t.TempDir(), "run"), s); err != nil {
		t.Fatal(err)
	}
	if len(disk.done) < 30 {
		t.Fatalf("a run has the operations %v: are all counted?", disk.done)
	}
	return disk.done
}

// fakePicture is a picture of one pixel.
func fakePicture(int64) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	return b.Bytes(), err
}

// killedSettings validate too, at steps of which some have checkpoints, and tell
// TensorBoard.
func killedSettings() Settings {
	s := testSettings()
	s.ValidEvery, s.TensorBoard = 2, true
	return s
}

// startFor and dataFor begin a run that validates when its settings say how often.
func startFor(s Settings) Start {
	start := testStart(s)
	start.Validates = s.ValidEvery > 0
	return start
}

func dataFor(s Settings) task.Split {
	data := task.Split{Train: newFakeSource()}
	if s.ValidEvery > 0 {
		data.Valid = newFakeValid()
	}
	return data
}

func TestKilledAtEveryOperation(t *testing.T) {
	s := killedSettings()
	want := uninterrupted(t, s)
	for _, noLinks := range []bool{false, true} {
		for n, operation := range operations(t, s, noLinks) {
			t.Run(fmt.Sprintf("links=%t/%d %s", !noLinks, n, operation), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "run")
				disk := &faultyFiles{left: n, noLinks: noLinks}
				announced, err := attempt(t, disk, dir, s)
				if !errors.Is(err, errDead) {
					t.Fatalf("error %v, want the process killed", err)
				}
				checkSurvives(t, dir, announced)
				if _, err := attempt(t, &faultyFiles{left: never, noLinks: noLinks}, dir, s); err != nil {
					t.Fatal(err)
				}
				if d := outcomeOf(t, dir).differs(want); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

func TestKilledAgainAndAgain(t *testing.T) {
	s := killedSettings()
	want := uninterrupted(t, s)
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			dir := filepath.Join(t.TempDir(), "run")
			for {
				disk := &faultyFiles{left: random.IntN(60), noLinks: seed%2 == 1}
				announced, err := attempt(t, disk, dir, s)
				if !disk.dead() {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				checkSurvives(t, dir, announced)
			}
			if d := outcomeOf(t, dir).differs(want); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFullDiskAtEveryOperation(t *testing.T) {
	s := killedSettings()
	want := uninterrupted(t, s)
	for n, operation := range operations(t, s, false) {
		t.Run(fmt.Sprintf("%d %s", n, operation), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "run")
			disk := &faultyFiles{left: n, alive: true}
			announced, err := attempt(t, disk, dir, s)
			// Where a link is refused the state is moved instead.
			if err == nil && !strings.HasPrefix(operation, "link") {
				t.Error("no error")
			}
			if err != nil {
				file := disk.done[n][strings.LastIndex(disk.done[n], " ")+1:]
				if strings.Contains(err.Error(), "\n") || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), file) {
					t.Errorf("error %q, want one line with no space and %s", err, file)
				}
			}
			checkSurvives(t, dir, announced)
			if _, err := attempt(t, &faultyFiles{left: never}, dir, s); err != nil {
				t.Fatal(err)
			}
			if d := outcomeOf(t, dir).differs(want); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOutcomeDiffers(t *testing.T) {
	good := func() outcome {
		return outcome{step: 1, updates: 1, params: []float32{0}, m: []float32{1}, v: []float32{2},
			log: []string{"a"}, model: []byte{1}, names: []string{"x"}}
	}
	if d := good().differs(good()); d != "" {
		t.Errorf("equal outcomes differ: %s", d)
	}
	for name, spoil := range map[string]func(*outcome){
		"step":    func(o *outcome) { o.step++ },
		"updates": func(o *outcome) { o.updates++ },
		"-0":      func(o *outcome) { o.params[0] = float32(math.Copysign(0, -1)) },
		"length":  func(o *outcome) { o.params = nil },
		"m":       func(o *outcome) { o.m[0]++ },
		"v":       func(o *outcome) { o.v[0]++ },
		"log":     func(o *outcome) { o.log[0] = "b" },
		"valid":   func(o *outcome) { o.valid = []string{"b"} },
		"best":    func(o *outcome) { o.best = []byte{2} },
		"model":   func(o *outcome) { o.model[0]++ },
		"events":  func(o *outcome) { o.events = []string{"y"} },
		"names":   func(o *outcome) { o.names = append(o.names, "y") },
	} {
		bad := good()
		spoil(&bad)
		if bad.differs(good()) == "" {
			t.Errorf("%s: a difference was not seen", name)
		}
	}
}
