package control_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestFigures measures what the stories tell, on the bundled ladder with 1,180
// messages a second at full depth and a target of a second. With -v it prints,
// for each: for how long messages were late after the first reading that could
// show it, the bound on that, the moves in the busiest minute, the share of
// readings with messages over the target, and the layers run as a share of all.
func TestFigures(t *testing.T) {
	const capacity = 1180
	flat := func(rate float64) func(time.Duration) float64 { return func(time.Duration) float64 { return rate } }
	for _, tt := range []struct {
		name  string
		then  func(w *world) (load float64) // after 30 s of 600 messages a second; the load to recover under
		moves int                           // in any minute, at most
	}{
		{"step to three times the load", func(w *world) float64 {
			w.rate = flat(1800)
			return 1800
		}, 1},
		{"step to six times the load", func(w *world) float64 {
			w.rate = flat(3600)
			return 3600
		}, 2},
		{"step for a minute", func(w *world) float64 {
			from := w.now
			w.rate = func(t time.Duration) float64 {
				if t < from+time.Minute {
					return 1800
				}
				return 600
			}
			return 1800
		}, 2},
		{"ramp to six times the load in two minutes", func(w *world) float64 {
			from := w.now
			w.rate = func(t time.Duration) float64 { return 600 + 3000*min(1, (t-from).Seconds()/120) }
			return 3600
		}, 2},
		{"burst of 5,000", func(w *world) float64 {
			w.add(5000, w.now)
			return 600
		}, 3},
		{"day in ten minutes, to 2.4 times full depth", func(w *world) float64 {
			from := w.now
			w.rate = func(t time.Duration) float64 {
				return 600 + 2200*(1-math.Cos(2*math.Pi*(t-from).Seconds()/600))/2
			}
			return 2800
		}, 2},
		{"costs drift to three times in five minutes", func(w *world) float64 {
			costs, from := append([]float64(nil), w.costs...), w.now
			observe := w.observe
			w.observe = func() {
				for i := range costs {
					w.costs[i] = costs[i] * (1 + 2*min(1, (w.now-from).Seconds()/300))
				}
				observe()
			}
			return 600
		}, 2},
		{"Kafka stalls for 30 s", func(w *world) float64 {
			w.broker = true
			w.run(30 * time.Second)
			w.broker = false
			return 600
		}, 3},
		{"NATS stalls for a minute", func(w *world) float64 {
			w.publish = true
			w.run(time.Minute)
			w.publish = false
			return 600
		}, 3},
		{"a topic is played again, 10,000 a month old", func(w *world) float64 {
			w.old = 30 * 24 * time.Hour
			w.add(10000, w.now-w.old)
			return 600
		}, 3},
		{"a rebalance doubles load and backlog", func(w *world) float64 {
			w.rebalance(9_000_000, 6000)
			w.rate = flat(1200)
			return 1200
		}, 2},
		{"the clock leaps an hour in the step", func(w *world) float64 {
			w.rate = flat(1800)
			w.clock = time.Hour
			return 1800
		}, 2},
		{"eight seconds without readings in the step", func(w *world) float64 {
			w.rate, w.noReadings = flat(1800), true
			w.run(8 * time.Second)
			w.noReadings = false
			w.nextReading = w.now
			return 1800
		}, 3},
		{"measured costs 30 % too low in the step", func(w *world) float64 {
			w.rate, w.told = flat(1800), 0.7
			return 1800
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, arrivals := range []string{"even", "chance"} {
				w, err := newWorld(goodConfig(), "bundled", capacity)
				if err != nil {
					t.Fatal(err)
				}
				if arrivals == "chance" {
					w.chance = rand.New(rand.NewPCG(1, 6))
				}
				w.rate = flat(600)
				o := newWatch(w)
				w.run(30 * time.Second)
				load := tt.then(w)
				for readings := o.readings; o.readings == readings; {
					w.run(tick)
				}
				known, bound := w.now-tick, 2+float64(w.backlog())/w.spare(load)
				w.run(10 * time.Minute)

				took, overdue := o.took(known, bound)
				if overdue > 0 {
					t.Errorf("%s arrivals: %d readings late beyond the bound of %.2f s", arrivals, overdue, bound)
				}
				if o.busiest() > tt.moves {
					t.Errorf("%s arrivals: %d moves within a minute, want at most %d: %v", arrivals, o.busiest(), tt.moves, o.moves)
				}
				t.Logf("%-6s late %5.2f s, bound %5.2f s, moves %d, over target %.2f %%, layers %.0f %%",
					arrivals, took, bound, o.busiest(), 100*float64(len(o.late))/float64(o.readings), 100*w.layers())
			}
		})
	}
}

// TestOverload offers more than the last rung carries. With wait the worker
// says so and settles all that it can; with shed the messages that are left
// are fresh again.
func TestOverload(t *testing.T) {
	for _, policy := range []string{"wait", "shed"} {
		t.Run(policy, func(t *testing.T) {
			cfg := goodConfig()
			if policy == "shed" {
				cfg.Overload = "shed"
			}
			w, err := newWorld(cfg, "bundled", 1180)
			if err != nil {
				t.Fatal(err)
			}
			w.bestEffort = 0.3
			w.rate = func(time.Duration) float64 { return 5500 }
			o := newWatch(w)
			w.run(2 * time.Minute)
			d := w.decision
			if !d.Saturated || d.Rung != w.usable || d.Shed != (policy == "shed") {
				t.Errorf("got %+v, want rung %d, saturated", d, w.usable)
			}
			if policy == "wait" && w.shed > 0 || policy == "shed" && w.shed == 0 {
				t.Errorf("%d messages were shed", w.shed)
			}
			least := 0.98 * 1 / w.message(w.usable) * w.now.Seconds()
			if policy == "wait" && float64(w.settled) < least {
				t.Errorf("%d messages settled, want %.0f at least", w.settled, least)
			}
			last := len(o.late) - 1
			if policy == "shed" && o.late[last] > 30*time.Second {
				t.Errorf("messages late after %v", o.late[last])
			}
			w.rate = func(time.Duration) float64 { return 600 }
			w.run(2 * time.Minute)
			if d := w.decision; d.Saturated || d.Shed || d.Rung != 0 {
				t.Errorf("after the overload: got %+v", d)
			}
			t.Logf("over target %.0f %%, shed %d of %d", 100*float64(len(o.late))/float64(o.readings), w.shed, w.arrived)
		})
	}
}
