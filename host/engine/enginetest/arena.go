package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
)

// engineChecks: the arena, the parameters and what the engine says of itself.
func engineChecks() []Check {
	return []Check{
		{"arena/set and zero", setGradients},
		{"arena/buckets", buckets},
		{"arena/reduce", reduceRange},
		{"parameters/in and out", parametersRoundTrip},
		{"info", info},
	}
}

// info: reports say what computed.
func info(s *session) error {
	e, _, err := s.engine(small(), 28)
	if err != nil {
		return err
	}
	if i := e.Info(); i.Engine == "" || i.Device == "" {
		return fmt.Errorf("got %+v, want an engine's and a device's name", i)
	}
	return nil
}

// setGradients: the arena is a copy that is set, read and cleared.
func setGradients(s *session) error {
	e, _, err := s.engine(small(), 9)
	if err != nil {
		return err
	}
	n := e.Model().Size()
	set, got := make([]float32, n), nans(n)
	for i := range set {
		set[i] = float32(i) - 3.5
	}
	keep := slices.Clone(set)
	if err := errors.Join(e.SetGradients(set), e.SetGradients(set), e.Gradients(got)); err != nil { // twice: it overwrites
		return err
	}
	if err := approx.SameBits("gradients after SetGradients", got, keep); err != nil {
		return err
	}
	set[0] = 99 // the arena is a copy
	if err := errors.Join(e.Gradients(got), approx.SameBits("gradients after the caller changed its slice", got, keep)); err != nil {
		return err
	}
	if err := errors.Join(e.ZeroGradients(), e.Gradients(got)); err != nil {
		return err
	}
	if err := allZero("gradients after ZeroGradients", got); err != nil {
		return err
	}
	return errors.Join(
		wrapsShape("Gradients into a short slice", e.Gradients(got[:n-1])),
		wrapsShape("SetGradients from a long slice", e.SetGradients(make([]float32, n+1))),
	)
}

// buckets: ranges that cover the arena exactly once, ready after a call.
func buckets(s *session) error {
	e, _, err := s.engine(small(), 10)
	if err != nil {
		return err
	}
	b, plan, err := planned(e, []grid.Shape{{3, 3}}, data{}, rand.New(rand.NewPCG(1, 9)))
	if err != nil {
		return err
	}
	if _, err := compute(e, plan, b, engine.Pass{}); err != nil {
		return err
	}
	times := make([]int, e.Model().Size())
	for n, bucket := range e.Buckets() {
		if bucket.From < 0 || bucket.From >= bucket.To || bucket.To > len(times) {
			return fmt.Errorf("bucket %d: [%d, %d) of %d", n, bucket.From, bucket.To, len(times))
		}
		for i := bucket.From; i < bucket.To; i++ {
			times[i]++
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := bucket.Ready(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("bucket %d: %w", n, err)
		}
	}
	for i, n := range times {
		if n != 1 {
			return fmt.Errorf("element %d of the arena lies in %d buckets, want 1", i, n)
		}
	}
	return nil
}

// halver is a Reducer of host memory that halves, which loses no bit.
type halver struct {
	seen []float32
	err  error
}

func (h *halver) Reduce(values []float32) error {
	h.seen = slices.Clone(values)
	for i := range values {
		values[i] /= 2
	}
	return h.err
}
func (h *halver) Device() bool                    { return false }
func (h *halver) ReduceDevice(uintptr, int) error { return errors.New("this memory is not the host's") }

// reduceRange: Reduce shows a range as it is, keeps what is put there, leaves the
// rest alone and passes errors on.
func reduceRange(s *session) error {
	e, _, err := s.engine(small(), 12)
	if err != nil {
		return err
	}
	n := e.Model().Size()
	want, got := make([]float32, n), nans(n)
	for i := range want {
		want[i] = float32(i + 1)
	}
	if err := e.SetGradients(want); err != nil {
		return err
	}
	var h halver
	from, to := n/3, n/3*2
	if err := e.Reduce(from, to, &h); err != nil {
		return err
	}
	if err := approx.SameBits("gradients that Reduce shows", h.seen, want[from:to]); err != nil {
		return err
	}
	for i := from; i < to; i++ {
		want[i] /= 2
	}
	if err := errors.Join(e.Gradients(got), approx.SameBits("gradients after Reduce", got, want)); err != nil {
		return err
	}
	h.err = errors.New("a rank is gone")
	if err := e.Reduce(0, n, &h); !errors.Is(err, h.err) {
		return fmt.Errorf("Reduce whose reducer fails: error %v, want %v", err, h.err)
	}
	return errors.Join(
		wrapsShape("Reduce of a range that ends too late", e.Reduce(0, n+1, &halver{})),
		wrapsShape("Reduce of a range that begins before the arena", e.Reduce(-1, n, &halver{})),
	)
}

// parametersRoundTrip: parameters are copied in and out to the bit.
func parametersRoundTrip(s *session) error {
	e, want, err := s.engine(small(), 11)
	if err != nil {
		return err
	}
	got := nans(len(want))
	if err := errors.Join(e.Parameters(got), approx.SameBits("parameters", got, want)); err != nil {
		return err
	}
	got[0]++ // a copy
	again := nans(len(want))
	if err := errors.Join(e.Parameters(again), approx.SameBits("parameters after the caller changed its slice", again, want)); err != nil {
		return err
	}
	return errors.Join(
		wrapsShape("Parameters into a short slice", e.Parameters(got[:len(got)-1])),
		wrapsShape("SetParameters from a long slice", e.SetParameters(make([]float32, len(got)+1))),
	)
}
