package task

// order is which sample an epoch takes when: that of the file, or another one
// for each epoch.
type order struct {
	shuffle bool
	seed    uint64
	epoch   int64 // whose order is in samples; -1 for none
	samples []int
	random  stream
}

func newOrder(samples int, shuffle bool, seed uint64) order {
	return order{shuffle: shuffle, seed: seed, epoch: -1, samples: make([]int, samples)}
}

// of is the order of an epoch, valid until the next call: that of the file, or
// Fisher-Yates from the last sample down on the stream "shuffle" of the epoch.
func (o *order) of(epoch int64) []int {
	if o.epoch == epoch || o.epoch >= 0 && !o.shuffle {
		return o.samples
	}
	o.epoch = epoch
	for i := range o.samples {
		o.samples[i] = i
	}
	if o.shuffle {
		o.random.start(o.seed, "shuffle", epoch)
		permute(o.samples, &o.random)
	}
	return o.samples
}

// permute exchanges values, from the last one down, with one before or itself.
func permute(values []int, random *stream) {
	for i := len(values) - 1; i > 0; i-- {
		j := random.intN(i + 1)
		values[i], values[j] = values[j], values[i]
	}
}
