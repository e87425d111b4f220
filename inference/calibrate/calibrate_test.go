package calibrate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sweetspot/inference"
	"sweetspot/inference/devicetest"
)

// population returns records whose first two exits answer as full depth does
// more often the surer they are: right with the probability of their
// confidence.
func population(n int, seed uint64) Table {
	r := rand.New(rand.NewPCG(seed, 1))
	t := Table{Layers: []int{1, 2, 6}, Exits: make([][]inference.Exit, 3)}
	for e := range t.Exits {
		t.Exits[e] = make([]inference.Exit, n)
	}
	for i := range n {
		label := r.IntN(5)
		t.Exits[2][i] = inference.Exit{Label: label, Confidence: 1}
		for e, sharpness := range []float64{2, 6} {
			c := 1 - math.Pow(r.Float64(), sharpness)
			answer := label
			if r.Float64() > c {
				answer = (label + 1) % 5
			}
			t.Exits[e][i] = inference.Exit{Label: answer, Confidence: float32(c)}
		}
	}
	return t
}

func TestTailIsTheBinomialSum(t *testing.T) {
	for _, tt := range []struct {
		k, n int
		p    float64
	}{{0, 10, 0.1}, {3, 10, 0.1}, {9, 10, 0.5}, {10, 10, 0.5}, {12, 1000, 0.02}, {-1, 5, 0.3}} {
		var want float64
		for j := range tt.k + 1 {
			lc, _ := math.Lgamma(float64(tt.n + 1))
			la, _ := math.Lgamma(float64(j + 1))
			lb, _ := math.Lgamma(float64(tt.n - j + 1))
			want += math.Exp(lc - la - lb + float64(j)*math.Log(tt.p) + float64(tt.n-j)*math.Log1p(-tt.p))
		}
		if got := Tail(tt.k, tt.n, tt.p); math.Abs(got-want) > 1e-9 {
			t.Errorf("Tail(%d, %d, %v) = %v, want %v", tt.k, tt.n, tt.p, got, want)
		}
	}
}

func TestUpperBoundInvertsTail(t *testing.T) {
	for _, k := range []int{0, 1, 17, 499} {
		u := UpperBound(k, 500, 0.05)
		if got := Tail(k, 500, u); math.Abs(got-0.05) > 1e-6 {
			t.Errorf("k = %d: Tail at the bound %v is %v, want 0.05", k, u, got)
		}
	}
	if got := UpperBound(500, 500, 0.05); got != 1 {
		t.Errorf("all disagree: bound %v, want 1", got)
	}
}

func TestFitTemperatureFindsTheScale(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	const n, classes = 4000, 4
	for _, want := range []float64{0.4, 1, 3} {
		logits, targets := make([]float32, n*classes), make([]int, n)
		for i := range n {
			z := logits[i*classes : (i+1)*classes]
			var sum float64
			for c := range z {
				z[c] = float32(r.NormFloat64() * 2)
				sum += math.Exp(float64(z[c]))
			}
			u := r.Float64() * sum
			for c := range z {
				if u -= math.Exp(float64(z[c])); u <= 0 {
					targets[i] = c
					break
				}
			}
			for c := range z {
				z[c] *= float32(want)
			}
		}
		if got := FitTemperature(logits, classes, targets); math.Abs(got/want-1) > 0.1 {
			t.Errorf("temperature = %v, want about %v", got, want)
		}
	}
}

func TestFitTemperatureStaysInBounds(t *testing.T) {
	if got := FitTemperature([]float32{1, 0, 0, 1}, 2, []int{0, 1}); math.Abs(got-minTemperature) > 1e-6 {
		t.Errorf("always right: T = %v, want the smallest, %v", got, minTemperature)
	}
	if got := FitTemperature([]float32{1, 0, 0, 1}, 2, []int{1, 0}); math.Abs(got-maxTemperature) > 1e-6 {
		t.Errorf("always wrong: T = %v, want the largest, %v", got, maxTemperature)
	}
}

func TestPathOnlyFalls(t *testing.T) {
	table := population(4000, 3)
	path := Path(table, 0.05, 12)
	if len(path) < 4 || len(path) > 12 {
		t.Fatalf("%d rungs, want some and at most 12", len(path))
	}
	for e, th := range path[0] {
		if th <= 1 {
			t.Errorf("rung 0 leaves at exit %d", e+1)
		}
	}
	var before inference.Rung
	for k, th := range path {
		now, _ := table.rung(th)
		if now.Disagreement > 0.05 {
			t.Errorf("rung %d disagrees on %v of the tuning half, past the limit", k, now.Disagreement)
		}
		if k > 0 && now.Cost >= before.Cost {
			t.Errorf("rung %d costs %v, no less than rung %d", k, now.Cost, k-1)
		}
		for e := range th {
			if k > 0 && th[e] > path[k-1][e] {
				t.Errorf("rung %d raises the threshold of exit %d", k, e+1)
			}
		}
		before = now
	}
}

func TestCertifyStopsAtTheFirstFailure(t *testing.T) {
	// Exit 1 answers alone below the threshold; thresholds decide how many of
	// the 50 wrong records leave there.
	table := Table{Layers: []int{1, 2}, Exits: [][]inference.Exit{make([]inference.Exit, 1000), make([]inference.Exit, 1000)}}
	for i := range 1000 {
		table.Exits[0][i] = inference.Exit{Confidence: float32(i) / 1000}
		if i >= 900 && i < 950 {
			table.Exits[0][i].Label = 1
		}
	}
	path := []inference.Thresholds{{2}, {0.96}, {0.9}, {0.97}}
	got := Certify(table, path, 0.02, 0.05)
	if len(got) != 2 {
		t.Fatalf("kept %d rungs, want 2: full depth and the first; the last would pass but stands behind a failure", len(got))
	}
	if r := got[1]; r.Disagreement != 0 || math.Abs(r.Cost-(1-0.04*0.5)) > 1e-9 || r.Reach[1] != 0.96 {
		t.Errorf("rung 1 = %+v, want cost 0.98 and reach 0.96 without disagreement", r)
	}
	if got[0].Cost != 1 || got[0].Disagreement != 0 || got[0].Bound != 0 {
		t.Errorf("rung 0 = %+v, want full depth", got[0])
	}
}

// TestCertificateHolds draws certification halves from a population whose true
// shares are known, and counts how often any kept rung truly breaks ε. Walking
// one rung too far, the likeliest mistake, must break the promise here.
func TestCertificateHolds(t *testing.T) {
	const (
		epsilon, delta = 0.02, 0.1
		draws, n       = 2000, 600
	)
	all := population(40000, 11)
	path := Path(population(4000, 12), 0.04, 10)
	truth := make([]float64, len(path))
	for k, th := range path {
		r, _ := all.rung(th)
		truth[k] = r.Disagreement
	}
	if truth[len(path)-1] <= epsilon {
		t.Fatalf("the path ends at %v and never breaks ε: the test would prove nothing", truth[len(path)-1])
	}
	r := rand.New(rand.NewPCG(13, 13))
	breaks, tooFar := 0, 0
	records := make([]int, n)
	for range draws {
		for i := range records {
			records[i] = r.IntN(all.Records())
		}
		kept := len(Certify(all.pick(records), path, epsilon, delta))
		if slices.Max(truth[:kept]) > epsilon {
			breaks++
		}
		if slices.Max(truth[:min(kept+1, len(path))]) > epsilon {
			tooFar++
		}
	}
	limit := delta + 3*math.Sqrt(delta*(1-delta)/draws)
	if got := float64(breaks) / draws; got > limit {
		t.Errorf("a kept rung breaks ε in %v of the draws, want at most %v", got, limit)
	}
	if got := float64(tooFar) / draws; got <= limit {
		t.Errorf("walking one rung too far breaks ε in only %v of the draws; this test cannot see the mistake", got)
	}
}

func TestFewestIsEnoughAndNoMore(t *testing.T) {
	const epsilon, delta = 0.02, 0.05
	n := Fewest(epsilon, delta) / 2
	if got := Tail(0, n, epsilon); got > delta {
		t.Errorf("%d records without a disagreement: p = %v, want at most %v", n, got, delta)
	}
	if got := Tail(0, n-1, epsilon); got <= delta {
		t.Errorf("%d records would do as well: p = %v", n-1, got)
	}
}

// TestCostOfAMultiModelIsOfAllItsModels calibrates models that differ in the
// method alone: a rung costs what its records ran, as a share of what they would
// have run at full depth.
func TestCostOfAMultiModelIsOfAllItsModels(t *testing.T) {
	for _, test := range []struct {
		method inference.Method
		run    []float64 // layers that each stage runs
	}{
		{inference.EarlyExit, []float64{1, 1, 2}},
		{inference.MultiModel, []float64{1, 2, 4}},
	} {
		t.Run(string(test.method), func(t *testing.T) {
			dir := devicetest.Random(inference.Config{
				Vocab: 40, Width: 8, Layers: 4, Heads: 1, FeedForward: 16, Positions: 8, Types: 2, Epsilon: 1e-12,
				Labels: []string{"a", "b", "c"}, Exits: []int{1, 2, 4}, Pooling: []inference.Pooling{inference.CLS, inference.CLS, inference.CLS},
				Score: inference.Margin, Method: test.method,
			}, 1)
			r := rand.New(rand.NewPCG(1, 1))
			rows := make([]inference.Row, 400)
			for i := range rows {
				rows[i] = inference.Row{Tokens: []int32{2, r.Int32N(40), r.Int32N(40), 3}, Second: 4}
			}
			got, err := Run(t.Context(), dir, devicetest.Reference(), rows, Options{
				Floor: 0.3, Confidence: 0.5, Rungs: 5, Seed: 1, Limits: inference.Options{MaxTokens: 8, Truncate: "right"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Ladder.Rungs) < 2 {
				t.Fatalf("got %d rungs: the test has tested little", len(got.Ladder.Rungs))
			}
			for k, rung := range got.Ladder.Rungs {
				ran, full := 0.0, 0.0
				for stage, layers := range test.run {
					ran += rung.Reach[stage] * layers
					full += layers
				}
				if math.Abs(rung.Cost-ran/full) > 1e-9 {
					t.Errorf("rung %d: got cost %v with reach %v, want %v", k, rung.Cost, rung.Reach, ran/full)
				}
			}
		})
	}
}
