package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// fault is an error that a client is told: its status, and a line that says what
// is wrong and what to do.
type fault struct {
	status int
	text   string
	retry  int // seconds after which another try makes sense; 0 = not said
	allow  string
}

func (f *fault) Error() string { return f.text }

func faultf(status int, format string, args ...any) *fault {
	return &fault{status: status, text: fmt.Sprintf(format, args...)}
}

// busyf is a refusal that another try may not meet.
func busyf(status int, format string, args ...any) *fault {
	f := faultf(status, format, args...)
	f.retry = 1
	return f
}

// clientGone is the status of a request whose client did not wait. It is counted
// and never sent; the number is nginx's.
const clientGone = 499

// tell sends a fault as JSON.
func tell(w http.ResponseWriter, f *fault) {
	if f.status == clientGone {
		w.WriteHeader(f.status) // for the counter
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retry))
	}
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="mdlstm-gpu"`)
	}
	text := strings.Join(strings.FieldsFunc(f.text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	body, err := json.Marshal(struct {
		Error string `json:"error"`
	}{text})
	if err != nil { // a string always marshals
		body = []byte(`{"error": "internal error"}`)
	}
	w.WriteHeader(f.status)
	w.Write(append(body, '\n')) // a client that has gone hears nothing
}
