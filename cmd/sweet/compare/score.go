package compare

import "math"

// Answers are what the exits of one model say of the test texts.
type Answers struct {
	Labels  []int32     // (n) the right ones
	Classes int         // C, at least 2
	Logits  [][]float32 // (m, n·C) of every exit, before the temperature
}

// Score fills in what the answers show: how good every exit is by itself, and
// the curve under thresholds on the largest probability at the run's
// temperatures.
func (r *Run) Score(a Answers) {
	n := len(a.Labels)
	r.Test = n
	labels, sure := make([][]int32, len(a.Logits)), make([][]float64, len(a.Logits))
	r.Accuracy, r.F1, r.MCC = nil, nil, nil
	for e, logits := range a.Logits {
		labels[e], sure[e] = make([]int32, n), make([]float64, n)
		for i := range n {
			labels[e][i], sure[e][i] = best(logits[i*a.Classes:(i+1)*a.Classes], r.Temperatures[e])
		}
		c := countConfusion(a.Labels, labels[e], a.Classes)
		r.Accuracy = append(r.Accuracy, c.accuracy())
		r.F1 = append(r.F1, c.f1())
		r.MCC = append(r.MCC, c.mcc())
	}
	r.Curve = nil
	for _, threshold := range thresholds(a.Classes) {
		r.Curve = append(r.Curve, pointAt(threshold, a.Labels, labels, sure))
	}
}

// best returns the most likely label and its probability at temperature t.
func best(logits []float32, t float64) (label int32, probability float64) {
	for i, z := range logits {
		if z > logits[label] {
			label = int32(i)
		}
	}
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(float64(z-logits[label]) / t)
	}
	return label, 1 / sum
}

// shares are where thresholds stand between chance, 0, and certainty, 1.
var shares = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9999}

// thresholds are those of a curve, from one that everybody passes to one that
// nobody does.
func thresholds(classes int) []float64 {
	chance := 1 / float64(classes)
	list := make([]float64, 0, len(shares)+1)
	for _, s := range shares {
		list = append(list, s*(1-chance)+chance)
	}
	list[0] = 0 // a probability can round to just below chance
	return append(list, 2)
}

// pointAt lets every text leave at the first exit that is as sure as the
// threshold.
func pointAt(threshold float64, right []int32, labels [][]int32, sure [][]float64) Point {
	p := Point{Threshold: threshold, Reach: make([]float64, len(labels))}
	for i, want := range right {
		e := 0
		p.Reach[0]++
		for e < len(labels)-1 && sure[e][i] < threshold {
			e++
			p.Reach[e]++
		}
		if labels[e][i] == want {
			p.Accuracy++
		}
	}
	n := float64(len(right))
	p.Accuracy /= n
	for e := range p.Reach {
		p.Reach[e] /= n
	}
	return p
}
