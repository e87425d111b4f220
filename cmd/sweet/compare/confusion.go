package compare

import "math"

// A confusion counts texts by right label (row) and answer (column).
type confusion struct {
	classes int
	counts  []float64 // (C, C)
	n       float64
}

func countConfusion(right, answers []int32, classes int) *confusion {
	c := &confusion{classes: classes, counts: make([]float64, classes*classes), n: float64(len(right))}
	for i, r := range right {
		c.counts[int(r)*classes+int(answers[i])]++
	}
	return c
}

// sums returns, for label k, how often it was given rightly, how often it was
// right, and how often it was given.
func (c *confusion) sums(k int) (hits, right, given float64) {
	for j := range c.classes {
		right += c.counts[k*c.classes+j]
		given += c.counts[j*c.classes+k]
	}
	return c.counts[k*c.classes+k], right, given
}

func (c *confusion) accuracy() float64 {
	hits := 0.0
	for k := range c.classes {
		hits += c.counts[k*c.classes+k]
	}
	return hits / c.n
}

// f1 returns the F1 of the first of two labels in the order of their names,
// which GLUE's pair tasks ask for (duplicate, equivalent); of more than two
// labels the mean of each one's.
func (c *confusion) f1() float64 {
	count := c.classes
	if count == 2 {
		count = 1
	}
	sum := 0.0
	for k := range count {
		if hits, right, given := c.sums(k); hits > 0 {
			sum += 2 * hits / (right + given)
		}
	}
	return sum / float64(count)
}

// mcc returns the Matthews correlation of right labels and answers, for any
// number of labels (Gorodkin 2004): 0 where either is always the same.
func (c *confusion) mcc() float64 {
	var hits, both, rights, givens float64
	for k := range c.classes {
		h, r, g := c.sums(k)
		hits += h
		both += r * g
		rights += r * r
		givens += g * g
	}
	n := c.n * c.n
	if d := (n - rights) * (n - givens); d > 0 {
		return (hits*c.n - both) / math.Sqrt(d)
	}
	return 0
}
