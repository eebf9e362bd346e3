package main

// operand stands for package cpu's: signatures name it.
type operand struct{}
