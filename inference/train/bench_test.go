package train

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

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
// on batches of 64 rows of about 25 tokens. As work counts what the layers do
// on every token, six operations per token and weight, whether or not it had to
// be done: an exit with CLS pooling spares the rest of the last layer. The share
// is of the speed of one large matrix product, measured between the steps on as
// many threads.
func BenchmarkStep(b *testing.B) {
	for _, method := range []string{"ee", "sweet"} {
		for _, width := range []int{128, 192, 256, 384} {
			for _, dropout := range []float64{0, 0.1} {
				b.Run(fmt.Sprintf("%s 6x%d, dropout %v", method, width, dropout), func(b *testing.B) {
					o := DefaultOptions()
					o.ExitWeights, o.Dropout = []float32{1, 1, 1, 1}, dropout
					if method == "ee" {
						o.Method.Pass = []float32{1}
					}
					benchmarkSteps(b, benchConfig(width), &o)
				})
			}
		}
	}
}

func benchmarkSteps(b *testing.B, c *inference.Config, o *Options) {
	b.Helper()
	k, err := cpu.Select("auto")
	if err != nil {
		b.Fatal(err)
	}
	e := cpu.NewEngine(k, runtime.GOMAXPROCS(0))
	defer e.Close()
	n, err := newNetwork(c, o, e)
	if err != nil {
		b.Fatal(err)
	}
	n.layout.initialize(n.weights, 1)
	opt := newOptimizer(n)
	rows := exampleRows(c, 64*20)
	batches := order(rows, 64, 1, 0)
	largeProduct := newLargeProduct(e)
	var in batch
	var spent, product time.Duration
	tokens, step := 0, 0
	for b.Loop() {
		in.fill(rows, batches[step%len(batches)])
		start := time.Now()
		n.gradients(&in, step)
		opt.step(step, 1<<20)
		if step > 0 { // the first makes room
			spent += time.Since(start)
			tokens += in.tokens()
		}
		step++
		start = time.Now()
		largeProduct()
		product += time.Since(start)
	}
	perSecond := float64(tokens) / spent.Seconds()
	speed := perSecond * 6 * float64(12*c.Width*c.Width*c.Layers)
	most := largeOperations * float64(step) / product.Seconds()
	b.ReportMetric(0, "ns/op") // it would include the product
	b.ReportMetric(perSecond, "tokens/s")
	b.ReportMetric(speed/1e9, "GFLOP/s")
	b.ReportMetric(speed/most, "share")
}

// largeOperations are those of the large product, in floating-point operations.
const largeOperations = 5 * 2 * 1024 * 768 * 768

// newLargeProduct returns a function that multiplies large matrices.
func newLargeProduct(e *cpu.Engine) func() {
	a, c, w := cpu.NewMatrix(1024, 768), cpu.NewMatrix(1024, 768), cpu.NewMatrix(768, 768)
	var packed cpu.Packed
	e.PackN(&packed, w)
	return func() {
		for range 5 {
			e.Gemm(c, a, &packed, cpu.Overwrite)
		}
	}
}
