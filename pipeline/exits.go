package pipeline

import (
	"cmp"
	"context"
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
// those that leave and the places in b of those that stay. A row that is audited
// may do both: its result leaves as if it were not.
func (l *loop) split(ctx context.Context, b *bin, took time.Duration, now time.Time) (results []Result, stay []int, err error) {
	exits, last := b.batch.Exits(), b.stage == len(l.stages)-1
	if len(exits) != len(b.rows) {
		return nil, nil, fmt.Errorf("stage %d answered %d of %d rows", b.stage+1, len(exits), len(b.rows))
	}
	for i, r := range b.rows {
		e := exits[i]
		if labels := len(l.p.parts.Labels); !sound(e, labels) {
			return nil, nil, fmt.Errorf("stage %d answered with label %d of %d, confidence %v and probability %v",
				b.stage+1, e.Label, labels, e.Confidence, e.Probability)
		}
		if r.left > 0 {
			switch {
			case last:
				l.audit(ctx, r, e)
			case !l.closed:
				stay = append(stay, i)
			}
			continue
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
		l.countExit(b.stage, r, e)
		if r.audited && l.follow(ctx, r, e, b.stage) {
			stay = append(stay, i)
		}
	}
	return results, stay, nil
}

// follow lets a row go on whose answer has just left, to be compared with full
// depth's, and reports whether it does: at full depth there is nothing to
// compare, and a worker that drains has no time.
func (l *loop) follow(ctx context.Context, r *row, e inference.Exit, stage int) bool {
	switch {
	case l.closed:
		return false
	case stage == len(l.stages)-1:
		l.p.audits.observe(ctx, int(r.rung), true)
		return false
	}
	r.left, r.label = stage+1, e.Label
	r.message, r.deadline = nil, time.Time{}
	return true
}

// audit compares the answer of a row that left earlier with e, full depth's.
func (l *loop) audit(ctx context.Context, r *row, e inference.Exit) {
	l.p.audits.observe(ctx, int(r.rung), e.Label == r.label)
	l.p.parts.Metrics.layersRun.Add(float64(l.p.saved(r.left - 1)))
}

// dropAudits empties the batches that wait and hold nothing but rows that are
// answered already. Those that share a batch with others run once more.
func (l *loop) dropAudits() {
	for i := range l.stages {
		st := &l.stages[i]
		st.waiting = slices.DeleteFunc(st.waiting, func(b *bin) bool {
			answered := !slices.ContainsFunc(b.rows, func(r *row) bool { return r.left == 0 })
			if answered {
				l.empty(b, nil)
				l.free(b)
			}
			return answered
		})
	}
}

// saved returns how many layers a row is spared that leaves after a stage.
func (p *Pipeline) saved(stage int) int {
	return p.parts.Layers[len(p.parts.Layers)-1] - p.parts.Layers[stage]
}

func (l *loop) result(b *bin, i int, now time.Time) Result {
	r, e := b.rows[i], b.batch.Exits()[i]
	res := Result{
		Message: r.message,
		Label:   l.p.parts.Labels[e.Label], Score: e.Probability,
		Exit: b.stage + 1, Layers: l.p.parts.Layers[b.stage], Rung: int(r.rung),
		Tier: r.tier, Audited: r.audited, Truncated: r.truncated, Tokens: len(r.tokens),
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

// countExit counts row r, which leaves after a stage with answer e. One that is
// audited saves nothing.
func (l *loop) countExit(stage int, r *row, e inference.Exit) {
	m := l.p.parts.Metrics
	m.stages[stage].exits.Inc()
	m.stages[stage].confidence.Observe(float64(e.Confidence))
	m.layersRun.Add(float64(l.p.parts.Layers[stage]))
	if !r.audited {
		m.layersSaved.Add(float64(l.p.saved(stage)))
	}
	l.count(e.Label)
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
