//go:build !amd64

package cpu

// peakOf is what one core can do: no set has a loop to show it.
func peakOf(*Kernels) (loop func(n int), operationsPerLoop float64) { return nil, 0 }
