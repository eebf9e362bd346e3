package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"mdlstm-gpu/host/dist"
	"mdlstm-gpu/host/train"
)

// quietError is the end of a rank after the error was printed, by rank 0.
type quietError struct{ code int }

func (e *quietError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// distributed joins the ranks of this training and calls body on each, with
// streams on rank 0 only. An error of which the others know ends all ranks in
// order; any other one ends them at once, for they wait for this rank.
func distributed(o *computeOptions, s streams, body func(s streams) error) error {
	c, err := dist.Open()
	if err != nil {
		return fmt.Errorf("--distributed: %w", err)
	}
	own := s
	if c.Rank() != 0 {
		s = streams{io.Discard, io.Discard}
	}
	o.ranks = c
	if o.place, err = dist.Where(c); err == nil {
		err = body(s)
	}
	if c.Size() == 1 {
		return errors.Join(err, c.Close())
	}
	agreed := dist.Agreed(err)
	err = asUsage(err, "train")
	if !agreed {
		fmt.Fprintf(own.err, "%s: rank %d of %d on %s: %s\n", program, c.Rank(), c.Size(), dist.Hostname(), oneLine(err))
		c.Abort(exitCode(err))
	}
	// The launcher ends all ranks when one ends with an error: none does before
	// rank 0 has written all and said why, and all have its exit code.
	if err != nil {
		printError(s, err)
	}
	code, e := dist.Share(c, []byte{byte(exitCode(err))})
	if e = errors.Join(e, c.Close()); e != nil {
		return e
	}
	if code[0] != exitDone {
		return &quietError{int(code[0])}
	}
	return nil
}

// alone warns of ranks that do not know of each other.
func alone(s streams) {
	if rank, size := dist.Launched(); size > 1 && rank == 0 {
		s.note("warning: started as %d ranks without --distributed: each of them trains a run of its own\n", size)
	}
}

// agree makes the error of any rank one of all.
func (c computeOptions) agree(err error) error { return dist.Agree(c.ranks, err) }

// first says whether this is the rank that reads and writes run folders, and
// speaks.
func (c computeOptions) first() bool { return c.ranks.Rank() == 0 }

// checkBatch refuses a batch that leaves ranks without work.
func (c computeOptions) checkBatch(batch int) error {
	if n := c.ranks.Size(); batch < n {
		return usagef("--batch %d: smaller than the %d ranks: each needs a sample: raise --batch, or start fewer", batch, n)
	}
	return nil
}

// sameTask refuses ranks that were given other flags or data than rank 0. Paths
// may differ from node to node; of --init the parameters of rank 0 count.
func (c computeOptions) sameTask(s train.Settings, dataHash string) error {
	if c.ranks.Size() == 1 {
		return nil
	}
	s.Data, s.Init, s.Device, s.Threads = nil, "", "", 0
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	data, err := dist.Texts(c.ranks, dataHash)
	if err != nil {
		return err
	}
	settings, err := dist.Texts(c.ranks, hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	switch rank := c.ranks.Rank(); {
	case data[rank] != data[0]:
		err = fmt.Errorf("its data have SHA-256 %s, those of rank 0 have %s: give all ranks the same data", data[rank], data[0])
	case settings[rank] != settings[0]:
		err = errors.New("it was given other flags than rank 0: give all ranks the same")
	}
	return c.agree(err)
}
