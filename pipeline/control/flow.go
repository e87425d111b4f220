package control

import (
	"math"
	"time"
)

// A flow is a count that grows, as it was at some moments of the past. Its rate
// is growth over time, between moments at which the count was known: no average
// that has to be started from a guess, and no weight for moments that brought
// nothing.
//
// Invariant: samples ascend in time and in count.
type flow struct {
	keep    time.Duration // how far back rates are asked for
	samples []sample
}

type sample struct {
	at time.Duration
	n  int64
}

// restart forgets all that was.
func (f *flow) restart() { f.samples = f.samples[:0] }

// add notes that the count was n at the given time. Where the time is that of
// the sample before, nothing new is known. Where time or count go back, what
// was before is worth nothing: the clock was set, or a topic was truncated.
func (f *flow) add(at time.Duration, n int64) {
	n = max(n, 0)
	if len(f.samples) > 0 {
		last := f.last()
		if at == last.at && n >= last.n {
			return
		}
		if at <= last.at || n < last.n {
			f.restart()
		}
	}
	f.samples = append(f.samples, sample{at, n})
	old := 0
	for old+2 < len(f.samples) && f.samples[old+1].at <= at-f.keep {
		old++
	}
	f.samples = append(f.samples[:0], f.samples[old:]...)
}

// span is how far back the flow is known.
func (f *flow) span() time.Duration {
	if len(f.samples) == 0 {
		return 0
	}
	return f.last().at - f.samples[0].at
}

func (f *flow) last() sample { return f.samples[len(f.samples)-1] }

// before returns the last sample that lies at least back before s, or the first
// one of all.
func (f *flow) before(s sample, back time.Duration) sample {
	for i := len(f.samples) - 1; i > 0; i-- {
		if f.samples[i].at <= s.at-back {
			return f.samples[i]
		}
	}
	return f.samples[0]
}

// rate is the growth a second over the last window, or over a little more where
// there is no sample in just that place; 0 where the flow is not known for two
// moments.
func (f *flow) rate(window time.Duration) float64 {
	if len(f.samples) < 2 {
		return 0
	}
	last := f.last()
	first := f.before(last, window)
	return float64(last.n-first.n) / (last.at - first.at).Seconds()
}

// risen is the rate that both halves of the last window show, each less what
// chance may have added to it, two standard deviations of a Poisson count. A
// single lump of messages, such as a producer's batch, is not in both halves,
// and a handful of messages more than usual is what chance does.
func (f *flow) risen(window time.Duration) float64 {
	if f.span() < window {
		return 0
	}
	last := f.last()
	middle := f.before(last, window/2)
	first := f.before(middle, window/2)
	return min(surely(first, middle), surely(middle, last))
}

// surely is the rate from a to b, less two standard deviations.
func surely(a, b sample) float64 {
	if b.at <= a.at {
		return 0
	}
	n := float64(b.n - a.n)
	return max(0, n-float64(2*math.Sqrt(n))) / (b.at - a.at).Seconds()
}
