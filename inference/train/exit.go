package train

import (
	"math"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// exitState is what one exit computes: its answers, and the gradient that it
// sends to the layers before it.
type exitState struct {
	pooled    cpu.Matrix // (R, D) what is read of every row
	squashed  cpu.Matrix // (R, D) tanh of the pooler
	kept      cpu.Matrix // (R, D) after dropout
	logits    cpu.Matrix // (R, C), then their gradient
	dsquashed cpu.Matrix // (R, D)
	dpooled   cpu.Matrix // (R, D)
	dcontext  cpu.Matrix // (R, D) of the heads of the layer before the exit, at the tips
	pull      []float32  // (C) gradient of one row's logits by what the last exit answered
	gate      []float32  // (R) what passes the boundary behind the exit, of every row
}

func (s *exitState) grow(b *batch, c *inference.Config) {
	for _, m := range []*cpu.Matrix{&s.pooled, &s.squashed, &s.kept, &s.dsquashed, &s.dpooled, &s.dcontext} {
		growMatrix(m, b.rows(), c.Width)
	}
	growMatrix(&s.logits, b.rows(), len(c.Labels))
	growSlice(&s.pull, len(c.Labels))
	growSlice(&s.gate, b.rows())
}

// answer runs exit g on x, its layer's output.
func (n *network) answer(g int, x cpu.Matrix) {
	n.pool(g, n.exits[g].pooled.Part(0, n.batch.rows()), x)
	n.classify(g)
}

// classify runs exit g on what it has read.
func (n *network) classify(g int) {
	s, w, rows := n.exits[g], n.w.heads[g], n.batch.rows()
	pooled, squashed, kept, logits := s.pooled.Part(0, rows), s.squashed.Part(0, rows), s.kept.Part(0, rows), s.logits.Part(0, rows)
	n.forward(squashed, pooled, w.pooler)
	d := n.exitDropout(g)
	for r := range rows {
		n.kernels.BiasTanh(squashed.Row(r), w.pooler.b)
		d.row(kept.Row(r), squashed.Row(r), r)
	}
	n.forward(logits, kept, w.classifier)
	for r := range rows {
		row := logits.Row(r)
		for c, b := range w.classifier.b {
			row[c] += b
		}
	}
}

// learn sets the gradients of exit g's parameters and of what it read, after its
// answer, and returns the batch's mean loss on the labels, not weighted. The
// logits become their gradient.
func (n *network) learn(g int) float64 {
	s, rows := n.exits[g], n.batch.rows()
	share := float64(n.phase.weights[g]) / float64(rows)
	var loss float64
	for r, label := range n.batch.labels {
		logits := s.logits.Row(r)
		if n.phase.gate.Kind != NoGate {
			s.gate[r] = n.phase.gate.factor(logits, int(label))
		}
		pull := n.pull(g, r, share)
		loss += crossEntropy(logits, int(label), share)
		for c, v := range pull {
			logits[c] += v
		}
	}
	if !n.options.Freeze.head(g, len(n.exits)) {
		n.answerGradient(g)
	}
	return loss / float64(rows)
}

// crossEntropy returns −log softmax(logits)[label] and replaces the logits by
// share times its gradient: softmax(logits) less 1 at the label.
func crossEntropy(logits []float32, label int, share float64) float64 {
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, float64(z))
	}
	var sum float64
	for _, z := range logits {
		sum += math.Exp(float64(z) - top)
	}
	loss := math.Log(sum) + top - float64(logits[label])
	for c, z := range logits {
		p := math.Exp(float64(z)-top) / sum
		if c == label {
			p--
		}
		logits[c] = float32(p * share)
	}
	return loss
}

// answerGradient runs exit g backward from the gradient of its logits to that
// of what it read.
func (n *network) answerGradient(g int) {
	s, w, dw, rows := n.exits[g], n.w.heads[g], n.dw.heads[g], n.batch.rows()
	dlogits, dsquashed, squashed := s.logits.Part(0, rows), s.dsquashed.Part(0, rows), s.squashed.Part(0, rows)
	clear(dw.classifier.b)
	for r := range rows {
		for c, v := range dlogits.Row(r) {
			dw.classifier.b[c] += v
		}
	}
	n.weightGradient(dw.classifier, dlogits, s.kept.Part(0, rows))
	n.backward(dsquashed, dlogits, w.classifier)
	d := n.exitDropout(g)
	for r := range rows {
		row := dsquashed.Row(r)
		d.row(row, row, r)
		for i, y := range squashed.Row(r) {
			row[i] *= 1 - y*y
		}
		n.kernels.AddBias(dw.pooler.b, row)
	}
	n.weightGradientAdd(dw.pooler, dsquashed, s.pooled.Part(0, rows))
	if g < n.phase.frozen {
		return
	}
	dpooled := s.dpooled.Part(0, rows)
	n.backward(dpooled, dsquashed, w.pooler)
	if scale := n.phase.scale[g]; scale != 1 {
		for r := range rows {
			multiply(dpooled.Row(r), scale)
		}
	}
}

// exitDropout returns the dropout between the pooler and the classifier of exit
// g. Its layer is the next one's number.
func (n *network) exitDropout(g int) dropout {
	if n.options.Freeze.head(g, len(n.exits)) {
		return dropout{}
	}
	return newDropout(n.rows, n.options.Dropout, n.options.Seed, n.step, n.config.Exits[g], placePooled)
}

// pool sets pooled (R, D) to what exit g reads of every row of x: the first
// token or the mean of all.
func (n *network) pool(g int, pooled, x cpu.Matrix) {
	tips := n.forwardsTips(n.config.Exits[g] - 1) // x has no other rows
	n.eachRow(func(_, r, lo, hi int) {
		out := pooled.Row(r)
		if tips {
			copy(out, x.Row(r))
			return
		}
		copy(out, x.Row(lo))
		if n.config.Pooling[g] == inference.CLS {
			return
		}
		for t := lo + 1; t < hi; t++ {
			n.kernels.AddBias(out, x.Row(t))
		}
		share := 1 / float32(hi-lo)
		for i := range out {
			out[i] *= share
		}
	})
}

// spread adds the gradient of what exit g read to dx (T, D).
func (n *network) spread(g int, dx cpu.Matrix) {
	dpooled, p := n.exits[g].dpooled, n.config.Pooling[g]
	n.eachRow(func(_, r, lo, hi int) {
		row := dpooled.Row(r)
		if p == inference.CLS {
			n.kernels.AddBias(dx.Row(lo), row)
			return
		}
		share := 1 / float32(hi-lo)
		for i := range row {
			row[i] *= share
		}
		for t := lo; t < hi; t++ {
			n.kernels.AddBias(dx.Row(t), row)
		}
	})
}
