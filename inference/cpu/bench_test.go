package cpu

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"sweetspot/inference"
)

// The benchmarks measure every slice of work between two slices of plain fused
// multiply-adds on as many threads, and report the median share. A share
// survives changes of the clock and of what else the machine does.

// peak is the most that the threads can do, in GFLOP/s, measured over the given
// operations.
func peak(k *Kernels, threads int, total float64) float64 {
	loop, operations := peakOf(k)
	n := int(total / operations / float64(threads))
	start := time.Now()
	var all sync.WaitGroup
	for range threads {
		all.Go(func() { loop(n) })
	}
	all.Wait()
	return operations * float64(n) * float64(threads) / float64(time.Since(start).Nanoseconds())
}

// measure runs work, of the given floating-point operations, in slices of ten
// milliseconds or more, reports GFLOP/s and the share of the peak, and returns
// the share.
func measure(b *testing.B, e *Engine, operations float64, work func()) float64 {
	b.Helper()
	work()
	loops := max(1, int(1e9*float64(e.Threads())/operations))
	var rates, shares []float64
	slice := operations * float64(loops)
	around := max(1e9*float64(e.Threads()), slice/4)
	before := peak(e.Kernels, e.Threads(), around)
	for b.Loop() {
		start := time.Now()
		for range loops {
			work()
		}
		rate := slice / float64(time.Since(start).Nanoseconds())
		after := peak(e.Kernels, e.Threads(), around)
		rates = append(rates, rate)
		shares = append(shares, 2*rate/(before+after))
		before = after
	}
	b.ReportMetric(0, "ns/op") // it would include the peak
	b.ReportMetric(operations/median(rates)/1e6, "ms")
	b.ReportMetric(median(rates), "GFLOP/s")
	b.ReportMetric(median(shares), "share")
	return median(shares)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// A bench is what to benchmark with.
type bench struct {
	kernels *Kernels
	threads int
}

func (c bench) String() string { return fmt.Sprintf("%s/%d_threads", c.kernels.Name(), c.threads) }

// benches are the assembly sets, each on one thread and on all.
func benches(b *testing.B) []bench {
	b.Helper()
	var all []bench
	for _, name := range Available() {
		k, err := Select(name)
		if err != nil {
			b.Fatal(err)
		}
		if loop, _ := peakOf(k); loop == nil {
			continue
		}
		for _, threads := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
			all = append(all, bench{k, threads})
		}
	}
	return all
}

// BenchmarkGemm runs the products of BERT-base and MiniLM.
func BenchmarkGemm(b *testing.B) {
	for _, c := range benches(b) {
		b.Run(c.String(), func(b *testing.B) {
			e := testEngine(b, c.kernels, c.threads)
			var shares []float64
			for _, m := range []int{32, 128, 512} {
				for _, s := range [][2]int{
					{768, 768}, {2304, 768}, {3072, 768}, {768, 3072}, {384, 384}, {1152, 384}, {1536, 384}, {384, 1536},
				} {
					b.Run(fmt.Sprintf("%dx%dx%d", m, s[0], s[1]), func(b *testing.B) {
						shares = append(shares, benchGemm(b, e, m, s[0], s[1]))
					})
				}
			}
			benchMean(b, shares)
		})
	}
}

func benchGemm(b *testing.B, e *Engine, m, n, depth int) float64 {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	a, w, c := filled(r, m, depth), filled(r, depth, n), NewMatrix(m, n)
	var packed Packed
	e.PackN(&packed, w)
	return measure(b, e, 2*float64(m)*float64(n)*float64(depth), func() {
		e.Gemm(c, a, &packed, Overwrite)
	})
}

// BenchmarkGradientGemm runs the products of MiniLM's backward pass, packing
// included: dX = dY·W and dW = dYᵀ·X, for that many tokens and W of (N, K).
func BenchmarkGradientGemm(b *testing.B) {
	for _, c := range benches(b) {
		b.Run(c.String(), func(b *testing.B) {
			e := testEngine(b, c.kernels, c.threads)
			var shares []float64
			for _, tokens := range []int{208, 512, 2048} {
				for _, s := range [][2]int{{1152, 384}, {384, 384}, {1536, 384}, {384, 1536}} {
					shares = append(shares, benchGradientGemm(b, e, tokens, s[0], s[1])...)
				}
			}
			benchMean(b, shares)
		})
	}
}

func benchGradientGemm(b *testing.B, e *Engine, tokens, n, k int) []float64 {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	x, dy := filled(r, tokens, k), filled(r, tokens, n)
	w := Matrix{Rows: n, Cols: k, Stride: k, Data: filled(r, 1, n*k).Row(0)} // as in a model file
	var packed Packed
	var shares []float64
	for _, v := range []struct {
		name string
		run  func()
	}{
		{"dX", func() {
			e.PackN(&packed, w)
			e.Gemm(x, dy, &packed, Overwrite)
		}},
		{"dW", func() {
			e.PackN(&packed, x)
			e.GemmT(w, dy, &packed, Overwrite)
		}},
	} {
		b.Run(fmt.Sprintf("%s/%d/%dx%d", v.name, tokens, n, k), func(b *testing.B) {
			shares = append(shares, measure(b, e, 2*float64(tokens)*float64(n)*float64(k), v.run))
		})
	}
	return shares
}

// encoders are the models of BenchmarkEncoder: BERT-base, MiniLM, and two that
// are as small as one trained on two cores in half an hour.
var encoders = []struct {
	name string
	shape
}{
	{"bert_12x768", shape{layers: 12, width: 768, heads: 12, forward: 3072, classes: 10, vocabulary: 1000, positions: 512}},
	{"minilm_6x384", shape{layers: 6, width: 384, heads: 12, forward: 1536, classes: 10, vocabulary: 1000, positions: 512}},
	{"small_6x256", shape{layers: 6, width: 256, heads: 4, forward: 1024, classes: 30, vocabulary: 1000, positions: 512}},
	{"small_6x128", shape{layers: 6, width: 128, heads: 4, forward: 512, classes: 30, vocabulary: 1000, positions: 512}},
}

// BenchmarkEncoder runs whole models, from token ids to the answer of the last
// layer, on batches of equal rows. The share counts the operations of the
// layers' matrix products alone.
func BenchmarkEncoder(b *testing.B) {
	for _, m := range encoders {
		e := sync.OnceValue(func() encoder { return newEncoder(m.shape) })
		for _, c := range benches(b) {
			b.Run(m.name+"/"+c.String(), func(b *testing.B) {
				d := openTest(b, c.kernels.Name(), c.threads)
				p := sync.OnceValue(func() *placed { return e().place(d, batchTokens) })
				var shares []float64
				for _, s := range [][2]int{{1, 16}, {1, 32}, {8, 16}, {1, 128}, {4, 128}, {32, 32}, {128, 16}} {
					b.Run(fmt.Sprintf("%dx%d", s[0], s[1]), func(b *testing.B) {
						share := benchEncoder(b, p(), s[0], s[1])
						if s[0]*s[1] >= 128 {
							shares = append(shares, share)
						}
					})
				}
				benchMean(b, shares)
			})
		}
	}
}

func benchEncoder(b *testing.B, p *placed, rows, length int) float64 {
	b.Helper()
	tokens := randomTokens(rand.New(rand.NewPCG(1, 2)), p.s, slices.Repeat([]int{length}, rows)...)
	exits := make([]inference.Exit, rows)
	s := p.s
	perToken := 2*s.width*(4*s.width+2*s.forward) + 4*length*s.width
	operations := float64(s.layers) * float64(rows) * float64(length) * float64(perToken)
	share := measure(b, p.d.engine, operations, func() {
		p.d.Embed(p.x, tokens, p.embedding)
		for i := range p.layers {
			p.layer(i, p.x, tokens.Starts)
		}
		p.d.Answer(exits, nil, p.x, tokens.Starts, p.layers[s.layers-1].head)
		if err := p.d.Wait(context.Background(), p.d.Submit()); err != nil {
			b.Fatal(err)
		}
	})
	return share
}

// benchMean reports the geometric mean of the shares as a line of its own.
func benchMean(b *testing.B, shares []float64) {
	b.Helper()
	if len(shares) == 0 {
		return // a filter left all of them out
	}
	var sum float64
	for _, s := range shares {
		sum += math.Log(s)
	}
	b.Run("geometric_mean", func(b *testing.B) {
		for b.Loop() {
			continue // there is nothing to run, only to report
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(math.Exp(sum/float64(len(shares))), "share")
	})
}
