package cuda

import (
	"errors"
	"strings"
	"testing"
)

// TestUsableAt: processes take usable GPUs in turn and begin again.
func TestUsableAt(t *testing.T) {
	old, none := Device{Ordinal: 1, Name: "old", Capability: 70}, []Device(nil)
	mixed := []Device{{Ordinal: 0, Capability: 80}, old, {Ordinal: 2, Capability: 90}}
	for _, test := range []struct {
		name    string
		devices []Device
		turn    int
		want    int    // ordinal
		fails   string // text of the error instead
	}{
		{"first", mixed, 0, 0, ""},
		{"second passes over an old one", mixed, 1, 2, ""},
		{"third begins again", mixed, 2, 0, ""},
		{"only old ones", []Device{old}, 1, 0, "device 1, old, has compute capability 7.0"},
		{"none", none, 0, 0, "the driver lists none"},
	} {
		got, err := usableAt(test.devices, test.turn)
		if test.fails != "" {
			if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: error %v, want %q", test.name, err, test.fails)
			}
			continue
		}
		if err != nil || got.Ordinal != test.want {
			t.Errorf("%s: %+v, %v, want device %d", test.name, got, err, test.want)
		}
	}
}
