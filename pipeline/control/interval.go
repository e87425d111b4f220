package control

import "math"

// Level is how often the interval of live agreement holds the true share.
const Level = 0.95

// Wilson returns the interval of the true share of agreement after n audits of
// which so many agreed: the shares p whose distance to the observed one is at
// most z standard deviations at p, z the two-sided normal quantile of level
// (Wilson 1927, the score interval). It lies in [0, 1] and is all of it while n
// is 0. Level is in [0, 1); over many audits it is the share of times that the
// interval holds the truth.
//
// It describes and does not decide: looked at again and again it will sooner or
// later miss the truth. [Evidence] is made for that.
func Wilson(agreed, n int, level float64) (lower, upper float64) {
	if n <= 0 || !(level < 1) {
		return 0, 1
	}
	agreed = min(max(agreed, 0), n)
	z := math.Sqrt2 * math.Erfinv(max(level, 0))
	size, share := float64(n), float64(agreed)/float64(n)
	spread := z * z / size
	middle := (share + spread/2) / (1 + spread)
	half := z / (1 + spread) * math.Sqrt(share*(1-share)/size+spread/(4*size))
	lower, upper = max(middle-half, 0), min(middle+half, 1)
	// Exact in the formula, and rounded in arithmetic.
	if agreed == 0 {
		lower = 0
	}
	if agreed == n {
		upper = 1
	}
	return lower, upper
}
