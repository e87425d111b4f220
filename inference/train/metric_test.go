package train

import (
	"math"
	"strings"
	"testing"

	"sweetspot/inference"
)

// tallyOf counts answers given by row right label, column given label.
func tallyOf(counts [][]int) *Tally {
	t := NewTally(len(counts))
	for right, row := range counts {
		for given, count := range row {
			for range count {
				t.Add(right, given)
			}
		}
	}
	return t
}

func TestScoresEqualThoseByHand(t *testing.T) {
	cases := []struct {
		name     string
		counts   [][]int // by right label, then by given label
		positive int
		want     Scores
	}{
		// TP 6, FN 2, FP 1, TN 3: F1 = 12/15; MCC = (6·3 − 1·2)/√(7·8·4·5).
		{"two labels, the first positive", [][]int{{6, 2}, {1, 3}}, 0, Scores{9. / 12, 12. / 15, 16 / math.Sqrt(1120)}},
		// The other way round: TP 3, FP 2, FN 1.
		{"two labels, the second positive", [][]int{{6, 2}, {1, 3}}, 1, Scores{9. / 12, 6. / 9, 16 / math.Sqrt(1120)}},
		{"all right", [][]int{{4, 0}, {0, 5}}, 0, Scores{1, 1, 1}},
		{"all wrong", [][]int{{0, 4}, {5, 0}}, 0, Scores{0, 0, -1}},
		{"one label given always", [][]int{{4, 0}, {6, 0}}, 0, Scores{0.4, 8. / 14, 0}},
		{"the positive label neither right nor given", [][]int{{0, 0}, {0, 3}}, 0, Scores{1, 0, 0}},
		// F1 of 4/(3+2), 2/(2+2), 6/(4+5); c 6, s 9, Σpt 6+4+20, Σp² 33, Σt² 29.
		{"three labels", [][]int{{2, 0, 1}, {0, 1, 1}, {0, 1, 3}}, 0, Scores{
			6. / 9, (4./5 + 2./4 + 6./9) / 3, (54 - 30.) / math.Sqrt((81-33)*(81-29)),
		}},
		{"three labels of which one never occurs", [][]int{{2, 1, 0}, {0, 3, 0}, {0, 0, 0}}, 0, Scores{
			5. / 6, (4./5 + 6./7) / 2, (30 - 18.) / math.Sqrt((36-20)*(36-18)),
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := tallyOf(c.counts).Scores(c.positive)
			for _, m := range []Metric{Accuracy, F1, MCC} {
				if math.Abs(got.Of(m)-c.want.Of(m)) > 1e-12 {
					t.Errorf("%s: got %v, want %v", m, got.Of(m), c.want.Of(m))
				}
			}
		})
	}
}

func TestPositiveLabelIsNamed(t *testing.T) {
	pair := inference.Config{Labels: []string{"duplicate", "other"}}
	for _, c := range []struct {
		name, label string
		config      inference.Config
		want        int
		err         string
	}{
		{"none named", "", pair, 0, ""},
		{"the second", "other", pair, 1, ""},
		{"one that does not exist", "third", pair, 0, `no label is "third"`},
		{"one of three", "b", inference.Config{Labels: []string{"a", "b", "c"}}, 0, "one of 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := PositiveLabel(c.config, c.label)
			if c.err == "" && (err != nil || got != c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want an error with %q", err, c.err)
			}
		})
	}
}

func TestMetricsHaveNames(t *testing.T) {
	for _, m := range []Metric{Accuracy, F1, MCC} {
		if got, err := ParseMetric(string(m)); err != nil || got != m {
			t.Errorf("got %q, %v, want %q", got, err, m)
		}
	}
	if _, err := ParseMetric("bleu"); err == nil {
		t.Error("got no error for a metric that does not exist")
	}
}
