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
	// Both logits of a difference may be off, and a probability moves by at
	// most half of what the difference does; the exits' temperatures are not
	// below one half.
	slack := 4 * o.Tolerance * scale
	if got.Label < 0 || got.Label >= len(logits) || float64(logits[want.Label]-logits[got.Label]) > slack {
		t.Errorf("row %d: got label %d, want %d", row, got.Label, want.Label)
	}
	if !(math.Abs(float64(got.Confidence-want.Confidence)) <= slack) {
		t.Errorf("row %d: got confidence %v, want %v", row, got.Confidence, want.Confidence)
	}
}
