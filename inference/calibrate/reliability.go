package calibrate

import "math"

// bins is the number of bins of a reliability diagram.
const bins = 15

// A Bin holds the records whose probability fell into one part of (0, 1].
type Bin struct {
	Records    int     `json:"records"`
	Confidence float64 `json:"confidence"` // mean probability given to the answer; 0 in an empty bin
	Right      float64 `json:"right"`      // share whose answer was right; 0 in an empty bin
}

// A Reliability says whether an exit is right as often as its probabilities say.
type Reliability struct {
	ECE  float64 `json:"ece"`  // expected calibration error, in [0, 1]
	Bins []Bin   `json:"bins"` // (15) bin b holds the probabilities in (b/15, (b+1)/15]
}

// NewReliability compares the probability given to each answer, the largest
// softmax value, with whether it was right. The expected calibration error is
// Σ_b |B_b|/n · |right(B_b) − confidence(B_b)| over 15 bins B_b of equal width
// (Guo et al., "On Calibration of Modern Neural Networks", 2017); 0 without
// records.
func NewReliability(probabilities []float32, right []bool) Reliability {
	r := Reliability{Bins: make([]Bin, bins)}
	for i, p := range probabilities {
		b := &r.Bins[binOf(p)]
		b.Records++
		b.Confidence += float64(p)
		if right[i] {
			b.Right++
		}
	}
	for i := range r.Bins {
		b := &r.Bins[i]
		if b.Records == 0 {
			continue
		}
		r.ECE += math.Abs(b.Right-b.Confidence) / float64(len(probabilities))
		b.Confidence /= float64(b.Records)
		b.Right /= float64(b.Records)
	}
	return r
}

// binOf returns the bin of a probability. The upper edge belongs to a bin, and 0
// to the first.
func binOf(p float32) int {
	return min(max(int(math.Ceil(float64(p)*bins))-1, 0), bins-1)
}

// An Exit is what calibration did to one exit, as the certification half sees
// it: it had no part in fitting the temperature.
type Exit struct {
	Layers      int     `json:"layers"`      // run by a record that leaves here
	Temperature float32 `json:"temperature"` // by which logits are divided

	// Right is the share of answers that match the targets: the labels, or
	// without labels the answers of full depth. Before and After compare the
	// probabilities at temperature 1 and at Temperature with that; they are nil
	// at the last exit without labels, which is its own target.
	Right  float64      `json:"right"`
	Before *Reliability `json:"before,omitempty"`
	After  *Reliability `json:"after,omitempty"`
}

// exits describes all exits. The table must hold probabilities.
func (t Table) exits(temperatures []float32) []Exit {
	exits := make([]Exit, len(t.Exits))
	right := make([]bool, t.Records())
	for e := range exits {
		all := 0
		for i := range right {
			right[i] = t.Exits[e][i].Label == t.target(i)
			if right[i] {
				all++
			}
		}
		exits[e] = Exit{Layers: t.Layers[e], Temperature: temperatures[e], Right: float64(all) / float64(len(right))}
		if t.Labels == nil && e == len(exits)-1 {
			continue
		}
		before, after := NewReliability(t.Before[e], right), NewReliability(t.After[e], right)
		exits[e].Before, exits[e].After = &before, &after
	}
	return exits
}
