package control_test

import (
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/pipeline/control"
)

// Some dozens of worlds are a guard against mistakes; thousands take minutes and
// are for changes of the rule itself.
var worlds = flag.Int("worlds", 60, "random worlds in each property test")

// random returns a random worker: any ladder, 20 to 10,000 messages a second at
// full depth, targets from a quarter of a second to two minutes, any
// mix of tiers.
func random(t *testing.T, r *rand.Rand) *world {
	t.Helper()
	cfg := goodConfig()
	cfg.TargetAge = time.Duration(250*math.Pow(480, r.Float64())) * time.Millisecond
	ladder := []string{"bundled", "even", "two"}[r.IntN(3)]
	w, err := newWorld(cfg, ladder, 20*math.Pow(500, r.Float64()))
	if err != nil {
		t.Fatal(err)
	}
	w.strict, w.audited, w.bestEffort = 0.1*r.Float64(), 0.02*r.Float64(), 0.3*r.Float64()
	if r.IntN(2) == 0 {
		w.chance = rand.New(rand.NewPCG(r.Uint64(), 1))
	}
	return w
}

// A watch notes what a world goes through.
type watch struct {
	w        *world
	moves    []time.Duration // after the first choice
	late     []time.Duration // readings with messages over the target
	readings int
	begun    bool
	rung     int
}

func newWatch(w *world) *watch {
	o := &watch{w: w}
	w.observe = o.note
	return o
}

func (o *watch) note() {
	o.readings++
	if o.begun && o.w.decision.Rung != o.rung {
		o.moves = append(o.moves, o.w.now)
	}
	o.rung = o.w.decision.Rung
	o.begun = o.begun || o.w.decision.Reason != control.WarmUp
	if o.w.waited() > o.w.cfg.TargetAge {
		o.late = append(o.late, o.w.now)
	}
}

// busiest is the most moves within a minute.
func (o *watch) busiest() int {
	most := 0
	for i, from := range o.moves {
		n := 0
		for n < len(o.moves[i:]) && o.moves[i+n] < from+time.Minute {
			n++
		}
		most = max(most, n)
	}
	return most
}

// took is the time in seconds from the given one to the last reading with
// messages over the target before the end of the bound, and overdue is how many
// such readings there were after that.
func (o *watch) took(from time.Duration, bound float64) (seconds float64, overdue int) {
	for _, at := range o.late {
		switch since := (at + o.w.cfg.ControlEvery - from).Seconds(); {
		case since > bound:
			overdue++
		case at >= from:
			seconds = since
		}
	}
	return seconds, overdue
}

// TestAgeRecovers holds the controller to its promise. Something happens that
// the ladder can carry: a step, a burst, a stall of Kafka or NATS. From the first
// reading after it, the age is back under the target within 2 s and the time
// that the backlog takes at the spare capacity. It stays there, but for what
// chance does to slow workers: one reading in a hundred.
func TestAgeRecovers(t *testing.T) {
	for seed := range uint64(*worlds) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := random(t, r)
		reachable := w.spare(0)
		before := 0.8 * reachable * r.Float64()
		after := before + (0.95*reachable-before)*r.Float64()
		w.rate = func(time.Duration) float64 { return before }
		if r.IntN(3) == 0 {
			w.old = 24 * time.Hour
		}
		o := newWatch(w)
		w.run(30*time.Second + time.Duration(r.IntN(250))*time.Millisecond)

		w.rate = func(time.Duration) float64 { return after }
		what := []string{"step", "burst", "broker", "publisher"}[seed%4]
		switch what {
		case "burst":
			w.add(int64(20*before*r.Float64()), w.now-w.old)
		case "broker", "publisher":
			w.broker, w.publish = what == "broker", what == "publisher"
			w.run(time.Duration(r.IntN(60)) * time.Second)
			w.broker, w.publish = false, false
		}
		for readings := o.readings; o.readings == readings; {
			w.run(tick)
		}
		known, bound := w.now-tick, 2+float64(w.backlog())/w.spare(after)
		w.run(time.Duration(bound*float64(time.Second)) + 2*time.Minute)
		if _, overdue := o.took(known, bound); w.chance == nil && overdue > 0 || overdue > o.readings/100 {
			t.Errorf("seed %d: a %s from %.0f to %.0f messages a second, target %v: %d of %d readings late beyond %.2f s",
				seed, what, before, after, w.cfg.TargetAge, overdue, o.readings, bound)
		}
	}
}

// TestSteadyLoadIsSteady lets a load near the edge of a rung arrive, evenly, by
// chance or in lumps, with measured costs up to 30 % off. No minute has more
// than two moves, and what moves does so less and less: in the second ten
// minutes a world has less than one move.
func TestSteadyLoadIsSteady(t *testing.T) {
	second := 0
	for seed := range uint64(*worlds) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := random(t, r)
		w.told = 0.7 + 0.6*r.Float64()
		rate := 0.85 / w.message(r.IntN(len(w.reach))) * (0.8 + 0.4*r.Float64())
		w.rate = func(time.Duration) float64 { return rate }
		if r.IntN(3) == 0 {
			w.lump = 1 + int64(0.1*rate*r.Float64())
		}
		o := newWatch(w)
		w.run(20 * time.Minute)
		if o.busiest() > 2 {
			t.Errorf("seed %d: %.0f messages a second: %d moves within a minute, want at most 2: %v", seed, rate, o.busiest(), o.moves)
		}
		for _, at := range o.moves {
			if at > 10*time.Minute {
				second++
			}
		}
	}
	t.Logf("%.2f moves a world in the second ten minutes", float64(second)/float64(*worlds))
	if second >= *worlds {
		t.Errorf("%d moves in the second ten minutes of %d worlds", second, *worlds)
	}
}

// TestWrongCostsDoNotOscillate takes a load that by the costs full depth carries
// and in truth does not. The time between two tries of it grows.
func TestWrongCostsDoNotOscillate(t *testing.T) {
	w, err := newWorld(goodConfig(), "bundled", 1180)
	if err != nil {
		t.Fatal(err)
	}
	w.told = 0.6
	w.rate = func(time.Duration) float64 { return 1300 }
	var tries []time.Duration
	w.observe = func() {
		if w.decision.Reason == control.Recovered {
			tries = append(tries, w.now)
		}
	}
	w.run(2 * time.Hour)
	if len(tries) < 3 || len(tries) > 8 {
		t.Fatalf("full depth was tried at %v, want 3 to 8 times", tries)
	}
	for i := range tries[2:] {
		first, second := tries[i+1]-tries[i], tries[i+2]-tries[i+1]
		if float64(second) < 1.5*float64(first) {
			t.Errorf("%v between two tries, and then %v, want the wait to grow", first, second)
		}
	}
}

// TestWorldsRepeat plays a world twice. Every decision is the same bit for bit.
func TestWorldsRepeat(t *testing.T) {
	play := func() (all []control.Decision) {
		r := rand.New(rand.NewPCG(5, 5))
		w := random(t, r)
		w.rate = func(t time.Duration) float64 { return w.spare(0) * (0.6 + 0.5*math.Sin(t.Seconds()/20)) }
		w.observe = func() { all = append(all, w.decision) }
		w.run(5 * time.Minute)
		return all
	}
	if a, b := play(), play(); !slices.Equal(a, b) {
		t.Error("two runs of one world differ")
	}
}

// TestAnyReadingIsBorne feeds readings that no worker would take. Whatever they
// say, the rung is a usable one and every figure is finite.
func TestAnyReadingIsBorne(t *testing.T) {
	strange := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e-300, 1e300, 0.5, 1e-3}
	for seed := range uint64(*worlds) {
		r := rand.New(rand.NewPCG(seed, 4))
		cfg := goodConfig()
		cfg.Overload = control.Shed
		c, err := control.New(cfg, ladders["even"])
		if err != nil {
			t.Fatal(err)
		}
		one := func(usual float64) float64 {
			if r.IntN(10) == 0 {
				return strange[r.IntN(len(strange))]
			}
			return usual
		}
		count := func(usual int64) int64 {
			switch r.IntN(20) {
			case 0:
				return math.MaxInt64
			case 1:
				return math.MinInt64
			case 2:
				return -usual
			}
			return usual
		}
		for i := range int64(400) {
			at := time.Duration(count(i * int64(250*time.Millisecond)))
			reading := control.Reading{
				At: at, Epoch: int64(r.IntN(50) / 49), Arrived: count(i * 500), Heard: time.Duration(count(int64(at))),
				Settled: count(i * 400), Backlog: count(i * 100), Age: time.Duration(count(int64(time.Second))), Dated: r.IntN(2) == 0,
				FetchStalled: r.IntN(30) == 0, PublishStalled: r.IntN(30) == 0,
				Costs:  []float64{one(1e-4), one(1e-4), one(1e-4), one(1e-4)},
				Strict: one(0.1), Audited: one(0.01), BestEffort: one(0.3), Usable: int(count(int64(r.IntN(5)))),
			}
			if r.IntN(20) == 0 {
				reading.Costs = reading.Costs[:r.IntN(4)]
			}
			d := c.Step(reading)
			rail := min(max(reading.Usable, 0), 3)
			if d.Rung < 0 || d.Rung > rail || d.BestEffort != rail {
				t.Fatalf("seed %d: rungs %d and %d of %d usable: %+v", seed, d.Rung, d.BestEffort, rail, reading)
			}
			for _, v := range []float64{d.Rate, d.Drain, d.Correction, d.Load, d.Utilization, d.Delay.Seconds()} {
				if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
					t.Fatalf("seed %d: %+v from %+v", seed, d, reading)
				}
			}
			if d.Correction > 1 || !slices.Contains(control.Reasons(), d.Reason) || d.Shed && !d.Saturated {
				t.Fatalf("seed %d: %+v", seed, d)
			}
		}
	}
}

// TestStepAllocatesNothing: a decision is made four times a second or more, beside
// kernels that want the caches.
func TestStepAllocatesNothing(t *testing.T) {
	w, err := newWorld(goodConfig(), "bundled", 1180)
	if err != nil {
		t.Fatal(err)
	}
	w.rate = func(time.Duration) float64 { return 800 }
	w.run(time.Minute)
	r := w.reading
	n := testing.AllocsPerRun(100, func() {
		r.At += 250 * time.Millisecond
		r.Heard = r.At
		r.Arrived += 200
		r.Settled += 200
		w.ctl.Step(r)
	})
	if n != 0 {
		t.Errorf("%v allocations a step, want 0", n)
	}
}
