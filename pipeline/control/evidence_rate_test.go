package control_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sweetspot/pipeline/control"
)

// A mover is a controller's stand-in: it says which rung, of those usable, the
// next audited row is admitted under.
type mover struct {
	name  string
	rungs int // of the ladder, full depth included
	next  func(random *rand.Rand, usable int) int
}

// walk moves one rung up or down now and then, full depth included.
func walk() func(random *rand.Rand, usable int) int {
	rung := 0
	return func(random *rand.Rand, usable int) int {
		if random.IntN(20) == 0 {
			rung += 2*random.IntN(2) - 1
		}
		rung = min(max(rung, 0), usable)
		return rung
	}
}

func movers() []mover {
	return []mover{
		{"one rung", 2, func(_ *rand.Rand, usable int) int { return usable }},
		{"a rung at random", 6, func(random *rand.Rand, usable int) int { return 1 + random.IntN(max(usable, 1)) }},
		{"a rung or full depth at random", 6, func(random *rand.Rand, usable int) int { return random.IntN(usable + 1) }},
	}
}

// audit admits one row and audits it: it disagrees with the risk of its rung.
func audit(e *control.Evidence, random *rand.Rand, rung int, risk float64) (control.Alarm, bool) {
	return e.Observe(rung, rung == 0 || random.Float64() >= risk)
}

// simulates skips a test under -short, which goes with the race detector: millions
// of audits by one goroutine have nothing to show it.
func simulates(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a simulation of millions of audits")
	}
}

// With the risk of every rung at exactly ε, false alarms are at least A audits
// apart on average: the mean less four standard errors is above it. What an
// alarm withdraws stays withdrawn until only full depth is left, so the later
// alarms are those of a worker that has had some.
func TestFalseAlarmsAreRare(t *testing.T) {
	simulates(t)
	for _, tt := range []struct {
		epsilon    float64
		alarmEvery int
		alarms     int // in the simulation
	}{
		{0.005, 500, 1000},
		{0.02, 500, 1000},
		{0.05, 500, 1000},
		{0.2, 500, 1000},
		{0.02, 10_000, 200}, // as a worker has it, whose ladder keeps 98 %
	} {
		for i, m := range append(movers(), mover{"a rung that walks", 6, walk()}) {
			random := rand.New(rand.NewPCG(11, uint64(i)))
			e := newEvidence(t, m.rungs, tt.epsilon, tt.alarmEvery)
			gaps := make([]float64, tt.alarms)
			for k := range gaps {
				for raised := false; !raised; gaps[k]++ {
					_, raised = audit(e, random, m.next(random, e.Usable()), tt.epsilon)
				}
				if e.Usable() == 0 {
					e.Allow(m.rungs - 1)
				}
			}
			mean, deviation := moments(gaps)
			margin := 4 * deviation / math.Sqrt(float64(tt.alarms))
			t.Logf("ε %v, %s: %.0f ± %.0f audits between false alarms, wanted %d", tt.epsilon, m.name, mean, margin, tt.alarmEvery)
			if mean-margin < float64(tt.alarmEvery) {
				t.Errorf("ε %v, %s: got %.0f ± %.0f audits between false alarms, want at least %d", tt.epsilon, m.name, mean, margin, tt.alarmEvery)
			}
		}
	}
}

func moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(deviation)
}

// The risk of every rung doubles. That is noticed within 800 audits in the median
// at an ε of 2 % and an A of 10,000, whatever good history came before and
// however the rung moves; audits of full depth count toward them. With -v the
// figures come as a table.
func TestADoubledRiskIsNoticed(t *testing.T) {
	simulates(t)
	const fresh, little, half = 0, 0.05, 0.5 // risks of the history, as a share of ε
	tests := []struct {
		epsilon float64
		history int // audits before the change
		risk    float64
		runs    int
		median  int // wanted at most
	}{
		{0.01, 0, fresh, 2000, 1600},
		{0.02, 0, fresh, 2000, 800},
		{0.02, 1000, little, 1000, 800},
		{0.02, 1000, half, 1000, 800},
		{0.02, 10_000, little, 500, 800},
		{0.02, 10_000, half, 500, 800},
		{0.05, 0, fresh, 2000, 400},
	}
	t.Log("ε     history  at risk  median  9 of 10 runs  moves")
	for i, tt := range tests {
		for j, m := range movers() {
			delays := make([]int, tt.runs)
			for run := range delays {
				random := rand.New(rand.NewPCG(uint64(3*i+j), uint64(run)))
				delays[run] = delay(t, m, tt.epsilon, tt.history, tt.risk*tt.epsilon, random)
			}
			slices.Sort(delays)
			median, late := delays[tt.runs/2], delays[tt.runs*9/10]
			t.Logf("%.2f  %7d  %7.3f  %6d  %12d  %s", tt.epsilon, tt.history, tt.risk*tt.epsilon, median, late, m.name)
			if median >= tt.median {
				t.Errorf("got a median delay of %d audits, want less than %d", median, tt.median)
			}
		}
	}
}

// delay returns how many audits pass until an alarm once the risk of every rung
// is twice ε.
func delay(t *testing.T, m mover, epsilon float64, history int, risk float64, random *rand.Rand) int {
	t.Helper()
	e := newEvidence(t, m.rungs, epsilon, 10_000)
	for range history {
		if _, raised := audit(e, random, m.next(random, e.Usable()), risk); raised {
			e.Allow(m.rungs - 1) // a false alarm, which an operator would answer so
		}
	}
	for n := 1; ; n++ {
		if _, raised := audit(e, random, m.next(random, e.Usable()), 2*epsilon); raised {
			return n
		}
	}
}

// One rung of five is bad and the others so good that all together stay within
// the floor. Its own process finds it: in nine of ten runs within 600 of its
// audits, and the first alarm is its own in 95 of 100. One process for all,
// which is what a ladder of a single rung has, sees next to nothing by then.
func TestABadRungIsFoundAmongGoodOnes(t *testing.T) {
	simulates(t)
	const epsilon, runs, bad = 0.02, 500, 3
	risks := []float64{0, 0.004, 0.004, 0.06, 0.004, 0.004} // 1.5 % on average over rung 1 to 5
	found, foundByAll := 0, 0
	delays := make([]int, runs) // audits of the bad rung
	for run := range runs {
		random := rand.New(rand.NewPCG(21, uint64(run)))
		e, all := newEvidence(t, 6, epsilon, 10_000), newEvidence(t, 2, epsilon, 10_000)
		for raised := false; !raised; {
			var alarm control.Alarm
			rung := 1 + random.IntN(5)
			agree := random.Float64() >= risks[rung]
			alarm, raised = e.Observe(rung, agree)
			if raised && alarm.Rung == bad && e.Usable() == bad-1 {
				found++
			}
			if rung == bad {
				delays[run]++
			}
			if _, ok := all.Observe(1, agree); ok {
				foundByAll++
			}
		}
	}
	slices.Sort(delays)
	t.Logf("found in %d of %d runs, after %d of its audits in the median and %d in 9 of 10 runs; by one process for all in %d runs",
		found, runs, delays[runs/2], delays[runs*9/10], foundByAll)
	if found < runs*95/100 {
		t.Errorf("got the bad rung as the first alarm in %d of %d runs, want 95 of 100", found, runs)
	}
	if got := delays[runs*9/10]; got > 600 {
		t.Errorf("got %d of its audits in 9 of 10 runs, want at most 600", got)
	}
	if foundByAll > runs/10 {
		t.Errorf("got %d alarms of one process for all, want next to none: then this test shows nothing of the others", foundByAll)
	}
}
