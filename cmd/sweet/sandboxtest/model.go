package sandboxtest

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"sweetspot/inference"
)

// Labels are those of [Model], the one that it always gives first.
var Labels = []string{"parcel", "refund", "other"}

// The figures of [Model].
const (
	Layers    = 2 // an exit after each
	MaxTokens = 32
	LastRung  = 1 // lets every row leave by the first exit
)

// Model writes a model directory for the test: two layers of a few numbers, an
// exit after each, a ladder, and a vocabulary of a few words and the digits.
// What it says is of no use, but it is always the same, and costs next to
// nothing, also without vector instructions and under the race detector.
func Model(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	vocab := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "where", "is", "my", "parcel", "refund", "number"}
	for d := range 10 {
		vocab = append(vocab, strconv.Itoa(d), "##"+strconv.Itoa(d))
	}
	c := inference.Config{
		Name: "tiny", Vocab: len(vocab), Width: 8, Layers: Layers, Heads: 1, FeedForward: 16,
		Positions: MaxTokens, Types: 2, Epsilon: 1e-12, Labels: Labels,
		Exits: []int{1, 2}, Pooling: []inference.Pooling{inference.CLS, inference.CLS},
		Score: inference.MaxProbability, Method: inference.SWEET,
	}
	if err := inference.Save(dir, c, weights(c), inference.StoreF32, inference.VocabFile(vocab)); err != nil {
		tb.Fatalf("writing the model: %v", err)
	}
	saveLadder(tb, dir)
	return dir
}

// weights are waves, and classifiers whose bias settles the answer.
func weights(c inference.Config) []inference.Tensor {
	var ts []inference.Tensor
	for i, p := range c.Parameters() {
		n := 1
		for _, size := range p.Shape {
			n *= size
		}
		data := make([]float32, n)
		for k := range data {
			data[k] = float32(0.2 * math.Sin(float64(7*i+k)))
		}
		switch {
		case strings.HasSuffix(p.Name, "LayerNorm.weight"):
			for k := range data {
				data[k] = 1
			}
		case strings.HasSuffix(p.Name, "classifier.bias"):
			copy(data, []float32{4, 0, -4})
		}
		ts = append(ts, inference.Tensor{Name: p.Name, Shape: p.Shape, Data: data})
	}
	return ts
}

func saveLadder(tb testing.TB, dir string) {
	tb.Helper()
	d, err := inference.Open(os.DirFS(dir))
	if err != nil {
		tb.Fatalf("reading the model back: %v", err)
	}
	l := inference.FullDepth(Layers)
	l.Epsilon, l.Delta, l.Records = 0.02, 0.05, 1000
	l.MaxTokens, l.Truncate, l.Model = MaxTokens, "right", d.Digest
	l.Rungs = append(l.Rungs, inference.Rung{
		Thresholds: inference.Thresholds{0}, Reach: []float64{1, 0}, Cost: 0.5, Bound: 0.02,
	})
	if _, err := inference.SaveLadder(dir, inference.F32, l); err != nil {
		tb.Fatalf("writing the ladder: %v", err)
	}
}
