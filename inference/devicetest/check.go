package devicetest

import (
	"math"
	"testing"

	"sweetspot/inference"
)

// checkExit compares one row's answer with the reference's. Where two classes
// are too close to tell apart within the tolerance, either is right.
func checkExit(t *testing.T, row int, got, want inference.Exit, logits []float32, o Options) {
	t.Helper()
	scale := 1.0
	for _, z := range logits {
		scale = max(scale, math.Abs(float64(z)))
	}
	// Both logits of a difference may be off, and the exits' temperatures are
	// not below one half. A probability moves by at most half of what such a
	// difference does, a margin by as much, and an entropy, as a share of log C,
	// by at most twice what one logit does.
	slack := 4 * o.Tolerance * scale
	if got.Label < 0 || got.Label >= len(logits) || float64(logits[want.Label]-logits[got.Label]) > slack {
		t.Errorf("row %d: got label %d, want %d", row, got.Label, want.Label)
	}
	if !(math.Abs(float64(got.Confidence-want.Confidence)) <= slack) || !(got.Confidence >= 0 && got.Confidence <= 1) {
		t.Errorf("row %d: got confidence %v, want %v", row, got.Confidence, want.Confidence)
	}
	if !(math.Abs(float64(got.Probability-want.Probability)) <= slack) {
		t.Errorf("row %d: got probability %v, want %v", row, got.Probability, want.Probability)
	}
}
