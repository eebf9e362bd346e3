package dist

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// together calls f on n local ranks at once and returns their errors.
func together(n int, f func(c Comm) error) []error {
	errs := make([]error, n)
	var wait sync.WaitGroup
	for k, c := range Local(n) {
		wait.Go(func() {
			if errs[k] = f(c); errs[k] != nil && !Agreed(errs[k]) {
				c.Abort(1)
			}
		})
	}
	wait.Wait()
	return errs
}

// gradient is rank k's array of n values: positive and negative, large and small.
func gradient(k, n int) []float32 {
	random := rand.New(rand.NewPCG(uint64(k), 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(random.NormFloat64() * math.Pow(10, float64(random.IntN(9)-4)))
	}
	return x
}

// checkReduce sums arrays of several lengths, in blocks too, and compares the bits
// with the definition: float64 from rank 0 up, rounded once.
func checkReduce(c Comm) error {
	for _, block := range []int{blockValues, 5} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 16, 1001} {
			r := NewReducer(c)
			r.block = block
			got := gradient(c.Rank(), n)
			if err := r.Reduce(got); err != nil {
				return err
			}
			sums := make([]float64, n)
			for k := range c.Size() {
				for i, v := range gradient(k, n) {
					sums[i] += float64(v)
				}
			}
			for i := range got {
				if want := float32(sums[i]); math.Float32bits(got[i]) != math.Float32bits(want) {
					return fmt.Errorf("%d values in blocks of %d: value %d is %v, want %v", n, block, i, got[i], want)
				}
			}
		}
	}
	return nil
}

// checkCalls makes every other call with data of which the outcome is known.
func checkCalls(c Comm) error {
	rank, size := c.Rank(), c.Size()
	values := []float64{float64(rank), 0.5}
	if err := Sum(c, values, nil); err != nil {
		return err
	}
	if want := []float64{float64(size*(size-1)) / 2, float64(size) / 2}; !slices.Equal(values, want) {
		return fmt.Errorf("sums %v, want %v", values, want)
	}
	texts, err := Texts(c, strings.Repeat("é", rank*mostText/3))
	if err != nil {
		return err
	}
	for k, text := range texts {
		if want := strings.Repeat("é", k*mostText/3); text != want[:min(len(want), mostText)] {
			return fmt.Errorf("the text of rank %d has %d bytes, want %d", k, len(text), min(len(want), mostText))
		}
	}
	for _, n := range []int{0, 1, 70000} {
		var data []byte
		if rank == 0 {
			data = []byte(strings.Repeat("x", n))
		}
		if data, err = Share(c, data); err != nil {
			return err
		}
		if string(data) != strings.Repeat("x", n) {
			return fmt.Errorf("rank 0 shares %d bytes, got %d", n, len(data))
		}
	}
	// A rank that fails: it has its own error, the others one that names it.
	cause := errors.New("no memory")
	last := size - 1
	var own error
	if rank == last {
		own = cause
	}
	err = Agree(c, own)
	var of *RankError
	switch {
	case !Agreed(err) || err == nil:
		return fmt.Errorf("error %v, want one that all agree on", err)
	case rank == last && !errors.Is(err, cause):
		return fmt.Errorf("error %v, want %v", err, cause)
	case rank != last && (!errors.As(err, &of) || of.Rank != last || of.Text != cause.Error()):
		return fmt.Errorf("error %v, want that of rank %d", err, last)
	}
	if err := Agree(c, nil); err != nil { // and the ranks can go on
		return fmt.Errorf("after an error that was agreed on: %w", err)
	}
	place, err := Where(c)
	if err == nil && (place.Ranks != size || place.Turn != rank || place.Threads < 1) {
		err = fmt.Errorf("place %+v of rank %d on one machine", place, rank)
	}
	return err
}

func TestLocal(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 7} {
		for _, check := range []func(Comm) error{checkReduce, checkCalls} {
			for k, err := range together(n, func(c Comm) error {
				if c.Size() != n {
					return fmt.Errorf("%d ranks, want %d", c.Size(), n)
				}
				return check(c)
			}) {
				if err != nil && n > 1 {
					t.Errorf("%d ranks, rank %d: %v", n, k, err)
				}
			}
		}
	}
}

func TestSingle(t *testing.T) {
	var c Comm = Single{}
	if err := checkReduce(c); err != nil {
		t.Error(err)
	}
	cause := errors.New("no memory")
	if err := Agree(c, cause); err != cause {
		t.Errorf("error %v, want it as it is", err)
	}
	values := []float64{3}
	if err := Sum(c, values, nil); err != nil || values[0] != 3 {
		t.Errorf("sum %v, %v, want 3", values, err)
	}
	data, err := Share(c, []byte("x"))
	if err != nil || string(data) != "x" {
		t.Errorf("shared %q, %v", data, err)
	}
}

// TestWrongRanks: ranks that do not do the same, or go, end all, and are seen.
func TestWrongRanks(t *testing.T) {
	for _, test := range []struct {
		name, want string
		do         func(c Comm) error
	}{
		{"another call", "rank 0 is in Gather, rank 2 in Broadcast", func(c Comm) error {
			if c.Rank() == 2 {
				return c.Broadcast(make([]byte, 1))
			}
			return Agree(c, nil)
		}},
		{"a rank ends", ErrAborted.Error(), func(c Comm) error {
			if c.Rank() == 1 {
				return c.Close()
			}
			return Agree(c, nil)
		}},
		{"a rank aborts", ErrAborted.Error(), func(c Comm) error {
			if c.Rank() == 1 {
				return errors.New("died")
			}
			return NewReducer(c).Reduce(make([]float32, 10))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			errs := together(3, test.do)
			if errs[0] == nil || errs[0].Error() != test.want || Agreed(errs[0]) {
				t.Errorf("errors %v, want %q on rank 0, not agreed on", errs, test.want)
			}
		})
	}
}

func TestAgreed(t *testing.T) {
	plain := errors.New("x")
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, true},
		{"plain", plain, false},
		{"common", Common(plain), true},
		{"wrapped", fmt.Errorf("step 3: %w", Common(plain)), true},
	} {
		if got := Agreed(test.err); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if err := Common(nil); err != nil {
		t.Errorf("Common(nil) is %v", err)
	}
}

func TestPlaceOf(t *testing.T) {
	all := []byte{0xff, 0}
	for _, test := range []struct {
		name  string
		rank  int
		cores int
		hosts []string
		masks [][]byte
		want  Place
	}{
		{"alone", 0, 8, []string{"a"}, [][]byte{all}, Place{0, 1, 8}},
		{"two share a node", 1, 8, []string{"a", "a"}, [][]byte{all, all}, Place{1, 2, 4}},
		{"more ranks than cores", 2, 2, []string{"a", "a", "a"}, [][]byte{{3, 0}, {3, 0}, {3, 0}}, Place{2, 3, 1}},
		{"two nodes", 2, 8, []string{"a", "a", "b", "b"}, [][]byte{all, all, all, all}, Place{0, 2, 4}},
		{"ranks in turn over nodes", 2, 8, []string{"a", "b", "a", "b"}, [][]byte{all, all, all, all}, Place{1, 2, 4}},
		{"bound to cores of their own", 1, 4, []string{"a", "a"}, [][]byte{{0x0f, 0}, {0xf0, 0}}, Place{1, 2, 4}},
		{"two on each socket", 3, 4, []string{"a", "a", "a", "a"}, [][]byte{{0x0f, 0}, {0x0f, 0}, {0xf0, 0}, {0xf0, 0}}, Place{3, 4, 2}},
	} {
		if got := placeOf(test.rank, test.cores, test.hosts, test.masks); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestLaunched(t *testing.T) {
	names := []string{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "SLURM_NTASKS"}
	for _, test := range []struct {
		name       string
		set        map[string]string
		rank, size int
	}{
		{"by nobody", nil, 0, 0},
		{"by mpirun", map[string]string{"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"}, 1, 4},
		{"by mpiexec", map[string]string{"PMI_RANK": "0", "PMI_SIZE": "2"}, 0, 2},
		{"by srun", map[string]string{"PMIX_RANK": "3", "SLURM_NTASKS": "8"}, 3, 8},
		{"in a job, not by srun", map[string]string{"SLURM_NTASKS": "8"}, 0, 0},
		{"nonsense", map[string]string{"OMPI_COMM_WORLD_RANK": "x", "OMPI_COMM_WORLD_SIZE": "0"}, 0, 0},
	} {
		for _, name := range names {
			t.Setenv(name, test.set[name])
		}
		if rank, size := Launched(); rank != test.rank || size != test.size {
			t.Errorf("%s: rank %d of %d, want %d of %d", test.name, rank, size, test.rank, test.size)
		}
	}
}
