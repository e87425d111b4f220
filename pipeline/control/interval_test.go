package control_test

import (
	"math"
	"testing"

	"sweetspot/pipeline/control"
)

func TestWilson(t *testing.T) {
	tests := []struct {
		name         string
		agreed, n    int
		level        float64
		lower, upper float64
	}{
		// Newcombe (1998), "Two-sided confidence intervals for the single
		// proportion", table I, method 3.
		{"published: 81 of 263", 81, 263, 0.95, 0.2553, 0.3662},
		{"published: 15 of 148", 15, 148, 0.95, 0.0624, 0.1605},
		{"published: 0 of 20", 0, 20, 0.95, 0, 0.1611},
		{"published: 1 of 29", 1, 29, 0.95, 0.0061, 0.1718},

		{"nothing is known without audits", 0, 0, 0.95, 0, 1},
		{"one that agreed says little", 1, 1, 0.95, 0.2065, 1},
		{"one that disagreed says as little", 0, 1, 0.95, 0, 0.7935},
		{"certainty takes all shares", 990, 1000, 1, 0, 1},
		{"a level of 0 is the share itself", 990, 1000, 0, 0.99, 0.99},
		{"more than all is all", 21, 20, 0.95, 1 - 0.1611, 1},
		{"less than none is none", -1, 20, 0.95, 0, 0.1611},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lower, upper := control.Wilson(tt.agreed, tt.n, tt.level)
			if math.Abs(lower-tt.lower) > 5e-5 || math.Abs(upper-tt.upper) > 5e-5 {
				t.Errorf("got %.4f to %.4f, want %.4f to %.4f", lower, upper, tt.lower, tt.upper)
			}
		})
	}
}

func TestWilsonHoldsTheObservedShareAndNarrows(t *testing.T) {
	for n := 1; n <= 200; n++ {
		for agreed := range n + 1 {
			share := float64(agreed) / float64(n)
			lower, upper := control.Wilson(agreed, n, 0.95)
			if lower < 0 || lower > share || upper < share || upper > 1 {
				t.Fatalf("%d of %d: got %v to %v around %v", agreed, n, lower, upper, share)
			}
			if (lower == 0) != (agreed == 0) || (upper == 1) != (agreed == n) {
				t.Fatalf("%d of %d: got %v to %v, want 0 and 1 only where none and all agreed", agreed, n, lower, upper)
			}
			if l, u := control.Wilson(2*agreed, 2*n, 0.95); u-l >= upper-lower {
				t.Fatalf("%d of %d: got a width of %v, and %v of twice as many", agreed, n, upper-lower, u-l)
			}
			if l, u := control.Wilson(agreed, n, 0.99); u-l <= upper-lower {
				t.Fatalf("%d of %d: got a width of %v, and %v at a higher level", agreed, n, upper-lower, u-l)
			}
			if l, u := control.Wilson(n-agreed, n, 0.95); math.Abs(l-(1-upper)) > 1e-12 || math.Abs(u-(1-lower)) > 1e-12 {
				t.Fatalf("%d of %d: got %v to %v, and of those that disagreed %v to %v", agreed, n, lower, upper, l, u)
			}
		}
	}
}

// The binomial probability that the interval holds the true share, summed over
// all outcomes, is near its level; on average over shares, within half a
// hundredth.
func TestWilsonCoverage(t *testing.T) {
	const n = 500
	for _, level := range []float64{0.9, 0.95, 0.99} {
		mean, shares := 0.0, 0
		for share := 0.9; share < 0.99; share += 0.001 {
			held := 0.0
			for agreed := range n + 1 {
				if lower, upper := control.Wilson(agreed, n, level); lower <= share && share <= upper {
					held += binomial(agreed, n, share)
				}
			}
			mean += held
			shares++
		}
		if mean /= float64(shares); math.Abs(mean-level) > 0.005 {
			t.Errorf("level %v: the interval holds the truth %.4f of the time", level, mean)
		}
	}
}

// binomial is the probability of k among n at the given share.
func binomial(k, n int, share float64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c + float64(k)*math.Log(share) + float64(n-k)*math.Log(1-share))
}
