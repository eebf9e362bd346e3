// Package enginetest is the one suite that every engine must pass: its results
// against the float64 definition in host/ref, and the promises of the interface
// in host/engine (accumulation, repeatability, plans and their capacity,
// updates, errors). An engine's test calls it in five lines:
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(t testing.TB, m *nn.Model) engine.Engine {
//			return openMine(t, m)
//		})
//	}
//
// An option of a model that is not in the tables of this package is not
// supported. Every check is a function that returns an error, so that the
// package's own tests can show that each of them refuses a wrong engine.
//
// Tolerances: outputs within 2e-5·max(1, largest), gradients within 2e-5 of the
// tensor's largest (of a fiftieth of the model's largest, where that is more).
// The numbers of a case are drawn anew until float64 itself says that they are
// no matter of rounding (condition.go). With -v the suite logs, for each kind of
// comparison, the share of the tolerance that was used and the element that used
// it. A run takes some 10 s on one core for a fast engine, 3 s with -short.
package enginetest
