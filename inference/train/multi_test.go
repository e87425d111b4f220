package train

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
)

func newMulti(t *testing.T, change func(c *inference.Config, o *Options)) *MultiTrainer {
	t.Helper()
	c, o := threeExits(), threeOptions(Method{})
	c.Method = inference.MultiModel
	if change != nil {
		change(c, o)
	}
	m, err := NewMulti(*c, *o, smallRows(c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tensorsDiffer returns the name of a tensor in which two models differ, or "".
func tensorsDiffer(got, want []inference.Tensor) string {
	if len(got) != len(want) {
		return "the number of tensors"
	}
	for i, x := range want {
		if got[i].Name != x.Name || firstDifference(got[i].Data, x.Data) >= 0 {
			return x.Name
		}
	}
	return ""
}

func TestModelsOfAMultiModelAreThoseTrainedAlone(t *testing.T) {
	multi := newMulti(t, nil)
	var models []int
	steps := 0
	err := multi.Run(t.Context(), func(p Progress) error {
		models = append(models, p.Model)
		if steps++; p.Step != steps || p.Models != 3 || len(p.Losses) != 1 {
			t.Errorf("step %d: got %+v", steps, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(models) || len(models) != multi.Steps() || multi.Done() != multi.Steps() || models[len(models)-1] != 3 {
		t.Errorf("got %d steps of models %v, want %d", len(models), models, multi.Steps())
	}
	whole := multi.Directory()
	if err := whole.Check(); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		c, o := multi.Config().Model(n), threeOptions(Method{})
		o.ExitWeights = []float32{1}
		alone, err := New(c, *o, smallRows(&c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
		if err != nil {
			t.Fatal(err)
		}
		if err := alone.Run(t.Context(), ignore); err != nil {
			t.Fatal(err)
		}
		one := whole.Model(n)
		for _, x := range alone.Tensors() {
			if i := firstDifference(one.Tensors[x.Name].Data, x.Data); i >= 0 {
				t.Fatalf("model %d: %s[%d] is not that of the model trained alone", n+1, x.Name, i)
			}
		}
	}
}

func TestFirstExitOfAMultiModelIsSweets(t *testing.T) {
	multi := newMulti(t, nil)
	if err := multi.Run(t.Context(), ignore); err != nil {
		t.Fatal(err)
	}
	c, o := threeExits(), threeOptions(Method{})
	sweet, err := New(*c, *o, smallRows(c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := sweet.Run(t.Context(), ignore); err != nil {
		t.Fatal(err)
	}
	want := sweet.Directory()
	for name, x := range multi.Directory().Model(0).Tensors {
		if i := firstDifference(x.Data, want.Tensors[name].Data); i >= 0 {
			t.Errorf("%s[%d]: got %v, want %v", name, i, x.Data[i], want.Tensors[name].Data[i])
		}
	}
	rows := smallRows(c, 20)
	if i := firstDifference(served(t, multi.Directory().Model(0), rows)[0], served(t, want, rows)[0]); i >= 0 {
		t.Errorf("logit %d of the first exit differs", i)
	}
}

func TestResumedMultiModelEqualsUninterrupted(t *testing.T) {
	initial := map[string]inference.Tensor{}
	source := newTrainer(t, func(c *inference.Config, o *Options) {
		c.Exits, c.Pooling = []int{1, 2, 3}, slices.Repeat([]inference.Pooling{inference.CLS}, 3)
		o.ExitWeights, o.Seed = []float32{1, 1, 1}, 77
	})
	for _, x := range source.Tensors() {
		initial[x.Name] = x
	}
	delete(initial, "exits.1.classifier.weight")
	run := func(stopAt int) *MultiTrainer {
		m := newMulti(t, nil)
		if drawn := m.Start(initial); !slices.Equal(drawn, []string{"exits.1.classifier.weight"}) {
			t.Fatalf("got %v drawn, want the one that is missing", drawn)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop here")
		err := m.Run(ctx, func(p Progress) error {
			if p.Step == stopAt {
				cancel(stop)
			}
			return nil
		})
		if stopAt > 0 && (!errors.Is(err, stop) || m.Done() != stopAt) || stopAt == 0 && err != nil {
			t.Fatalf("stopped after step %d with %v, want step %d", m.Done(), err, stopAt)
		}
		return m
	}
	whole := run(0)
	each := whole.Steps() / 3
	for _, stopAt := range []int{1, each - 1, each, each + 1, 2 * each, 3*each - 1} {
		stopped := run(stopAt)
		var file bytes.Buffer
		if err := stopped.Save(&file); err != nil {
			t.Fatal(err)
		}
		resumed := newMulti(t, nil)
		resumed.Start(initial)
		if err := resumed.Resume(&file); err != nil {
			t.Fatal(err)
		}
		if err := resumed.Run(t.Context(), ignore); err != nil {
			t.Fatal(err)
		}
		if name := tensorsDiffer(resumed.Tensors(), whole.Tensors()); name != "" {
			t.Errorf("resumed after step %d: %s differs", stopAt, name)
		}
	}
}

func TestCheckpointOfAnotherMultiModelIsRefused(t *testing.T) {
	first := newMulti(t, nil)
	stop := errors.New("stop here")
	steps := first.Steps() / 3
	err := first.Run(t.Context(), func(p Progress) error {
		if p.Step == steps+1 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := first.Save(&file); err != nil {
		t.Fatal(err)
	}
	good := file.String()
	line, rest, _ := strings.Cut(good, "\n")
	cases := []struct {
		name, file string
		start      bool
		change     func(c *inference.Config, o *Options)
		want       string
	}{
		{"another learning rate", good, false, func(_ *inference.Config, o *Options) { o.Rate = 0.5 }, "rate 0.001, now 0.5"},
		{"other exits", good, false, func(c *inference.Config, o *Options) {
			c.Exits, c.Pooling, o.ExitWeights = []int{1, 3}, c.Pooling[:2], o.ExitWeights[:2]
		}, "another model"},
		{"another start", good, true, nil, "start from other weights"},
		{"empty file", "", false, nil, "unexpected EOF"},
		{"cut short", good[:len(line)+100], false, nil, "finished models: unexpected EOF"},
		{"too many finished", strings.Replace(line, `"finished":1`, `"finished":3`, 1) + "\n" + rest, false, nil, "3 models of 3 are finished"},
		{"one that is not there", strings.Replace(line, `"finished":1`, `"finished":2`, 1) + "\n" + rest, false, nil, "model 2"},
		{"a checkpoint of a single model", func() string {
			var file bytes.Buffer
			if err := newTrainer(t, nil).Save(&file); err != nil {
				t.Fatal(err)
			}
			return file.String()
		}(), false, nil, "another model"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMulti(t, c.change)
			if c.start {
				m.Start(newTrainer(t, nil).Directory().Tensors)
			}
			if err := m.Resume(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestWhatIsNoMultiModelIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *inference.Config, o *Options)
		want   string
	}{
		{"another method", func(c *inference.Config, _ *Options) { c.Method = inference.SWEET }, "no Multi-Model"},
		{"exits that fall", func(c *inference.Config, _ *Options) { c.Exits = []int{2, 1, 3} }, "exits"},
		{"one weight", func(_ *inference.Config, o *Options) { o.ExitWeights = o.ExitWeights[:1] }, "1 exit weights for 3 models"},
		{"frozen groups", func(_ *inference.Config, o *Options) { o.Freeze.Groups = 1 }, "frozen"},
		{"dropout of everything", func(_ *inference.Config, o *Options) { o.Dropout = 1 }, "model 1: training options: dropout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, options := threeExits(), threeOptions(Method{})
			config.Method = inference.MultiModel
			c.change(config, options)
			_, err := NewMulti(*config, *options, smallRows(config, 9), Words{}, newEngine(t, "portable", 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
