package dist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// mostText is how many bytes of an error the other ranks learn.
const mostText = 1024

// agreed is an error that all ranks know of.
type agreed struct{ err error }

func (e *agreed) Error() string { return e.err.Error() }
func (e *agreed) Unwrap() error { return e.err }

// Agreed says whether all ranks know of an error and are ending too, each with
// one of its own for which Agreed is true. nil is agreed upon.
func Agreed(err error) bool {
	var a *agreed
	return err == nil || errors.As(err, &a)
}

// Common marks an error that every rank has for itself, because it follows from
// what they share.
func Common(err error) error {
	if Agreed(err) {
		return err
	}
	return &agreed{err}
}

// RankError is the error of another rank.
type RankError struct {
	Rank, Size int
	Host       string
	Text       string
}

// Error reads "rank 2 of 4 on node7: …".
func (e *RankError) Error() string {
	return fmt.Sprintf("rank %d of %d on %s: %s", e.Rank, e.Size, e.Host, e.Text)
}

// Agree makes the error of any rank one of all. It returns nil where no rank has
// one; on a rank that has one that, else a [RankError] of the first that has. With
// one rank it returns err as it is.
func Agree(c Comm, err error) error {
	_, err = gatherValues(c, nil, err)
	return err
}

// Sum replaces values by their sums over the ranks, the same bits on all, unless
// some rank has an error, which is returned as by [Agree]. It is for few values.
func Sum(c Comm, values []float64, err error) error {
	all, err := gatherValues(c, values, err)
	if err != nil || c.Size() == 1 {
		return err
	}
	clear(values)
	for _, of := range all {
		for i, v := range of {
			values[i] += v
		}
	}
	return nil
}

// gatherValues gives all ranks the values of all, or an error of one of them.
func gatherValues(c Comm, values []float64, err error) ([][]float64, error) {
	if c.Size() == 1 {
		return nil, err
	}
	mine := make([]float64, 1+len(values))
	copy(mine[1:], values)
	if err != nil {
		mine[0] = 1
	}
	data, e := gatherEqual(c, bytesOf(mine))
	if e != nil {
		return nil, errors.Join(err, e)
	}
	all, failed := make([][]float64, c.Size()), false
	for k := range all {
		all[k] = make([]float64, len(values))
		for i := range all[k] {
			all[k][i] = float64At(data[k], 1+i)
		}
		failed = failed || float64At(data[k], 0) != 0
	}
	if failed {
		return nil, shareError(c, err)
	}
	return all, nil
}

func float64At(data []byte, i int) float64 {
	return math.Float64frombits(binary.NativeEndian.Uint64(data[8*i:]))
}

// shareError tells all ranks which of them has an error.
func shareError(c Comm, err error) error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	texts, e := Texts(c, text)
	if e != nil {
		return errors.Join(err, e)
	}
	hosts, e := Texts(c, Hostname())
	if e != nil {
		return errors.Join(err, e)
	}
	if err != nil {
		return Common(err)
	}
	for k, text := range texts {
		if text != "" {
			return Common(&RankError{Rank: k, Size: c.Size(), Host: hosts[k], Text: text})
		}
	}
	return Common(errors.New("a rank failed without a word"))
}

// Texts gives every rank the texts of all, each cut to about 1000 bytes.
func Texts(c Comm, text string) ([]string, error) {
	mine := make([]byte, 2+mostText)
	n := copy(mine[2:], text)
	binary.LittleEndian.PutUint16(mine, uint16(n))
	all, err := gatherEqual(c, mine)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(all))
	for k, data := range all {
		texts[k] = string(data[2:][:min(mostText, int(binary.LittleEndian.Uint16(data)))])
	}
	return texts, nil
}

// Share gives every rank the data of rank 0; others need not know its length.
func Share(c Comm, data []byte) ([]byte, error) {
	if c.Size() == 1 {
		return data, nil
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(data)))
	if err := c.Broadcast(length[:]); err != nil {
		return nil, err
	}
	if c.Rank() != 0 {
		data = make([]byte, binary.LittleEndian.Uint64(length[:]))
	}
	return data, c.Broadcast(data)
}

// Hostname is this machine's name, "?" where the system does not tell.
func Hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "?"
	}
	return name
}

// gatherEqual gives all ranks the data of all, which have one length.
func gatherEqual(c Comm, mine []byte) ([][]byte, error) {
	n, size := len(mine), c.Size()
	all, offsets := make([]byte, size*n), make([]int, size+1)
	for k := range offsets {
		offsets[k] = k * n
	}
	if err := c.Gather(mine, Host(all), offsets); err != nil {
		return nil, err
	}
	parts := make([][]byte, size)
	for k := range parts {
		parts[k] = all[k*n:][:n:n]
	}
	return parts, nil
}
