package cpu

import "sweetspot/inference"

// Linear sets out (T, N) to act(in·Wᵀ + b). The bias and the activation are
// added by the thread that computed the columns, while they are in its cache.
func (d *Device) Linear(out, in inference.Buffer, tokens int, w inference.Linear, act inference.Activation) {
	const operation = "Linear"
	l, ok := resolve[*linear](d, operation, "the weight", w)
	if !ok {
		return
	}
	j, ok := d.product(operation, "out", out, in, tokens, l)
	if !ok {
		return
	}
	switch act {
	case inference.Identity:
		j.act = d.engine.addBias
	case inference.GELU:
		j.act = d.engine.biasGELU
	default:
		d.failf("%s: activation %d is unknown", operation, act)
		return
	}
	d.engine.run(operation, j)
}

// LinearNorm sets x (T, D) to the layer norm of x + in·Wᵀ + b. The product is
// added to x in place; the bias joins it on the way through the norm.
func (d *Device) LinearNorm(x, in inference.Buffer, tokens int, w inference.Linear, n inference.Norm) {
	const operation = "LinearNorm"
	l, ok := resolve[*linear](d, operation, "the weight", w)
	if !ok {
		return
	}
	after, ok := resolve[*norm](d, operation, "the norm", n)
	if !ok {
		return
	}
	if after.Width() != l.w.N {
		d.failf("%s: norm of width %d after a weight of (%d, %d)", operation, after.Width(), l.w.N, l.w.K)
		return
	}
	j, ok := d.product(operation, "x", x, in, tokens, l)
	if !ok {
		return
	}
	j.add = Accumulate
	d.engine.run(operation, j)
	job := &d.norming
	job.x, job.b, job.norm = j.c, l.b, after
	d.engine.Run(tokens, j.c.Rows*j.c.Cols*normWork, job.run)
}

// product is out = in·Wᵀ with whole panels of out written: buffers have room
// for them, and what lies past their width is never read.
func (d *Device) product(operation, name string, out, in inference.Buffer, tokens int, l *linear) (product, bool) {
	c, ok := d.room(operation, name, out, tokens, l.w.N)
	if !ok {
		return product{}, false
	}
	a, ok := d.room(operation, "in", in, tokens, l.w.K)
	if !ok {
		return product{}, false
	}
	if out == in {
		return product{}, d.failf("%s: in and %s are the same buffer", operation, name)
	}
	return product{c: c, a: a, b: &l.w, width: roundUp(l.w.N, d.engine.width), bias: l.b}, true
}

// normWork is what one value of a layer norm weighs, in floating-point
// operations of the matrix product.
const normWork = 32

type normJob struct {
	x    Matrix
	b    []float32 // added before the norm
	norm *norm
	run  func(worker, lo, hi int)
}

// normRows norms tokens lo to hi.
func (d *Device) normRows(_, lo, hi int) {
	job := &d.norming
	for t := lo; t < hi; t++ {
		row := job.x.Row(t)
		d.engine.AddNorm(row, row, job.b, job.norm.gain, job.norm.bias, job.norm.epsilon)
	}
}
