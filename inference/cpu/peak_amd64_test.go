package cpu

// peakOf is what one core can do, for the sets that have a loop to show it.
func peakOf(k *Kernels) (loop func(n int), operationsPerLoop float64) {
	switch k.Name() {
	case "avx512":
		return peak512, 12 * 16 * 2
	case "avx2":
		return peak256, 12 * 8 * 2
	}
	return nil, 0
}
