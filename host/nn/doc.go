// Package nn says what a model is: its configuration, its layers and their
// shapes, the names and shapes of its parameters, how they are initialised, and
// the model file. It computes nothing.
package nn
