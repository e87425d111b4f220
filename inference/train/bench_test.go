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
	return rowsOfLength(c, count, 15, 35)
}

// rowsOfLength returns rows of random tokens, shortest to longest of them.
func rowsOfLength(c *inference.Config, count, shortest, longest int) []Row {
	r := source(1, 2, 3)
	rows := make([]Row, count)
	for i := range rows {
		tokens := make([]int32, shortest+r.IntN(longest-shortest+1))
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
					c := benchConfig(width)
					benchmarkSteps(b, c, &o, 64, exampleRows(c, 64*20))
				})
			}
		}
	}
}

// BenchmarkMiniLM measures steps of a model of MiniLM-L6's shape as fine-tuning
// on short texts takes them: batches of 16 rows, dropout 0.1. The name gives the
// method, the pooling, and the rows and their mean length. peer.sh runs it beside
// PyTorch.
func BenchmarkMiniLM(b *testing.B) {
	const rows = 16
	for _, method := range []string{"ee", "sweet"} {
		for _, pooling := range []inference.Pooling{inference.CLS, inference.Mean} {
			for _, l := range []struct{ shortest, longest int }{{8, 18}, {64, 64}} {
				b.Run(fmt.Sprintf("%s/%s/%dx%d", method, pooling, rows, (l.shortest+l.longest)/2), func(b *testing.B) {
					c := benchConfig(384)
					c.Vocab, c.Heads, c.Positions = 30522, 12, 512
					c.Labels = c.Labels[:2]
					c.Pooling = slices.Repeat([]inference.Pooling{pooling}, len(c.Exits))
					o := DefaultOptions()
					o.ExitWeights, o.Dropout = []float32{1, 1, 1, 1}, 0.1
					if method == "ee" {
						o.Method.Pass = []float32{1}
					}
					benchmarkSteps(b, c, &o, rows, rowsOfLength(c, rows*50, l.shortest, l.longest))
				})
			}
		}
	}
}

// benchmarkSteps runs steps on batches of that many of the rows.
func benchmarkSteps(b *testing.B, c *inference.Config, o *Options, size int, rows []Row) {
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
	batches := order(rows, size, 1, 0)
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
