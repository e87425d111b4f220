package train

import (
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// activationsOf returns the bytes that one step on a batch keeps.
func activationsOf(t *testing.T, c *inference.Config, o *Options, rows int) int {
	t.Helper()
	n, err := newNetwork(c, o, newEngine(t, "auto", 2))
	if err != nil {
		t.Fatal(err)
	}
	n.layout.initialize(n.weights, 1)
	all := exampleRows(c, rows)
	var b batch
	b.fill(all, order(all, rows, 1, 0)[0])
	n.gradients(&b, 0)
	return n.activations()
}

func TestSweetKeepsFewerActivationsThanEarlyExit(t *testing.T) {
	for _, pooling := range []inference.Pooling{inference.CLS, inference.Mean} {
		for _, dropout := range []float64{0, 0.1} {
			c, o := benchConfig(128), DefaultOptions()
			for i := range c.Pooling {
				c.Pooling[i] = pooling
			}
			o.ExitWeights, o.Dropout = []float32{1, 1, 1, 1}, dropout
			sweet := activationsOf(t, c, &o, 32)
			o.Method.Pass = []float32{1}
			earlyExit := activationsOf(t, c, &o, 32)
			t.Logf("%s, dropout %v: SWEET %d bytes, early exit %d, ratio %.3f", pooling, dropout, sweet, earlyExit, float64(sweet)/float64(earlyExit))
			if !(float64(sweet) <= 0.6*float64(earlyExit)) {
				t.Errorf("%s, dropout %v: SWEET keeps %d bytes, want at most 0.6 of early exit's %d", pooling, dropout, sweet, earlyExit)
			}
		}
	}
}

// TestActivationsAreCountedExactly compares with a count by hand for a network
// of one layer and one exit that reads the mean of a batch of 1 row.
func TestActivationsAreCountedExactly(t *testing.T) {
	c, o := benchConfig(128), DefaultOptions()
	c.Layers, c.Exits, c.Pooling = 1, []int{1}, []inference.Pooling{inference.Mean}
	o.ExitWeights = []float32{1}
	e := newEngine(t, "auto", 1)
	n, err := newNetwork(c, &o, e)
	if err != nil {
		t.Fatal(err)
	}
	var b batch
	b.fill([]Row{{Tokens: make([]int32, 64), Second: 64}}, []int32{0})
	n.gradients(&b, 0)
	const room = 64 + 64/4                                                      // of a matrix that must hold 64 tokens
	row := func(columns int) int { return len(cpu.NewMatrix(1, columns).Data) } // with what it is padded by
	width, inner, qkv := row(c.Width), row(c.FeedForward), row(3*c.Width)
	probabilities := n.kernels.ProbabilitySize(64, c.Heads)
	half := func(rows, scales int) int { return rows*(5*width+2*inner) + 2*scales }
	want := 3*room*width + 2*room + // embeddings
		room*qkv + probabilities + probabilities/4 + 2*2 + half(room, room) + // the layer
		half(1, 1) + width + // its tips
		6*width + row(len(c.Labels)) + len(c.Labels) + len(c.Labels)/4 + 1 + // the exit
		room*(4*width+inner+qkv) + c.Width + // scratch
		3*(c.FeedForward+c.FeedForward/4) // one strip
	if got := n.activations(); got != 4*want {
		t.Errorf("got %d bytes, want %d", got, 4*want)
	}
}
