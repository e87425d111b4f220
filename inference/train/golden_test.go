package train

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// The golden vectors were computed in float64 by automatic differentiation, on a
// model of 2 layers of width 32 with an exit after each.

type golden struct {
	Config struct {
		Vocab       int   `json:"vocab_size"`
		Positions   int   `json:"max_position_embeddings"`
		Types       int   `json:"type_vocab_size"`
		Width       int   `json:"hidden_size"`
		Heads       int   `json:"num_attention_heads"`
		FeedForward int   `json:"intermediate_size"`
		Layers      int   `json:"num_hidden_layers"`
		Classes     int   `json:"num_labels"`
		Exits       []int `json:"exits"`
	} `json:"config"`
	Batches []struct {
		IDs    [][]int32 `json:"input_ids"`
		Types  [][]uint8 `json:"token_type_ids"`
		Mask   [][]int   `json:"attention_mask"`
		Labels []int32   `json:"labels"`
	} `json:"batches"`
	Modes map[string]struct {
		Steps []struct {
			Loss     float64            `json:"loss"`
			ExitLoss map[string]float64 `json:"exit_loss"`
			Norms    []float64          `json:"grad_norms"`
		} `json:"steps"`
		Params []string `json:"params"`
	} `json:"modes"`
}

func readGolden(t *testing.T) *golden {
	t.Helper()
	data, err := os.ReadFile("../testdata/golden/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

func readTensors(t *testing.T, path string) map[string]inference.Tensor {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := inference.ReadTensors(data)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	return tensors
}

// batch returns a golden batch packed without its padding.
func (g *golden) batch(i int) *batch {
	in := g.Batches[i]
	b := &batch{labels: in.Labels}
	b.Starts = append(b.Starts, 0)
	for r, mask := range in.Mask {
		for t, m := range mask {
			if m == 1 {
				b.IDs = append(b.IDs, in.IDs[r][t])
				b.Types = append(b.Types, in.Types[r][t])
			}
		}
		b.Starts = append(b.Starts, int32(len(b.IDs)))
	}
	return b
}

// A mode is one of the golden file's ways of training as settings of ours.
type mode struct {
	name   string
	method Method
	exits  []int
	decay  float64
}

var modes = []mode{
	{name: "ee", method: Method{Pass: []float32{1}}, exits: []int{1, 2}},
	{name: "sweet", method: Method{Pass: []float32{0}}, exits: []int{1, 2}},
	{name: "mm1", method: Method{Pass: []float32{1}}, exits: []int{1}},
	{name: "mm2", method: Method{Pass: []float32{1}}, exits: []int{2}},
	{name: "ee_shared", method: Method{Pass: []float32{1}, SharedPooler: true}, exits: []int{1, 2}},
	{name: "sweet_shared", method: Method{Pass: []float32{0}, SharedPooler: true, GlobalClip: true}, exits: []int{1, 2}},
	{name: "ee_wd", method: Method{Pass: []float32{1}}, exits: []int{1, 2}, decay: 0.01},
}

// goldenName is the name in the golden files of a tensor of ours: a model with
// the second exit alone calls it exits.1 there.
func (m mode) goldenName(name string) string {
	if m.exits[0] == 2 {
		return strings.Replace(name, "exits.0.", "exits.1.", 1)
	}
	return name
}

func (m mode) options() *Options {
	o := &Options{
		Method: m.method, ExitWeights: []float32{1, 1}[:len(m.exits)], Epochs: 1, BatchRows: 4, Rate: 1e-3,
		Decay: m.decay, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Clip: 5,
	}
	return o
}

func newEngine(t *testing.T, kernels string, threads int) *cpu.Engine {
	t.Helper()
	k, err := cpu.Select(kernels)
	if err != nil {
		t.Skip(err)
	}
	e := cpu.NewEngine(k, threads)
	t.Cleanup(e.Close)
	return e
}

// network returns the golden model as a network of this mode.
func (m mode) network(t *testing.T, g *golden, e *cpu.Engine) *network {
	t.Helper()
	c := &inference.Config{
		Vocab: g.Config.Vocab, Width: g.Config.Width, Layers: m.exits[len(m.exits)-1], Heads: g.Config.Heads,
		FeedForward: g.Config.FeedForward, Positions: g.Config.Positions, Types: g.Config.Types, Epsilon: 1e-12,
		Labels: []string{"a", "b", "c"}[:g.Config.Classes], Exits: m.exits,
		Pooling: slices.Repeat([]inference.Pooling{inference.CLS}, len(m.exits)),
		Score:   inference.MaxProbability, Method: inference.SWEET,
	}
	n, err := newNetwork(c, m.options(), e)
	if err != nil {
		t.Fatal(err)
	}
	weights := readTensors(t, "../testdata/golden/weights.safetensors")
	for _, p := range n.layout.tensors {
		w, ok := weights[m.goldenName(p.name)]
		if !ok {
			t.Fatalf("weights hold no %s", m.goldenName(p.name))
		}
		copy(n.layout.of(n.weights, p.name), w.Data)
	}
	return n
}

func norm64(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

func distance(x, y []float32) float64 {
	var sum float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

func TestGradientsEqualReference(t *testing.T) {
	g := readGolden(t)
	first := readTensors(t, "testdata/grads_step0.safetensors")
	for _, kernels := range []string{"avx512", "avx2", "portable"} {
		for _, m := range modes {
			if m.name == "ee_wd" { // same gradients as ee
				continue
			}
			t.Run(m.name+", "+kernels, func(t *testing.T) {
				n := m.network(t, g, newEngine(t, kernels, 2))
				losses := n.gradients(g.batch(0), 0)
				var loss float64
				for _, l := range losses {
					loss += l
				}
				want := g.Modes[m.name].Steps[0]
				if math.Abs(loss-want.Loss) > 1e-5 {
					t.Errorf("loss: got %v, want %v", loss, want.Loss)
				}
				var all float64
				for _, p := range n.layout.tensors {
					x := norm64(first[m.name+"/"+m.goldenName(p.name)].Data)
					all += x * x
				}
				all = math.Sqrt(all)
				if got := len(n.layout.tensors); got != len(g.Modes[m.name].Params) {
					t.Errorf("got %d tensors, want %d", got, len(g.Modes[m.name].Params))
				}
				worst := 0.0
				for _, p := range n.layout.tensors {
					ref := first[m.name+"/"+m.goldenName(p.name)].Data
					share := distance(n.layout.of(n.grads, p.name), ref) / (norm64(ref) + 1e-3*all)
					worst = max(worst, share)
					if share > 1e-4 {
						t.Errorf("%s: gradient is off by %.2g of its norm, want at most 1e-4", p.name, share)
					}
				}
				t.Logf("worst tensor is off by %.2g of its norm", worst)
			})
		}
	}
}

// TestAdamWEqualsReference feeds the optimizer the reference's gradients.
func TestAdamWEqualsReference(t *testing.T) {
	g := readGolden(t)
	first := readTensors(t, "testdata/grads_step0.safetensors")
	later := readTensors(t, "testdata/grads_steps12.safetensors")
	after := readTensors(t, "testdata/params_after3.safetensors")
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			n := m.network(t, g, newEngine(t, "auto", 2))
			all := make([]int32, n.config.Vocab)
			for i := range all {
				all[i] = int32(i)
			}
			n.touched.mark(all, all)
			o := newOptimizer(n)
			for step := range 3 {
				for _, p := range n.layout.tensors {
					ref := first[m.name+"/"+p.name].Data
					if step > 0 {
						ref = later[fmt.Sprintf("%s/%d/%s", m.name, step, p.name)].Data
					}
					copy(n.layout.of(n.grads, p.name), ref)
				}
				for i, norm := range o.norms() {
					want := g.Modes[m.name].Steps[step].Norms
					if w := want[min(i, len(want)-1)]; math.Abs(norm-w) > 1e-6*w {
						t.Errorf("step %d: norm of group %d: got %v, want %v", step, i, norm, w)
					}
				}
				o.step(step, 3)
			}
			compareAfter(t, m, n, after, 1e-4)
		})
	}
}

// compareAfter checks how far the weights moved from where they started. Key
// biases are left out: their gradient is 0 but for rounding, and AdamW makes
// steps of full length of that.
func compareAfter(t *testing.T, m mode, n *network, after map[string]inference.Tensor, limit float64) {
	t.Helper()
	n.settle()
	start := readTensors(t, "../testdata/golden/weights.safetensors")
	worst := 0.0
	for _, p := range n.layout.tensors {
		if strings.HasSuffix(p.name, "key.bias") {
			continue
		}
		name := m.goldenName(p.name)
		want := after[m.name+"/"+name].Data
		if want == nil {
			t.Fatalf("no %s/%s after 3 steps", m.name, name)
		}
		moved := distance(want, start[name].Data)
		share := distance(n.layout.of(n.weights, p.name), want) / moved
		worst = max(worst, share)
		if !(share <= limit) {
			t.Errorf("%s: off by %.2g of the way it went, want at most %.2g", p.name, share, limit)
		}
	}
	t.Logf("worst tensor is off by %.2g of the way it went", worst)
}

func TestThreeStepsEqualReference(t *testing.T) {
	g := readGolden(t)
	after := readTensors(t, "testdata/params_after3.safetensors")
	for _, m := range modes {
		if strings.HasSuffix(m.name, "_shared") { // the reference keeps no weights of these
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			n := m.network(t, g, newEngine(t, "auto", 2))
			o := newOptimizer(n)
			for step := range 3 {
				losses := n.gradients(g.batch(step), step)
				var loss float64
				for _, l := range losses {
					loss += l
				}
				if want := g.Modes[m.name].Steps[step].Loss; math.Abs(loss-want) > 1e-5 {
					t.Errorf("step %d: loss: got %v, want %v", step, loss, want)
				}
				o.step(step, 3)
			}
			compareAfter(t, m, n, after, 1e-2)
		})
	}
}
