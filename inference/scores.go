package inference

import "math"

// Scores appends the probability of every label (C) to dst: the softmax of
// logits at the temperature of the stage's exit or, for a multi-label model, the
// sigmoid of each. The label of e gets e's Probability itself, so that the two
// never differ in the last digit.
func (m *Model) Scores(dst []float32, stage int, e Exit, logits []float32) []float32 {
	first, scale := len(dst), 1/float64(m.Ladder.Temperatures[stage])
	if m.config.MultiLabel {
		for _, z := range logits {
			dst = append(dst, sigmoid(float64(z)*scale))
		}
		return dst
	}
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

// scoreEachLabel replaces the softmax by which the device judged every row: where
// labels do not exclude each other, a row's probability and confidence are the
// sigmoid of its largest logit.
func (b *Batch) scoreEachLabel() {
	scale, classes := 1/float64(b.model.Ladder.Temperatures[b.stage]), len(b.model.Labels)
	for row := range b.Exits {
		e := &b.Exits[row]
		e.Probability = sigmoid(float64(b.Logits[row*classes+e.Label]) * scale)
		e.Confidence = e.Probability
	}
}

func sigmoid(z float64) float32 { return float32(1 / (1 + math.Exp(-z))) }
