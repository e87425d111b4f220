//go:build !amd64

package cpu

// native lists the sets of assembly kernels for this architecture.
var native []*Kernels
