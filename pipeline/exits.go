package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sweetspot/inference"
)

// slack is what rounding may add to a confidence or a probability of 1.
const slack = 1e-3

// sound reports whether e is an answer of a model of so many labels.
func sound(e inference.Exit, labels int) bool {
	share := func(v float32) bool { return v >= 0 && v <= 1+slack }
	return e.Label >= 0 && e.Label < labels && share(e.Confidence) && share(e.Probability)
}

// split sorts the rows of b, which has been waited for, into the results of
// those that leave and the places in b of those that stay.
func (l *loop) split(b *bin, took time.Duration, now time.Time) (results []Result, stay []int, err error) {
	exits := b.batch.Exits()
	if len(exits) != len(b.rows) {
		return nil, nil, fmt.Errorf("stage %d answered %d of %d rows", b.stage+1, len(exits), len(b.rows))
	}
	for i, r := range b.rows {
		e := exits[i]
		if labels := len(l.p.parts.Labels); !sound(e, labels) {
			return nil, nil, fmt.Errorf("stage %d answered with label %d of %d, confidence %v and probability %v",
				b.stage+1, e.Label, labels, e.Confidence, e.Probability)
		}
		r.compute += took
		if !l.p.policies[r.rung].Leaves(b.stage, e) {
			stay = append(stay, i)
			continue
		}
		if results == nil {
			results = make([]Result, 0, len(b.rows)-len(stay))
		}
		results = append(results, l.result(b, i, now))
		l.count(e.Label)
		l.p.parts.Metrics.stages[b.stage].confidence.Observe(float64(e.Confidence))
	}
	l.countExits(b.stage, len(results))
	return results, stay, nil
}

func (l *loop) result(b *bin, i int, now time.Time) Result {
	r, e := b.rows[i], b.batch.Exits()[i]
	res := Result{
		Message: r.message,
		Label:   l.p.parts.Labels[e.Label], Score: e.Probability,
		Exit: b.stage + 1, Layers: l.p.parts.Layers[b.stage], Rung: int(r.rung),
		Tier: r.tier, Truncated: r.truncated, Tokens: len(r.tokens),
		Timing: Timing{Queue: r.started.Sub(r.received), Compute: r.compute, Total: now.Sub(r.received)},
	}
	if l.p.cfg.ResultScores {
		res.Scores = rank(l.p.parts.Labels, b.batch.Scores(i))
	}
	return res
}

// rank returns labels with their scores, best first.
func rank(labels []string, scores []float32) []LabelScore {
	ranked := make([]LabelScore, len(labels))
	for i, label := range labels {
		ranked[i] = LabelScore{Label: label, Score: scores[i]}
	}
	slices.SortStableFunc(ranked, func(a, b LabelScore) int { return cmp.Compare(b.Score, a.Score) })
	return ranked
}

// countExits counts n rows that leave after a stage.
func (l *loop) countExits(i, n int) {
	m, layers := l.p.parts.Metrics, l.p.parts.Layers
	m.stages[i].exits.Add(float64(n))
	m.layersRun.Add(float64(n * layers[i]))
	m.layersSaved.Add(float64(n * (layers[len(layers)-1] - layers[i])))
}

// count counts an answer by its label.
func (l *loop) count(label int) {
	if l.predictions[label] == nil {
		name := otherLabels
		if l.shown < labelsShown {
			name = l.p.parts.Labels[label]
			l.shown++
		}
		l.predictions[label] = l.p.parts.Metrics.predictions.WithLabelValues(name)
	}
	l.predictions[label].Inc()
}
