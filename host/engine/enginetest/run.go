package enginetest

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/nn"
)

// Open makes the engine under test for a model. It fails t itself when it
// cannot; the suite closes the engine.
type Open func(t testing.TB, m *nn.Model) engine.Engine

// Run runs the whole suite. With -short it takes the small cases and a few of
// the random ones.
func Run(t *testing.T, open func(t testing.TB, m *nn.Model) engine.Engine) {
	RunChecks(t, open, Checks(testing.Short()))
}

// RunChecks runs some checks, each as a subtest of its name, and logs the worst
// error of each kind.
func RunChecks(t *testing.T, open Open, checks []Check) {
	worst := map[string]approx.Report{}
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			s := &session{t: t, open: open, worst: worst}
			if err := c.try(s); err != nil {
				t.Error(err)
			}
		})
	}
	var kinds []string
	for kind := range worst {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		t.Logf("worst %s: %v", kind, worst[kind])
	}
}

// Check is one check of the suite.
type Check struct {
	Name string
	run  func(s *session) error
}

// try runs a check. An engine's panic is one failed check, not the end of all.
func (c Check) try(s *session) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return c.run(s)
}

// Checks lists the suite: the table of models, random models, and the promises
// of the interface.
func Checks(short bool) []Check {
	var checks []Check
	for _, c := range table(short) {
		checks = append(checks, Check{"model/" + c.name, c.check})
	}
	checks = append(checks, randomChecks(short)...)
	checks = append(checks, extremeChecks()...)
	checks = append(checks, planChecks()...)
	checks = append(checks, engineChecks()...)
	checks = append(checks, updateChecks()...)
	checks = append(checks, errorChecks()...)
	return append(checks, trainingChecks(short)...)
}

// session is what one check works with.
type session struct {
	t     testing.TB
	open  Open
	worst map[string]approx.Report // by kind of comparison
}

// engine opens the engine under test with parameters near their initial values:
// see parameters.
func (s *session) engine(c nn.Config, seed uint64) (engine.Engine, []float32, error) {
	m, err := nn.New(c)
	if err != nil {
		return nil, nil, err
	}
	e := s.open(s.t, m)
	s.t.Cleanup(func() {
		if err := e.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	})
	p := parameters(m, seed)
	return e, p, e.SetParameters(p)
}

// compare is approx.Compare that keeps the worst report of each kind. The name
// of the tensor stands before its coordinates.
func (s *session) compare(kind, name string, shape []int, got []float32, want []float64, tol approx.Tolerance) error {
	r, err := approx.Compare(name, shape, got, want, tol)
	if r.Share >= s.worst[kind].Share {
		r.Name = s.t.Name() + " " + name
		s.worst[kind] = r
	}
	return err
}

// compareNumber compares one number of a result.
func (s *session) compareNumber(kind, name string, got, want float64, tol approx.Tolerance) error {
	r, err := approx.Compare(name, nil, []float64{got}, []float64{want}, tol)
	if r.Share >= s.worst[kind].Share {
		r.Name = s.t.Name() + " " + name
		s.worst[kind] = r
	}
	return err
}

// mustFail is an error when err is none.
func mustFail(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%s: got no error", what)
	}
	return nil
}
