package inference

import "fmt"

// An Exit is one row's answer at one stage, temperature applied. Confidence
// decides whether the row leaves, Probability is what a reader is told. Both are
// of the device's making, so neither needs the logits, and under
// [MaxProbability] they are the same number.
type Exit struct {
	Label       int     // index into [Model.Labels]
	Confidence  float32 // in [0, 1], by the exit's [Score]
	Probability float32 // softmax probability of Label, or its sigmoid in a multi-label model, in [0, 1]
}

// A Score is the measure of confidence of an exit.
type Score string

// The scores, of the softmax probabilities p (C) at the exit's temperature, p₁
// the largest and p₂ the next. Each is 1 where the exit is certain.
const (
	MaxProbability Score = "max_probability" // p₁
	Margin         Score = "margin"          // p₁ − p₂, best versus second best of active learning; 0 for a tie
	Entropy        Score = "entropy"         // 1 − H(p)/log C, one less FastBERT's uncertainty; 0 where all are alike
)

// Validate reports where s is no score that an exit of so many classes can have.
func (s Score) Validate(classes int) error {
	switch s {
	case MaxProbability, Margin:
		return nil
	case Entropy:
		if classes < 2 {
			return fmt.Errorf("%q needs at least 2 labels, there is %d", s, classes)
		}
		return nil
	default:
		return fmt.Errorf("%q is not %q, %q or %q", s, MaxProbability, Margin, Entropy)
	}
}

// Thresholds says, for every stage but the last, how confident a row must be
// to leave there. A value above 1 means never. Thresholds are never changed
// once made; another policy is another value.
type Thresholds []float32

// Leaves reports whether a row with exit e leaves after the given stage,
// counted from 0. Every row leaves after the last.
func (t Thresholds) Leaves(stage int, e Exit) bool {
	return stage >= len(t) || e.Confidence >= t[stage]
}
