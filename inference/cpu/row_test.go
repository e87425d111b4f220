package cpu

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The row kernels of every set against the mathematics in float64.
func TestRowKernels(t *testing.T) {
	exact := map[string]func(x []float64, b []float64) []float64{
		"AddBias": func(x, b []float64) []float64 { return each(x, b, func(v float64) float64 { return v }) },
		"BiasGELU": func(x, b []float64) []float64 {
			return each(x, b, func(v float64) float64 { return v * 0.5 * math.Erfc(-v/math.Sqrt2) })
		},
		"BiasTanh": func(x, b []float64) []float64 { return each(x, b, math.Tanh) },
	}
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			run := map[string]func(x, b []float32){"AddBias": k.AddBias, "BiasGELU": k.BiasGELU, "BiasTanh": k.BiasTanh}
			for name, want := range exact {
				for n := 8; n <= 80; n += 8 {
					x, b := values(r, n, 6), values(r, n, 1)
					sums := want(wide(x), wide(b))
					run[name](x, b)
					compareRow(t, name, x, sums, 1e-6)
				}
			}
		})
	}
}

func each(x, b []float64, f func(v float64) float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = f(float64(float32(x[i] + b[i])))
	}
	return out
}

func values(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// compareRow allows an error of tolerance, or that share of a value above 1.
func compareRow(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*max(1, math.Abs(w))) {
			t.Errorf("%s, %d values: [%d]: got %v, want %v", what, len(want), i, got[i], w)
		}
	}
}

func TestSoftmaxOfEveryLength(t *testing.T) {
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			for n := 1; n <= 70; n++ {
				x := values(r, roundUp(n, 8), 30)
				const scale = 0.125
				want, top := wide(x[:n]), math.Inf(-1)
				for _, v := range want {
					top = max(top, v)
				}
				sum := 0.0
				for i, v := range want {
					want[i] = math.Exp(scale * (v - top))
					sum += want[i]
				}
				for i := range want {
					want[i] /= sum
				}
				k.Softmax(x, n, scale)
				compareRow(t, "softmax", x[:n], want, 1e-6)
			}
		})
	}
}

func TestSoftmaxOfExtremes(t *testing.T) {
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			x := []float32{3e38, -3e38, 3e38, 0, 0, 0, 0, 0}
			k.Softmax(x, 3, 1)
			compareRow(t, "softmax", x[:3], []float64{0.5, 0, 0.5}, 1e-6)
		})
	}
}

func TestAddNorm(t *testing.T) {
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			for n := 8; n <= 136; n += 8 {
				x, y, gain, bias, out := values(r, n, 2), values(r, n, 1), values(r, n, 1), values(r, n, 1), make([]float32, n)
				const epsilon = 1e-5
				var mean, variance float64
				for i := range x {
					mean += float64(x[i]) + float64(y[i])
				}
				mean /= float64(n)
				for i := range x {
					variance += math.Pow(float64(x[i])+float64(y[i])-mean, 2)
				}
				variance /= float64(n)
				want := make([]float64, n)
				for i := range want {
					want[i] = (float64(x[i])+float64(y[i])-mean)/math.Sqrt(variance+epsilon)*float64(gain[i]) + float64(bias[i])
				}
				k.AddNorm(out, x, y, gain, bias, epsilon)
				compareRow(t, "norm", out, want, 3e-6)
				k.AddNorm(x, x, y, gain, bias, epsilon)
				compareRow(t, "norm in place", x, want, 3e-6)
			}
		})
	}
}

// What is not a number must not become one: an answer made of it would look
// like any other.
func TestRowKernelsKeepNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			ones := []float32{1, 1, 1, 1, 1, 1, 1, 1}
			for at := range 8 {
				for name, run := range map[string]func(x []float32){
					"AddBias":  func(x []float32) { k.AddBias(x, ones) },
					"BiasGELU": func(x []float32) { k.BiasGELU(x, ones) },
					"BiasTanh": func(x []float32) { k.BiasTanh(x, ones) },
					"Softmax":  func(x []float32) { k.Softmax(x, 8, 1) },
					"AddNorm":  func(x []float32) { k.AddNorm(x, x, ones, ones, ones, 1e-5) },
				} {
					x := []float32{1, 2, 3, 4, 5, 6, 7, 8}
					x[at] = nan
					run(x)
					if !math.IsNaN(float64(x[at])) {
						t.Errorf("%s: NaN at %d became %v", name, at, x[at])
					}
				}
			}
		})
	}
}

func TestRowsOfOtherLengthsAreRefused(t *testing.T) {
	k, err := Select("portable")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 7, 12} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d values: got no panic, want one", n)
				}
			}()
			k.AddBias(make([]float32, n), make([]float32, n))
		}()
	}
}

func TestPackingOfEverySize(t *testing.T) {
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			var byRows, byColumns Packed // reused, so that old values would show
			for range 60 {
				w := filled(r, 1+r.IntN(75), 1+r.IntN(75))
				k.PackN(&byRows, w)
				k.PackT(&byColumns, transposed(w))
				for _, packed := range []*Packed{&byRows, &byColumns} {
					for i := range w.Rows {
						for j := range roundUp(w.Cols, k.width) {
							var want float32
							if j < w.Cols {
								want = w.Row(i)[j]
							}
							if got := packed.panel(j/k.width, i)[j%k.width]; got != want {
								t.Fatalf("(%d, %d): [%d][%d]: got %v, want %v", w.Rows, w.Cols, i, j, got, want)
							}
						}
					}
				}
			}
		})
	}
}
