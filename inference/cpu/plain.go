package cpu

import "math"

// The mathematics as plain loops: the reference that the assembly is checked
// against, and what runs on processors that have none.

// plainTile sets c (m, 16) to a (m, k) times one panel b (k, 16), or adds the
// product to c where add is not 0.
func plainTile(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
	for i := range m {
		var sum [plainWidth]float32
		for j, x := range a[i*lda : i*lda+k] {
			plainAxpy(&sum, x, (*[plainWidth]float32)(b[j*plainWidth:]))
		}
		plainStore(c[i*ldc:], &sum, add)
	}
}

// plainTileT is plainTile for an a that lies (k, m): c is aᵀ·b.
func plainTileT(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
	for i := range m {
		var sum [plainWidth]float32
		for j := range k {
			plainAxpy(&sum, a[j*lda+i], (*[plainWidth]float32)(b[j*plainWidth:]))
		}
		plainStore(c[i*ldc:], &sum, add)
	}
}

// plainWidth is the panel width of the plain loops.
const plainWidth = 16

func plainAxpy(sum *[plainWidth]float32, x float32, row *[plainWidth]float32) {
	for j := range sum {
		sum[j] += x * row[j]
	}
}

func plainStore(c []float32, sum *[plainWidth]float32, add int) {
	if add == 0 {
		copy(c, sum[:])
		return
	}
	for j, s := range sum {
		c[j] += s
	}
}

// plainTranspose8 sets dst[j·ldd+i] = src[i·lds+j] for i < 8 and j < n.
func plainTranspose8(dst []float32, ldd int, src []float32, lds, n int) {
	for i := range 8 {
		for j, x := range src[i*lds : i*lds+n] {
			dst[j*ldd+i] = x
		}
	}
}

// plainAddBias sets x to x + b.
func plainAddBias(x, b []float32) {
	for i := range x {
		x[i] += b[i]
	}
}

// plainBiasGELU sets x to GELU(x + b), where GELU(v) = v·Φ(v) and Φ is the
// normal distribution function.
func plainBiasGELU(x, b []float32) {
	for i := range x {
		v := float64(x[i] + b[i])
		x[i] = float32(0.5 * v * (1 + math.Erf(v/math.Sqrt2)))
	}
}

// plainBiasTanh sets x to tanh(x + b).
func plainBiasTanh(x, b []float32) {
	for i := range x {
		x[i] = float32(math.Tanh(float64(x[i] + b[i])))
	}
}

// plainSoftmax sets x to e^(scale·x) over its sum. The largest x is taken from
// all of them first, so that nothing overflows.
func plainSoftmax(x []float32, scale float32) {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(scale * (v - top)))
		x[i] = float32(e)
		sum += e
	}
	share := float32(1 / sum)
	for i := range x {
		x[i] *= share
	}
}

// plainAddNorm sets out to the layer norm of x + y: less its mean, over its
// standard deviation, times gain, plus bias. The variance is the biased one.
func plainAddNorm(out, x, y, gain, bias []float32, epsilon float32) {
	var sum float64
	for i := range out {
		out[i] = x[i] + y[i]
		sum += float64(out[i])
	}
	mean := sum / float64(len(out))
	var squares float64
	for _, v := range out {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 1 / math.Sqrt(squares/float64(len(out))+float64(epsilon))
	for i, v := range out {
		out[i] = float32((float64(v)-mean)*scale)*gain[i] + bias[i]
	}
}
