package calibrate

import "math"

// Bounds of a temperature.
const (
	minTemperature = 0.05
	maxTemperature = 20
)

// FitTemperature returns the temperature T in [0.05, 20] that minimizes the
// mean cross entropy of softmax(z/T) against the targets, for logits z (n, C)
// (Guo et al., "On Calibration of Modern Neural Networks", 2017). The loss is
// convex in 1/T, so a golden-section search over log T finds its minimum.
func FitTemperature(logits []float32, classes int, targets []int) float64 {
	loss := func(logT float64) float64 {
		scale := math.Exp(-logT)
		var sum float64
		for i, y := range targets {
			sum += crossEntropy(logits[i*classes:(i+1)*classes], scale, y)
		}
		return sum
	}
	return math.Exp(minimize(loss, math.Log(minTemperature), math.Log(maxTemperature)))
}

// crossEntropy returns −log softmax(z·scale)[y].
func crossEntropy(z []float32, scale float64, y int) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v)*scale)
	}
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v)*scale - top)
	}
	return top + math.Log(sum) - float64(z[y])*scale
}

// minimize returns where the unimodal f is smallest in [lo, hi], to a relative
// width of 1e-9, by golden-section search.
func minimize(f func(float64) float64, lo, hi float64) float64 {
	const ratio = 0.6180339887498949
	width := hi - lo
	a, b := hi-ratio*(hi-lo), lo+ratio*(hi-lo)
	fa, fb := f(a), f(b)
	for hi-lo > 1e-9*width {
		if fa < fb {
			hi, b, fb = b, a, fa
			a = hi - ratio*(hi-lo)
			fa = f(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + ratio*(hi-lo)
			fb = f(b)
		}
	}
	return (lo + hi) / 2
}

// Temperatures fits one temperature per exit without labels: the earlier exits
// fit the answers of full depth, and the last keeps T = 1. The table must hold
// logits.
func Temperatures(t Table, classes int) []float32 {
	targets := make([]int, t.Records())
	for i := range targets {
		targets[i] = t.full(i)
	}
	temperatures := make([]float32, len(t.Exits))
	for e := range temperatures {
		temperatures[e] = 1
		if e < len(temperatures)-1 {
			temperatures[e] = float32(FitTemperature(t.Logits[e], classes, targets))
		}
	}
	return temperatures
}
