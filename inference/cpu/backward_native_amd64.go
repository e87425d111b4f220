package cpu

// nativeGradients serve both sets of assembly kernels.
var nativeGradients = &Gradients{
	geluPair: func(y, x, b []float32) { geluPair8(&y[0], &x[0], &b[0], len(y)) },
	mulSum:   func(x, y, sum []float32) { mulSum8(&x[0], &y[0], &sum[0], len(x)) },
	keepNorm: func(out, unit, x, b, y, gain, bias []float32, epsilon float32) float32 {
		return keepNorm8(&out[0], &unit[0], &x[0], &b[0], &y[0], &gain[0], &bias[0], len(out), 1/float32(len(out)), epsilon)
	},
	normGradient: func(dx, dy, unit, gain, dgain, dbias []float32, scale float32) {
		normGradient8(&dx[0], &dy[0], &unit[0], &gain[0], &dgain[0], &dbias[0], len(dx), 1/float32(len(dx)), scale)
	},
	softmaxGradient: func(d, y []float32, scale float32) { softmaxGradient8(&d[0], &y[0], len(d), scale) },
	adamW: func(x, dx, mean, square []float32, f *AdamW) {
		adamW8(&x[0], &dx[0], &mean[0], &square[0], len(x), &f.Clip)
	},
	sumSquares: func(x []float32) float64 { return sumSquares8(&x[0], len(x)) },
	scale:      func(x []float32, a float32) { scale8(&x[0], len(x), a) },
	drop: func(dst, x []float32, state uint64, limit uint16, scale float32) {
		drop8(&dst[0], &x[0], len(x), state, uint32(limit-1)*(1<<16+1), scale)
	},
}
