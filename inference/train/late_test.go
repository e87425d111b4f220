package train

import (
	"testing"

	"sweetspot/inference"
)

// TestLateStepsAreTheSameSteps trains two networks, one of which never lets a
// word wait for a step.
func TestLateStepsAreTheSameSteps(t *testing.T) {
	const steps = 2*mostLate + 10
	config, options := smallConfig(inference.CLS, inference.Mean), smallOptions(Method{Pass: []float32{1}})
	config.Vocab, config.Positions, options.Decay = 500, 16, 0.1
	rows := rowsOfLength(config, 80, 3, 5)
	run := func(after func(n *network)) (*network, *optimizer) {
		n, err := newNetwork(config, options, newEngine(t, "auto", 2))
		if err != nil {
			t.Fatal(err)
		}
		n.layout.initialize(n.weights, 1)
		o := newOptimizer(n)
		batches := order(rows, 2, 1, 0)
		var b batch
		for step := range steps {
			b.fill(rows, batches[step%len(batches)])
			n.gradients(&b, step)
			o.step(step, steps)
			after(n)
		}
		n.settle()
		return n, o
	}
	n, o := run(func(*network) {})
	want, wantMoments := run((*network).settle)
	for name, pair := range map[string][2][]float32{
		"weight": {n.weights, want.weights}, "mean": {o.mean, wantMoments.mean}, "square": {o.square, wantMoments.square},
	} {
		if i := firstDifference(pair[0], pair[1]); i >= 0 {
			t.Errorf("%s %d: got %v, want %v", name, i, pair[0][i], pair[1][i])
		}
	}
	met := 0
	for _, alive := range n.touched.alive {
		if alive {
			met++
		}
	}
	if met == 0 || met == config.Vocab {
		t.Errorf("%d of %d words were met: the test wants some of both", met, config.Vocab)
	}
}
