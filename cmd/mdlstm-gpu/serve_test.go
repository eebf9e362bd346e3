package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestServe: the program as a process answers what predict writes, to the bit
// where the products do not depend on what is computed beside, wants its token,
// and ends with 0 on SIGTERM.
func TestServe(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	array(t, "x.npy", 3, 4, 5, 1)
	must(t, "predict", "--model", "run", "--in", "x.npy", "--out", "y.npy", "--blas", "gonum")

	c := process(".", "serve", "--model", "run", "--addr", "127.0.0.1:0", "--blas", "gonum", "--threads", "1")
	c.Env = append(c.Env, tokenVariable+"=s3cret")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	lines := bufio.NewReader(pipe)
	url := ""
	for url == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended: %v", err)
		}
		if strings.Contains(line, "WARNING") {
			t.Errorf("got %q on the loopback", line)
		}
		if _, rest, found := strings.Cut(line, " on http://"); found {
			host, _, _ := strings.Cut(rest, " ")
			url = "http://" + host
		}
	}
	post := func(token string) (int, string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodPost, url+"/predict", strings.NewReader(read(t, "x.npy")))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if status, body := post("s3cret"); status != 200 || body != read(t, "y.npy") {
		t.Errorf("status %d, and %d bytes that differ from those of predict", status, len(body))
	}
	if status, body := post("other"); status != 401 {
		t.Errorf("another token: %d %s", status, body)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	if code := codeOf(t, c.Wait()); code != exitDone || !strings.Contains(string(rest), "nothing was left unanswered") {
		t.Errorf("exit code %d, want 0: %s", code, rest)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	for name, text := range map[string]string{"empty": " \n", "spaces": "a b", "long": strings.Repeat("x", 5000), "good": "abc\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"no model", nil, exitUsage, "--model is missing"},
		{"no such model", []string{"--model", "none"}, exitFailed, "none"},
		{"addr", []string{"--model", "run", "--addr", "8080"}, exitUsage, `--addr "8080": want HOST:PORT`},
		{"taken", []string{"--model", "run", "--addr", l.Addr().String()}, exitFailed, "choose another port"},
		{"batch", []string{"--model", "run", "--batch", "0"}, exitUsage, "--batch 0: want 1 to"},
		{"wait", []string{"--model", "run", "--batch-wait", "2"}, exitUsage, `--batch-wait "2": want a time with its unit, such as 2ms`},
		{"negative wait", []string{"--model", "run", "--batch-wait", "-1s"}, exitUsage, "--batch-wait -1s: want 0 to 1m"},
		{"timeout", []string{"--model", "run", "--timeout", "0s"}, exitUsage, "--timeout 0s"},
		{"shutdown", []string{"--model", "run", "--shutdown-timeout", "0s"}, exitUsage, "--shutdown-timeout 0s"},
		{"token file", []string{"--model", "run", "--token-file", "none"}, exitFailed, "--token-file: open none"},
		{"empty token", []string{"--model", "run", "--token-file", "empty"}, exitFailed, "--token-file empty: it is empty"},
		{"token with spaces", []string{"--model", "run", "--token-file", "spaces"}, exitFailed, "which no header can carry"},
		{"long token", []string{"--model", "run", "--token-file", "long"}, exitFailed, "longer than 4096 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, do(append([]string{"serve"}, c.args...)...), c.code, c.text)
		})
	}
	if token, err := readToken("good"); err != nil || token != "abc" {
		t.Errorf("token %q (%v), want abc", token, err)
	}
	t.Setenv(tokenVariable, "of-the-environment")
	if token, err := readToken(""); err != nil || token != "of-the-environment" {
		t.Errorf("token %q (%v)", token, err)
	}
}

// TestServeWarns: a server that others can reach without a token says so.
func TestServeWarns(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", nil)
	t.Setenv(tokenVariable, "")
	for addr, want := range map[string]bool{"0.0.0.0:0": true, ":0": true, "127.0.0.1:0": false, "localhost:0": false} {
		var said bytes.Buffer
		o := defaultServe()
		o.model, o.addr, o.Threads = "run", addr, 1
		ctx, end := context.WithCancel(t.Context())
		end()
		if err := runServe(ctx, o, given{"model": true}, streams{io.Discard, &said}); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
		if got := strings.Contains(said.String(), "WARNING: other machines can reach"); got != want {
			t.Errorf("%s: said %q", addr, said.String())
		}
	}
}
