package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/serve"
)

// tokenVariable holds the token where --token-file does not: a command line would
// show it to everyone on the machine.
const tokenVariable = "MDLSTM_TOKEN"

type serveOptions struct {
	computeOptions
	model, addr, tokenFile  string
	batch, batchCells       int
	batchWait               time.Duration
	queue, memory, maxBody  int // memory and body in MiB
	maxCells                int
	timeout, shutdownWithin time.Duration
}

func defaultServe() serveOptions {
	return serveOptions{
		computeOptions: defaultCompute(), addr: "127.0.0.1:8080",
		batch: 16, batchCells: 1 << 20, batchWait: 2 * time.Millisecond,
		queue: 1024, memory: 1024, maxBody: 32, maxCells: 1 << 20,
		timeout: 30 * time.Second, shutdownWithin: 30 * time.Second,
	}
}

func serveCommand(s streams) *cli.Command {
	o := defaultServe()
	options := append([]option{
		{name: "model", arg: "MODEL", usage: "model file, or the folder of a run (its best model where it was validated, else the newest)", dest: &o.model},
		{name: "addr", arg: "HOST:PORT", usage: "where to listen; port 0 takes a free one; a host that other machines reach wants a token", dest: &o.addr},
		{name: "token-file", arg: "FILE", usage: "file with the token that clients have to show (Authorization: Bearer TOKEN); or set " + tokenVariable, dest: &o.tokenFile},
		{name: "batch", arg: "N", group: "Batches", usage: "samples computed together, of any clients; takes memory, changes no result beyond rounding", dest: &o.batch},
		{name: "batch-cells", arg: "N", group: "Batches", usage: "cells computed together, but for a single larger sample", dest: &o.batchCells},
		{name: "batch-wait", arg: "TIME", group: "Batches", usage: "how long a batch waits for more samples; 0 takes what is there", dest: &o.batchWait},
		{name: "queue", arg: "N", group: "Limits", usage: "requests that are read, wait or are computed at once; more are refused with 429", dest: &o.queue},
		{name: "memory", arg: "MIB", group: "Limits", usage: "what they hold together, inputs and outputs included; more are refused with 429", dest: &o.memory},
		{name: "max-body", arg: "MIB", group: "Limits", usage: "largest body of a request", dest: &o.maxBody},
		{name: "max-cells", arg: "N", group: "Limits", usage: "cells (pixels) of the largest sample", dest: &o.maxCells},
		{name: "timeout", arg: "TIME", group: "Limits", usage: "from a request's headers to its prediction", dest: &o.timeout},
		{name: "shutdown-timeout", arg: "TIME", group: "Limits", usage: "for what is under way when Ctrl-C or SIGTERM ends the server", dest: &o.shutdownWithin},
	}, o.computeOptions.options()...)
	return command(spec{
		name: "serve", brief: "answer predictions over HTTP",
		about: "POST /predict takes an array (.npy), a picture (PNG, JPEG) or JSON and answers in kind; GET / is a page to drop a picture on, /model says what the model takes, /healthz and /metrics (Prometheus) are for machines. Samples of all clients are computed in common batches; results are those of predict.\n\n" +
			"  curl --data-binary @X.npy http://127.0.0.1:8080/predict -o Y.npy\n" +
			"  curl --data-binary @photo.jpg http://127.0.0.1:8080/predict -o mask.png\n\n" +
			"It listens on this machine only unless --addr says otherwise. Ctrl-C and SIGTERM finish what is under way.",
		examples: []string{
			"serve --model runs/mine",
			"serve --model runs/mine --addr 0.0.0.0:8080 --token-file token.txt",
		},
	}, options, func(ctx *cli.Context, set given) error { return runServe(ctx.Context, o, set, s) })
}

func (o *serveOptions) check(set given) error {
	if !set["model"] {
		return usagef("--model is missing")
	}
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return usagef("--addr %.60q: want HOST:PORT, such as 127.0.0.1:8080", o.addr)
	}
	for _, n := range []struct {
		flag  string
		value int
		most  int
	}{
		{"batch", o.batch, 1 << 20}, {"batch-cells", o.batchCells, 1 << 30}, {"queue", o.queue, 1 << 20},
		{"memory", o.memory, 1 << 30}, {"max-body", o.maxBody, 1 << 12}, {"max-cells", o.maxCells, 1 << 30},
	} {
		if n.value < 1 || n.value > n.most {
			return usagef("--%s %d: want 1 to %d", n.flag, n.value, n.most)
		}
	}
	switch {
	case o.batchWait < 0 || o.batchWait > time.Minute:
		return usagef("--batch-wait %v: want 0 to 1m, such as 2ms", o.batchWait)
	case o.timeout < time.Millisecond:
		return usagef("--timeout %v: want 1ms or more, such as 30s", o.timeout)
	case o.shutdownWithin < time.Millisecond:
		return usagef("--shutdown-timeout %v: want 1ms or more, such as 30s", o.shutdownWithin)
	}
	return o.computeOptions.check()
}

// runServe serves until ctx ends.
func runServe(ctx context.Context, o serveOptions, set given, s streams) (err error) {
	if err := o.check(set); err != nil {
		return err
	}
	token, err := readToken(o.tokenFile)
	if err != nil {
		return err
	}
	m, params, err := loadModel(o.model)
	if err != nil {
		return err
	}
	on, err := o.computeOptions.find(s)
	if err != nil {
		return err
	}
	e, err := on.open(m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.SetParameters(params); err != nil {
		return err
	}
	form, err := maskFormOf(o.model, m)
	if err != nil {
		return fmt.Errorf("--model %s: %w", o.model, err)
	}
	server, err := serve.New(e, serve.Options{
		Labels: labelsOf(form), Palette: form.palette,
		Batch: o.batch, BatchCells: o.batchCells, BatchWait: o.batchWait,
		Queue: o.queue, Memory: int64(o.memory) << 20, MaxBody: int64(o.maxBody) << 20, MaxCells: o.maxCells,
		Timeout: o.timeout, Shutdown: o.shutdownWithin,
		Token: token, Log: log.New(s.err, program+" serve: ", log.LstdFlags),
	})
	if err != nil {
		return err
	}
	defer server.Close()
	l, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("--addr %s: %w: choose another port (0 takes a free one), or end what listens there", o.addr, err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() && token == "" {
		s.note("WARNING: other machines can reach %s and no token is set, so anyone there may use this server: set %s or --token-file, or listen on 127.0.0.1\n", l.Addr(), tokenVariable)
	}
	s.note("serving %s on http://%s (%s); Ctrl-C ends it\n", o.model, l.Addr(), on.describe(e.Info()))
	if err := server.Serve(ctx, l); err != nil {
		return err
	}
	s.note("ended: nothing was left unanswered\n")
	return nil
}

// labelsOf are what masks hold for classes, nil for their numbers.
func labelsOf(f maskForm) (labels []serve.Label) {
	for _, class := range f.classes {
		labels = append(labels, serve.Label{Value: class.Value, Name: class.Name})
	}
	return labels
}

// longestToken bounds what is read of a token's file.
const longestToken = 1 << 12

// readToken is the token in a file, or in the environment; "" = none is wanted.
func readToken(path string) (string, error) {
	token, where := os.Getenv(tokenVariable), tokenVariable
	if path != "" {
		where = "--token-file " + path
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, longestToken+1))
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			return "", fmt.Errorf("%s: it is empty: write the token into it", where)
		}
	}
	if len(token) > longestToken {
		return "", fmt.Errorf("%s: the token is longer than %d bytes", where, longestToken)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: the token has spaces or letters beyond ASCII, which no header can carry: make one with openssl rand -hex 32", where)
	}
	return token, nil
}
