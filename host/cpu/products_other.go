//go:build !amd64

package cpu

// instructionSets is empty: there are no micro-kernels for this processor family.
func instructionSets() []string { return nil }

func newTiledProducts(string) products { return nil }
