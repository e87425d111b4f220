package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachSet runs test for every kernel set of this CPU.
func eachSet(t *testing.T, test func(t *testing.T, k *Kernels)) {
	t.Helper()
	for _, name := range Available() {
		t.Run(name, func(t *testing.T) {
			k, err := Select(name)
			if err != nil {
				t.Fatal(err)
			}
			test(t, k)
		})
	}
}

func testEngine(t testing.TB, k *Kernels, threads int) *Engine {
	t.Helper()
	e := NewEngine(k, threads)
	t.Cleanup(e.Close)
	return e
}

// filled is a matrix of values in [-1, 1), and NaN wherever nobody may read.
func filled(r *rand.Rand, rows, cols int) Matrix {
	m := NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(math.NaN())
	}
	for i := range rows {
		for j := range cols {
			m.Row(i)[j] = 2*r.Float32() - 1
		}
	}
	return m
}

func transposed(m Matrix) Matrix {
	out := NewMatrix(m.Cols, m.Rows)
	for i := range m.Rows {
		for j, x := range m.Row(i) {
			out.Row(j)[i] = x
		}
	}
	return out
}

// reference is c + a·b in float64, and the sum of the absolute terms of every
// element, which its rounding error is measured against.
func reference(c, a, b Matrix) (sums, sizes []float64) {
	for i := range a.Rows {
		for j := range b.Cols {
			sum := float64(c.Row(i)[j])
			size := math.Abs(sum)
			for k := range a.Cols {
				term := float64(a.Row(i)[k]) * float64(b.Row(k)[j])
				sum += term
				size += math.Abs(term)
			}
			sums, sizes = append(sums, sum), append(sizes, size)
		}
	}
	return sums, sizes
}

func TestProductsOfEverySize(t *testing.T) {
	eachSet(t, func(t *testing.T, k *Kernels) {
		r := rand.New(rand.NewPCG(1, 2))
		e := testEngine(t, k, 2)
		var packedN, packedT Packed
		for m := 1; m <= 40; m++ {
			n, depth := 1+r.IntN(70), 1+r.IntN(90)
			if m%10 == 0 {
				depth += 2 * 768 // several chains
			}
			a, b, before := filled(r, m, depth), filled(r, depth, n), filled(r, m, n)
			zero := NewMatrix(m, n)
			e.PackN(&packedN, b)
			e.PackT(&packedT, transposed(b))
			for _, v := range []struct {
				name string
				op   Op
				run  func(c Matrix, op Op)
			}{
				{"overwrite", Overwrite, func(c Matrix, op Op) { e.Gemm(c, a, &packedN, op) }},
				{"accumulate", Accumulate, func(c Matrix, op Op) { e.Gemm(c, a, &packedT, op) }},
				{"transposed, overwrite", Overwrite, func(c Matrix, op Op) { e.GemmT(c, transposed(a), &packedT, op) }},
				{"transposed, accumulate", Accumulate, func(c Matrix, op Op) { e.GemmT(c, transposed(a), &packedN, op) }},
			} {
				c := filled(r, m, n)
				start := zero
				if v.op == Accumulate {
					for i := range m {
						copy(c.Row(i), before.Row(i))
					}
					start = before
				}
				v.run(c, v.op)
				sums, sizes := reference(start, a, b)
				for i := range m {
					for j, got := range c.Row(i) {
						want, size := sums[i*n+j], sizes[i*n+j]
						if !(math.Abs(float64(got)-want) <= 1e-6*size) {
							t.Fatalf("%s (%d, %d, %d): c[%d][%d]: got %v, want %v", v.name, m, n, depth, i, j, got, want)
						}
					}
					for j := n; j < c.Stride; j++ {
						if got := c.Data[i*c.Stride+j]; !math.IsNaN(float64(got)) {
							t.Fatalf("%s (%d, %d, %d): row %d written past its columns: got %v at %d", v.name, m, n, depth, i, got, j)
						}
					}
				}
			}
		}
	})
}

func TestProductBitsDependOnNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const m, n, depth = 75, 70, 1000
	a, b := filled(r, m, depth), filled(r, depth, n)
	at := transposed(a)
	results := map[string]Matrix{}
	eachSet(t, func(t *testing.T, k *Kernels) {
		var packed Packed
		k.PackN(&packed, b)
		whole := NewMatrix(m, n)
		testEngine(t, k, 1).Gemm(whole, a, &packed, Overwrite)
		for threads := 1; threads <= 4; threads++ {
			e := testEngine(t, k, threads)
			c := NewMatrix(m, n)
			e.Gemm(c, a, &packed, Overwrite)
			sameBits(t, fmt.Sprintf("%d threads", threads), c, whole)
			e.GemmT(c, at, &packed, Overwrite)
			sameBits(t, fmt.Sprintf("transposed, %d threads", threads), c, whole)
			for i := 0; i < m; i += 3 {
				e.Gemm(c.Part(i, i+3), a.Part(i, i+3), &packed, Overwrite)
			}
			sameBits(t, "three rows at a time", c, whole)
		}
		results[k.Name()] = whole
	})
	if other, ok := results["avx512"]; ok {
		sameBits(t, "avx512 beside avx2", other, results["avx2"])
	}
}

func sameBits(t *testing.T, what string, got, want Matrix) {
	t.Helper()
	for i := range want.Rows {
		for j, w := range want.Row(i) {
			if g := got.Row(i)[j]; math.Float32bits(g) != math.Float32bits(w) {
				t.Fatalf("%s: [%d][%d]: got %v, want %v, bit for bit", what, i, j, g, w)
			}
		}
	}
}
