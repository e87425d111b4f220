package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
)

// smallConfig is a model of three layers with an exit after the first and the
// last.
func smallConfig(pooling ...inference.Pooling) *inference.Config {
	return &inference.Config{
		Vocab: 60, Width: 48, Layers: 3, Heads: 2, FeedForward: 40, Positions: 40, Types: 2, Epsilon: 1e-12,
		Labels: []string{"a", "b", "c", "d", "e"}, Exits: []int{1, 3}, Pooling: pooling,
		Score: inference.MaxProbability, Method: inference.SWEET,
	}
}

func smallOptions(m Method) *Options {
	o := DefaultOptions()
	o.Method, o.ExitWeights, o.BatchRows, o.Epochs, o.Dropout = m, []float32{0.3, 1}, 8, 2, 0
	return &o
}

// wide makes all weights so large that every part of the network matters.
func wide(n *network, seed uint64) {
	r := source(seed)
	for i := range n.weights {
		n.weights[i] += float32(r.NormFloat64() * 0.15)
	}
}

func smallRows(c *inference.Config, count int) []Row {
	rows := exampleRows(c, count)
	for i := range rows {
		n := 1 + i*7%13
		rows[i].Tokens = rows[i].Tokens[:n]
		rows[i].Second = n - n/3
	}
	return rows
}

func newSmall(t *testing.T, c *inference.Config, o *Options, threads int) *network {
	t.Helper()
	n, err := newNetwork(c, o, newEngine(t, "auto", threads))
	if err != nil {
		t.Fatal(err)
	}
	n.layout.initialize(n.weights, 1)
	wide(n, 5)
	return n
}

func smallBatch(c *inference.Config, count int) *batch {
	rows := smallRows(c, count)
	indices := make([]int32, count)
	for i := range indices {
		indices[i] = int32(i)
	}
	var b batch
	b.fill(rows, indices)
	return &b
}

func TestGradientsEqualDifferencesInFloat64(t *testing.T) {
	cls, mean := inference.CLS, inference.Mean
	all := []float32{1}
	cases := []struct {
		name    string
		pooling []inference.Pooling // by exit, after layers 1 and 3, or 1, 2 and 3
		method  Method
		dropout float64
	}{
		{"early exit, first token", []inference.Pooling{cls, cls}, Method{Pass: all}, 0},
		{"sweet, mean of tokens", []inference.Pooling{mean, mean}, Method{}, 0},
		{"half of the gradient passes", []inference.Pooling{mean, cls}, Method{Pass: []float32{0.5}}, 0},
		{"early exit with dropout", []inference.Pooling{cls, mean}, Method{Pass: all}, 0.2},
		{"sweet with dropout and a shared pooler", []inference.Pooling{cls, cls}, Method{SharedPooler: true, GlobalClip: true}, 0.2},
		{"the share that passes grows with depth", []inference.Pooling{cls, mean, cls}, Method{Pass: []float32{0.25, 0.75}}, 0.2},
		{"nothing passes the first boundary, all the second", []inference.Pooling{cls, cls, cls}, Method{Pass: []float32{0, 1}}, 0.2},
		{"half passes the first boundary, nothing the second", []inference.Pooling{cls, cls, mean}, Method{Pass: []float32{0.5, 0}}, 0.2},
		{"exits send gradients of other sizes", []inference.Pooling{cls, mean, cls}, Method{Pass: all, Scale: []float32{0.25, 2, 1}}, 0.2},
		{"scaled and not passed", []inference.Pooling{cls, cls, cls}, Method{Scale: []float32{0.5, 0.25, 2}}, 0.2},
		{"scaled with a shared pooler", []inference.Pooling{cls, cls, cls}, Method{Pass: all, SharedPooler: true, Scale: []float32{0.5, 2, 1}}, 0},
		{"distilled", []inference.Pooling{cls, mean, cls}, Method{Pass: all, Distill: Distill{Weight: 0.7, Temperature: 2}}, 0.2},
		{"distilled at a temperature below 1, half passes", []inference.Pooling{mean, mean}, Method{Pass: []float32{0.5}, Distill: Distill{Weight: 2, Temperature: 0.5}}, 0},
		{"distilled sweet", []inference.Pooling{cls, cls, cls}, Method{Distill: Distill{Weight: 1, Temperature: 3}}, 0.2},
		{"distilled where one boundary is closed", []inference.Pooling{cls, cls, cls}, Method{Pass: []float32{1, 0}, Distill: Distill{Weight: 1, Temperature: 3}}, 0.2},
		{"hard gate", []inference.Pooling{cls, mean, cls}, Method{Pass: all, Gate: Gate{Kind: HardGate, Confidence: 0.3}}, 0.2},
		{"soft gate, half passes", []inference.Pooling{mean, cls, cls}, Method{Pass: []float32{0.5}, Gate: Gate{Kind: SoftGate}}, 0.2},
		{"everything at once", []inference.Pooling{cls, cls, cls}, Method{
			Pass: []float32{0.5, 0.75}, Scale: []float32{0.5, 2, 1}, Distill: Distill{Weight: 0.5, Temperature: 2}, Gate: Gate{Kind: SoftGate},
		}, 0.2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config, options := smallConfig(c.pooling...), smallOptions(c.method)
			if len(c.pooling) == 3 {
				config.Exits, options.ExitWeights = []int{1, 2, 3}, []float32{0.3, 1, 0.6}
			}
			options.Dropout = c.dropout
			n := newSmall(t, config, options, 2)
			b := smallBatch(config, 4)
			const step = 3
			losses := n.gradients(b, step)
			r := newReference(n, step)
			for exit, want := range r.losses(b) {
				if math.Abs(losses[exit]-want) > 1e-5*want {
					t.Errorf("loss of exit %d: got %v, want %v", exit, losses[exit], want)
				}
			}
			fixed := r.answers(b)
			gates := r.gates(fixed, b.labels)
			if c.method.Gate.Kind == HardGate && !(slices.Contains(gates[0], 0) && slices.Contains(gates[0], 1)) {
				t.Fatalf("gate of the first exit: got %v, want rows that pass and rows that do not", gates[0])
			}
			all := norm64(n.grads)
			for i, p := range n.layout.tensors {
				grads := n.layout.of(n.grads, p.name)
				at := largest(grads)
				got, want := float64(grads[at]), r.difference(b, p, p.from+at, fixed[len(fixed)-1], gates)
				if limit := 1e-4 * (norm64(grads) + 1e-3*all); math.Abs(got-want) > limit {
					t.Errorf("tensor %d, %s[%d]: got gradient %v, want %v", i, p.name, at, got, want)
				}
			}
		})
	}
}

func largest(x []float32) int {
	at := 0
	for i, v := range x {
		if math.Abs(float64(v)) > math.Abs(float64(x[at])) {
			at = i
		}
	}
	return at
}

// difference is the central difference of what the gradient of a weight of
// group i should be of: the objectives of exits j ≥ i, each times its weight and
// the share of its gradient that passes the exits between. teacher and gates are
// what they are before the weight moves.
func (r *reference) difference(b *batch, p tensor, at int, teacher, gates [][]float64) float64 {
	const h = 1e-5
	was := r.weights[at]
	r.weights[at] = was + h
	up := r.objectives(b, teacher)
	r.weights[at] = was - h
	down := r.objectives(b, teacher)
	r.weights[at] = was
	var sum float64
	for exit := p.group; exit < len(up); exit++ {
		for row := range b.labels {
			share := r.share(p, exit, row, gates) * float64(r.options.ExitWeights[exit]) / float64(len(b.labels))
			sum += share * (up[exit][row] - down[exit][row]) / (2 * h)
		}
	}
	return sum
}

// share is that of the gradient of exit's objective for a row that reaches
// parameter p. A pooler that all exits share belongs to each of them.
func (r *reference) share(p tensor, exit, row int, gates [][]float64) float64 {
	shared := r.layout.shared && slices.Contains([]string{"exits.0.pooler.dense.weight", "exits.0.pooler.dense.bias"}, p.name)
	if shared || strings.HasPrefix(p.name, exitPrefix(exit)) {
		return 1
	}
	m := r.options.Method
	share := 1.0
	if m.Scale != nil {
		share = float64(m.Scale[exit])
	}
	for boundary := p.group; boundary < exit; boundary++ {
		if len(m.Pass) == 0 {
			return 0
		}
		share *= float64(m.Pass[min(boundary, len(m.Pass)-1)]) * gates[boundary][row]
	}
	return share
}

func TestLaterLossesGiveEarlierGroupsNoGradientUnderSweet(t *testing.T) {
	config := threeExits()
	b := smallBatch(config, 5)
	for exit := range config.Exits {
		n := newSmall(t, config, threeOptions(Method{}), 2)
		weights := make([]float32, len(config.Exits))
		weights[exit] = 1 // only this exit's loss is left
		n.phase.weights = weights
		n.gradients(b, 0)
		for g, s := range n.layout.groups {
			grads := n.grads[s.from:s.to]
			if g == exit {
				if norm64(grads) == 0 {
					t.Errorf("exit %d gives its own group no gradient", exit+1)
				}
				continue
			}
			if i := slices.IndexFunc(grads, func(v float32) bool { return v != 0 }); i >= 0 {
				t.Errorf("exit %d gives group %d a gradient: [%d] is %v, want 0", exit+1, g+1, i, grads[i])
			}
		}
	}
}

func TestWordsOutsideTheBatchHaveNoGradient(t *testing.T) {
	config, options := smallConfig(inference.Mean, inference.Mean), smallOptions(Method{Pass: []float32{1}})
	n := newSmall(t, config, options, 2)
	n.gradients(smallBatch(config, 40), 0)
	b := smallBatch(config, 3)
	n.gradients(b, 1)
	for word := range config.Vocab {
		got := norm64(n.dw.word[word*config.Width:(word+1)*config.Width]) > 0
		if want := slices.Contains(b.IDs, int32(word)); got != want {
			t.Errorf("word %d has a gradient: got %v, want %v", word, got, want)
		}
	}
}

// trained returns the weights after some steps.
func trained(t *testing.T, c *inference.Config, o *Options, threads, steps int) *network {
	t.Helper()
	n, err := newNetwork(c, o, newEngine(t, "auto", threads))
	if err != nil {
		t.Fatal(err)
	}
	n.layout.initialize(n.weights, o.Seed)
	opt := newOptimizer(n)
	rows := smallRows(c, 64)
	var b batch
	for step := range steps {
		b.fill(rows, order(rows, 32, o.Seed, step)[0])
		n.gradients(&b, step)
		opt.step(step, steps+1)
	}
	return n
}

func TestThreadsDoNotChangeTheWeights(t *testing.T) {
	for _, pass := range []float32{0, 1} {
		t.Run(fmt.Sprint("pass ", pass), func(t *testing.T) {
			config, options := smallConfig(inference.CLS, inference.Mean), smallOptions(Method{Pass: []float32{pass}})
			config.Width, config.FeedForward, options.Dropout = 96, 384, 0.1
			want := trained(t, config, options, 1, 4)
			for _, threads := range []int{2, 3} {
				got := trained(t, config, options, threads, 4)
				if i := firstDifference(got.weights, want.weights); i >= 0 {
					t.Errorf("%d threads, weight %d: got %v, want %v", threads, i, got.weights[i], want.weights[i])
				}
			}
		})
	}
}

func firstDifference(a, b []float32) int {
	for i := range b {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

func TestFirstGroupOfSweetIsTheModelOfThatDepth(t *testing.T) {
	whole, options := smallConfig(inference.CLS, inference.CLS), smallOptions(Method{})
	options.ExitWeights, options.Dropout = []float32{1, 1}, 0.1
	alone, aloneOptions := smallConfig(inference.CLS), smallOptions(Method{})
	alone.Layers, alone.Exits = 1, []int{1}
	aloneOptions.ExitWeights, aloneOptions.Dropout = []float32{1}, 0.1
	got, want := trained(t, alone, aloneOptions, 2, 5), trained(t, whole, options, 2, 5)
	if len(got.weights) != want.layout.groups[0].to {
		t.Fatalf("got %d weights, want %d", len(got.weights), want.layout.groups[0].to)
	}
	if i := firstDifference(want.weights, got.weights); i >= 0 {
		t.Errorf("weight %d: got %v, want %v", i, got.weights[i], want.weights[i])
	}
}

func TestSweetKeepsTheActivationsOfOneGroup(t *testing.T) {
	config := smallConfig(inference.CLS, inference.CLS)
	for _, c := range []struct {
		pass float32
		want int
	}{{0, 2}, {0.5, 3}, {1, 3}} {
		n := newSmall(t, config, smallOptions(Method{Pass: []float32{c.pass}}), 1)
		if got := len(n.layers); got != c.want {
			t.Errorf("pass %v: activations of %d layers, want %d", c.pass, got, c.want)
		}
	}
}
