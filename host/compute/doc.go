// Package compute finds what shall compute, a GPU or the CPU, and opens engines
// there. It is the one place that knows which options go with which device, for
// the program mdlstm-gpu and for package mdlstm.
//
//	machine, err := compute.Find(compute.Options{Precision: gpu.TF32})
//	e, err := machine.Open(model)
package compute
