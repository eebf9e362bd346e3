package tensorboard

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// TestGolden compares records with those that TensorBoard 2.21's own RecordWriter
// and messages gave for the same events at the wall time 1.7e9.
func TestGolden(t *testing.T) {
	scalars := message(nil).bytes(summaryValue, scalarValue(Scalar{"train/overall_loss", 0.25})).bytes(summaryValue, scalarValue(Scalar{"b", -1e-3}))
	image := message(nil).bytes(summaryValue, imageValue("prediction", 3, 2, []byte{1, 2}))
	for _, c := range []struct {
		name   string
		fields message
		want   string
	}{
		{"version", message(nil).bytes(eventFileVersion, []byte(fileVersion)),
			"1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d"},
		{"session", message(nil).varint(eventStep, 300).bytes(eventSessionLog, message(nil).varint(sessionStatus, sessionStart)),
			"100000000000000095fbfe180900000040fc54d94110ac023a02080195410618"},
		{"scalars", message(nil).varint(eventStep, 300).bytes(eventSummary, scalars),
			"33000000000000000ca720560900000040fc54d94110ac022a250a190a12747261696e2f6f766572616c6c5f6c6f7373150000803e0a080a0162156f1283ba46cf14fc"},
		{"image", message(nil).varint(eventStep, 301).bytes(eventSummary, image),
			"2800000000000000ff70164a0900000040fc54d94110ad022a1a0a180a0a70726564696374696f6e220a08021003180422020102d30d98a8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			if err := writeRecord(&got, append(message(nil).double(eventWallTime, 1.7e9), c.fields...)); err != nil {
				t.Fatal(err)
			}
			if text := hex.EncodeToString(got.Bytes()); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}
