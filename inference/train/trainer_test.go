package train

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
)

func newTrainer(t *testing.T, change func(c *inference.Config, o *Options)) *Trainer {
	t.Helper()
	c, o := smallConfig(inference.CLS, inference.CLS), smallOptions(Method{})
	o.Dropout = 0.1
	if change != nil {
		change(c, o)
	}
	tr, err := New(*c, *o, smallRows(c, 60), Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func ignore(Progress) error { return nil }

func TestSameSeedGivesSameBytes(t *testing.T) {
	run := func(seed uint64) []float32 {
		tr := newTrainer(t, func(_ *inference.Config, o *Options) { o.Seed = seed })
		if err := tr.Run(t.Context(), ignore); err != nil {
			t.Fatal(err)
		}
		return tr.network.weights
	}
	want := run(7)
	if i := firstDifference(run(7), want); i >= 0 {
		t.Errorf("the same seed gave another weight %d", i)
	}
	if firstDifference(run(8), want) < 0 {
		t.Error("another seed gave the same weights")
	}
}

func TestResumedRunEqualsUninterruptedRun(t *testing.T) {
	whole := newTrainer(t, nil)
	if err := whole.Run(t.Context(), ignore); err != nil {
		t.Fatal(err)
	}
	for _, stopAt := range []int{0, 1, 8, 11} {
		resumed := resumeAt(t, stopAt, nil)
		if i := firstDifference(resumed.network.weights, whole.network.weights); i >= 0 {
			t.Errorf("resumed after step %d: weight %d differs", stopAt, i)
		}
	}
}

// resumeAt stops a run after some steps, and returns another trainer that went
// on from its checkpoint to the end.
func resumeAt(t *testing.T, stopAt int, change func(c *inference.Config, o *Options)) *Trainer {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := newTrainer(t, change)
	stop := errors.New("stop here")
	if stopAt == 0 {
		cancel(stop)
	}
	err := stopped.Run(ctx, func(p Progress) error {
		if p.Step == stopAt {
			cancel(stop)
		}
		return nil
	})
	if !errors.Is(err, stop) || stopped.Done() != stopAt {
		t.Fatalf("stopped after step %d with %v, want step %d and %v", stopped.Done(), err, stopAt, stop)
	}
	var file bytes.Buffer
	if err := stopped.Save(&file); err != nil {
		t.Fatal(err)
	}
	resumed := newTrainer(t, change)
	if err := resumed.Resume(&file); err != nil {
		t.Fatal(err)
	}
	if err := resumed.Run(t.Context(), ignore); err != nil {
		t.Fatal(err)
	}
	return resumed
}

func TestCheckpointOfAnotherRunIsRefused(t *testing.T) {
	var file bytes.Buffer
	if err := newTrainer(t, nil).Save(&file); err != nil {
		t.Fatal(err)
	}
	good := file.String()
	line, arrays, _ := strings.Cut(good, "\n")
	cases := []struct {
		name, file string
		change     func(c *inference.Config, o *Options)
		want       string
	}{
		{"another learning rate", good, func(_ *inference.Config, o *Options) { o.Rate = 0.5 }, "rate 0.001, now 0.5"},
		{"another width", good, func(c *inference.Config, _ *Options) { c.Width = 64 }, "another model: hidden_size was 48 and is 64"},
		{"a method of its own", good, func(c *inference.Config, _ *Options) { c.Method = "magic" }, `method was "sweet" and is "magic"`},
		{"empty file", "", nil, "unexpected EOF"},
		{"no JSON", "x\n", nil, "first line"},
		{"arrays cut short", good[:len(good)-5], nil, "checkpoint"},
		{"no arrays", line + "\n", nil, "checkpoint"},
		{"step beyond the end", strings.Replace(line, `"step":0`, `"step":99`, 1) + "\n" + arrays, nil, "step 99 of 16"},
		{"another format", strings.Replace(line, `"format":1`, `"format":9`, 1) + "\n" + arrays, nil, "format 9"},
		{"other rows", strings.Replace(line, `"rows":"`, `"rows":"0`, 1) + "\n" + arrays, nil, "other training rows"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := newTrainer(t, c.change).Resume(strings.NewReader(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestTrainingLearns(t *testing.T) {
	c, o := smallConfig(inference.Mean, inference.CLS), smallOptions(Method{})
	o.Epochs, o.Rate, o.UnknownRate = 30, 3e-3, 0
	rows := smallRows(c, 60)
	for i := range rows { // the label is in the second token
		rows[i].Tokens = append([]int32{2, 10 + rows[i].Label}, rows[i].Tokens...)
	}
	tr, err := New(*c, *o, rows, Words{Unknown: 1, Separator: 3}, newEngine(t, "auto", 2))
	if err != nil {
		t.Fatal(err)
	}
	var last []float64
	if err := tr.Run(t.Context(), func(p Progress) error { last = p.Losses; return nil }); err != nil {
		t.Fatal(err)
	}
	for exit, loss := range last {
		if !(loss < 0.2) {
			t.Errorf("loss of exit %d after training: got %v, want below 0.2", exit+1, loss)
		}
	}
}

func TestTensorsAreThoseOfTheModel(t *testing.T) {
	for name, method := range map[string]Method{"own poolers": {}, "a shared pooler": {Pass: []float32{1}, SharedPooler: true}} {
		t.Run(name, func(t *testing.T) {
			tr := newTrainer(t, func(_ *inference.Config, o *Options) { o.Method = method })
			dir := tr.Directory()
			if err := dir.Check(); err != nil {
				t.Fatal(err)
			}
			first, second := dir.Tensors["exits.0.pooler.dense.weight"], dir.Tensors["exits.1.pooler.dense.weight"]
			if got := firstDifference(first.Data, second.Data) < 0; got != method.SharedPooler {
				t.Errorf("the poolers are equal: got %v, want %v", got, method.SharedPooler)
			}
			other := newTrainer(t, func(_ *inference.Config, o *Options) { o.Method, o.Seed = method, 99 })
			delete(dir.Tensors, "exits.1.classifier.bias")
			if drawn := other.Start(dir.Tensors); !slices.Equal(drawn, []string{"exits.1.classifier.bias"}) {
				t.Errorf("tensors that keep their drawn values: got %v, want the one that is missing", drawn)
			}
			if i := firstDifference(other.network.weights, tr.network.weights); i >= 0 {
				t.Errorf("weight %d was not taken over", i)
			}
		})
	}
}

func TestWhatCannotBeTrainedIsRefused(t *testing.T) {
	type settings struct {
		c    *inference.Config
		o    *Options
		rows *[]Row
	}
	cases := []struct {
		name   string
		change func(s settings)
		want   string
	}{
		{"feed-forward width of no whole vectors", func(s settings) { s.c.FeedForward = 20 }, "multiple of 8"},
		{"heads that do not divide the width", func(s settings) { s.c.Heads = 5 }, "num_attention_heads"},
		{"one exit weight for two exits", func(s settings) { s.o.ExitWeights = []float32{1} }, "1 exit weights for 2 exits"},
		{"an exit weight of 0", func(s settings) { s.o.ExitWeights = []float32{0, 1} }, "exit weight 0"},
		{"no epochs", func(s settings) { s.o.Epochs = 0 }, "epochs is 0"},
		{"batches of no rows", func(s settings) { s.o.BatchRows = 0 }, "batch is 0"},
		{"a learning rate that is no number", func(s settings) { s.o.Rate = math.NaN() }, "learning rate"},
		{"a dropout of everything", func(s settings) { s.o.Dropout = 1 }, "dropout"},
		{"a share above 1", func(s settings) { s.o.Method.Pass = []float32{2} }, "share 2"},
		{"two shares for one boundary", func(s settings) { s.o.Method.Pass = []float32{1, 1} }, "2 shares of the gradient for 1 boundaries"},
		{"three gradient scales for two exits", func(s settings) { s.o.Method.Scale = []float32{1, 1, 1} }, "3 gradient scales for 2 exits"},
		{"a negative gradient scale", func(s settings) { s.o.Method.Scale = []float32{1, -1} }, "gradient scale of an exit is -1"},
		{"distilled at no temperature", func(s settings) { s.o.Method.Distill.Weight = 1 }, "temperature of the last exit's answers is 0"},
		{"distilled by a negative weight", func(s settings) { s.o.Method.Distill.Weight = -1 }, "weight of the last exit's answers is -1"},
		{"a gate where nothing passes", func(s settings) { s.o.Method.Gate.Kind = SoftGate }, "passes none"},
		{"a gate of a kind that does not exist", func(s settings) { s.o.Method.Gate.Kind = "rusty" }, `gate "rusty"`},
		{"a gate at a confidence above 1", func(s settings) { s.o.Method.Gate = Gate{HardGate, 2} }, "confidence of the gate is 2"},
		{"an opening that takes all steps", func(s settings) { s.o.Method.Opening = Opening{1, LastOnly} }, "share 1 of the steps"},
		{"an opening of a kind that does not exist", func(s settings) { s.o.Method.Opening = Opening{0.5, "grand"} }, `opening "grand"`},
		{"all groups frozen", func(s settings) { s.o.Freeze.Groups = 2 }, "2 frozen groups of 2"},
		{"one group fewer than none frozen", func(s settings) { s.o.Freeze.Groups = -1 }, "-1 frozen groups"},
		{"a frozen backbone without other exits", func(s settings) {
			s.c.Exits, s.c.Pooling, s.o.ExitWeights, s.o.Freeze.Backbone = []int{3}, s.c.Pooling[:1], []float32{1}, true
		}, "no other exit"},
		{"a frozen group with a shared pooler", func(s settings) { s.o.Freeze.Groups, s.o.Method.SharedPooler = 1, true }, "share one pooler"},
		{"a frozen backbone that opens the run", func(s settings) {
			s.o.Freeze.Backbone, s.o.Method.Opening = true, Opening{0.5, LastOnly}
		}, "opens a run by training it"},
		{"no rows", func(s settings) { *s.rows = nil }, "no training rows"},
		{"a row that is too long", func(s settings) { (*s.rows)[3].Tokens = make([]int32, 41) }, "row 3 has 41 tokens"},
		{"a token outside the vocabulary", func(s settings) { (*s.rows)[3].Tokens = []int32{60} }, "outside the vocabulary"},
		{"a row without a label", func(s settings) { (*s.rows)[3].Label = -1 }, "label -1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config, options := smallConfig(inference.CLS, inference.CLS), smallOptions(Method{})
			rows := smallRows(config, 10)
			c.change(settings{config, options, &rows})
			_, err := New(*config, *options, rows, Words{}, newEngine(t, "portable", 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestSaveReportsAFullDisk(t *testing.T) {
	full := errors.New("no space left")
	err := newTrainer(t, nil).Save(failingWriter{full})
	if !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

var _ io.Writer = failingWriter{}
