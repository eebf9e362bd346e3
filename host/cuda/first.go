package cuda

import "fmt"

// FirstUsable is the first GPU of this machine on which the kernels run. Where
// there is none the error wraps [ErrNoDevice] and says why. A library named by
// MDLSTM_CUDA_LIBRARY that is no driver is another error: somebody wants it.
func FirstUsable() (*Device, error) { return UsableAt(0) }

// UsableAt is FirstUsable for the process that has turn n, 0 or more, among those
// of this machine: each takes another GPU, and when there are no more they begin
// again with the first.
func UsableAt(n int) (*Device, error) {
	devices, err := Devices()
	if err != nil {
		return nil, err
	}
	return usableAt(devices, n)
}

func usableAt(devices []Device, n int) (*Device, error) {
	var usable []*Device
	var reason error
	for i := range devices {
		err := devices[i].Usable()
		if err == nil {
			usable = append(usable, &devices[i])
		} else if reason == nil {
			reason = err
		}
	}
	switch {
	case len(usable) > 0:
		return usable[n%len(usable)], nil
	case reason == nil:
		reason = fmt.Errorf("%w: the driver lists none", ErrNoDevice)
	}
	return nil, reason
}
