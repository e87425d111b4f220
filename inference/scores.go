package inference

import "math"

// Scores appends the probability of every label (C) to dst: the softmax of
// logits at the temperature of the stage's exit. The label of e gets e's
// Probability itself, so that the two never differ in the last digit.
func (m *Model) Scores(dst []float32, stage int, e Exit, logits []float32) []float32 {
	first, scale := len(dst), 1/float64(m.Ladder.Temperatures[stage])
	largest := math.Inf(-1)
	for _, z := range logits {
		largest = max(largest, float64(z)*scale)
	}
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(float64(z)*scale - largest)
	}
	for _, z := range logits {
		dst = append(dst, float32(math.Exp(float64(z)*scale-largest)/sum))
	}
	dst[first+e.Label] = e.Probability
	return dst
}

// Scores appends the probability of every label (C) of one row to dst, see
// [Model.Scores]. Logits must have been kept.
func (b *Batch) Scores(dst []float32, row int) []float32 {
	classes := len(b.model.Labels)
	return b.model.Scores(dst, b.stage, b.Exits[row], b.Logits[row*classes:(row+1)*classes])
}
