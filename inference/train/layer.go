package train

import (
	"slices"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// layerState is what a layer's backward pass reads of its forward pass.
type layerState struct {
	in    cpu.Matrix // (T, D) the layer's input, not owned
	qkv   cpu.Matrix // (T, 3D)
	heads attention
	upper half
}

func (s *layerState) grow(b *batch, c *inference.Config, k *cpu.Kernels) {
	growMatrix(&s.qkv, b.tokens(), 3*c.Width)
	s.heads.grow(b, c, k)
	s.upper.grow(b.tokens(), c)
}

// forwardLayer runs layer l on x (T, D), keeps what its backward pass needs in
// s, and returns its output.
func (n *network) forwardLayer(l int, s *layerState, x cpu.Matrix) cpu.Matrix {
	w, t := &n.w.layers[l], n.batch.tokens()
	s.in = x
	qkv := s.qkv.Part(0, t)
	n.forward(qkv, x, w.qkv)
	n.eachStrip(t, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			n.kernels.AddBias(qkv.Row(i), w.qkv.b)
		}
	})
	n.attend(l, s)
	if n.forwardsTips(l) {
		n.gatherInput(s)
		return n.forwardHalf(l, &n.tips, n.tips.in)
	}
	return n.forwardHalf(l, &s.upper, x)
}

// backwardLayer takes dx, the gradient of layer l's output, and turns it into
// that of the layer's input, unless no gradient goes there. It sets the
// gradients of the layer's parameters.
func (n *network) backwardLayer(l int, s *layerState, dx cpu.Matrix) {
	n.backwardHalf(l, &s.upper, dx, n.scratch.dcontext)
	n.backwardAttention(l, s, dx)
}

// backwardAttention adds to dx, the gradient that reached layer l's input by the
// residual, what comes by way of the attention, whose gradient is in scratch.
func (n *network) backwardAttention(l int, s *layerState, dx cpu.Matrix) {
	w, dw, t := &n.w.layers[l], &n.dw.layers[l], n.batch.tokens()
	dqkv := n.scratch.dqkv.Part(0, t)
	n.attendGradient(l, s)
	n.eachStrip(t, func(lo, hi int) {
		sum := n.strips.row(0, lo, w.qkv.n)
		for i := lo; i < hi; i++ {
			n.kernels.AddBias(sum, dqkv.Row(i))
		}
	})
	n.total(dw.qkv.b, 0)
	n.weightGradient(dw.qkv, dqkv, s.in)
	if !n.isolated(l) {
		n.backwardAdd(dx, dqkv, w.qkv)
	}
}

// isolated reports whether no gradient leaves layer l downwards: it is the first
// of its group, and nothing passes to the group below.
func (n *network) isolated(l int) bool {
	below := slices.Index(n.config.Exits, l)
	return below >= 0 && n.phase.pass[below] == 0
}

// dropout returns that of one place of a layer in this step.
func (n *network) dropout(layer int, p place) dropout {
	if layer < n.frozenLayers() {
		return dropout{}
	}
	return newDropout(n.rows, n.options.Dropout, n.options.Seed, n.step, layer, p)
}
