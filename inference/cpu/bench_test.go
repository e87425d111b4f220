package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// The benchmarks measure every slice of work between two slices of plain fused
// multiply-adds on as many threads, and report the median share. A share
// survives changes of the clock and of what else the machine does.

// peak is the most that the threads can do, in GFLOP/s, measured for some
// milliseconds.
func peak(k *Kernels, threads int) float64 {
	loop, operations := peakOf(k)
	n := int(1e9 / operations)
	start := time.Now()
	var all sync.WaitGroup
	for range threads {
		all.Go(func() { loop(n) })
	}
	all.Wait()
	return operations * float64(n) * float64(threads) / float64(time.Since(start).Nanoseconds())
}

// measure runs work, of the given floating-point operations, in slices of about
// ten milliseconds, reports GFLOP/s and the share of the peak, and returns the
// share.
func measure(b *testing.B, e *Engine, operations float64, work func()) float64 {
	b.Helper()
	work()
	loops := max(1, int(1e9*float64(e.Threads())/operations))
	var rates, shares []float64
	before := peak(e.Kernels, e.Threads())
	for b.Loop() {
		start := time.Now()
		for range loops {
			work()
		}
		rate := operations * float64(loops) / float64(time.Since(start).Nanoseconds())
		after := peak(e.Kernels, e.Threads())
		rates = append(rates, rate)
		shares = append(shares, 2*rate/(before+after))
		before = after
	}
	b.ReportMetric(0, "ns/op") // it would include the peak
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
