package train

import "sweetspot/inference/cpu"

// matrix is the weight as a matrix (N, K).
func (l linear) matrix() cpu.Matrix {
	return cpu.Matrix{Rows: l.n, Cols: l.k, Stride: l.k, Data: l.w}
}

// forward sets y (T, N) to x·Wᵀ, without the bias.
func (n *network) forward(y, x cpu.Matrix, w linear) {
	n.engine.PackT(&n.packed, w.matrix())
	n.engine.Gemm(y, x, &n.packed, cpu.Overwrite)
}

// backward sets dx (T, K) to dy·W.
func (n *network) backward(dx, dy cpu.Matrix, w linear) {
	n.engine.PackN(&n.packed, w.matrix())
	n.engine.Gemm(dx, dy, &n.packed, cpu.Overwrite)
}

// backwardAdd adds dy·W to dx (T, K).
func (n *network) backwardAdd(dx, dy cpu.Matrix, w linear) {
	n.engine.PackN(&n.packed, w.matrix())
	n.engine.Gemm(dx, dy, &n.packed, cpu.Accumulate)
}

// weightGradient sets dW (N, K) to dyᵀ·x.
func (n *network) weightGradient(dw linear, dy, x cpu.Matrix) {
	n.engine.PackN(&n.packed, x)
	n.engine.GemmT(dw.matrix(), dy, &n.packed, cpu.Overwrite)
}

// weightGradientAdd adds dyᵀ·x to dW.
func (n *network) weightGradientAdd(dw linear, dy, x cpu.Matrix) {
	n.engine.PackN(&n.packed, x)
	n.engine.GemmT(dw.matrix(), dy, &n.packed, cpu.Accumulate)
}
