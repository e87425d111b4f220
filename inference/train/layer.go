package train

import (
	"slices"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// layerState is what a layer's backward pass reads of its forward pass.
type layerState struct {
	in      cpu.Matrix // (T, D) the layer's input, not owned
	qkv     cpu.Matrix // (T, 3D)
	heads   attention
	context cpu.Matrix // (T, D) the heads' outputs
	unit1   cpu.Matrix // (T, D) normalized, before gain and bias
	middle  cpu.Matrix // (T, D) output of the attention half
	slope   cpu.Matrix // (T, F) derivative of GELU at its input
	inner   cpu.Matrix // (T, F) GELU's output
	unit2   cpu.Matrix // (T, D)
	out     cpu.Matrix // (T, D)

	scale1, scale2 []float32 // (T) inverse deviations of the layer norms
}

func (s *layerState) grow(b *batch, c *inference.Config, k *cpu.Kernels) {
	t := b.tokens()
	growMatrix(&s.qkv, t, 3*c.Width)
	for _, m := range []*cpu.Matrix{&s.context, &s.unit1, &s.middle, &s.unit2, &s.out} {
		growMatrix(m, t, c.Width)
	}
	growMatrix(&s.slope, t, c.FeedForward)
	growMatrix(&s.inner, t, c.FeedForward)
	growSlice(&s.scale1, t)
	growSlice(&s.scale2, t)
	s.heads.grow(b, c, k)
}

// forwardLayer runs layer l on x (T, D), keeps what its backward pass needs in
// s, and returns its output.
func (n *network) forwardLayer(l int, s *layerState, x cpu.Matrix) cpu.Matrix {
	w, t := &n.w.layers[l], n.batch.tokens()
	s.in = x
	qkv := s.qkv.Part(0, t)
	n.forward(qkv, x, w.qkv)
	n.eachStrip(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			n.kernels.AddBias(qkv.Row(i), w.qkv.b)
		}
	})
	n.attend(l, s)
	product := n.scratch.product.Part(0, t)
	n.forward(product, s.context.Part(0, t), w.out)
	n.residualNorm(l, placeAttentionOutput, s.middle, s.unit1, s.scale1, x, w.out.b, w.norm1)

	inner, slope := s.inner.Part(0, t), s.slope.Part(0, t)
	n.forward(slope, s.middle.Part(0, t), w.up)
	n.eachStrip(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			n.rows.GELUPair(inner.Row(i), slope.Row(i), w.up.b)
		}
	})
	n.forward(product, inner, w.down)
	n.residualNorm(l, placeOutput, s.out, s.unit2, s.scale2, s.middle, w.down.b, w.norm2)
	return s.out.Part(0, t)
}

// residualNorm sets out to the layer norm of x + dropout(product + bias).
func (n *network) residualNorm(layer int, p place, out, unit cpu.Matrix, scale []float32, x cpu.Matrix, bias []float32, w norm) {
	d := n.dropout(layer, p)
	epsilon := float32(n.config.Epsilon)
	product := n.scratch.product
	n.eachStrip(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row, b := product.Row(i), bias
			if !d.off() {
				n.kernels.AddBias(row, bias)
				d.row(row, row, i)
				b = n.scratch.zero
			}
			scale[i] = n.rows.KeepNorm(out.Row(i), unit.Row(i), row, b, x.Row(i), w.gain, w.bias, epsilon)
		}
	})
}

// backwardLayer takes dx, the gradient of layer l's output, and turns it into
// that of the layer's input, unless no gradient goes there. It sets the
// gradients of the layer's parameters.
func (n *network) backwardLayer(l int, s *layerState, dx cpu.Matrix) {
	w, dw, t := &n.w.layers[l], &n.dw.layers[l], n.batch.tokens()
	inner, dinner := s.inner.Part(0, t), n.scratch.dinner.Part(0, t)

	dproduct := n.residualNormGradient(l, placeOutput, dx, s.unit2, s.scale2, w.norm2, dw.norm2, dw.down.b)
	n.weightGradient(dw.down, dproduct, inner)
	n.backward(dinner, dproduct, w.down)
	n.eachStrip(func(lo, hi int) {
		sum := n.strips.row(0, lo, w.up.n)
		for i := lo; i < hi; i++ {
			n.rows.MulSum(dinner.Row(i), s.slope.Row(i), sum)
		}
	})
	n.total(dw.up.b, 0)
	n.weightGradient(dw.up, dinner, s.middle.Part(0, t))
	n.backwardAdd(dx, dinner, w.up)

	dproduct = n.residualNormGradient(l, placeAttentionOutput, dx, s.unit1, s.scale1, w.norm1, dw.norm1, dw.out.b)
	dcontext, dqkv := n.scratch.dcontext.Part(0, t), n.scratch.dqkv.Part(0, t)
	n.weightGradient(dw.out, dproduct, s.context.Part(0, t))
	n.backward(dcontext, dproduct, w.out)
	n.attendGradient(l, s)
	n.eachStrip(func(lo, hi int) {
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
// of a group that learns from its own exit alone, and the layer below belongs
// to another.
func (n *network) isolated(l int) bool {
	return n.options.Method.Pass == 0 && slices.Contains(n.config.Exits, l)
}

// residualNormGradient takes dx, the gradient of what residualNorm made, and
// turns it into that of the residual x. It returns the gradient of product,
// which is dx itself where nothing was dropped, and sets those of the layer
// norm and of the bias.
func (n *network) residualNormGradient(layer int, p place, dx, unit cpu.Matrix, scale []float32, w, dw norm, dbias []float32) cpu.Matrix {
	d := n.dropout(layer, p)
	dproduct := dx
	if !d.off() {
		dproduct = n.scratch.dropped.Part(0, dx.Rows)
	}
	width := n.config.Width
	n.eachStrip(func(lo, hi int) {
		dgain, dshift := n.strips.row(0, lo, width), n.strips.row(1, lo, width)
		sum := n.strips.row(2, lo, width)
		for i := lo; i < hi; i++ {
			row := dx.Row(i)
			n.rows.NormGradient(row, row, unit.Row(i), w.gain, dgain, dshift, scale[i])
			if !d.off() {
				d.row(dproduct.Row(i), row, i)
			}
			n.kernels.AddBias(sum, dproduct.Row(i))
		}
	})
	n.total(dw.gain, 0)
	n.total(dw.bias, 1)
	n.total(dbias, 2)
	return dproduct
}

// dropout returns that of one place of a layer in this step.
func (n *network) dropout(layer int, p place) dropout {
	return newDropout(n.options.Dropout, n.options.Seed, n.step, layer, p)
}
