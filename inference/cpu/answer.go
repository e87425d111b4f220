package cpu

import (
	"math"

	"sweetspot/inference"
)

type poolingJob struct {
	out, x Matrix
	starts []int32
	mode   inference.Pooling
	run    func(worker, lo, hi int)
}

// Answer fills exits (R), and logits (R, C) unless it is nil.
func (d *Device) Answer(exits []inference.Exit, logits []float32, x inference.Buffer, starts []int32, h inference.Head) {
	const operation = "Answer"
	tokens, ok := d.rows(operation, starts)
	if !ok {
		return
	}
	from, ok := resolve[*head](d, operation, "the head", h)
	if !ok {
		return
	}
	width, classes, rows := from.pooler.w.K, from.Classes(), len(starts)-1
	m, ok := d.room(operation, "x", x, tokens, width)
	if !ok {
		return
	}
	if len(exits) != rows || (logits != nil && len(logits) != rows*classes) {
		d.failf("%s: room for %d exits and %d logits, want %d and %d", operation, len(exits), len(logits), rows, rows*classes)
		return
	}
	for r := range rows {
		if starts[r] == starts[r+1] {
			d.failf("%s: row %d has no tokens", operation, r)
			return
		}
	}
	d.pooled = reshape(d.pooled, rows, width)
	d.hidden = reshape(d.hidden, rows, width)
	d.logits = reshape(d.logits, rows, classes)
	job := &d.pooling
	job.out, job.x, job.starts, job.mode = d.pooled, m, starts, from.pooling
	d.engine.Run(rows, tokens*width, job.run)
	d.dense(d.hidden, d.pooled, &from.pooler, d.engine.biasTanh)
	d.dense(d.logits, d.hidden, &from.classifier, d.engine.addBias)
	for r := range rows {
		row := d.logits.Row(r)
		exit, ok := answer(row, from.temperature, from.score)
		if !ok {
			d.failf("%s: row %d: a logit is not a finite number; the weights are damaged or their values too large", operation, r)
			return
		}
		exits[r] = exit
		if logits != nil {
			copy(logits[r*classes:], row)
		}
	}
}

// dense sets out to act(in·Wᵀ + b).
func (d *Device) dense(out, in Matrix, l *linear, act func(x, b []float32)) {
	d.engine.run("Answer", product{
		c: out, a: in, b: &l.w, width: roundUp(l.w.N, d.engine.width), bias: l.b, act: act,
	})
}

// poolRows pools rows lo to hi. A mean is summed in the order of the tokens.
func (d *Device) poolRows(_, lo, hi int) {
	job := &d.pooling
	for r := lo; r < hi; r++ {
		first, last := int(job.starts[r]), int(job.starts[r+1])
		row := job.out.Row(r)
		copy(row, job.x.Row(first))
		if job.mode != inference.Mean {
			continue
		}
		for t := first + 1; t < last; t++ {
			d.engine.AddBias(row, job.x.Row(t))
		}
		share := 1 / float32(last-first)
		for i := range row {
			row[i] *= share
		}
	}
}

// answer is the most likely label, the lowest of equals, with its softmax
// probability at the temperature and the confidence that the score gives it. It
// reports false where a logit is not a finite number.
func answer(logits []float32, temperature float64, score inference.Score) (inference.Exit, bool) {
	label := 0
	for i, z := range logits {
		if math.IsNaN(float64(z)) || math.IsInf(float64(z), 0) {
			return inference.Exit{}, false
		}
		if z > logits[label] {
			label = i
		}
	}
	s := softmax{logits: logits, label: label, temperature: temperature}
	for _, z := range logits {
		s.sum += math.Exp(s.exponent(z))
	}
	probability := 1 / s.sum
	confidence := probability
	switch score {
	case inference.MaxProbability:
	case inference.Margin:
		confidence = s.margin()
	case inference.Entropy:
		confidence = s.certainty()
	}
	return inference.Exit{Label: label, Confidence: float32(confidence), Probability: float32(probability)}, true
}

// softmax is the distribution of one row: class c has probability
// exp(exponent(logits[c])) / sum.
type softmax struct {
	logits      []float32 // (C)
	label       int       // of the largest logit
	temperature float64
	sum         float64 // at least 1, the label's own
}

// exponent is how far logit z is below the largest, at the temperature.
func (s *softmax) exponent(z float32) float64 {
	return (float64(z) - float64(s.logits[s.label])) / s.temperature
}

// margin is by how much the label's probability exceeds the next one.
func (s *softmax) margin() float64 {
	next := math.Inf(-1)
	for i, z := range s.logits {
		if i != s.label {
			next = max(next, s.exponent(z))
		}
	}
	return (1 - math.Exp(next)) / s.sum
}

// certainty is 1 − H/log C, where H = log(sum) − Σ exponent·exp(exponent) / sum.
// Rounding may not take it out of [0, 1].
func (s *softmax) certainty() float64 {
	mean := 0.0
	for _, z := range s.logits {
		e := s.exponent(z)
		mean += e * math.Exp(e) / s.sum
	}
	entropy := math.Log(s.sum) - mean
	return min(max(1-entropy/math.Log(float64(len(s.logits))), 0), 1)
}
