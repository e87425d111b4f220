package cpu

// Gradients are the row kernels that only training needs: forward kernels that
// keep what the backward pass reads, their gradients, and the optimizer's step.
// Like those of [Kernels] they work on rows whose length is a multiple of 8 and
// above 0, and panic where an argument is shorter than the first. Sums along a
// row are taken in the same order.
type Gradients struct {
	geluPair        func(y, x, b []float32)
	mulSum          func(x, y, sum []float32)
	keepNorm        func(out, unit, x, b, y, gain, bias []float32, epsilon float32) float32
	normGradient    func(dx, dy, unit, gain, dgain, dbias []float32, scale float32)
	softmaxGradient func(d, y []float32, scale float32)
	adamW           func(x, dx, mean, square []float32, f *AdamW)
	sumSquares      func(x []float32) float64
	scale           func(x []float32, a float32)
	drop            func(dst, x []float32, state uint64, limit uint16, scale float32)
}

// plainGradients are the loops that run anywhere.
var plainGradients = Gradients{
	geluPair: plainGELUPair, mulSum: plainMulSum,
	keepNorm: plainKeepNorm, normGradient: plainNormGradient, softmaxGradient: plainSoftmaxGradient,
	adamW: plainAdamW, sumSquares: plainSumSquares, drop: plainDrop,
	scale: plainScale,
}

// Gradients returns the training kernels that belong to the set.
func (k *Kernels) Gradients() *Gradients {
	if k.name == portable.name {
		return &plainGradients
	}
	return nativeGradients
}

// GELUPair sets y to GELU(x + b), by the exact error function, and x to the
// derivative of GELU there.
func (g *Gradients) GELUPair(y, x, b []float32) {
	g.geluPair(whole(y), same(y, x), same(y, b))
}

// MulSum sets x to x·y and adds that to sum: the gradient through an
// element-wise function, and its bias's share of it.
func (g *Gradients) MulSum(x, y, sum []float32) {
	g.mulSum(whole(x), same(x, y), same(x, sum))
}

// KeepNorm sets unit to x + b + y less its mean, over its standard deviation,
// and out to gain·unit + bias. It returns the inverse of the deviation, which
// [Gradients.NormGradient] asks for. The result is that of [Kernels.AddNorm],
// bit for bit.
func (g *Gradients) KeepNorm(out, unit, x, b, y, gain, bias []float32, epsilon float32) float32 {
	return g.keepNorm(whole(out), same(out, unit), same(out, x), same(out, b), same(out, y), same(out, gain), same(out, bias), epsilon)
}

// NormGradient sets dx to the gradient of what KeepNorm normalized, given dy,
// that of out: s·(d − mean(d) − u·mean(d·u)) with d = dy·gain, u = unit and
// s = scale, the inverse deviation. It adds to the gradients of gain and bias.
// dx may be dy.
func (g *Gradients) NormGradient(dx, dy, unit, gain, dgain, dbias []float32, scale float32) {
	g.normGradient(whole(dx), same(dx, dy), same(dx, unit), same(dx, gain), same(dx, dgain), same(dx, dbias), scale)
}

// SoftmaxGradient turns d, the gradient of y = softmax(scale·x), into that of x:
// scale·y·(d − Σ d·y). What lies past the row's end must be 0 in y.
func (g *Gradients) SoftmaxGradient(d, y []float32, scale float32) {
	g.softmaxGradient(whole(d), same(d, y), scale)
}

// SumSquares returns the sum of x², in float64.
func (g *Gradients) SumSquares(x []float32) float64 {
	return g.sumSquares(whole(x))
}

// AdamW holds the factors of one step of AdamW (Loshchilov and Hutter 2019) for
// gradients dx with running means m and v of themselves and of their squares:
//
//	m ← Keep1·m + Add1·Clip·dx
//	v ← Keep2·v + Add2·(Clip·dx)²
//	x ← Keep·x − Rate·m/(Unbias·√v + Epsilon)
type AdamW struct {
	Clip        float32
	Keep1, Add1 float32 // β₁, 1 − β₁
	Keep2, Add2 float32 // β₂, 1 − β₂
	Unbias      float32 // 1/√(1 − β₂ᵗ)
	Epsilon     float32
	Rate        float32 // learning rate over 1 − β₁ᵗ
	Keep        float32 // 1 − learning rate times weight decay
}

// AdamW takes one step on x. Numbers below the normal range of float32, under
// 1.2e-38, may count as 0.
func (g *Gradients) AdamW(x, dx, mean, square []float32, f *AdamW) {
	g.adamW(whole(x), same(x, dx), same(x, mean), same(x, square), f)
}

// Scale sets x to a·x.
func (g *Gradients) Scale(x []float32, a float32) {
	g.scale(whole(x), a)
}

// Drop sets dst to scale·x, or to 0 where a draw of 16 bits is below limit. The
// draws are those of SplitMix64 (Steele, Lea and Flood 2014) from the given state
// on, each cut into four, the lowest bits first. dst may be x. Other than for the
// rest of the kernels, x may be of any length.
func (g *Gradients) Drop(dst, x []float32, state uint64, limit uint16, scale float32) {
	dst = dst[:len(x)]
	many := len(x) &^ 7
	if many > 0 && limit > 0 {
		g.drop(dst[:many], x[:many], state, limit, scale)
	} else {
		many = 0
	}
	plainDrop(dst[many:], x[many:], state+uint64(many/4)*golden, limit, scale)
}
