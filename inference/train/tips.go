package train

import (
	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// An exit with CLS pooling reads the first token of every row alone, its tip.
// Where nothing else reads the output of a group's last layer, the half of that
// layer behind the attention needs to run for the tips alone: forward where no
// layer follows, backward also where no gradient comes from the layers that
// follow.

// learnsFromTips reports whether the gradient of group g's output is 0 but at
// the tips.
func (n *network) learnsFromTips(g int) bool {
	return n.config.Pooling[g] == inference.CLS && n.phase.pass[g] == 0
}

// forwardsTips reports whether layer l's output is read at the tips alone.
func (n *network) forwardsTips(l int) bool {
	last := len(n.config.Exits) - 1
	return l == n.config.Layers-1 && n.learnsFromTips(last)
}

// growTips makes room for the tips of b.
func (n *network) growTips(b *batch) {
	n.tips.grow(b.rows(), n.config)
	n.tips.tokens = b.Starts[:b.rows()]
	growMatrix(&n.tipsIn, b.rows(), n.config.Width)
	n.tips.in = n.tipsIn
}

// gatherInput copies what the half behind layer s's attention reads.
func (n *network) gatherInput(s *layerState) {
	n.gather(n.tips.in, s.in)
	n.gather(n.tips.context, s.upper.context)
}

// gather sets dst (R, D) to the tips' rows of src (T, D).
func (n *network) gather(dst, src cpu.Matrix) {
	for r, t := range n.tips.tokens {
		copy(dst.Row(r), src.Row(int(t)))
	}
}

// gatherHalf copies the tips' part of what a layer kept of its forward pass.
func (n *network) gatherHalf(from *half) {
	to := &n.tips
	for _, m := range [][2]cpu.Matrix{
		{to.context, from.context},
		{to.unit1, from.unit1},
		{to.middle, from.middle},
		{to.slope, from.slope},
		{to.inner, from.inner},
		{to.unit2, from.unit2},
	} {
		n.gather(m[0], m[1])
	}
	for r, t := range to.tokens {
		to.scale1[r], to.scale2[r] = from.scale1[t], from.scale2[t]
	}
}

// scatter sets dst (T, D) to src (R, D) at the tips and to 0 elsewhere.
func (n *network) scatter(dst, src cpu.Matrix) {
	n.eachRow(func(_, r, lo, hi int) {
		copy(dst.Row(lo), src.Row(r))
		for t := lo + 1; t < hi; t++ {
			clear(dst.Row(t))
		}
	})
}

// backwardTips is backwardLayer for the last layer of a group that learns from
// its tips. It sets dx.
func (n *network) backwardTips(g, l int, s *layerState, dx cpu.Matrix) {
	if !n.forwardsTips(l) {
		n.gatherHalf(&s.upper)
	}
	dtips := n.exits[g].dpooled.Part(0, n.tips.rows)
	dcontext := n.exits[g].dcontext
	n.backwardHalf(l, &n.tips, dtips, dcontext)
	n.scatter(n.scratch.dcontext, dcontext)
	n.scatter(dx, dtips)
	n.backwardAttention(l, s, dx)
}
