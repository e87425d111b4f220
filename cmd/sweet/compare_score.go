package main

import (
	"sweetspot/cmd/sweet/compare"
	"sweetspot/inference/calibrate"
	"sweetspot/inference/train"
)

// exitAnswers are what the exits of one model say of a set of texts.
type exitAnswers struct {
	labels  []int32     // (n) the right ones
	classes int         // C, at least 2
	logits  [][]float32 // (m, n·C) of every exit, before the temperature
}

// scoreRun fills in what answers to the test texts show at the run's temperatures:
// how good every exit is by itself, F1 being that of the first of two labels,
// and the curve under thresholds on the largest probability.
func scoreRun(r *compare.Run, a exitAnswers) {
	n := len(a.labels)
	r.Test = n
	labels, sure := make([][]int32, len(a.logits)), make([][]float64, len(a.logits))
	r.Accuracy, r.F1, r.MCC = nil, nil, nil
	for e, logits := range a.logits {
		labels[e], sure[e] = make([]int32, n), make([]float64, n)
		tally := train.NewTally(a.classes)
		for i := range n {
			labels[e][i], sure[e][i] = best(logits[i*a.classes:(i+1)*a.classes], r.Temperatures[e])
			tally.Add(int(a.labels[i]), int(labels[e][i]))
		}
		s := tally.Scores(0)
		r.Accuracy = append(r.Accuracy, s.Accuracy)
		r.F1 = append(r.F1, s.F1)
		r.MCC = append(r.MCC, s.MCC)
	}
	r.Curve = nil
	for _, threshold := range curveThresholds(a.classes) {
		r.Curve = append(r.Curve, pointAt(threshold, a.labels, labels, sure))
	}
}

// best returns the most likely label and its probability at temperature t.
func best(logits []float32, t float64) (label int32, probability float64) {
	for i, z := range logits {
		if z > logits[label] {
			label = int32(i)
		}
	}
	return label, calibrate.Probability(logits, int(label), t)
}

// curveShares are where thresholds stand between chance, 0, and certainty, 1.
var curveShares = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9999}

// curveThresholds are those of a curve, from one that everybody passes to one
// that nobody does.
func curveThresholds(classes int) []float64 {
	chance := 1 / float64(classes)
	list := make([]float64, 0, len(curveShares)+1)
	for _, s := range curveShares {
		list = append(list, s*(1-chance)+chance)
	}
	list[0] = 0 // a probability can round to just below chance
	return append(list, 2)
}

// pointAt lets every text leave at the first exit that is as sure as the
// threshold.
func pointAt(threshold float64, right []int32, labels [][]int32, sure [][]float64) compare.Point {
	p := compare.Point{Threshold: threshold, Reach: make([]float64, len(labels))}
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
