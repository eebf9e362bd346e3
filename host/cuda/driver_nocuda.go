//go:build !(cuda && cgo && linux)

package cuda

import "fmt"

func newDriver() (driver, error) {
	return nil, fmt.Errorf("%w: this binary was built without CUDA: build it with the cuda tag (make build)", ErrNoDevice)
}
