package inference_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// multi is the shape of a small Multi-Model: two models, of one and of two
// layers.
func multi() inference.Config {
	c := small()
	c.Method = inference.MultiModel
	return c
}

func TestMultiModelNamesItsTensors(t *testing.T) {
	ps := multi().Parameters()
	if got, want := len(ps), (5+16+4)+(5+2*16+4); got != want {
		t.Fatalf("got %d parameters, want %d", got, want)
	}
	for i, want := range map[int]inference.Parameter{
		0:  {Name: "models.0.embeddings.word_embeddings.weight", Shape: []int{12, 8}},
		20: {Name: "models.0.encoder.layer.0.output.LayerNorm.bias", Shape: []int{8}},
		21: {Name: "models.0.pooler.dense.weight", Shape: []int{8, 8}},
		24: {Name: "models.0.classifier.bias", Shape: []int{2}},
		25: {Name: "models.1.embeddings.word_embeddings.weight", Shape: []int{12, 8}},
		61: {Name: "models.1.encoder.layer.1.output.LayerNorm.bias", Shape: []int{8}},
		65: {Name: "models.1.classifier.bias", Shape: []int{2}},
	} {
		if got := ps[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("parameter %d: got %v, want %v", i, got, want)
		}
	}
}

func TestMultiModelIsMadeOfModelsWithOneExit(t *testing.T) {
	c := multi()
	for n, want := range []inference.Config{c, c} {
		want.Layers, want.Exits, want.Pooling, want.Method = c.Exits[n], c.Exits[n:n+1], c.Pooling[n:n+1], inference.EarlyExit
		if got := c.Model(n); !reflect.DeepEqual(got, want) || got.Validate() != nil {
			t.Errorf("model %d: got %+v, want %+v", n, got, want)
		}
	}
	whole := inference.Directory{Config: c}
	ones := make([]*inference.Directory, len(c.Exits))
	for n := range ones {
		ones[n] = devicetest.Random(c.Model(n), uint64(n))
		whole.SetModel(n, tensors(devicetest.Random(c.Model(n), 9))) // replaced by the next line
		whole.SetModel(n, tensors(ones[n]))
	}
	if err := whole.Check(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inference.Save(dir, c, tensors(&whole), inference.StoreF32, vocab); err != nil {
		t.Fatal(err)
	}
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened.Config, c) || len(opened.Tensors) != len(c.Parameters()) {
		t.Errorf("got config %+v and %d tensors, want %+v and %d", opened.Config, len(opened.Tensors), c, len(c.Parameters()))
	}
	for n, want := range ones {
		if got := opened.Model(n); !reflect.DeepEqual(got, want) {
			t.Errorf("model %d: got %.200v, want %.200v", n, got, want)
		}
	}
}

func TestMultiModelOfOneModelIsRenamedByNothing(t *testing.T) {
	c := multi().Model(1)
	whole := inference.Directory{Config: c}
	whole.Config.Method = inference.MultiModel
	whole.SetModel(0, tensors(devicetest.Random(c, 1)))
	dir := t.TempDir()
	if err := inference.Save(dir, whole.Config, tensors(&whole), inference.StoreF32, vocab); err != nil {
		t.Fatal(err)
	}
	opened, err := inference.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Check(); err != nil {
		t.Error(err)
	}
}

func TestMultiModelCountsTheLayersOfAllModelsRun(t *testing.T) {
	c := multi()
	c.Layers, c.Exits = 6, []int{1, 2, 4, 6}
	for _, test := range []struct {
		method inference.Method
		want   []int
	}{
		{inference.EarlyExit, []int{1, 2, 4, 6}},
		{inference.SWEET, []int{1, 2, 4, 6}},
		{inference.MultiModel, []int{1, 3, 7, 13}},
	} {
		c.Method = test.method
		var got []int
		for stage := range c.Exits {
			got = append(got, c.StageLayers(stage))
		}
		if !slices.Equal(got, test.want) || c.FullLayers() != test.want[3] {
			t.Errorf("%s: got layers %v and %d at full depth, want %v", c.Method, got, c.FullLayers(), test.want)
		}
	}
}

func TestMultiModelNamesTheTensorThatIsMissing(t *testing.T) {
	for _, test := range []struct{ tensor, want string }{
		{"models.1.encoder.layer.0.output.dense.bias", "missing; config.json asks for a Multi-Model of 2 models, of [1 2] layers"},
		{"models.0.classifier.weight", "missing; config.json asks for a Multi-Model of 2 models, of [1 2] layers"},
	} {
		whole := devicetest.Random(multi(), 1)
		delete(whole.Tensors, test.tensor)
		if err := whole.Check(); err == nil || !strings.HasSuffix(err.Error(), `tensor "`+test.tensor+`": `+test.want) {
			t.Errorf("got error %v, want %s of %s", err, test.want, test.tensor)
		}
	}
}

// TestMultiModelRunsEveryModelFromTheTokensOn lets some rows of two first
// batches go on, out of order and pairs among them, and compares every answer
// with that of the model alone.
func TestMultiModelRunsEveryModelFromTheTokensOn(t *testing.T) {
	whole := devicetest.Random(multi(), 1)
	m, err := inference.New(whole, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{m.Stages(), m.StageLayers(0), m.StageLayers(1)}; !slices.Equal(got, []int{2, 1, 3}) {
		t.Errorf("got stages and layers %v, want [2 1 3]", got)
	}
	pair := inference.Row{Tokens: []int32{2, 7, 3, 8, 3}, Second: 3}
	first, second := newBatch(t, m, 0), newBatch(t, m, 1)
	first.KeepLogits()
	second.KeepLogits()
	for _, pass := range []struct {
		rows []inference.Row
		stay []int
	}{
		{[]inference.Row{row(2, 5, 3), pair, row(4)}, []int{2, 1}},
		{[]inference.Row{row(2, 9, 3)}, []int{0}},
	} {
		first.Reset()
		fill(t, first, pass.rows...)
		forward(t, m, first)
		sameAsAlone(t, whole.Model(0), first)
		if err := second.Take(first, pass.stay); err != nil {
			t.Fatal(err)
		}
	}
	if want := []inference.Row{row(4), pair, row(2, 9, 3)}; !reflect.DeepEqual(second.Rows, want) {
		t.Fatalf("got rows %v at the second stage, want %v", second.Rows, want)
	}
	forward(t, m, second)
	sameAsAlone(t, whole.Model(1), second)
}

func fill(t *testing.T, b *inference.Batch, rows ...inference.Row) {
	t.Helper()
	for _, r := range rows {
		if ok, err := b.Add(r); !ok || err != nil {
			t.Fatalf("adding %v: got %v and error %v", r, ok, err)
		}
	}
}

func forward(t *testing.T, m *inference.Model, b *inference.Batch) {
	t.Helper()
	if err := m.Forward(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sameAsAlone compares the answers of b, bit for bit, with those that a model
// of one exit gives to each of its rows alone.
func sameAsAlone(t *testing.T, dir *inference.Directory, b *inference.Batch) {
	t.Helper()
	m, err := inference.New(dir, devicetest.Reference(), inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	classes := len(m.Labels)
	for i, r := range b.Rows {
		alone := newBatch(t, m, 0)
		alone.KeepLogits()
		fill(t, alone, r)
		forward(t, m, alone)
		if got := b.Logits[i*classes : (i+1)*classes]; b.Exits[i] != alone.Exits[0] || !slices.Equal(got, alone.Logits) {
			t.Errorf("stage %d, row %v: got %v of logits %v, alone it is %v of %v", b.Stage()+1, r, b.Exits[i], got, alone.Exits[0], alone.Logits)
		}
	}
}
