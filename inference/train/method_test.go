package train

import (
	"context"
	"errors"
	"slices"
	"testing"

	"sweetspot/inference"
)

// threeExits is smallConfig with an exit after each layer.
func threeExits() *inference.Config {
	c := smallConfig(inference.CLS, inference.Mean, inference.CLS)
	c.Exits = []int{1, 2, 3}
	return c
}

func threeOptions(m Method) *Options {
	o := smallOptions(m)
	o.ExitWeights, o.Dropout = []float32{1, 1, 1}, 0.1
	return o
}

func TestSettingsThatSayTheSameGiveTheSameBits(t *testing.T) {
	cases := []struct {
		name      string
		got, want Method
	}{
		{"a is 1 at every boundary, and early exit", Method{Pass: []float32{1, 1}}, Method{Pass: []float32{1}}},
		{"a is 0 at every boundary, and SWEET", Method{Pass: []float32{0, 0}}, Method{}},
		{"gradients scaled by 1, and early exit", Method{Pass: []float32{1}, Scale: []float32{1, 1, 1}}, Method{Pass: []float32{1}}},
		{
			"a gate that no exit is sure enough for, and early exit",
			Method{Pass: []float32{1}, Gate: Gate{Kind: HardGate, Confidence: 1}},
			Method{Pass: []float32{1}},
		},
		{"distilled by a weight of 0, and SWEET", Method{Distill: Distill{Temperature: 3}}, Method{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, want := trained(t, threeExits(), threeOptions(c.got), 2, 5), trained(t, threeExits(), threeOptions(c.want), 2, 5)
			if i := firstDifference(got.weights, want.weights); i >= 0 {
				t.Errorf("weight %d: got %v, want %v", i, got.weights[i], want.weights[i])
			}
		})
	}
}

// TestLastExitLearnsTheSameWithItsTeacherAsked says that the forward pass which
// asks the last exit for its answers leaves no trace but in the others'
// gradients.
func TestLastExitLearnsTheSameWithItsTeacherAsked(t *testing.T) {
	config := threeExits()
	b := smallBatch(config, 9)
	plain := newSmall(t, config, threeOptions(Method{}), 2)
	asked := newSmall(t, config, threeOptions(Method{Distill: Distill{Weight: 1, Temperature: 2}}), 2)
	want, got := plain.gradients(b, 3), asked.gradients(b, 3)
	if !slices.Equal(got, want) {
		t.Errorf("losses on the labels: got %v, want %v", got, want)
	}
	last := plain.layout.groups[2]
	if i := firstDifference(asked.grads[last.from:last.to], plain.grads[last.from:last.to]); i >= 0 {
		t.Errorf("gradient %d of the last group differs", i)
	}
	if firstDifference(asked.grads[:last.from], plain.grads[:last.from]) < 0 {
		t.Error("the first groups learn nothing from the last exit's answers")
	}
}

func TestOpeningComesBeforeTheRest(t *testing.T) {
	newRun := func(m Method) *Trainer {
		c, o := threeExits(), threeOptions(m)
		tr, err := New(*c, *o, smallRows(c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	// runTo takes the first steps of a run.
	runTo := func(m Method, step int) *Trainer {
		tr := newRun(m)
		stop := errors.New("stop here")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := tr.Run(ctx, func(p Progress) error {
			if p.Step == step {
				cancel(stop)
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			t.Fatal(err)
		}
		return tr
	}
	ee := []float32{1}
	opened := Method{Pass: ee, Opening: Opening{Share: 0.5, Kind: Separate}}
	half := newRun(opened).Steps() / 2

	got, sweet := runTo(opened, half), runTo(Method{}, half)
	if i := firstDifference(got.network.weights, sweet.network.weights); i >= 0 {
		t.Errorf("after an opening as SWEET: weight %d differs from SWEET's", i)
	}
	got, sweet = runTo(opened, half+1), runTo(Method{}, half+1)
	if firstDifference(got.network.weights, sweet.network.weights) < 0 {
		t.Error("one step behind an opening as SWEET: weights are still SWEET's")
	}

	lastOnly := Method{Pass: ee, Opening: Opening{Share: 0.5, Kind: LastOnly}}
	start, got := newRun(lastOnly), runTo(lastOnly, half)
	l := got.network.layout
	for exit := range 3 {
		name := exitPrefix(exit) + "classifier.bias"
		moved := firstDifference(l.of(got.network.weights, name), l.of(start.network.weights, name)) >= 0
		if moved != (exit == 2) {
			t.Errorf("exit %d was trained by an opening of the last alone: got %v, want %v", exit+1, moved, exit == 2)
		}
	}
	query := "encoder.layer.0.attention.self.query.bias" // it does not decay
	if firstDifference(l.of(got.network.weights, query), l.of(start.network.weights, query)) < 0 {
		t.Error("the first group was not trained by an opening of the last exit alone")
	}
	end := runTo(lastOnly, 2*half)
	if firstDifference(l.of(end.network.weights, "exits.0.classifier.bias"), l.of(start.network.weights, "exits.0.classifier.bias")) < 0 {
		t.Error("the first exit was not trained after the opening")
	}
}

func TestRunThatOpensIsResumedExactly(t *testing.T) {
	m := Method{Pass: []float32{0.5}, Opening: Opening{Share: 0.5, Kind: LastOnly}, Distill: Distill{Weight: 1, Temperature: 2}}
	change := func(_ *inference.Config, o *Options) { o.Method = m }
	whole := newTrainer(t, change)
	if err := whole.Run(t.Context(), ignore); err != nil {
		t.Fatal(err)
	}
	for _, stopAt := range []int{7, 8, 9} {
		resumed := resumeAt(t, stopAt, change)
		if i := firstDifference(resumed.network.weights, whole.network.weights); i >= 0 {
			t.Errorf("resumed after step %d: weight %d differs", stopAt, i)
		}
	}
}

func TestEveryRecipeTrains(t *testing.T) {
	for _, r := range Recipes() {
		for _, exits := range []int{1, 3} {
			m, err := MethodOf(r.Name, exits)
			if err != nil {
				t.Fatal(err)
			}
			c := threeExits()
			if r.Name != inference.MultiModel { // each of its models is a model by itself
				c.Method = r.Name
			}
			if exits == 1 {
				c.Exits, c.Pooling = []int{3}, c.Pooling[:1]
			}
			o := threeOptions(m)
			o.ExitWeights = o.ExitWeights[:exits]
			tr, err := New(*c, *o, smallRows(c, 20), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
			if err != nil {
				t.Fatalf("%s with %d exits: %v", r.Name, exits, err)
			}
			if err := tr.Run(t.Context(), ignore); err != nil {
				t.Errorf("%s with %d exits: %v", r.Name, exits, err)
			}
			if err := tr.Directory().Check(); err != nil {
				t.Errorf("%s with %d exits: %v", r.Name, exits, err)
			}
		}
	}
	if _, err := MethodOf("magic", 3); err == nil {
		t.Error("got no error for a method that does not exist")
	}
}
