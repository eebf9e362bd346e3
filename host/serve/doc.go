// Package serve answers predictions over HTTP.
//
//	client → limits → decode → queue ─┐
//	client → limits → decode → queue ─┼─ batch → engine → encode → client
//	client → limits → decode → queue ─┘
//
// A request is let in or refused (429) before its body is read: so many at once,
// and so many bytes of bodies, inputs and outputs together. What is let in is
// decoded by a goroutine of its own and cut into parts of at most a batch. One
// goroutine has the engine: it takes parts in the order in which they came, of
// any clients and sizes, until a batch is full or the first of them has waited
// long enough. A part whose client has gone, or has waited too long, is left out.
//
// Outputs are those of the command predict: equal but for the rounding that
// depends on which samples are computed together.
//
//	POST /predict   an array (.npy), a picture (PNG, JPEG), or lists of numbers (JSON); the answer is of the same kind
//	GET  /model     what the model takes and gives, and the limits (JSON)
//	GET  /healthz   "ok", or 503 while the server shuts down; needs no token
//	GET  /metrics   Prometheus
//	GET  /          a page to try it; needs no token
//
// Every error is JSON, {"error": "what is wrong and what to do"}, and names
// nothing of the server's disk.
package serve
