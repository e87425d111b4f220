package calibrate

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// Bounds of a temperature.
const (
	minTemperature = 0.05
	maxTemperature = 20
)

// FitTemperature returns the temperature T in [0.05, 20] that minimizes the
// mean cross entropy of softmax(z/T) against the targets, for logits z (n, C)
// (Guo et al., "On Calibration of Modern Neural Networks", 2017). Where T makes
// no difference, because there are no records or every record's logits are all
// the same, it is 1.
func FitTemperature(logits []float32, classes int, targets []int) (float64, error) {
	if constant(logits, classes) {
		return 1, nil
	}
	s := scaling{logits, classes, targets}
	// The loss is convex in b = 1/T, so its slope at the bounds tells whether
	// the minimum lies between them.
	low, high := 1/float64(maxTemperature), 1/float64(minTemperature)
	if _, slope, _ := s.loss(high); slope <= 0 {
		return minTemperature, nil
	}
	if _, slope, _ := s.loss(low); slope >= 0 {
		return maxTemperature, nil
	}
	b, err := s.minimize(s.start(low, high))
	if err != nil {
		return 0, err
	}
	return 1 / min(max(b, low), high), nil
}

// constant reports whether no row of logits (n, C) prefers a class.
func constant(logits []float32, classes int) bool {
	for i, z := range logits {
		if z != logits[i-i%classes] {
			return false
		}
	}
	return true
}

// A scaling is the problem of fitting one temperature.
type scaling struct {
	logits  []float32 // (n, C)
	classes int
	targets []int // (n)
}

// loss returns the mean cross entropy at b = 1/T with its first two derivatives.
// For one record these are Σ p_c z_c − z_y and the variance of z under p.
func (s scaling) loss(b float64) (value, slope, curvature float64) {
	for i, y := range s.targets {
		z := s.logits[i*s.classes : (i+1)*s.classes]
		mean, variance := moments(z, b)
		value += crossEntropy(z, b, y)
		slope += mean - float64(z[y])
		curvature += variance
	}
	n := float64(len(s.targets))
	return value / n, slope / n, curvature / n
}

// start returns the best of a few values from low to high, each twice the one
// before: far from the minimum the loss is almost straight, and Newton's method
// would leap.
func (s scaling) start(low, high float64) float64 {
	best, least := low, math.Inf(1)
	for b := low; b <= high; b *= 2 {
		if value, _, _ := s.loss(b); value < least {
			best, least = b, value
		}
	}
	return best
}

// flat is the slope of the mean cross entropy that counts as the minimum. The
// sum's own rounding errors are about as large where logits are.
const flat = 1e-11

// minimize returns where the loss is smallest, from a start near it.
func (s scaling) minimize(start float64) (float64, error) {
	problem := optimize.Problem{
		Func: func(x []float64) float64 { v, _, _ := s.loss(x[0]); return v },
		Grad: func(grad, x []float64) { _, grad[0], _ = s.loss(x[0]) },
		Hess: func(h *mat.SymDense, x []float64) { _, _, c := s.loss(x[0]); h.SetSym(0, 0, c) },
	}
	// The loss barely moves where the slope still tells left from right, so only
	// the slope decides when to stop.
	settings := optimize.Settings{GradientThreshold: flat, Converger: optimize.NeverTerminate{}, MajorIterations: 100}
	result, err := optimize.Minimize(problem, []float64{start}, &settings, &optimize.Newton{})
	if result == nil {
		return 0, fmt.Errorf("fitting a temperature: %w", err)
	}
	// A line search that finds no lower value has met the rounding of the loss:
	// that, too, is the minimum.
	b := result.X[0]
	if _, slope, _ := s.loss(b); !(math.Abs(slope) <= 1e-6) {
		return 0, errors.Join(fmt.Errorf("fitting a temperature: stopped at %v where the slope is still %v: %v", 1/b, slope, result.Status), err)
	}
	return b, nil
}

// moments returns mean and variance of z under softmax(z·scale).
func moments(z []float32, scale float64) (mean, variance float64) {
	top := largest(z, scale)
	var sum, first, second float64
	for _, v := range z {
		p := math.Exp(float64(v)*scale - top)
		sum += p
		first += p * float64(v)
	}
	mean = first / sum
	for _, v := range z {
		d := float64(v) - mean
		second += math.Exp(float64(v)*scale-top) * d * d
	}
	return mean, second / sum
}

// Probability returns what softmax(z/T) gives to a label, in [0, 1], for logits z
// (C) and a temperature T above 0.
func Probability(logits []float32, label int, temperature float64) float64 {
	return math.Exp(-crossEntropy(logits, 1/temperature, label))
}

// crossEntropy returns −log softmax(z·scale)[y].
func crossEntropy(z []float32, scale float64, y int) float64 {
	top := largest(z, scale)
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v)*scale - top)
	}
	return top + math.Log(sum) - float64(z[y])*scale
}

func largest(z []float32, scale float64) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v)*scale)
	}
	return top
}

// Temperatures fits one temperature per exit. With labels every exit fits them.
// Without, the earlier exits fit the answers of full depth, and the last keeps
// T = 1. The table must hold logits.
func Temperatures(t Table, classes int) ([]float32, error) {
	targets := make([]int, t.Records())
	for i := range targets {
		targets[i] = t.target(i)
	}
	temperatures := make([]float32, len(t.Exits))
	for e := range temperatures {
		temperatures[e] = 1
		if t.Labels == nil && e == len(temperatures)-1 {
			break
		}
		fitted, err := FitTemperature(t.Logits[e], classes, targets)
		if err != nil {
			return nil, fmt.Errorf("exit %d: %w", e+1, err)
		}
		temperatures[e] = float32(fitted)
	}
	return temperatures, nil
}
