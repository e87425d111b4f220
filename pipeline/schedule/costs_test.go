package schedule_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/pipeline/schedule"
)

const budget = 2048

var (
	first  = schedule.Line{Base: 60e-6, PerToken: 3e-6}
	second = schedule.Line{Base: 80e-6, PerToken: 5e-6}
)

// swept returns the costs of two stages after a sweep.
func swept(t *testing.T) *schedule.Costs {
	t.Helper()
	r := rand.New(rand.NewPCG(6, 6))
	c := schedule.NewCosts(2, budget)
	if !c.Sweep([][]schedule.Sample{timed(r, first, 3, 32, 128, 512, 2048), timed(r, second, 3, 32, 128, 512, 2048)}) {
		t.Fatal("the sweep told nothing")
	}
	return c
}

// times returns l for a machine that takes so many times as long.
func times(f float64, l schedule.Line) schedule.Line {
	return schedule.Line{Base: f * l.Base, PerToken: f * l.PerToken}
}

func TestASweepTellsEverything(t *testing.T) {
	got := swept(t).Lines()
	if !near(got[0], first, 1e-3) || !near(got[1], second, 1e-3) {
		t.Errorf("got %+v, want %+v and %+v", got, first, second)
	}
}

func TestASweepThatDoesNotTellOfEveryStageChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	good := timed(r, first, 1, 32, 2048)
	for name, runs := range map[string][][]schedule.Sample{
		"a stage too few":            {good},
		"a stage without runs":       {good, nil},
		"a stage with only one size": {good, timed(r, second, 1, 32)},
	} {
		c := schedule.NewCosts(2, budget)
		if c.Sweep(runs) || c.Lines()[0] != (schedule.Line{}) {
			t.Errorf("%s: got %+v", name, c.Lines())
		}
	}
}

// TestOneFactorFollowsTheMachine makes it three times slower. The second stage
// does not run meanwhile.
func TestOneFactorFollowsTheMachine(t *testing.T) {
	c := swept(t)
	for range 60 {
		c.Observe(0, budget, times(3, first).Time(budget))
	}
	got := c.Lines()
	if !near(got[0], times(3, first), 0.02) || !near(got[1], times(3, second), 0.02) {
		t.Errorf("got %+v, want three times %+v and %+v", got, first, second)
	}
}

// TestWithoutASweepEveryStageLearnsFromItsOwnRuns has runs of all sizes.
func TestWithoutASweepEveryStageLearnsFromItsOwnRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	c := schedule.NewCosts(2, budget)
	for range 300 {
		tokens := budget/2 + r.IntN(budget/2)
		c.Observe(1, tokens, second.Time(tokens))
	}
	got := c.Lines()
	if got[0] != (schedule.Line{}) {
		t.Errorf("got %+v for a stage that never ran", got[0])
	}
	if full, want := got[1].Time(budget).Seconds(), second.Time(budget).Seconds(); math.Abs(full-want) > 0.05*want {
		t.Errorf("a full run takes %v, want %v", full, want)
	}
	if got := got[1].Full(budget); got < budget*3/4 || got > budget*3/4+1 {
		t.Errorf("full from %d tokens, want 3/4 of %d", got, budget)
	}
}

// TestOneLongRunSaysLittle has the machine pause for a minute.
func TestOneLongRunSaysLittle(t *testing.T) {
	for name, c := range map[string]*schedule.Costs{"after a sweep": swept(t), "without one": schedule.NewCosts(2, budget)} {
		for range 60 {
			c.Observe(0, budget, first.Time(budget))
		}
		c.Observe(0, budget, time.Minute)
		if got, want := c.Lines()[0].Time(budget), first.Time(budget); got > want*112/100 {
			t.Errorf("%s: a full run takes %v after a pause, before it %v", name, got, want)
		}
	}
}

// TestSmallRunsSayLittle follows full runs that were as predicted by two thirds
// as many single rows, each of which took twice as long.
func TestSmallRunsSayLittle(t *testing.T) {
	c := swept(t)
	for range 60 {
		c.Observe(0, budget, first.Time(budget))
	}
	for range 40 {
		c.Observe(1, 30, 2*second.Time(30))
	}
	if got, want := c.Lines()[0].Time(budget), first.Time(budget); got > want*120/100 {
		t.Errorf("a full run takes %v after many small ones, before them %v", got, want)
	}
}

// TestTheFactorIsBounded tells nonsense, for ever.
func TestTheFactorIsBounded(t *testing.T) {
	for _, took := range []time.Duration{-time.Hour, 0, 1, time.Hour, math.MaxInt64} {
		c := swept(t)
		for range 3_000 {
			c.Observe(0, budget, took)
		}
		got, want := c.Lines()[0].Time(budget), first.Time(budget)
		if got < want/17 || got > want*17 {
			t.Errorf("runs of %v: a full run takes %v, by the sweep %v", took, got, want)
		}
	}
}
