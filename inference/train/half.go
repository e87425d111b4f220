package train

import (
	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// A half is the part of a layer behind the attention heads: output projection,
// layer norm, feed-forward, layer norm. It treats every token by itself, so it
// can run on some tokens of the batch alone.
type half struct {
	rows   int     // N, tokens it runs on
	tokens []int32 // (N) which of the batch's they are; nil for all

	in      cpu.Matrix // (N, D) the layer's input
	context cpu.Matrix // (N, D) the heads' outputs
	unit1   cpu.Matrix // (N, D) normalized, before gain and bias
	middle  cpu.Matrix // (N, D) output of the first layer norm
	slope   cpu.Matrix // (N, F) derivative of GELU at its input
	inner   cpu.Matrix // (N, F) GELU's output
	unit2   cpu.Matrix // (N, D)
	out     cpu.Matrix // (N, D)

	scale1, scale2 []float32 // (N) inverse deviations of the layer norms
}

func (h *half) grow(rows int, c *inference.Config) {
	h.rows = rows
	for _, m := range []*cpu.Matrix{&h.context, &h.unit1, &h.middle, &h.unit2, &h.out} {
		growMatrix(m, rows, c.Width)
	}
	growMatrix(&h.slope, rows, c.FeedForward)
	growMatrix(&h.inner, rows, c.FeedForward)
	growSlice(&h.scale1, rows)
	growSlice(&h.scale2, rows)
}

// number returns which of the batch's tokens row i is.
func (h *half) number(i int) int {
	if h.tokens == nil {
		return i
	}
	return int(h.tokens[i])
}

// forwardHalf runs layer l behind its heads, for the layer's input x (N, D), and
// returns its output.
func (n *network) forwardHalf(l int, h *half, x cpu.Matrix) cpu.Matrix {
	w := &n.w.layers[l]
	h.in = x.Part(0, h.rows)
	product := n.scratch.product.Part(0, h.rows)
	n.forward(product, h.context.Part(0, h.rows), w.out)
	n.residualNorm(h, n.dropout(l, placeAttentionOutput), h.middle, h.unit1, h.scale1, h.in, w.out.b, w.norm1)

	inner, slope := h.inner.Part(0, h.rows), h.slope.Part(0, h.rows)
	n.forward(slope, h.middle.Part(0, h.rows), w.up)
	n.eachStrip(h.rows, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			n.rows.GELUPair(inner.Row(i), slope.Row(i), w.up.b)
		}
	})
	n.forward(product, inner, w.down)
	n.residualNorm(h, n.dropout(l, placeOutput), h.out, h.unit2, h.scale2, h.middle, w.down.b, w.norm2)
	return h.out.Part(0, h.rows)
}

// residualNorm sets out to the layer norm of x + dropout(product + bias).
func (n *network) residualNorm(h *half, d dropout, out, unit cpu.Matrix, scale []float32, x cpu.Matrix, bias []float32, w norm) {
	epsilon := float32(n.config.Epsilon)
	product := n.scratch.product
	n.eachStrip(h.rows, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row, b := product.Row(i), bias
			if !d.off() {
				n.kernels.AddBias(row, bias)
				d.row(row, row, h.number(i))
				b = n.scratch.zero
			}
			scale[i] = n.rows.KeepNorm(out.Row(i), unit.Row(i), row, b, x.Row(i), w.gain, w.bias, epsilon)
		}
	})
}

// backwardHalf takes dx (N, D), the gradient of forwardHalf's output, and turns
// it into what reaches the layer's input by the residual. It sets dcontext
// (N, D) to the gradient of the heads' outputs, and those of the parameters.
func (n *network) backwardHalf(l int, h *half, dx, dcontext cpu.Matrix) {
	w, dw := &n.w.layers[l], &n.dw.layers[l]
	inner, dinner := h.inner.Part(0, h.rows), n.scratch.dinner.Part(0, h.rows)

	dproduct := n.residualNormGradient(h, n.dropout(l, placeOutput), dx, h.unit2, h.scale2, w.norm2, dw.norm2, dw.down.b)
	n.weightGradient(dw.down, dproduct, inner)
	n.backward(dinner, dproduct, w.down)
	n.eachStrip(h.rows, func(lo, hi int) {
		sum := n.strips.row(0, lo, w.up.n)
		for i := lo; i < hi; i++ {
			n.rows.MulSum(dinner.Row(i), h.slope.Row(i), sum)
		}
	})
	n.total(dw.up.b, 0)
	n.weightGradient(dw.up, dinner, h.middle.Part(0, h.rows))
	n.backwardAdd(dx, dinner, w.up)

	dproduct = n.residualNormGradient(h, n.dropout(l, placeAttentionOutput), dx, h.unit1, h.scale1, w.norm1, dw.norm1, dw.out.b)
	n.weightGradient(dw.out, dproduct, h.context.Part(0, h.rows))
	n.backward(dcontext.Part(0, h.rows), dproduct, w.out)
}

// residualNormGradient takes dx, the gradient of what residualNorm made, and
// turns it into that of the residual x. It returns the gradient of product,
// which is dx itself where nothing was dropped, and sets those of the layer
// norm and of the bias.
func (n *network) residualNormGradient(h *half, d dropout, dx, unit cpu.Matrix, scale []float32, w, dw norm, dbias []float32) cpu.Matrix {
	dproduct := dx
	if !d.off() {
		dproduct = n.scratch.dropped.Part(0, dx.Rows)
	}
	width := n.config.Width
	n.eachStrip(h.rows, func(lo, hi int) {
		dgain, dshift := n.strips.row(0, lo, width), n.strips.row(1, lo, width)
		sum := n.strips.row(2, lo, width)
		for i := lo; i < hi; i++ {
			row := dx.Row(i)
			n.rows.NormGradient(row, row, unit.Row(i), w.gain, dgain, dshift, scale[i])
			if !d.off() {
				d.row(dproduct.Row(i), row, h.number(i))
			}
			n.kernels.AddBias(sum, dproduct.Row(i))
		}
	})
	n.total(dw.gain, 0)
	n.total(dw.bias, 1)
	n.total(dbias, 2)
	return dproduct
}
