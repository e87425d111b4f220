package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// testSets are the kernel sets of this CPU.
func testSets(t *testing.T) []*Kernels {
	t.Helper()
	var all []*Kernels
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func testEngine(tb testing.TB, k *Kernels, threads int) *Engine {
	tb.Helper()
	e := NewEngine(k, threads)
	tb.Cleanup(e.Close)
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

// A productCase is a·b in float64, with the sum of the absolute terms of every
// element, which its rounding error is measured against.
type productCase struct {
	a, b, before Matrix
	sums, sizes  []float64
}

func newProductCase(r *rand.Rand, m, n, depth int) productCase {
	c := productCase{a: filled(r, m, depth), b: filled(r, depth, n), before: filled(r, m, n)}
	c.sums, c.sizes = make([]float64, m*n), make([]float64, m*n)
	for i := range m {
		sums, sizes := c.sums[i*n:(i+1)*n], c.sizes[i*n:(i+1)*n]
		for k, x := range c.a.Row(i) {
			for j, y := range c.b.Row(k) {
				term := float64(x) * float64(y)
				sums[j] += term
				sizes[j] += math.Abs(term)
			}
		}
	}
	return c
}

func TestProductsOfEverySize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var cases []productCase
	for m := 1; m <= 40; m++ {
		n, depth := 1+r.IntN(70), 1+r.IntN(90)
		if m%10 == 0 {
			depth += 2 * 768 // several chains
		}
		cases = append(cases, newProductCase(r, m, n, depth))
	}
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
			e := testEngine(t, k, 2)
			var packedN, packedT Packed
			for _, p := range cases {
				e.PackN(&packedN, p.b)
				e.PackT(&packedT, transposed(p.b))
				at := transposed(p.a)
				for _, v := range []struct {
					name string
					op   Op
					run  func(c Matrix, op Op)
				}{
					{"overwrite", Overwrite, func(c Matrix, op Op) { e.Gemm(c, p.a, &packedN, op) }},
					{"accumulate", Accumulate, func(c Matrix, op Op) { e.Gemm(c, p.a, &packedT, op) }},
					{"transposed, overwrite", Overwrite, func(c Matrix, op Op) { e.GemmT(c, at, &packedT, op) }},
					{"transposed, accumulate", Accumulate, func(c Matrix, op Op) { e.GemmT(c, at, &packedN, op) }},
				} {
					c := filled(r, p.a.Rows, p.b.Cols)
					if v.op == Accumulate {
						for i := range c.Rows {
							copy(c.Row(i), p.before.Row(i))
						}
					}
					v.run(c, v.op)
					p.compare(t, v.name, c, v.op)
				}
			}
		})
	}
}

// compare checks c against the product, added to what was there before for
// Accumulate, and that nothing was written past its columns.
func (p productCase) compare(t *testing.T, name string, c Matrix, op Op) {
	t.Helper()
	m, n, depth := c.Rows, c.Cols, p.a.Cols
	for i := range m {
		for j, got := range c.Row(i) {
			want, size := p.sums[i*n+j], p.sizes[i*n+j]
			if op == Accumulate {
				want += float64(p.before.Row(i)[j])
				size++
			}
			if !(math.Abs(float64(got)-want) <= 1e-6*size) {
				t.Fatalf("%s (%d, %d, %d): c[%d][%d]: got %v, want %v", name, m, n, depth, i, j, got, want)
			}
		}
		for j := n; j < c.Stride; j++ {
			if got := c.Data[i*c.Stride+j]; !math.IsNaN(float64(got)) {
				t.Fatalf("%s (%d, %d, %d): row %d written past its columns: got %v at %d", name, m, n, depth, i, got, j)
			}
		}
	}
}

func TestProductBitsDependOnNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const m, n, depth = 75, 70, 1000
	a, b := filled(r, m, depth), filled(r, depth, n)
	at := transposed(a)
	results := map[string]Matrix{}
	for _, k := range testSets(t) {
		t.Run(k.Name(), func(t *testing.T) {
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
	}
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
