package train

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// served returns every exit's logits (exits, R·C) for rows, as a model that
// serves gives them.
func served(t *testing.T, dir *inference.Directory, rows []Row) [][]float32 {
	t.Helper()
	d, err := cpu.Open(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m, err := inference.New(dir, d, inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := inference.NewRunner(m, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]inference.Row, len(rows))
	for i, r := range rows {
		in[i] = inference.Row{Tokens: r.Tokens, Second: r.Second}
	}
	classes := len(m.Labels)
	logits := make([][]float32, m.Stages())
	for stage := range logits {
		logits[stage] = make([]float32, len(rows)*classes)
	}
	err = runner.Each(t.Context(), in, func(row, stage int, _ inference.Exit, z []float32) bool {
		copy(logits[stage][row*classes:], z)
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

// copyOf returns tensors that training does not change.
func copyOf(ts []inference.Tensor) map[string]inference.Tensor {
	all := map[string]inference.Tensor{}
	for _, x := range ts {
		x.Data = slices.Clone(x.Data)
		all[x.Name] = x
	}
	return all
}

func TestWhatIsFrozenStaysToTheBit(t *testing.T) {
	cases := []struct {
		name   string
		freeze Freeze
		method Method
		exits  []bool // whose answers stay
	}{
		{"the first group", Freeze{Groups: 1}, Method{Pass: []float32{1}}, []bool{true, false, false}},
		{"two groups, sweet", Freeze{Groups: 2}, Method{}, []bool{true, true, false}},
		{"all but new exits", Freeze{Backbone: true}, Method{}, []bool{false, false, true}},
		{"all but new exits, which learn from the last", Freeze{Backbone: true}, Method{Distill: Distill{Weight: 1, Temperature: 2}}, []bool{false, false, true}},
		{"all but the second exit", Freeze{Backbone: true, Groups: 1}, Method{}, []bool{true, false, true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, options := threeExits(), threeOptions(c.method)
			options.Freeze = c.freeze
			tr, err := New(*config, *options, smallRows(config, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
			if err != nil {
				t.Fatal(err)
			}
			wide(tr.network, 5)
			rows := smallRows(config, 20)
			start := copyOf(tr.Tensors())
			before := served(t, &inference.Directory{Config: *config, Tensors: start}, rows)
			if err := tr.Run(t.Context(), ignore); err != nil {
				t.Fatal(err)
			}
			for exit, logits := range served(t, tr.Directory(), rows) {
				if got := firstDifference(logits, before[exit]) < 0; got != c.exits[exit] {
					t.Errorf("the answers of exit %d stay: got %v, want %v", exit+1, got, c.exits[exit])
				}
			}
			frozen := tr.Frozen(slices.Collect(maps.Keys(start)))
			if len(frozen) == 0 || len(frozen) == len(start) {
				t.Fatalf("%d of %d tensors are frozen", len(frozen), len(start))
			}
			for _, x := range tr.Tensors() {
				stays := firstDifference(x.Data, start[x.Name].Data) < 0
				if slices.Contains(frozen, x.Name) != stays && !strings.HasSuffix(x.Name, "key.bias") { // whose gradient may be 0
					t.Errorf("%s stays: got %v", x.Name, stays)
				}
			}
		})
	}
}

func TestFeaturesThatAreKeptGiveTheSameBits(t *testing.T) {
	for _, method := range []Method{{}, {Distill: Distill{Weight: 1, Temperature: 2}}} {
		run := func(keep bool) *Trainer {
			c, o := threeExits(), threeOptions(method)
			o.Freeze.Backbone, o.UnknownRate, o.Epochs = true, 0, 4
			tr, err := New(*c, *o, smallRows(c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
			if err != nil {
				t.Fatal(err)
			}
			wide(tr.network, 5)
			if tr.network.features == nil {
				t.Fatal("features are not kept")
			}
			if !keep {
				tr.network.features = nil
			}
			if err := tr.Run(t.Context(), ignore); err != nil {
				t.Fatal(err)
			}
			return tr
		}
		got, want := run(true).network.weights, run(false).network.weights
		if i := firstDifference(got, want); i >= 0 {
			t.Errorf("%v: weight %d: got %v, want %v", method, i, got[i], want[i])
		}
	}
}

func TestFeaturesThatChangeAreNotKept(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"tokens that are forgotten": func(o *Options) { o.Freeze.Backbone, o.UnknownRate = true, 0.1 },
		"layers that are trained":   func(o *Options) { o.Freeze.Groups, o.UnknownRate = 1, 0 },
	} {
		tr := newTrainer(t, func(_ *inference.Config, o *Options) { change(o) })
		if tr.network.features != nil {
			t.Errorf("%s: features are kept", name)
		}
	}
}

// TestFrozenNetworkHasTheSameGradientsElsewhere compares with a network of which
// nothing is frozen, and where nothing passes to the groups in question.
func TestFrozenNetworkHasTheSameGradientsElsewhere(t *testing.T) {
	cases := []struct {
		name         string
		freeze       Freeze
		method, same Method
	}{
		{"the first group, early exit", Freeze{Groups: 1}, Method{Pass: []float32{1}}, Method{Pass: []float32{0, 1}}},
		{"two groups, early exit", Freeze{Groups: 2}, Method{Pass: []float32{1}}, Method{}},
		{"the backbone", Freeze{Backbone: true}, Method{}, Method{}},
		{
			"the backbone, distilled",
			Freeze{Backbone: true},
			Method{Distill: Distill{Weight: 1, Temperature: 2}},
			Method{Distill: Distill{Weight: 1, Temperature: 2}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config := threeExits()
			b := smallBatch(config, 9)
			networkOf := func(m Method, f Freeze) *network {
				o := threeOptions(m)
				o.Freeze, o.Dropout = f, 0
				n := newSmall(t, config, o, 2)
				n.gradients(b, 3)
				return n
			}
			got, want := networkOf(c.method, c.freeze), networkOf(c.same, Freeze{})
			compared := 0
			for _, x := range got.layout.tensors {
				if x.frozen {
					continue
				}
				compared++
				if i := firstDifference(got.layout.of(got.grads, x.name), want.layout.of(want.grads, x.name)); i >= 0 {
					t.Errorf("%s: gradient %d differs", x.name, i)
				}
			}
			if compared == 0 {
				t.Error("nothing was compared")
			}
		})
	}
}

func TestFrozenLayersKeepTheActivationsOfOne(t *testing.T) {
	for _, c := range []struct {
		name   string
		freeze Freeze
		want   int
	}{
		{"all layers are trained", Freeze{}, 3},
		{"the first two are frozen", Freeze{Groups: 2}, 1},
		{"all are frozen", Freeze{Backbone: true}, 1},
	} {
		o := threeOptions(Method{Pass: []float32{1}})
		o.Freeze = c.freeze
		if got := len(newSmall(t, threeExits(), o, 1).layers); got != c.want {
			t.Errorf("%s: got activations of %d layers, want %d", c.name, got, c.want)
		}
	}
}

func TestACheckpointHoldsOnlyWhatIsTrained(t *testing.T) {
	for name, freeze := range map[string]Freeze{
		"nothing is frozen": {}, "the first group": {Groups: 1}, "all but new exits": {Backbone: true}, "all but the second exit": {Backbone: true, Groups: 1},
	} {
		t.Run(name, func(t *testing.T) {
			start := func() *Trainer {
				config, options := threeExits(), threeOptions(Method{})
				options.Freeze, options.UnknownRate = freeze, 0
				tr, err := New(*config, *options, smallRows(config, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
				if err != nil {
					t.Fatal(err)
				}
				return tr
			}
			whole := start()
			var file bytes.Buffer
			err := whole.Run(t.Context(), func(p Progress) error {
				if p.Step == 5 {
					return whole.Save(&file)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			trained := 0
			for _, x := range whole.network.layout.tensors {
				if !x.frozen {
					trained += x.size
				}
			}
			const values, gaps = 3 * 4, 6000 // bytes: weight and moments of each; the header, and gaps between tensors
			if n := file.Len(); n < values*trained || n > values*trained+gaps {
				t.Errorf("got a checkpoint of %d bytes for %d values that are trained", n, trained)
			}
			resumed := start()
			if err := resumed.Resume(&file); err != nil {
				t.Fatal(err)
			}
			if err := resumed.Run(t.Context(), ignore); err != nil {
				t.Fatal(err)
			}
			if i := firstDifference(resumed.network.weights, whole.network.weights); i >= 0 {
				t.Errorf("weight %d differs after resuming", i)
			}
		})
	}
}

func TestACheckpointGoesOnOnlyFromTheWeightsThatStay(t *testing.T) {
	frozen := func(_ *inference.Config, o *Options) { o.Freeze.Groups = 1 }
	var file bytes.Buffer
	if err := newTrainer(t, frozen).Save(&file); err != nil {
		t.Fatal(err)
	}
	other := newTrainer(t, frozen)
	other.network.weights[0]++
	if err := other.Resume(&file); err == nil || !strings.Contains(err.Error(), "start from the same model") {
		t.Errorf("got error %v, want one that asks for the same model", err)
	}
}
