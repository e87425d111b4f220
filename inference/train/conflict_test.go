package train

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
)

func TestCosines(t *testing.T) {
	x := []float32{3, 4}
	norms, got := cosines([][]float32{x, x, {-6, -8}, {4, -3}, {0, 0}, {1, 0}})
	if want := []float64{5, 5, 10, 5, 0, 1}; !slices.Equal(norms, want) {
		t.Errorf("got norms %v, want %v", norms, want)
	}
	want := [][]float64{
		{1, 1, -1, 0, 0, 0.6},
		{1, 1, -1, 0, 0, 0.6},
		{-1, -1, 1, 0, 0, -0.6},
		{0, 0, 0, 1, 0, 0.8},
		{0, 0, 0, 0, 0, 0},
		{0.6, 0.6, -0.6, 0.8, 0, 1},
	}
	for i := range want {
		for j := range want {
			if math.Abs(got[i][j]-want[i][j]) > 1e-15 {
				t.Errorf("cosine of %d and %d: got %v, want %v", i, j, got[i][j], want[i][j])
			}
		}
	}
}

// TestConflictEqualsReference compares with the reference's gradients of models
// that have one of the exits each and the same weights.
func TestConflictEqualsReference(t *testing.T) {
	g := readGolden(t)
	reference := readTensors(t, "testdata/grads_step0.safetensors")
	n := modes[0].network(t, g, newEngine(t, "auto", 2))
	c := n.conflict(g.batch(0), 0)
	if len(c.Layers) != 3 || !slices.Equal(c.Layers[2].Exits, []int{2}) || math.Abs(c.Layers[2].Cosine[0][0]-1) > 1e-12 {
		t.Fatalf("got %+v, want the embeddings and 2 layers, the last reached by exit 2 alone", c)
	}
	for layer, prefix := range []string{"embeddings.", "encoder.layer.0."} {
		var first, second []float32
		for _, p := range n.layout.tensors {
			if strings.HasPrefix(p.name, prefix) {
				first = append(first, reference["mm1/"+p.name].Data...)
				second = append(second, reference["mm2/"+p.name].Data...)
			}
		}
		norms, want := cosines([][]float32{first, second})
		got := c.Layers[layer]
		if !slices.Equal(got.Exits, []int{1, 2}) || math.Abs(got.Cosine[0][1]-want[0][1]) > 1e-4 || got.Cosine[0][1] != got.Cosine[1][0] {
			t.Errorf("%s got exits %v, cosines %v, want 1 and 2, %v", prefix, got.Exits, got.Cosine, want)
		}
		for i := range norms {
			if math.Abs(got.Norms[i]-norms[i]) > 1e-4*norms[i] {
				t.Errorf("%s norm of exit %d: got %v, want %v", prefix, i+1, got.Norms[i], norms[i])
			}
		}
	}
}

func TestConflictsAreObservedWithoutATrace(t *testing.T) {
	for _, method := range []Method{{Pass: []float32{1}}, {}} {
		change := func(_ *inference.Config, o *Options) { o.Method = method }
		plain, observed := newTrainer(t, change), newTrainer(t, change)
		if err := plain.Run(t.Context(), ignore); err != nil {
			t.Fatal(err)
		}
		var steps []int
		err := observed.Observe(5, func(c Conflict) error {
			steps = append(steps, c.Step)
			if len(c.Layers) != 4 || len(c.Layers[0].Exits) != 2 || len(c.Layers[2].Exits) != 1 {
				t.Errorf("step %d: got %+v, want the embeddings and layer 1 of both exits, layers 2 and 3 of the last", c.Step, c)
			}
			for _, l := range c.Layers {
				for i, row := range l.Cosine {
					for j, v := range row {
						if v != l.Cosine[j][i] || !(math.Abs(v) <= 1+1e-9) || i == j && math.Abs(v-1) > 1e-9 {
							t.Errorf("step %d, layer %d: got cosines %v", c.Step, l.Layer, l.Cosine)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := observed.Run(t.Context(), ignore); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 6, 11, 16}; !slices.Equal(steps, want) {
			t.Errorf("observed before steps %v, want %v", steps, want)
		}
		if i := firstDifference(observed.network.weights, plain.network.weights); i >= 0 {
			t.Errorf("weight %d differs after a run that was observed", i)
		}
	}
}

func TestObserverStopsTheRun(t *testing.T) {
	stop := errors.New("seen enough")
	tr := newTrainer(t, nil)
	if err := tr.Observe(3, func(c Conflict) error {
		if c.Step == 4 {
			return stop
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(t.Context(), ignore); !errors.Is(err, stop) || tr.Done() != 3 {
		t.Errorf("got %v after %d steps, want %v after 3", err, tr.Done(), stop)
	}
	if err := tr.Observe(0, nil); err == nil {
		t.Error("every 0 steps: got no error")
	}
	frozen := newTrainer(t, func(_ *inference.Config, o *Options) { o.Freeze.Groups = 1 })
	if err := frozen.Observe(1, nil); err == nil {
		t.Error("with a frozen group: got no error")
	}
}
