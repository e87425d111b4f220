package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"sweetspot/inference"
	"sweetspot/inference/train"
)

// writeFruit makes a data set that is easy to learn: the label is a word of the
// text.
func writeFruit(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	labels := []string{"apple", "pear", "plum"}
	fill := []string{"the", "a", "one", "please", "now", "red", "green", "ripe"}
	for _, part := range []string{"train", "dev", "test"} {
		count := 30
		if part == "train" {
			count = 400
		}
		var text strings.Builder
		text.WriteString("text\tlabel\n")
		for range count {
			label := labels[r.IntN(len(labels))]
			words := []string{fill[r.IntN(8)], fill[r.IntN(8)], label, fill[r.IntN(8)]}
			fmt.Fprintf(&text, "%s\t%s\n", strings.Join(words[r.IntN(2):], " "), label)
		}
		if err := os.WriteFile(filepath.Join(dir, part+".tsv"), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runSweet runs a command and returns what it wrote to standard output.
func runSweet(ctx context.Context, c *cobra.Command, talk io.Writer, args ...string) (string, error) {
	var out bytes.Buffer
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(talk)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// fruitArgs are the arguments of a small run.
func fruitArgs(data, out string, more ...string) []string {
	return append([]string{
		"train", "--data", data, "--out", out, "--exits", "1,2", "--width", "32", "--epochs", "4", "--batch", "8",
		"--lr", "4e-3", "--vocab-size", "120", "--max-length", "16", "--threads", "2", "--json",
	}, more...)
}

func trainFruit(t *testing.T, args []string) trainResult {
	t.Helper()
	out, err := runSweet(t.Context(), newCommand(), io.Discard, args...)
	if err != nil {
		t.Fatal(err)
	}
	var r trainResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func TestTrainedModelIsEvaluated(t *testing.T) {
	data := writeFruit(t)
	for _, method := range []string{"sweet", "ee", "ee --as-released", "blend --alpha 0.3 --distill 1", "mixed --opening 0.25"} {
		t.Run(method, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "model")
			r := trainFruit(t, append(fruitArgs(data, dir, "--store", "bf16", "--score", "margin", "--method"), strings.Fields(method)...))
			if len(r.Test) != 2 || !(r.Test[1].Accuracy > 0.9) {
				t.Fatalf("got test scores %v, want two above 0.9", r.Test)
			}
			out, err := runSweet(t.Context(), newCommand(), io.Discard, "evaluate", "--model", dir, "--data", filepath.Join(data, "test.tsv"), "--json")
			if err != nil {
				t.Fatal(err)
			}
			var e evaluation
			if err := json.Unmarshal([]byte(out), &e); err != nil {
				t.Fatal(err)
			}
			if e.Texts != 30 || len(e.Exits) != 2 || e.Exits[0] != r.Test[0] || e.Exits[1] != r.Test[1] {
				t.Errorf("evaluation %v of %d texts, training said %v", e.Exits, e.Texts, r.Test)
			}
			if c := openModelDirectory(t, dir).Config; c.Score != inference.Margin || string(c.Method) != wantName(method) {
				t.Errorf("got score %s and method %s in config.json, want margin and %s", c.Score, c.Method, wantName(method))
			}
			first, last := e.Sweep[0], e.Sweep[len(e.Sweep)-1]
			if first.MeanLayers != 1 || last.MeanLayers != 2 || last.Agreement != 1 {
				t.Errorf("sweep goes from %+v to %+v, want from 1 layer to 2 and full agreement", first, last)
			}
		})
	}
}

func TestMetricIsShown(t *testing.T) {
	data, dir := writeFruit(t), filepath.Join(t.TempDir(), "model")
	trainFruit(t, fruitArgs(data, dir))
	for metric, percent := range map[string]bool{"accuracy": true, "f1": true, "mcc": false} {
		out, err := runSweet(t.Context(), newCommand(), io.Discard, "evaluate", "--model", dir, "--data", filepath.Join(data, "test.tsv"), "--metric", metric)
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(out[strings.Index(out, "exit"):])
		if fields[2] != metric || (fields[7] == "%") != percent {
			t.Errorf("--metric %s: got %q, want it at the head of its column and in percent: %v", metric, out, percent)
		}
	}
}

// wantName is what config.json calls a method of these flags.
func wantName(flags string) string {
	name, rest, _ := strings.Cut(flags, " ")
	if rest == "--as-released" {
		name += "-released"
	}
	return name
}

// A stopper stops a run once it has said that an epoch is over.
type stopper struct {
	at   string
	stop func()
}

func (s stopper) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.at)) {
		s.stop()
	}
	return len(p), nil
}

func TestStoppedRunGoesOnExactly(t *testing.T) {
	data := writeFruit(t)
	whole := trainFruit(t, fruitArgs(data, filepath.Join(t.TempDir(), "whole")))
	dir := filepath.Join(t.TempDir(), "stopped")
	args := fruitArgs(data, dir)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if _, err := runSweet(ctx, newCommand(), stopper{"epoch 2 of 4: dev", stop}, args...); !errors.Is(err, errStopped) {
		t.Fatalf("got %v, want %v", err, errStopped)
	}
	if _, err := runSweet(t.Context(), newCommand(), io.Discard, args...); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("starting over: got %v, want an error that names --resume", err)
	}
	resumed := trainFruit(t, append(args, "--resume"))
	if resumed.Digest != whole.Digest {
		t.Errorf("got model %s after resuming, want %s", resumed.Digest, whole.Digest)
	}
	if _, err := os.Stat(filepath.Join(dir, checkpointName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the checkpoint of a finished run: got %v, want it gone", err)
	}
}

func TestStoppedMultiModelGoesOnExactly(t *testing.T) {
	data, first := writeFruit(t), filepath.Join(t.TempDir(), "first")
	trainFruit(t, fruitArgs(data, first, "--epochs", "1"))
	whole := filepath.Join(t.TempDir(), "whole")
	args := func(out string, more ...string) []string {
		return append(fruitArgs(data, out, "--method", "mm", "--init", first), more...)
	}
	want := trainFruit(t, args(whole))
	if len(want.Test) != 2 || !(want.Test[1].Accuracy > 0.9) || want.Test[1].Layer != 3 {
		t.Errorf("got test scores %v, want two, the last above 0.9 at 3 layers run", want.Test)
	}
	dir := filepath.Join(t.TempDir(), "stopped")
	for _, at := range []string{"model 1 of 2, epoch 2 of 4: dev", "model 1 of 2, epoch 4 of 4: dev", "model 2 of 2, epoch 1 of 4: dev"} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		if _, err := runSweet(ctx, newCommand(), stopper{at, stop}, args(dir)...); !errors.Is(err, errStopped) {
			t.Fatalf("got %v, want %v", err, errStopped)
		}
		if got := trainFruit(t, args(dir, "--resume")); got.Digest != want.Digest {
			t.Errorf("stopped at %q: got model %s after resuming, want %s", at, got.Digest, want.Digest)
		}
	}
	out, err := runSweet(t.Context(), newCommand(), io.Discard, "evaluate", "--model", whole, "--data", filepath.Join(data, "test.tsv"), "--json")
	if err != nil {
		t.Fatal(err)
	}
	var e evaluation
	if err := json.Unmarshal([]byte(out), &e); err != nil || !slices.Equal(e.Exits, want.Test) {
		t.Errorf("got evaluation %v, %v, training said %v", e.Exits, err, want.Test)
	}
	for _, command := range []string{"train", "compare"} {
		_, err := runSweet(t.Context(), newCommand(), io.Discard, command, "--data", data, "--init", whole, "--out", t.TempDir())
		if want := "--init " + whole; !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "several encoders") {
			t.Errorf("%s from a Multi-Model: got error %v, want a usage error that it is several encoders", command, err)
		}
	}
}

func TestTrainingStartsFromAModel(t *testing.T) {
	data := writeFruit(t)
	first := filepath.Join(t.TempDir(), "first")
	was := trainFruit(t, fruitArgs(data, first))
	args := []string{
		"train", "--data", data, "--init", first, "--epochs", "1", "--lr", "0", "--dropout", "0", "--json", "--out",
		filepath.Join(t.TempDir(), "second"),
	}
	if got := trainFruit(t, args); got.Test[1] != was.Test[1] {
		t.Errorf("after no change: got %v, want %v", got.Test, was.Test)
	}
	args = append(args, "--exits", "2", "--out", filepath.Join(t.TempDir(), "third"))
	if got := trainFruit(t, args); len(got.Test) != 1 {
		t.Errorf("with one exit: got %v, want one score", got.Test)
	}
}

func TestBadTrainingFlagsAreUsageErrors(t *testing.T) {
	data := writeFruit(t)
	out := t.TempDir()
	cases := []struct {
		name string
		args []string
		want string
	}{
		{"no data", []string{"train", "--out", out}, "--data"},
		{"no out", []string{"train", "--data", data}, "--out"},
		{"unknown method", fruitArgs(data, out, "--method", "magic"), "none of sweet, ee, mm"},
		{"a share of the gradient for sweet", fruitArgs(data, out, "--method", "sweet", "--alpha", "0.5"), "--alpha does not go with --method sweet"},
		{"three shares for one boundary", fruitArgs(data, out, "--method", "blend", "--alpha", "0.5,1,1"), "3 shares"},
		{"an unknown method, before the data is read", fruitArgs("nowhere", out, "--method", "magic"), "none of sweet, ee, mm"},
		{"a share above 1, before the data is read", fruitArgs("nowhere", out, "--method", "blend", "--alpha", "2"), "share 2 of the gradient"},
		{"an unknown score, before the data is read", fruitArgs("nowhere", out, "--score", "luck"), "--score"},
		{"a blend as released", fruitArgs(data, out, "--method", "blend", "--as-released"), "--as-released goes with"},
		{"a gate for blend", fruitArgs(data, out, "--method", "blend", "--gate", "0.5"), "--gate goes with --method gated"},
		{"an opening for blend", fruitArgs(data, out, "--method", "blend", "--opening", "0.5"), "--opening goes with"},
		{"a temperature for nothing", fruitArgs(data, out, "--method", "blend", "--distill-temperature", "3"), "--distill"},
		{"unknown kernel set", fruitArgs(data, out, "--cpu", "sse"), "kernel set"},
		{"exits that fall", fruitArgs(data, out, "--exits", "2,1"), "exits"},
		{"three poolings for two exits", fruitArgs(data, out, "--pool", "cls,cls,mean"), "--pool: 3 values for 2 exits"},
		{"unknown pooling", fruitArgs(data, out, "--pool", "max"), "max"},
		{"exit weights of another number", fruitArgs(data, out, "--exit-weights", "1,2,3"), "--exit-weights"},
		{"heads that do not divide the width", fruitArgs(data, out, "--heads", "3"), "num_attention_heads"},
		{"unknown numbers", fruitArgs(data, out, "--store", "int8"), "--store"},
		{"an unknown score", fruitArgs(data, out, "--score", "luck"), "--score"},
		{"an unknown metric", fruitArgs(data, out, "--metric", "bleu"), "--metric"},
		{"a positive label that is none", fruitArgs(data, out, "--positive", "kiwi"), "--positive"},
		{"a positive label of three", fruitArgs(data, out, "--positive", "plum"), "--positive"},
		{"layers below none", fruitArgs(data, out, "--layers", "-1"), "--layers -1"},
		{"two vocabularies", fruitArgs(data, out, "--init", out, "--vocab", out), "--vocab and --init"},
		{"dropout of everything", fruitArgs(data, out, "--dropout", "1"), "dropout"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := runSweet(t.Context(), newCommand(), io.Discard, c.args...)
			if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a usage error with %q", err, c.want)
			}
		})
	}
}

func TestNothingToResume(t *testing.T) {
	_, err := runSweet(t.Context(), newCommand(), io.Discard, fruitArgs(writeFruit(t), t.TempDir(), "--resume")...)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

func TestDefaultExits(t *testing.T) {
	for layers, want := range map[int]string{1: "[1]", 2: "[1 2]", 3: "[1 2 3]", 6: "[1 2 4 6]", 12: "[1 4 8 12]"} {
		if got := fmt.Sprint(defaultExits(layers)); got != want {
			t.Errorf("%d layers: got %v, want %v", layers, got, want)
		}
	}
}

func TestProgressSaysWhatIsLeft(t *testing.T) {
	var out bytes.Buffer
	p := newTrainProgress(&out, 4, 5, train.Accuracy)
	p.step(train.Progress{Step: 5, Steps: 5, Epoch: 1, Epochs: 1, Tokens: 10, Losses: []float64{1.5, 0.25}})
	p.close()
	for _, want := range []string{"step 5 of 5", "epoch 1 of 1", "loss 1.500 0.250", "tokens/s", "0s left"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
}

func TestTableCountsTheLayersThatATextRuns(t *testing.T) {
	data := writeFruit(t)
	for method, want := range map[string]string{"ee": "2", "mm": "3"} {
		out, err := runSweet(t.Context(), newCommand(), io.Discard, fruitArgs(data, t.TempDir(), "--method", method, "--json=false", "--epochs", "1")...)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if last := strings.Fields(lines[len(lines)-1]); last[0] != "2" || last[1] != want {
			t.Errorf("%s: got %q, want exit 2 after %s layers", method, lines[len(lines)-1], want)
		}
	}
}
