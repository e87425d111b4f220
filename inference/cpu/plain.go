package cpu

import "math"

// The mathematics as plain loops: the reference that the assembly is checked
// against, and what runs on processors that have none.

// plainWidth is the panel width of the plain loops: as many sums as the compiler
// keeps in registers.
const plainWidth = 8

// plainTile sets c (m, 8) to a (m, k) times one panel b (k, 8), or adds the
// product to c where add is not 0.
func plainTile(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
	for i := range m {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for j, x := range a[i*lda : i*lda+k] {
			y := (*[plainWidth]float32)(b[j*plainWidth:])
			s0 += x * y[0]
			s1 += x * y[1]
			s2 += x * y[2]
			s3 += x * y[3]
			s4 += x * y[4]
			s5 += x * y[5]
			s6 += x * y[6]
			s7 += x * y[7]
		}
		plainStore(c[i*ldc:], [plainWidth]float32{s0, s1, s2, s3, s4, s5, s6, s7}, add)
	}
}

// plainTileT is plainTile for an a that lies (k, m): c is aᵀ·b. It lays each
// row of aᵀ out first.
func plainTileT(m, k int, a []float32, lda int, b, c []float32, ldc, add int) {
	var row [depth]float32
	for i := range m {
		for j := range k {
			row[j] = a[j*lda+i]
		}
		plainTile(1, k, row[:], k, b, c[i*ldc:], ldc, add)
	}
}

func plainStore(c []float32, sums [plainWidth]float32, add int) {
	for j, s := range sums {
		if add != 0 {
			s += c[j]
		}
		c[j] = s
	}
}

func plainCopyPanel(dst, src []float32, lds, rows int) {
	for i := range rows {
		copy(dst[i*plainWidth:(i+1)*plainWidth], src[i*lds:])
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
