package train

import "math"

// askLast runs a forward pass of all groups for the last exit's answers alone,
// which its logits hold until it answers the same again.
func (n *network) askLast() {
	last := len(n.exits) - 1
	x := n.embed()
	for _, chain := range n.phase.chains {
		for g := chain.from; g < chain.to; g++ {
			x = n.forwardGroup(g, x)
		}
		if chain.to <= last {
			x = n.carry(x)
		}
	}
	n.answer(last, x)
}

// pull returns share times the gradient of what row r's logits at exit g are
// pulled by besides its label, the last exit's answer:
// Weight·T·(softmax(z_g/T) − softmax(z_m/T)). Nil is none.
func (n *network) pull(g, r int, share float64) []float32 {
	d, last := n.phase.distill, len(n.exits)-1
	if d.Weight == 0 || g == last {
		return nil
	}
	pull, t := n.exits[g].pull, float64(d.Temperature)
	logits, teacher := n.exits[g].logits.Row(r), n.exits[last].logits.Row(r)
	top, sum := softmaxParts(logits, t)
	teacherTop, teacherSum := softmaxParts(teacher, t)
	for c := range pull {
		p := math.Exp((float64(logits[c])-top)/t) / sum
		q := math.Exp((float64(teacher[c])-teacherTop)/t) / teacherSum
		pull[c] = float32(share * float64(d.Weight) * t * (p - q))
	}
	return pull
}

// softmaxParts returns the largest of logits, and the sum of e to the power of
// what the others are below it, divided by temperature t.
func softmaxParts(logits []float32, t float64) (top, sum float64) {
	top = math.Inf(-1)
	for _, z := range logits {
		top = max(top, float64(z))
	}
	for _, z := range logits {
		sum += math.Exp((float64(z) - top) / t)
	}
	return top, sum
}

// factor returns what a row lets through whose exit answers logits.
func (g Gate) factor(logits []float32, label int) float32 {
	top, sum := softmaxParts(logits, 1)
	z := float64(logits[label])
	p := math.Exp(z-top) / sum
	switch {
	case g.Kind == SoftGate:
		return float32(1 - p)
	case z == top && p >= float64(g.Confidence):
		return 0
	default:
		return 1
	}
}
