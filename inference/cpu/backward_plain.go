package cpu

import "math"

// The training kernels as plain loops, like those of plain.go.

// plainGELUPair: GELU(v) = v·Φ(v), and its derivative is Φ(v) + v·φ(v), where Φ
// and φ are the normal distribution and density.
func plainGELUPair(y, x, b []float32) {
	for i := range y {
		v := float64(x[i] + b[i])
		share := 0.5 * (1 + math.Erf(v/math.Sqrt2))
		y[i] = float32(v * share)
		x[i] = float32(share + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
	}
}

func plainMulSum(x, y, sum []float32) {
	for i := range x {
		x[i] *= y[i]
		sum[i] += x[i]
	}
}

func plainKeepNorm(out, unit, x, b, y, gain, bias []float32, epsilon float32) float32 {
	var sum float64
	for i := range out {
		unit[i] = x[i] + b[i] + y[i]
		sum += float64(unit[i])
	}
	mean := sum / float64(len(out))
	var squares float64
	for _, v := range unit {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 1 / math.Sqrt(squares/float64(len(out))+float64(epsilon))
	for i, v := range unit {
		unit[i] = float32((float64(v) - mean) * scale)
		out[i] = unit[i]*gain[i] + bias[i]
	}
	return float32(scale)
}

func plainNormGradient(dx, dy, unit, gain, dgain, dbias []float32, scale float32) {
	var sum, dot float64
	for i, d := range dy {
		dgain[i] += d * unit[i]
		dbias[i] += d
		sum += float64(d * gain[i])
		dot += float64(d*gain[i]) * float64(unit[i])
	}
	mean, slope := float32(sum/float64(len(dx))), float32(dot/float64(len(dx)))
	for i, d := range dy {
		dx[i] = scale * (d*gain[i] - mean - slope*unit[i])
	}
}

func plainSoftmaxGradient(d, y []float32, scale float32) {
	var dot float64
	for i, v := range d {
		dot += float64(v) * float64(y[i])
	}
	for i := range d {
		d[i] = scale * y[i] * (d[i] - float32(dot))
	}
}

func plainAdamW(x, dx, mean, square []float32, f *AdamW) {
	for i := range x {
		g := f.Clip * dx[i]
		mean[i] = f.Keep1*mean[i] + f.Add1*g
		square[i] = f.Keep2*square[i] + f.Add2*g*g
		x[i] = f.Keep*x[i] - f.Rate*mean[i]/(f.Unbias*float32(math.Sqrt(float64(square[i])))+f.Epsilon)
	}
}

func plainSumSquares(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func plainScale(x []float32, a float32) {
	for i := range x {
		x[i] *= a
	}
}

// golden is the step of SplitMix64's state.
const golden = 0x9e3779b97f4a7c15

func plainDrop(dst, x []float32, state uint64, limit uint16, scale float32) {
	for i := 0; i < len(x); i += 4 {
		state += golden
		bits := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		bits = (bits ^ bits>>27) * 0x94d049bb133111eb
		bits ^= bits >> 31
		for j := i; j < min(i+4, len(x)); j++ {
			v := x[j] * scale
			if uint16(bits) < limit {
				v = 0
			}
			dst[j] = v
			bits >>= 16
		}
	}
}
