package pipeline

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/pipeline/schedule"
)

// checkCosts compares what the pipeline says of its stages with want.
func (r *rig) checkCosts(t *testing.T, want []schedule.Line) {
	t.Helper()
	got := r.Costs()
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d", len(got), len(want))
	}
	for i := range want {
		for _, tokens := range []int{1, r.cfg.BatchTokens} {
			g, w := got[i].Time(tokens).Seconds(), want[i].Time(tokens).Seconds()
			if math.Abs(g-w) > 1e-3*w {
				t.Errorf("stage %d: a run of %d tokens takes %vs, want %vs", i+1, tokens, g, w)
			}
		}
	}
}

// TestWarmTellsWhatRunsCost compares a sweep's lines with the script's, and has
// messages answered by the batches that it used.
func TestWarmTellsWhatRunsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		texts := []string{"9 no", "4 6 9 yes", "2 3 4 no", "7 7 9 yes"}
		r := newRig(t, newShelf(texts...), func(c *Config, _ *Parts) { c.BatchTokens = 2048 })
		r.script.costs = []schedule.Line{
			{Base: 50e-6, PerToken: 2e-6}, {Base: 30e-6, PerToken: 1e-6}, {Base: 400e-6, PerToken: 4e-6},
		}
		r.checkCosts(t, make([]schedule.Line, 3))
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.checkCosts(t, r.script.costs)
		if err := r.runUntil(t, len(texts)); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"2 3 4 no: no by exit 3 at rung 2", "4 6 9 yes: yes by exit 2 at rung 2",
			"7 7 9 yes: yes by exit 1 at rung 2", "9 no: no by exit 1 at rung 2",
		}
		if got := r.outcomes(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		r.checkCosts(t, r.script.costs)
	})
}

// TestWarmIsShort has models from fast to very slow. Beyond the time of a sweep
// it takes a first run that does not count, and the two smallest sizes.
func TestWarmIsShort(t *testing.T) {
	for perToken := time.Nanosecond; perToken < time.Second; perToken *= 10 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newShelf(), func(c *Config, _ *Parts) { c.BatchTokens = 2048 })
			line := schedule.Line{Base: 1e-5, PerToken: perToken.Seconds()}
			r.script.costs = []schedule.Line{line, line, line}
			start := time.Now()
			if err := r.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			most := 300*time.Millisecond + 3*(2*line.Time(32)+line.Time(128))
			if took := time.Since(start); took > most {
				t.Errorf("%v a token: it took %v, want at most %v", perToken, took, most)
			}
			r.checkCosts(t, r.script.costs)
		})
	}
}

// TestWarmNeedsTwoSizes has a budget of one row. Costs are learned from the
// messages then.
func TestWarmNeedsTwoSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf("9 no", "9 yes"), func(c *Config, _ *Parts) { c.MaxTokens, c.BatchTokens = 4, 4 })
		r.script.takes = time.Second
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.checkCosts(t, make([]schedule.Line, 3))
		if err := r.runUntil(t, 2); err != nil {
			t.Fatal(err)
		}
		if got := r.Costs(); got[0].Time(4) != time.Second || got[1] != (schedule.Line{}) {
			t.Errorf("got %+v, want runs of a second, and nothing of stages that did not run", got)
		}
	})
}

func TestWarmFailsWithTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("device lost")
		r := newRig(t, newShelf(), nil)
		r.script.fail = func(stage int) error {
			if stage == 1 {
				return broken
			}
			return nil
		}
		if err := r.Warm(t.Context()); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "timing stage 2") {
			t.Errorf("got error %v, want the device's", err)
		}
	})
}

func TestWarmEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newShelf(), nil)
		r.script.takes = time.Hour
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := r.Warm(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want the context's", err)
		}
	})
}

// TestCostsFollowTheRuns has a machine that turns out to be three times slower
// than in the sweep. Somebody else asks for the costs all the time.
func TestCostsFollowTheRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(slices.Repeat([]string{"1 2 3 no"}, 2000)...)
		r := newRig(t, s, nil)
		line := schedule.Line{Base: 50e-6, PerToken: 2e-6}
		r.script.costs = []schedule.Line{line, line, line}
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range r.script.costs {
			r.script.costs[i] = schedule.Line{Base: 3 * line.Base, PerToken: 3 * line.PerToken}
		}
		ctx, stop := context.WithCancel(t.Context())
		asked := make(chan int)
		go func() {
			n := 0
			for ctx.Err() == nil {
				n += len(r.Costs())
				<-time.After(time.Millisecond)
			}
			asked <- n
		}()
		if err := r.runUntil(t, 2000); err != nil {
			t.Fatal(err)
		}
		stop()
		if <-asked == 0 {
			t.Error("nobody asked")
		}
		r.checkCosts(t, r.script.costs)
	})
}
