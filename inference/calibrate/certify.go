package calibrate

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"sweetspot/inference"
)

// Tail returns P[Binomial(n, ε) ≤ k], the chance of seeing no more than k lost
// records among n where the true share is ε, for 0 < ε < 1. It is exact: the
// binomial sum equals the regularized incomplete beta function I_{1−ε}(n−k, k+1).
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
// in a certification half of n that loses nothing the p-value is (1−ε)ⁿ, which
// must be at most δ.
func Fewest(epsilon, delta float64) int {
	return 2 * int(math.Ceil(math.Log(delta)/math.Log1p(-epsilon)))
}

// UpperBound returns the one-sided Clopper–Pearson bound: the largest share
// under which k or fewer among n have at least a chance δ. Of no records
// nothing is known: 1.
func UpperBound(k, n int, delta float64) float64 {
	if k >= n {
		return 1
	}
	return mathext.InvRegIncBeta(float64(k+1), float64(n-k), 1-delta)
}

// A Certificate is what the certification half says of a path.
type Certificate struct {
	Rungs   []inference.Rung // kept, full depth first
	Risks   []Risk           // of each of them
	Refused *inference.Rung  // where the walk ended; nil where all rungs were kept

	// DisagreementLimit is what the true disagreement of all kept rungs stays
	// under, with probability at least 1−δ; 0 where full depth alone was kept.
	DisagreementLimit float64
}

// Certify walks the path over the certification half and keeps the rungs that
// may be kept. The walk begins at the first rung after full depth and ends at
// the first whose p-value P[Binomial(n, ε) ≤ n·L], L being the share of records
// lost to floor f, is above δ; that one and all later ones are left out,
// whatever they would have shown.
func Certify(t Table, path []inference.Thresholds, f inference.Floor, epsilon, delta float64) Certificate {
	var c Certificate
	for k, th := range path {
		r, y := t.rung(f, th, delta)
		if k > 0 && Tail(sum(y.lose), t.Records(), epsilon) > delta {
			c.Refused = &r
			break
		}
		risk := newRisk(f, y, delta)
		if k == 0 {
			r.Bound, r.LossBound = 0, 0
			risk = risk.fullDepth()
		}
		c.Rungs, c.Risks = append(c.Rungs, r), append(c.Risks, risk)
	}
	c.DisagreementLimit = disagreementLimit(c.Risks, len(path)-1, delta)
	return c
}

// disagreementLimit returns the largest Clopper–Pearson bound on disagreement
// over the kept rungs, each at level δ/tried, so that by the union bound all of
// them hold at once. It divides by the rungs that were up for the walk, not by
// those that it kept: these are chosen by the very records that the bounds are
// computed from, and a union over a number that depends on them proves nothing.
func disagreementLimit(kept []Risk, tried int, delta float64) float64 {
	var limit float64
	for _, r := range kept[1:] {
		d := r.Disagreement
		// At a confidence below one half a bound may lie under what was seen.
		limit = max(limit, d.Share, UpperBound(d.Count, d.Records, delta/float64(tried)))
	}
	return limit
}
