package train

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/cpu"
)

// exampleRows returns rows of random tokens with lengths around 25.
func exampleRows(c *inference.Config, count int) []Row {
	r := source(1, 2, 3)
	rows := make([]Row, count)
	for i := range rows {
		tokens := make([]int32, 15+r.IntN(21))
		for t := range tokens {
			tokens[t] = int32(r.IntN(c.Vocab))
		}
		rows[i] = Row{Tokens: tokens, Second: len(tokens), Label: int32(r.IntN(len(c.Labels)))}
	}
	return rows
}

// benchConfig is a model of six layers with exits after 1, 2, 4 and 6.
func benchConfig(width int) *inference.Config {
	c := &inference.Config{
		Vocab: 8000, Width: width, Layers: 6, Heads: width / 32, FeedForward: 4 * width, Positions: 128, Types: 2,
		Epsilon: 1e-12, Exits: []int{1, 2, 4, 6}, Pooling: slices.Repeat([]inference.Pooling{inference.CLS}, 4),
		Score: inference.MaxProbability, Method: inference.EarlyExit,
	}
	for i := range 30 {
		c.Labels = append(c.Labels, fmt.Sprint("label ", i))
	}
	return c
}

// BenchmarkStep measures whole training steps, forward, backward and optimizer,
// on batches of 64 rows of about 25 tokens. Only matrix products count as work:
// six operations per token and weight of the layers.
func BenchmarkStep(b *testing.B) {
	for _, width := range []int{128, 192, 256, 384} {
		for _, dropout := range []float64{0, 0.1} {
			b.Run(fmt.Sprintf("6x%d, dropout %v", width, dropout), func(b *testing.B) {
				c := benchConfig(width)
				o := DefaultOptions()
				o.Method.Pass, o.ExitWeights = 1, []float32{1, 1, 1, 1}
				o.Dropout = dropout
				k, err := cpu.Select("auto")
				if err != nil {
					b.Fatal(err)
				}
				e := cpu.NewEngine(k, runtime.GOMAXPROCS(0))
				defer e.Close()
				n, err := newNetwork(c, &o, e)
				if err != nil {
					b.Fatal(err)
				}
				n.layout.initialize(n.weights, 1)
				opt := newOptimizer(n)
				rows := exampleRows(c, 64*20)
				batches := order(rows, 64, 1, 0)
				var in batch
				tokens := 0
				step := func(i int) {
					in.fill(rows, batches[i%len(batches)])
					n.gradients(&in, i)
					opt.step(i, 1<<20)
					tokens += in.tokens()
				}
				step(0)
				tokens = 0
				b.ResetTimer()
				for i := range b.N {
					step(i)
				}
				perSecond := float64(tokens) / b.Elapsed().Seconds()
				weights := float64(12 * width * width * c.Layers)
				b.ReportMetric(perSecond, "tokens/s")
				b.ReportMetric(perSecond*6*weights/1e9, "GFLOP/s")
			})
		}
	}
}
