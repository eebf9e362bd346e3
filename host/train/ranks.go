package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/report"
)

// keyRanks is the setting of [EngineInfo] that says how many ranks computed: their
// number decides the last bits.
const keyRanks = "ranks"

// WithRanks is what several ranks with such an engine are: what Start.Engine
// should be with n of them.
func WithRanks(i engine.Info, n int) engine.Info {
	if n > 1 {
		i.Settings = maps.Clone(i.Settings)
		if i.Settings == nil {
			i.Settings = map[string]string{}
		}
		i.Settings[keyRanks] = strconv.Itoa(n)
	}
	return i
}

// Join makes a run that of all ranks. Rank 0 gives the run that it has created or
// opened, or the error that it met; others give nil and get a run with the same
// state, which writes nothing. All then call its Train, and all get its errors.
// Which ranks a run had before does not matter.
func Join(c dist.Comm, r *Run, err error) (*Run, error) {
	if c.Size() == 1 {
		return r, err
	}
	var state, dir bytes.Buffer
	if err == nil && c.Rank() == 0 {
		err = r.state.encode(&state)
		dir.WriteString(r.dir)
		if r.unsaved {
			dir.WriteByte(0)
		}
	}
	if err := dist.Agree(c, err); err != nil {
		return nil, err
	}
	data, err := dist.Share(c, state.Bytes())
	if err != nil {
		return nil, err
	}
	text, err := dist.Share(c, dir.Bytes())
	if err != nil {
		return nil, err
	}
	if c.Rank() == 0 {
		r.ranks = c
		return r, nil
	}
	name, _, unsaved := bytes.Cut(text, []byte{0})
	s, err := decodeState(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("the state from rank 0: %w", err)
	}
	return &Run{dir: string(name), disk: &nowhere{s.step}, state: s, unsaved: unsaved, ranks: c}, nil
}

// comm are the ranks of the run.
func (r *Run) comm() dist.Comm {
	if r.ranks == nil {
		return dist.Single{}
	}
	return r.ranks
}

// several says whether there are other ranks.
func (l *loop) several() bool { return l.run.comm().Size() > 1 }

// stopping says whether the run shall end: the context is done, or with several
// ranks all have agreed on it after a step.
func (l *loop) stopping(ctx context.Context) bool {
	if l.several() {
		return l.stop
	}
	return ctx.Err() != nil
}

// sum pools values over the ranks and, with them, whether some rank was told to
// stop; err is what this rank met. See [dist.Sum].
func (l *loop) sum(ctx context.Context, values []float64, err error) error {
	if !l.several() {
		return err
	}
	stop := 0.0
	if ctx.Err() != nil {
		stop = 1
	}
	all := append(values, stop)
	if err := dist.Sum(l.run.comm(), all, err); err != nil {
		return err
	}
	copy(values, all)
	l.stop = l.stop || all[len(values)] > 0
	return nil
}

// sumLoss pools a loss over the ranks.
func (l *loop) sumLoss(ctx context.Context, loss *engine.Loss, err error) error {
	if !l.several() {
		return err
	}
	v := []float64{loss.Sum, loss.Weight, loss.Relevant, loss.RelevantCount}
	if err := l.sum(ctx, v, err); err != nil {
		return err
	}
	*loss = engine.Loss{Sum: v[0], Weight: v[1], Relevant: v[2], RelevantCount: v[3]}
	return nil
}

// reduce sums the gradients over the ranks, one bucket after the other: later
// ones may still be computed.
func (l *loop) reduce() error {
	if !l.several() {
		return nil
	}
	if l.reducer == nil {
		l.reducer = dist.NewReducer(l.run.comm())
	}
	for _, b := range l.engine.Buckets() {
		// Not the training's context: no rank may leave the others alone.
		if err := b.Ready(context.Background()); err != nil {
			return err
		}
		if err := l.engine.Reduce(b.From, b.To, l.reducer); err != nil {
			return fmt.Errorf("sum of the gradients: %w", err)
		}
	}
	return nil
}

// sameEngine gives all ranks the engine of rank 0, as the run records it. Ranks
// that compute otherwise would drift apart, a bit a step, and are an error.
func (l *loop) sameEngine() (EngineInfo, error) {
	c := l.run.comm()
	own := engineInfo(WithRanks(l.engine.Info(), c.Size()))
	if !l.several() {
		return own, nil
	}
	data, err := json.Marshal(own)
	if err != nil {
		return own, err
	}
	if data, err = dist.Share(c, data); err != nil {
		return own, err
	}
	var first EngineInfo
	if err := strictJSON(data, &first); err != nil {
		return own, err
	}
	own.Device = first.Device // one kind of machine may have processors of several names
	if other := first.differs(own); other != "" {
		err = fmt.Errorf("it computes otherwise than rank 0 (%s): want the same on all ranks: give the same flags, on machines of one kind", other)
	}
	return first, dist.Agree(c, err)
}

// sameParameters is an error where the ranks have come to different parameters,
// and where one of them has an error already.
func (r *Run) sameParameters(s *state, err error) error {
	c := r.comm()
	if c.Size() == 1 {
		return err
	}
	h := sha256.New()
	if err == nil {
		hashFloats(h, s.params)
	}
	sums, e := dist.Texts(c, string(h.Sum(nil)))
	if e != nil {
		return errors.Join(err, e)
	}
	if err == nil && sums[c.Rank()] != sums[0] {
		err = errors.New("it has come to other parameters than rank 0: a processor or GPU computes wrongly, or not as the others do: resume without it")
	}
	return dist.Agree(c, err)
}

// firstText is the text of the first rank that has one, "" where none has.
func firstText(c dist.Comm, text string) (string, error) {
	texts, err := dist.Texts(c, text)
	for _, text := range texts {
		if text != "" {
			return text, err
		}
	}
	return "", err
}

// shared marks the errors that all ranks meet, because they follow from what is
// the same on all: they end in order.
func shared(err error) error {
	var diverged *NonFiniteError
	if errors.As(err, &diverged) || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrNothingToDo) {
		return dist.Common(err)
	}
	return err
}

// nowhere is the disk of the ranks that write nothing.
type nowhere struct{ step int64 }

var _ files = (*nowhere)(nil)

func (*nowhere) Mkdir(string) error                        { return nil }
func (*nowhere) Write(string, func(io.Writer) error) error { return nil }
func (*nowhere) CreateLog(string) error                    { return nil }
func (*nowhere) CreateValidLog(string) error               { return nil }
func (*nowhere) Link(string, string) error                 { return nil }
func (*nowhere) Rename(string, string) error               { return nil }
func (*nowhere) Remove(string) error                       { return nil }
func (*nowhere) SyncDir(string) error                      { return nil }

func (*nowhere) CreateEvents(string, int64, func(eventLog) error) (eventLog, error) {
	return nil, errors.New("only rank 0 has events") // nobody asks
}

func (n *nowhere) OpenLog(_ string, length int64) (stepLog, error) {
	return &noLog{length, n.step}, nil
}

func (n *nowhere) OpenValidLog(_ string, length int64) (validLog, error) {
	return noValidLog{&noLog{length: length}}, nil
}

// noLog is the log of a rank that writes nothing.
type noLog struct{ length, next int64 }

func (l *noLog) Length() int64 { return l.length }
func (l *noLog) Next() int64   { return l.next }
func (l *noLog) Flush() error  { return nil }
func (l *noLog) Sync() error   { return nil }
func (l *noLog) Close() error  { return nil }

func (l *noLog) Append(report.LogLine) error {
	l.next++
	return nil
}

type noValidLog struct{ *noLog }

func (noValidLog) Append(report.ValidLine) error { return nil }
