package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sweetspot/inference"
)

func openModelDirectory(t *testing.T, path string) *inference.Directory {
	t.Helper()
	dir, err := inference.Open(os.DirFS(path))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExitsAreAddedToAModelThatStays(t *testing.T) {
	data := writeFruit(t)
	plain := filepath.Join(t.TempDir(), "plain")
	was := trainFruit(t, []string{
		"train", "--data", data, "--out", plain, "--exits", "3", "--pool", "mean", "--width", "32", "--epochs", "4", "--batch", "8",
		"--lr", "4e-3", "--vocab-size", "120", "--max-length", "16", "--score", "margin", "--threads", "2", "--json",
	})
	more := filepath.Join(t.TempDir(), "more")
	got := trainFruit(t, []string{
		"train", "--data", data, "--init", plain, "--method", "exits", "--exits", "1,2,3", "--distill", "1", "--epochs", "4", "--batch", "8",
		"--lr", "4e-3", "--threads", "2", "--json", "--out", more,
	})
	if len(was.Test) != 1 || len(got.Test) != 3 || got.Test[2].Scores != was.Test[0].Scores || !(got.Test[0].Accuracy > 0.6) {
		t.Errorf("got test scores %v, want the last as before, %v, and exits that have learned", got.Test, was.Test)
	}
	before, after := openModelDirectory(t, plain), openModelDirectory(t, more)
	for name, want := range before.Tensors {
		name := strings.Replace(name, "exits.0.", "exits.2.", 1)
		if !reflect.DeepEqual(after.Tensors[name].Data, want.Data) {
			t.Errorf("%s has changed", name)
		}
	}
	if c := after.Config; c.Method != "exits" || c.Pooling[2] != inference.Mean || c.Pooling[0] != inference.CLS || c.Score != inference.Margin {
		t.Errorf("got method %s, pooling %v and score %s, want exits, and the last pooling and the score as before", c.Method, c.Pooling, c.Score)
	}
}

func TestDeeperLayersAreTrainedAlone(t *testing.T) {
	data := writeFruit(t)
	first := filepath.Join(t.TempDir(), "first")
	was := trainFruit(t, fruitArgs(data, first))
	second := filepath.Join(t.TempDir(), "second")
	args := []string{
		"train", "--data", data, "--init", first, "--freeze-to", "1", "--exits", "1,2,3", "--epochs", "2", "--batch", "8",
		"--lr", "4e-3", "--threads", "2", "--json", "--out", second,
	}
	got := trainFruit(t, args)
	if len(got.Test) != 3 || got.Test[0].Scores != was.Test[0].Scores {
		t.Errorf("got test scores %v, want three, the first as before: %v", got.Test, was.Test)
	}
	before, after := openModelDirectory(t, first), openModelDirectory(t, second)
	for name, want := range before.Tensors {
		stays := strings.HasPrefix(name, "embeddings.") || strings.HasPrefix(name, "encoder.layer.0.") || strings.HasPrefix(name, "exits.0.")
		if same := reflect.DeepEqual(after.Tensors[name].Data, want.Data); same != stays && !strings.HasSuffix(name, "key.bias") {
			t.Errorf("%s is the same: got %v, want %v", name, same, stays)
		}
	}
}

func TestExitsMoveWithTheirLayers(t *testing.T) {
	tensors := map[string]inference.Tensor{}
	for i, name := range []string{
		"embeddings.LayerNorm.bias",
		"exits.0.pooler.dense.bias", "exits.0.classifier.weight",
		"exits.1.classifier.weight",
		"exits.2.pooler.dense.weight", // without a classifier
		"exits.7.classifier.weight",   // of no layer
	} {
		tensors[name] = inference.Tensor{Name: name, Data: []float32{float32(i)}}
	}
	moveExits(tensors, []int{2, 4, 6}, []int{1, 2, 6})
	want := map[string]float32{"embeddings.LayerNorm.bias": 0, "exits.1.pooler.dense.bias": 1, "exits.1.classifier.weight": 2}
	for name, x := range tensors {
		if v, ok := want[name]; !ok || x.Data[0] != v || x.Name != name {
			t.Errorf("got %s with %v named %s", name, x.Data, x.Name)
		}
	}
	if len(tensors) != len(want) {
		t.Errorf("got %d tensors, want %d", len(tensors), len(want))
	}
}

func TestWhatCannotBeFrozenIsAUsageError(t *testing.T) {
	data := writeFruit(t)
	model := filepath.Join(t.TempDir(), "model")
	trainFruit(t, fruitArgs(data, model))
	encoder, tags := randomModel(t, inference.SWEET, inference.MaxProbability), randomModel(t, inference.SWEET, inference.MaxProbability)
	asHugging(t, encoder, "BertModel", nil)
	asHugging(t, tags, "BertForSequenceClassification", map[string]any{"problem_type": "multi_label_classification"})
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "train.tsv"), []byte("text\tlabel\ngreen and soft\tkiwi\nlong and yellow\tpear\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"exits without a model", []string{"--data", data, "--method", "exits"}, "name its directory by --init"},
		{"frozen groups without a model", []string{"--data", data, "--freeze-to", "1"}, "name its directory by --init"},
		{"the last exit elsewhere", []string{"--data", data, "--init", model, "--method", "exits", "--exits", "1"}, "after layer 1"},
		{"all exits frozen", []string{"--data", data, "--init", model, "--freeze-to", "2"}, "--freeze-to 2"},
		{"another first exit", []string{"--data", data, "--init", model, "--freeze-to", "1", "--exits", "2,3"}, "after layers [2]"},
		{"another width", []string{"--data", data, "--init", model, "--width", "64"}, "--width 64: the model of --init has 32"},
		{"other heads", []string{"--data", data, "--init", model, "--heads", "2"}, "--heads 2: the model of --init has 1"},
		{"exits on a bare encoder", []string{"--data", data, "--init", encoder, "--method", "exits"}, "no classifier that gives a text one label"},
		{"exits on a classifier of many labels", []string{"--data", data, "--init", tags, "--method", "exits"}, "no classifier that gives a text one label"},
		{"frozen groups without a classifier", []string{"--data", data, "--init", encoder, "--freeze-to", "1"}, "no classifier that gives a text one label"},
		{"a label that the model does not know", []string{"--data", other, "--init", model, "--method", "exits"}, `label "kiwi"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := runSweet(t.Context(), newCommand(), io.Discard, append([]string{"train", "--out", t.TempDir()}, c.args...)...)
			if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a usage error with %q", err, c.want)
			}
		})
	}
}
