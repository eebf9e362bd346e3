package serve

import (
	"fmt"
	"image/color"
	"log"
	"time"

	"mdlstm-gpu/host/imagefile"
)

// Options bound what a server does at once. The zero value has the defaults.
type Options struct {
	Batch      int           // samples that are computed together; 0 = 16
	BatchCells int           // cells that are computed together, but for a single larger sample; 0 = 1<<20
	BatchWait  time.Duration // how long a batch waits for more samples; 0 = it takes what is there

	Queue    int   // requests that are read, wait or are computed; 0 = 1024
	Memory   int64 // bytes that they hold together, inputs and outputs included; 0 = 1 GiB
	MaxBody  int64 // bytes of one request's body; 0 = 32 MiB
	MaxCells int   // cells of one sample; 0 = 1<<20

	Timeout  time.Duration // from a request's headers to its outputs; 0 = 30 s
	Shutdown time.Duration // for what is under way when the server is to end; 0 = 30 s

	// Labels are what predicted masks hold for each class, and what it is called;
	// nil = the classes' numbers. Palette has the colours of masks, at the values
	// that they hold; nil = grey values for Labels, the classes' colours for up to
	// 256 numbers.
	Labels  []Label
	Palette color.Palette

	Token string      // what clients have to show; "" = nothing
	Log   *log.Logger // faults of the server; nil = none are written
}

// Label is what a predicted mask holds for a class.
type Label struct {
	Value int32
	Name  string
}

// withDefaults fills in the defaults, and refuses what cannot be.
func (o Options) withDefaults(classes int) (Options, error) {
	if o.Labels != nil && len(o.Labels) != classes {
		return o, fmt.Errorf("options: %d Labels, want one for each of %d classes", len(o.Labels), classes)
	}
	if o.Labels == nil && o.Palette == nil && classes <= 256 {
		o.Palette = imagefile.Palette(classes)
	}
	for _, n := range []struct {
		name  string
		value *int
		usual int
	}{
		{"Batch", &o.Batch, 16}, {"BatchCells", &o.BatchCells, 1 << 20}, {"Queue", &o.Queue, 1024}, {"MaxCells", &o.MaxCells, 1 << 20},
	} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 0 {
			return o, fmt.Errorf("options: %s %d: want 1 or more, or 0 for %d", n.name, *n.value, n.usual)
		}
	}
	for _, n := range []struct {
		name  string
		value *int64
		usual int64
	}{{"Memory", &o.Memory, 1 << 30}, {"MaxBody", &o.MaxBody, 32 << 20}} {
		if *n.value == 0 {
			*n.value = n.usual
		}
		if *n.value < 0 {
			return o, fmt.Errorf("options: %s %d: want bytes, 1 or more, or 0 for %d", n.name, *n.value, n.usual)
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{{"BatchWait", &o.BatchWait, 0}, {"Timeout", &o.Timeout, 30 * time.Second}, {"Shutdown", &o.Shutdown, 30 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.usual
		}
		if *d.value < 0 {
			return o, fmt.Errorf("options: %s %v: want a duration that is not negative", d.name, *d.value)
		}
	}
	return o, nil
}
