package calibrate

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"sweetspot/inference"
)

// Tail returns P[Binomial(n, ε) ≤ k], the chance of seeing no more than k
// disagreements among n records where the true share is ε, for 0 < ε < 1. It is
// exact: the binomial sum equals the regularized incomplete beta function
// I_{1−ε}(n−k, k+1).
func Tail(k, n int, epsilon float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	}
	return mathext.RegIncBeta(float64(n-k), float64(k+1), 1-epsilon)
}

// Fewest returns how many records [Run] needs before it can certify any rung:
// in a certification half of n that shows no disagreement the p-value is
// (1−ε)ⁿ, which must be at most δ.
func Fewest(epsilon, delta float64) int {
	return 2 * int(math.Ceil(math.Log(delta)/math.Log1p(-epsilon)))
}

// UpperBound returns the one-sided Clopper–Pearson bound: the largest share of
// disagreement under which k or fewer among n have at least a chance δ.
func UpperBound(k, n int, delta float64) float64 {
	if k >= n {
		return 1
	}
	return mathext.InvRegIncBeta(float64(k+1), float64(n-k), 1-delta)
}

// Certify walks the path over the certification half and returns the rungs that
// it may keep, full depth first. The walk begins at the first rung after full
// depth and ends at the first whose p-value P[Binomial(n, ε) ≤ n·D] is above δ;
// that one and all later ones are left out, whatever they would have shown.
func Certify(t Table, path []inference.Thresholds, epsilon, delta float64) []inference.Rung {
	var kept []inference.Rung
	for k, th := range path {
		r, differ := t.rung(th)
		if k > 0 && Tail(differ, t.Records(), epsilon) > delta {
			break
		}
		r.Bound = UpperBound(differ, t.Records(), delta)
		if k == 0 {
			r.Bound = 0 // full depth agrees with itself
		}
		kept = append(kept, r)
	}
	return kept
}

// rung measures thresholds on the table, and counts the records whose answer
// differs from full depth's.
func (t Table) rung(th inference.Thresholds) (r inference.Rung, differ int) {
	reach, left, wrong := make([]int, len(t.Exits)), make([]int, len(t.Exits)), make([]int, len(t.Exits))
	layers := 0
	for i := range t.Records() {
		e := 0
		reach[0]++
		for !th.Leaves(e, t.Exits[e][i]) {
			e++
			reach[e]++
		}
		layers += t.Layers[e]
		left[e]++
		if t.Exits[e][i].Label != t.full(i) {
			wrong[e]++
			differ++
		}
	}
	n := float64(t.Records())
	r = inference.Rung{
		Thresholds:   th,
		Reach:        make([]float64, len(reach)),
		Risk:         make([]float64, len(reach)),
		Cost:         float64(layers) / n / float64(t.Layers[len(t.Layers)-1]),
		Disagreement: float64(differ) / n,
	}
	for e, c := range reach {
		r.Reach[e] = float64(c) / n
		r.Risk[e] = float64(wrong[e]) / float64(max(left[e], 1))
	}
	return r, differ
}
