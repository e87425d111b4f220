package compare

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Paired sums up differences between two methods that were run on the same
// rows with the same seed.
type Paired struct {
	N    int     // differences
	Mean float64 // of them
	Low  float64 // 95 % interval of the mean by Student's t; equal to Mean where N is 1
	High float64
	P    float64 // two-sided, of the sign-flip test; 1 where N is 1
}

// exact is the most differences for which all ways to flip their signs are
// counted out.
const exact = 20

// Pair sums up differences. P is the share of all 2ᴺ ways to give the
// differences a sign whose mean is at least as far from 0: where neither method
// is better, a difference has either sign with the same chance (Fisher 1935). It
// is never below 2^(1−N). Past 20 differences Student's t-test takes its place.
func Pair(differences []float64) Paired {
	n := len(differences)
	mean, deviation := meanAndDeviation(differences)
	p := Paired{N: n, Mean: mean, Low: mean, High: mean, P: 1}
	if n < 2 {
		return p
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}
	half := t.Quantile(0.975) * deviation / math.Sqrt(float64(n))
	p.Low, p.High = mean-half, mean+half
	switch {
	case n <= exact:
		p.P = signFlip(differences)
	case deviation > 0:
		p.P = 2 * t.Survival(math.Abs(mean)/(deviation/math.Sqrt(float64(n))))
	}
	return p
}

func signFlip(differences []float64) float64 {
	sum := func(flips int) float64 {
		s := 0.0
		for i, d := range differences {
			if flips>>i&1 == 1 {
				d = -d
			}
			s += d
		}
		return math.Abs(s)
	}
	observed := sum(0) * (1 - 1e-12) // flips that give the same sum count, whatever the rounding
	ways, far := 1<<len(differences), 0
	for flips := range ways {
		if sum(flips) >= observed {
			far++
		}
	}
	return float64(far) / float64(ways)
}

// Differences returns value(method) − value(base) for the seeds that both groups
// have, by ascending seed.
func Differences(method, base Group, value func(*Run) float64) []float64 {
	var differences []float64
	for i := range method.Runs {
		m := &method.Runs[i]
		at := slices.IndexFunc(base.Runs, func(b Run) bool { return b.Seed == m.Seed })
		if at >= 0 {
			differences = append(differences, value(m)-value(&base.Runs[at]))
		}
	}
	return differences
}
