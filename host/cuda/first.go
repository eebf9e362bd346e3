package cuda

import "fmt"

// FirstUsable is the first GPU of this machine on which the kernels run. Where
// there is none the error wraps [ErrNoDevice] and says why. A library named by
// MDLSTM_CUDA_LIBRARY that is no driver is another error: somebody wants it.
func FirstUsable() (*Device, error) {
	devices, err := Devices()
	if err != nil {
		return nil, err
	}
	for i := range devices {
		unusable := devices[i].Usable()
		if unusable == nil {
			return &devices[i], nil
		}
		if err == nil {
			err = unusable
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: the driver lists none", ErrNoDevice)
	}
	return nil, err
}
