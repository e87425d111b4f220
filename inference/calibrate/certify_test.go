package calibrate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sweetspot/inference"
)

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
	for _, delta := range []float64{0.05, 0.05 / 11} {
		for _, k := range []int{0, 1, 17, 499} {
			u := UpperBound(k, 500, delta)
			if got := Tail(k, 500, u); math.Abs(got-delta) > 1e-6 {
				t.Errorf("k = %d: Tail at the bound %v is %v, want %v", k, u, got, delta)
			}
		}
	}
	if got := UpperBound(500, 500, 0.05); got != 1 {
		t.Errorf("all lost: bound %v, want 1", got)
	}
	if got := UpperBound(0, 0, 0.05); got != 1 {
		t.Errorf("no records: bound %v, want 1", got)
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

// fiftyWrong is a table of two exits and 1,000 records, surer from one to the
// next at the first exit. Records 900 to 949 are answered wrongly there, and the
// first thirty of these are wrong at full depth too.
func fiftyWrong() Table {
	t := Table{Layers: []int{1, 2}, Exits: [][]inference.Exit{make([]inference.Exit, 1000), make([]inference.Exit, 1000)}, Labels: make([]int, 1000)}
	for i := range 1000 {
		t.Exits[0][i] = inference.Exit{Confidence: float32(i) / 1000}
		if i >= 900 && i < 950 {
			t.Exits[0][i].Label = 1
		}
		if i >= 900 && i < 930 {
			t.Exits[1][i].Label = 2
		}
	}
	return t
}

func TestCertifyStopsAtTheFirstFailure(t *testing.T) {
	path := []inference.Thresholds{{2}, {0.96}, {0.9}, {0.97}}
	c := Certify(fiftyWrong(), path, inference.AgreementFloor, 0.02, 0.05)
	if len(c.Rungs) != 2 {
		t.Fatalf("kept %d rungs, want 2: full depth and the first; the last would pass but stands behind a failure", len(c.Rungs))
	}
	if r := c.Rungs[1]; r.Disagreement != 0 || math.Abs(r.Cost-(1-0.04*0.5)) > 1e-9 || r.Reach[1] != 0.96 {
		t.Errorf("rung 1 = %+v, want cost 0.98 and reach 0.96 without disagreement", r)
	}
	if r := c.Rungs[0]; r.Cost != 1 || r.Disagreement != 0 || r.Bound != 0 {
		t.Errorf("rung 0 = %+v, want full depth", r)
	}
	if c.Refused == nil || c.Refused.Disagreement != 0.05 {
		t.Errorf("refused %+v, want the rung that disagrees on 5 %%", c.Refused)
	}
}

// TestCertifyCountsWhatTheFloorCounts walks the same path for both kinds: of
// fifty wrong answers, twenty cost accuracy.
func TestCertifyCountsWhatTheFloorCounts(t *testing.T) {
	path := []inference.Thresholds{{2}, {0.9}}
	for _, tt := range []struct {
		floor      inference.Floor
		lost       int
		loss, risk float64
	}{
		{inference.AgreementFloor, 50, 0, 0.5},
		{inference.AccuracyFloor, 20, 0.02, 0.2},
	} {
		t.Run(string(tt.floor), func(t *testing.T) {
			c := Certify(fiftyWrong(), path, tt.floor, 0.1, 0.05)
			if len(c.Rungs) != 2 || c.Refused != nil {
				t.Fatalf("got %+v, want both rungs kept", c)
			}
			r, risk := c.Rungs[1], c.Risks[1]
			if r.Disagreement != 0.05 || r.Loss != tt.loss || r.Bound != UpperBound(50, 1000, 0.05) {
				t.Errorf("got rung %+v, want disagreement 0.05 and loss %v", r, tt.loss)
			}
			want := Rate{Records: 100, Count: tt.lost, Share: tt.risk, Bound: UpperBound(tt.lost, 100, 0.05)}
			if got := risk.Exits[0]; got != want || r.Risk[0] != tt.risk {
				t.Errorf("got risk %+v of those that leave at exit 1, in the rung %v, want %+v", got, r.Risk[0], want)
			}
			if got, want := risk.Exits[1], (Rate{Records: 900, Bound: UpperBound(0, 900, 0.05)}); got != want {
				t.Errorf("got risk %+v of those that leave at exit 2, want %+v", got, want)
			}
			if (risk.Loss != nil) != (tt.floor == inference.AccuracyFloor) {
				t.Errorf("got loss %v", risk.Loss)
			}
			if want := UpperBound(50, 1000, 0.05); c.DisagreementLimit != want {
				t.Errorf("got limit %v, want %v: one rung was up", c.DisagreementLimit, want)
			}
		})
	}
}

// TestFullDepthAloneHasNoLimit refuses the only rung below full depth.
func TestFullDepthAloneHasNoLimit(t *testing.T) {
	c := Certify(fiftyWrong(), []inference.Thresholds{{2}, {0.9}}, inference.AccuracyFloor, 0.001, 0.05)
	if len(c.Rungs) != 1 || c.DisagreementLimit != 0 {
		t.Errorf("got %d rungs with limit %v, want full depth without one", len(c.Rungs), c.DisagreementLimit)
	}
	if r := c.Risks[0]; r.Disagreement.Bound != 0 || r.Loss.Bound != 0 || r.Exits[0].Bound != 0 {
		t.Errorf("got risk %+v of full depth, want none", r)
	}
}

// pickers are ways in which a controller may choose among the kept rungs after
// it has seen everything that was measured. Each returns an index.
var pickers = map[string]func(kept []inference.Rung, lost func(k int) float64) int{
	"the cheapest": func(kept []inference.Rung, _ func(int) float64) int { return len(kept) - 1 },
	"the one that looks best for its cost": func(kept []inference.Rung, lost func(int) float64) int {
		return best(len(kept), func(k int) float64 { return (1 - kept[k].Cost) / (lost(k) + 1e-3) })
	},
	"the one that looks worst": func(kept []inference.Rung, lost func(int) float64) int {
		return best(len(kept), lost)
	},
	"where the measured loss rises least": func(kept []inference.Rung, lost func(int) float64) int {
		return best(len(kept), func(k int) float64 { return lost(max(k-1, 0)) - lost(k) + float64(k)/1e3 })
	},
}

// best returns where score is largest.
func best(n int, score func(int) float64) int {
	at := 0
	for k := range n {
		if score(k) > score(at) {
			at = k
		}
	}
	return at
}

// TestCertificateHolds draws certification halves from a population whose true
// shares are known, and counts how often any kept rung truly breaks ε, which is
// what an adversary who knew the truth would pick, and how often one does that
// is picked by what was measured. Walking one rung too far, the likeliest
// mistake, must break the promise here.
func TestCertificateHolds(t *testing.T) {
	for _, floor := range floors {
		for _, epsilon := range []float64{0.01, 0.02, 0.05} {
			t.Run(fmt.Sprintf("%s %v", floor, epsilon), func(t *testing.T) { holds(t, floor, epsilon) })
		}
	}
}

func holds(t *testing.T, floor inference.Floor, epsilon float64) {
	t.Helper()
	const delta, draws, n = 0.1, 1500, 600
	limit := delta + 3*math.Sqrt(delta*(1-delta)/draws)
	all := population(40000, 11)
	path := tight(all, floor, epsilon)
	lost, differ := truth(all, path, floor)
	r := rand.New(rand.NewPCG(13, 13))
	breaks, tooFar, uncovered, picked := 0, 0, 0, map[string]int{}
	records := make([]int, n)
	for range draws {
		for i := range records {
			records[i] = r.IntN(all.Records())
		}
		c := Certify(all.pick(records), path, floor, epsilon, delta)
		kept := len(c.Rungs)
		if slices.Max(lost[:kept]) > epsilon {
			breaks++
		}
		if slices.Max(lost[:min(kept+1, len(path))]) > epsilon {
			tooFar++
		}
		if slices.Max(differ[:kept]) > c.DisagreementLimit {
			uncovered++
		}
		for name, pick := range pickers {
			measured := func(k int) float64 {
				if floor == inference.AccuracyFloor {
					return c.Rungs[k].Loss
				}
				return c.Rungs[k].Disagreement
			}
			if lost[pick(c.Rungs, measured)] > epsilon {
				picked[name]++
			}
		}
	}
	switch got := float64(breaks) / draws; {
	case got > limit:
		t.Errorf("a kept rung breaks ε in %v of the draws, want at most %v", got, limit)
	case got < delta/4:
		t.Errorf("a kept rung breaks ε in %v of the draws: too rarely for this test to see a walk that is too kind", got)
	}
	if got := float64(tooFar) / draws; got <= limit {
		t.Errorf("walking one rung too far breaks ε in only %v of the draws; this test cannot see the mistake", got)
	}
	if got := float64(uncovered) / draws; got > limit {
		t.Errorf("a kept rung disagrees beyond the limit in %v of the draws, want at most %v", got, limit)
	}
	for name, count := range picked {
		if got := float64(count) / draws; got > limit {
			t.Errorf("%s breaks ε in %v of the draws, want at most %v", name, got, limit)
		}
	}
}

// truth returns the true shares of a population that each rung loses and that it
// answers otherwise than full depth.
func truth(all Table, path []inference.Thresholds, f inference.Floor) (lost, differ []float64) {
	for _, th := range path {
		y := all.tally(f, th)
		lost = append(lost, float64(sum(y.lose))/float64(all.Records()))
		differ = append(differ, float64(sum(y.differ))/float64(all.Records()))
	}
	return lost, differ
}

// tight returns a path that is hard on a walk: full depth, two rungs that truly
// keep ε, one that breaks it by as little as can be, and one far beyond.
func tight(all Table, f inference.Floor, epsilon float64) []inference.Thresholds {
	path := []inference.Thresholds{{Never, Never}}
	for _, share := range []float64{0.2, 0.4, 1, 2} {
		low, high := float32(0), float32(1) // at low it loses too much, at high not
		for range 30 {
			middle := (low + high) / 2
			if lost, _ := truth(all, []inference.Thresholds{{middle, middle}}, f); lost[0] > share*epsilon {
				low = middle
			} else {
				high = middle
			}
		}
		path = append(path, inference.Thresholds{low, low})
	}
	return path
}
