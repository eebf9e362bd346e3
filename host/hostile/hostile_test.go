package hostile

import (
	"errors"
	"fmt"
	"testing"
)

// recorder is a test that only notes whether it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Error(...any)          { r.failed = true }
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestOneLine(t *testing.T) {
	for _, c := range []struct {
		err  error
		fail bool
	}{
		{errors.New("load x: too long"), false},
		{nil, true},
		{errors.New(""), true},
		{errors.New("too long"), true},
		{errors.New("load x: too\nlong"), true},
		{errors.New("load x: too\rlong"), true},
	} {
		r := &recorder{TB: t}
		if OneLine(r, c.err, "load x"); r.failed != c.fail {
			t.Errorf("%v: failed %v, want %v", c.err, r.failed, c.fail)
		}
	}
}

var sink []byte

func TestAllocates(t *testing.T) {
	for size, fail := range map[int]bool{1 << 10: false, 1 << 22: true} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := &recorder{TB: t}
			if Allocates(r, 1<<20, func() { sink = make([]byte, size) }); r.failed != fail {
				t.Errorf("failed %v, want %v", r.failed, fail)
			}
		})
	}
}
