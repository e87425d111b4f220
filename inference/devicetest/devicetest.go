package devicetest

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"sweetspot/inference"
)

// Options say what is asked of a device.
type Options struct {
	// Tolerance is how far a logit may be from float64's, as a share of the
	// largest logit or of 1, whichever is more.
	Tolerance float64
	// MayAllocate passes over the check that a stage run allocates nothing.
	MayAllocate bool
}

// Open returns a new device; the suite closes it.
type Open func(t *testing.T) inference.Device

// Run checks a device: every operation against plain loops, at sizes that do
// and do not fill a tile; failures that stick; and that a row's answer is the
// same, bit for bit, whatever runs beside it.
func Run(t *testing.T, open Open, o Options) {
	t.Helper()
	operations(t, open, o)
	t.Run("failures stick", func(t *testing.T) { failuresStick(t, open) })
	t.Run("the device copies weights", func(t *testing.T) { copiesWeights(t, open, o) })
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Run("staged is float64's within tolerance", func(t *testing.T) { matchesReference(t, open, o, m) })
			t.Run("a row alone is the row in any batch", func(t *testing.T) { ignoresNeighbors(t, open, m) })
			t.Run("staged is monolithic", func(t *testing.T) { stagedIsMonolithic(t, open, m) })
			if !o.MayAllocate {
				t.Run("no allocation after warm-up", func(t *testing.T) { allocatesNothing(t, open, m) })
			}
		})
	}
}

// opened returns a device that closes when the test ends.
func opened(t *testing.T, open Open) inference.Device {
	t.Helper()
	d := open(t)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing the device: %v", err)
		}
	})
	return d
}

// Random returns a model of shape c with random weights, so scaled that its
// activations neither vanish nor explode. Equal seeds give equal models. It has
// no digest.
func Random(c inference.Config, seed uint64) *inference.Directory {
	dir := &inference.Directory{Config: c, Tensors: map[string]inference.Tensor{}}
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, p := range c.Parameters() {
		size := 1
		for _, n := range p.Shape {
			size *= n
		}
		t := inference.Tensor{Name: p.Name, Shape: p.Shape}
		switch {
		case strings.HasSuffix(p.Name, "LayerNorm.weight"):
			t.Data = normal(rng, size, 1, 0.1)
		case len(p.Shape) == 1:
			t.Data = normal(rng, size, 0, 0.1)
		default:
			t.Data = normal(rng, size, 0, 1/math.Sqrt(float64(p.Shape[1])))
		}
		dir.Tensors[p.Name] = t
	}
	return dir
}

// normal returns n numbers around mean.
func normal(rng *rand.Rand, n int, mean, deviation float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(mean + deviation*rng.NormFloat64())
	}
	return out
}

// difference compares logits: the largest distance between got and want, as a
// share of the largest of want or of 1.
func difference(got, want []float32) float64 {
	scale, largest := 1.0, 0.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i, v := range want {
		// A got that is not a number must not compare as close.
		if d := math.Abs(float64(got[i]) - float64(v)); !(d <= largest) {
			largest = d
		}
	}
	return largest / scale
}
