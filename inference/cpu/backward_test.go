package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// drawn returns n draws from N(0, 1) that depend on seed.
func drawn(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func positive(x []float32) []float32 {
	for i, v := range x {
		x[i] = v * v
	}
	return x
}

// gradientCalls runs every training kernel on the same arguments and returns
// all that it wrote.
var gradientCalls = map[string]func(g *Gradients, n int) [][]float32{
	"GELU and its derivative": func(g *Gradients, n int) [][]float32 {
		y, x, b := make([]float32, n), drawn(1, n), drawn(2, n)
		for i := range x {
			x[i] *= 3
		}
		g.GELUPair(y, x, b)
		return [][]float32{y, x}
	},
	"product and sum": func(g *Gradients, n int) [][]float32 {
		x, y, sum := drawn(1, n), drawn(2, n), drawn(3, n)
		g.MulSum(x, y, sum)
		return [][]float32{x, sum}
	},
	"layer norm": func(g *Gradients, n int) [][]float32 {
		out, unit := make([]float32, n), make([]float32, n)
		s := g.KeepNorm(out, unit, drawn(1, n), drawn(2, n), drawn(3, n), drawn(4, n), drawn(5, n), 1e-12)
		return [][]float32{out, unit, {s}}
	},
	"layer norm's gradient": func(g *Gradients, n int) [][]float32 {
		dx, dgain, dbias := make([]float32, n), drawn(4, n), drawn(5, n)
		g.NormGradient(dx, drawn(1, n), drawn(2, n), drawn(3, n), dgain, dbias, 1.7)
		return [][]float32{dx, dgain, dbias}
	},
	"softmax's gradient": func(g *Gradients, n int) [][]float32 {
		d, y := drawn(1, n), positive(drawn(2, n))
		for i := range y {
			y[i] /= float32(n)
		}
		g.SoftmaxGradient(d, y, 0.3)
		return [][]float32{d}
	},
	"AdamW": func(g *Gradients, n int) [][]float32 {
		x, mean, square := drawn(1, n), drawn(3, n), positive(drawn(4, n))
		g.AdamW(x, drawn(2, n), mean, square, &AdamW{
			Clip: 0.7, Keep1: 0.9, Add1: 0.1, Keep2: 0.99, Add2: 0.01, Unbias: 1.5, Epsilon: 1e-8, Rate: 0.01, Keep: 0.999,
		})
		return [][]float32{x, mean, square}
	},
	"scaled": func(g *Gradients, n int) [][]float32 {
		x := drawn(1, n)
		g.Scale(x, 0.7)
		return [][]float32{x}
	},
	"sum of squares": func(g *Gradients, n int) [][]float32 {
		return [][]float32{{float32(g.SumSquares(drawn(1, n)))}}
	},
}

func TestGradientKernelsAgreeWithPlainLoops(t *testing.T) {
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			t.Fatal(err)
		}
		for call, run := range gradientCalls {
			for _, n := range []int{8, 24, 256} {
				t.Run(fmt.Sprintf("%s, %s, %d values", call, name, n), func(t *testing.T) {
					got, want := run(k.Gradients(), n), run(&plainGradients, n)
					for a := range want {
						for i, w := range want[a] {
							if d := math.Abs(float64(got[a][i] - w)); !(d <= 2e-6*math.Max(1, math.Abs(float64(w)))) {
								t.Fatalf("result %d, value %d: got %v, want %v", a, i, got[a][i], w)
							}
						}
					}
				})
			}
		}
	}
}

func TestAdamWLeavesTheSmallestNumbersToOthers(t *testing.T) {
	tiny, half := float32(1e-40), float32(0.5)
	f := &AdamW{Clip: 1, Keep1: 1, Keep2: 1, Unbias: 1, Epsilon: 1e-8, Rate: 1, Keep: 1}
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			t.Fatal(err)
		}
		x, zero, mean, square := make([]float32, 8), make([]float32, 8), make([]float32, 8), make([]float32, 8)
		for i := range x {
			x[i], mean[i], square[i] = 0.25, tiny, tiny
		}
		k.Gradients().AdamW(x, zero, mean, square, f)
		if x[3] != 0.25 || mean[3] > tiny || square[3] > tiny {
			t.Errorf("%s: weight %v, moments %v and %v", name, x[3], mean[3], square[3])
		}
		if got := tiny * half; got == 0 {
			t.Errorf("%s: the kernel left the processor at 0 for small numbers", name)
		}
	}
}

func TestDropDrawsTheSameEverywhere(t *testing.T) {
	scale := func(limit uint16) float32 { return 1 / (1 - float32(limit)/(1<<16)) }
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []uint16{0, 1, 6554, 32768, 58982} {
			for n := range 70 {
				const state = 0x123456789abcdef0
				want, got := make([]float32, n), drawn(1, n)
				plainDrop(want, got, state, limit, scale(limit))
				k.Gradients().Drop(got, got, state, limit, scale(limit))
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("%s, limit %d, value %d of %d: got %v, want %v", name, limit, i, n, got[i], want[i])
					}
				}
			}
		}
	}
}

// TestDropDrawsAreSplitMix64 holds the draws against the first numbers of the
// published generator from state 1234567.
func TestDropDrawsAreSplitMix64(t *testing.T) {
	numbers := []uint64{6457827717110365317, 3203168211198807973}
	x := make([]float32, 4*len(numbers))
	for i := range x {
		draw := uint16(numbers[i/4] >> (16 * (i % 4)))
		for _, limit := range []uint16{draw, draw + 1} {
			for j := range x {
				x[j] = 1
			}
			plainDrop(x, x, 1234567, limit, 1)
			if kept := x[i] == 1; kept != (limit == draw) {
				t.Errorf("value %d, limit %d: kept is %v, for a draw of %d", i, limit, kept, draw)
			}
		}
	}
}

func TestKeepNormEqualsAddNorm(t *testing.T) {
	const n = 64
	zero := make([]float32, n)
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			t.Fatal(err)
		}
		want, got, unit := make([]float32, n), make([]float32, n), make([]float32, n)
		k.AddNorm(want, drawn(1, n), drawn(3, n), drawn(4, n), drawn(5, n), 1e-12)
		k.Gradients().KeepNorm(got, unit, drawn(1, n), zero, drawn(3, n), drawn(4, n), drawn(5, n), 1e-12)
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s, value %d: got %v, want %v", name, i, got[i], want[i])
			}
		}
	}
}

func TestGradientKernelsRefuseRowsThatAreNotWhole(t *testing.T) {
	k, err := Select("auto")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("got no panic for a row of 9 values")
		}
	}()
	k.Gradients().SumSquares(make([]float32, 9))
}
