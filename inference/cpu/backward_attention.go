package cpu

import "math"

// An Attention computes self-attention over one text at a time, forward with
// the probabilities kept, and backward. It holds scratch memory, so each
// goroutine has its own.
//
// Matrices of a text have one row per token: qkv (S, 3D) holds queries, keys
// and values side by side, each with the columns of head 0 first.
type Attention struct {
	kernels *Kernels
	grads   *Gradients
	a, b, c []float32 // panels
	weights []float32 // (S, stride) dropped probabilities, then their gradient
	out     []float32 // (S, whole panels) of a head that is no whole number of panels wide
}

// NewAttention returns an Attention that uses the kernels of k.
func NewAttention(k *Kernels) *Attention {
	return &Attention{kernels: k, grads: k.Gradients()}
}

// A Drop applies dropout to the probabilities p of one query in one head, and
// writes the result to dst, which may be p. Both are filled up with zeros to a
// multiple of 8. It drops the same when it is asked again. A nil Drop drops
// nothing.
type Drop func(dst, p []float32, head, query int)

// ProbabilitySize returns how many values the probabilities of a text of that
// many tokens take.
func (k *Kernels) ProbabilitySize(tokens, heads int) int {
	return heads * tokens * roundUp(tokens, k.width)
}

// Forward sets context (S, D) to softmax(q·kᵀ/√(D/H))·v for every head, and
// keeps the softmax's values in probabilities.
func (t *Attention) Forward(context, qkv Matrix, heads int, probabilities []float32, drop Drop) {
	s, width := qkv.Rows, context.Cols
	h := width / heads
	stride := roundUp(s, t.kernels.width)
	scale := float32(1 / math.Sqrt(float64(h)))
	for head := range heads {
		q, k, v := head3(qkv, width, head, h)
		p := probabilities[head*s*stride : (head+1)*s*stride]
		t.a = t.packRows(t.a, k)
		t.product(p, stride, q.Data, q.Stride, t.a, s, h, s)
		for i := range s {
			t.kernels.Softmax(p[i*stride:i*stride+roundUp(s, 8)], s, scale)
		}
		weights := t.dropped(p, s, stride, head, drop)
		t.b = t.packColumns(t.b, v)
		t.into(context.Columns(head*h, (head+1)*h), weights, stride, t.b, s)
	}
}

// Backward sets dqkv (S, 3D) to the gradient of Forward's qkv, given dcontext
// (S, D), that of its context.
func (t *Attention) Backward(dqkv, dcontext, qkv Matrix, heads int, probabilities []float32, drop Drop) {
	s, width := qkv.Rows, dcontext.Cols
	h := width / heads
	stride := roundUp(s, t.kernels.width)
	scale := float32(1 / math.Sqrt(float64(h)))
	for head := range heads {
		q, k, v := head3(qkv, width, head, h)
		dq, dk, dv := head3(dqkv, width, head, h)
		dout := dcontext.Columns(head*h, (head+1)*h)
		p := probabilities[head*s*stride : (head+1)*s*stride]

		t.a = t.packColumns(t.a, dout)
		t.intoT(dv, t.dropped(p, s, stride, head, drop), stride, t.a, s)

		t.b = t.packRows(t.b, v)
		t.weights = room(t.weights, s*stride)
		d := t.weights
		t.product(d, stride, dout.Data, dout.Stride, t.b, s, h, s)
		for i := range s {
			row := d[i*stride : i*stride+roundUp(s, 8)]
			if drop != nil {
				drop(row, row, head, i)
			}
			t.grads.SoftmaxGradient(row, p[i*stride:], scale)
		}
		t.c = t.packColumns(t.c, k)
		t.into(dq, d, stride, t.c, s)
		t.a = t.packColumns(t.a, q)
		t.intoT(dk, d, stride, t.a, s)
	}
}

// head3 cuts the queries, keys and values of one head out of (S, 3D).
func head3(qkv Matrix, width, head, h int) (q, k, v Matrix) {
	lo := head * h
	return qkv.Columns(lo, lo+h), qkv.Columns(width+lo, width+lo+h), qkv.Columns(2*width+lo, 2*width+lo+h)
}

// dropped returns the probabilities that the values are weighted with.
func (t *Attention) dropped(p []float32, s, stride, head int, drop Drop) []float32 {
	if drop == nil {
		return p
	}
	t.weights = room(t.weights, s*stride)
	for i := range s {
		lo, hi := i*stride, i*stride+roundUp(s, 8)
		drop(t.weights[lo:hi], p[lo:hi], head, i)
	}
	return t.weights
}

// packColumns lays m (k, n) out in panels of its columns.
func (t *Attention) packColumns(dst []float32, m Matrix) []float32 {
	b := Packed{Data: dst}
	t.kernels.PackN(&b, m)
	return b.Data
}

// packRows lays mᵀ out in panels of its columns, which are the rows of m (n, k).
func (t *Attention) packRows(dst []float32, m Matrix) []float32 {
	b := Packed{Data: dst}
	t.kernels.PackT(&b, m)
	return b.Data
}

// product sets c (m, n) to a (m, k) times panels (k, n). c has room for whole
// panels.
func (t *Attention) product(c []float32, ldc int, a []float32, lda int, panels []float32, m, k, n int) {
	nr := t.kernels.width
	for lo := 0; lo < n; lo += nr {
		b := panels[lo*k:]
		tiles(m, t.kernels.rows, func(i, rows int) {
			t.kernels.tile(rows, k, a[i*lda:], lda, b, c[i*ldc+lo:], ldc, 0)
		})
	}
}

// productT sets c (m, n) to aᵀ, for a (k, m), times panels (k, n).
func (t *Attention) productT(c []float32, ldc int, a []float32, lda int, panels []float32, m, k, n int) {
	nr := t.kernels.width
	for lo := 0; lo < n; lo += nr {
		b := panels[lo*k:]
		tiles(m, t.kernels.rows, func(i, rows int) {
			t.kernels.tileT(rows, k, a[i:], lda, b, c[i*ldc+lo:], ldc, 0)
		})
	}
}

// into sets c (S, h) to a (S, S) times panels (S, h), touching nothing beside c.
func (t *Attention) into(c Matrix, a []float32, lda int, panels []float32, s int) {
	if c.Cols%t.kernels.width == 0 {
		t.product(c.Data, c.Stride, a, lda, panels, s, s, c.Cols)
		return
	}
	stride := t.aside(s, c.Cols)
	t.product(t.out, stride, a, lda, panels, s, s, c.Cols)
	t.copyBack(c, stride)
}

// intoT sets c (S, h) to aᵀ, for a (S, S), times panels (S, h).
func (t *Attention) intoT(c Matrix, a []float32, lda int, panels []float32, s int) {
	if c.Cols%t.kernels.width == 0 {
		t.productT(c.Data, c.Stride, a, lda, panels, s, s, c.Cols)
		return
	}
	stride := t.aside(s, c.Cols)
	t.productT(t.out, stride, a, lda, panels, s, s, c.Cols)
	t.copyBack(c, stride)
}

// aside makes room in out for a head whose panels would run into the next one.
func (t *Attention) aside(s, h int) int {
	stride := roundUp(h, t.kernels.width)
	t.out = room(t.out, s*stride)
	return stride
}

func (t *Attention) copyBack(c Matrix, stride int) {
	for i := range c.Rows {
		copy(c.Row(i), t.out[i*stride:])
	}
}

// tiles cuts m rows into tiles of nearly equal height, none above limit.
func tiles(m, limit int, do func(i, rows int)) {
	n := (m + limit - 1) / limit
	i := 0
	for t := range n {
		rows := (m - i) / (n - t)
		do(i, rows)
		i += rows
	}
}

// room returns n values, in s's memory where they fit.
func room(s []float32, n int) []float32 {
	if cap(s) < n {
		return aligned(n + n/4)[:n]
	}
	return s[:n]
}
