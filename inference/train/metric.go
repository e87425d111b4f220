package train

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/inference"
)

// A Metric is a way of saying in one number how good answers are.
type Metric string

// The metrics, all at most 1.
const (
	Accuracy Metric = "accuracy" // share of rows whose label is given
	F1       Metric = "f1"       // of the positive label; with more than two labels the mean over all
	MCC      Metric = "mcc"      // Matthews correlation, from -1; 0 is guessing
)

// ParseMetric returns the metric of that name.
func ParseMetric(name string) (Metric, error) {
	all := []Metric{Accuracy, F1, MCC}
	if !slices.Contains(all, Metric(name)) {
		return "", fmt.Errorf("metric %q is none of %v", name, all)
	}
	return Metric(name), nil
}

// Scores are the metrics of one set of answers.
type Scores struct {
	Accuracy float64 `json:"accuracy"`
	F1       float64 `json:"f1"`
	MCC      float64 `json:"mcc"`
}

// Of returns the score by one metric.
func (s Scores) Of(m Metric) float64 {
	switch m {
	case F1:
		return s.F1
	case MCC:
		return s.MCC
	case Accuracy:
	}
	return s.Accuracy
}

// A Tally counts answers by what was right and what was given, for a fixed
// number of labels.
type Tally struct {
	classes int
	counts  []int // (C·C) by right label, then by given label
}

// NewTally returns an empty tally for labels 0 to classes-1.
func NewTally(classes int) *Tally {
	return &Tally{classes: classes, counts: make([]int, classes*classes)}
}

// Add counts one answer.
func (t *Tally) Add(right, given int) { t.counts[right*t.classes+given]++ }

// Scores returns the metrics of what was counted. positive is the label that F1
// is of where there are two; with more, all count alike. Of no answers the
// accuracy is not a number.
func (t *Tally) Scores(positive int) Scores {
	right, rights, givens, all := t.margins()
	return Scores{
		Accuracy: float64(right) / float64(all),
		F1:       t.f1(positive, rights, givens),
		MCC:      matthews(right, all, rights, givens),
	}
}

// margins returns how many answers are right, how often each label was right
// and how often it was given, and the number of answers.
func (t *Tally) margins() (right int, rights, givens []int, all int) {
	rights, givens = make([]int, t.classes), make([]int, t.classes)
	for i, count := range t.counts {
		r, g := i/t.classes, i%t.classes
		rights[r] += count
		givens[g] += count
		all += count
		if r == g {
			right += count
		}
	}
	return right, rights, givens, all
}

// f1 returns 2·TP/(2·TP + FP + FN) of the positive label, or the mean over all
// labels that occur where there are not two, as in scikit-learn.
func (t *Tally) f1(positive int, rights, givens []int) float64 {
	of := func(c int) float64 {
		if rights[c]+givens[c] == 0 {
			return 0
		}
		return 2 * float64(t.counts[c*t.classes+c]) / float64(rights[c]+givens[c])
	}
	if t.classes == 2 {
		return of(positive)
	}
	sum, labels := 0.0, 0
	for c := range t.classes {
		if rights[c]+givens[c] > 0 {
			sum += of(c)
			labels++
		}
	}
	return sum / float64(max(1, labels))
}

// matthews returns the Matthews correlation in Gorodkin's form for any number of
// labels (2004), with c right answers of s:
//
//	(c·s − Σ p_k·t_k) / √((s² − Σ p_k²)·(s² − Σ t_k²)),
//
// and 0 where one label is always right or always given.
func matthews(right, all int, rights, givens []int) float64 {
	s := float64(all)
	cov, spreadGiven, spreadRight := float64(right)*s, s*s, s*s
	for k := range rights {
		r, g := float64(rights[k]), float64(givens[k])
		cov -= r * g
		spreadRight -= r * r
		spreadGiven -= g * g
	}
	if spreadRight == 0 || spreadGiven == 0 {
		return 0
	}
	return cov / math.Sqrt(spreadRight*spreadGiven)
}

// PositiveLabel returns the label that F1 is of: that of the name given, or the
// first where there is none, which names like equivalent and not_equivalent put
// right. It says nothing where there are not two labels.
func PositiveLabel(c inference.Config, name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	i := slices.Index(c.Labels, name)
	switch {
	case i < 0:
		return 0, fmt.Errorf("no label is %q; they are %.10q", name, c.Labels)
	case len(c.Labels) != 2:
		return 0, fmt.Errorf("label %q is one of %d; F1 is of one label where there are two, else the mean over all", name, len(c.Labels))
	}
	return i, nil
}
