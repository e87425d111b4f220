package schedule

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Line is what a run of one stage takes: Base + PerToken·T seconds over T
// tokens. The zero Line is one that is not known.
type Line struct {
	Base     float64 // seconds of every run, whatever its size; not negative
	PerToken float64 // seconds; not negative
}

// Time is what a run over so many tokens takes.
func (l Line) Time(tokens int) time.Duration { return duration(l.seconds(tokens)) }

func (l Line) seconds(tokens int) float64 { return l.Base + l.PerToken*float64(tokens) }

// duration is a number of seconds to the nanosecond, at most a century or so.
func duration(seconds float64) time.Duration {
	return time.Duration(min(math.Round(seconds*float64(time.Second)), math.MaxInt64/2))
}

const (
	// overhead is the share of a full run's time that its Base is at most.
	overhead = 0.05
	// worth is how many times its Base a full run's tokens cost at least.
	worth = (1 - overhead) / overhead
	// guess is the share of the budget from which a run of unknown cost is full.
	// Below it the rest of one shallower run's survivors usually fits.
	guess = 0.75
)

// Full returns the tokens from which a run is worth the device's time, from 1
// to the budget: Base is at most 5 % of it from T = 19·Base/PerToken on. On a
// processor that is a few rows, on a large device most of the budget. Where the
// line is not known it is 3/4 of the budget.
func (l Line) Full(budget int) int {
	if l == (Line{}) {
		l = unknown(budget)
	}
	tokens := math.Ceil(worth * l.Base / l.PerToken) // +Inf where nothing is per token
	return max(1, int(min(tokens, float64(budget))))
}

// Token is what a token takes in a run of so many, above 0, in seconds: its own
// time, and its part of what the run takes whatever its size.
func (l Line) Token(tokens float64) float64 { return l.Base/tokens + l.PerToken }

// TokenUnderLoad is what a token takes when there is much to do, in seconds,
// where runs were so many tokens of late; 0 is none. They count as what
// [Line.Full] says at least: a free device runs whatever there is, so small runs
// say that there was time for them, not that it is short.
func (l Line) TokenUnderLoad(tokens float64, budget int) float64 {
	return l.Token(max(tokens, float64(l.Full(budget))))
}

// unknown is a line of which only the shape is assumed: tokens cost 1 each.
func unknown(budget int) Line {
	return Line{Base: guess * float64(budget) / worth, PerToken: 1}
}

// A Sample is a run that was timed.
type Sample struct {
	Tokens int
	Took   time.Duration
}

// Fit returns the line of a stage of which runs of several sizes were timed,
// each size more than once. It reports false where fewer than two sizes took
// any time.
//
// What else a machine does only ever makes a run longer, so of each size only
// the shortest run counts. Base is what the two smallest sizes leave to no
// tokens at all: in larger runs it is lost, and where those outgrow a cache they
// take more a token. PerToken is that of the least squares of the relative
// errors over all sizes. Neither is negative.
func Fit(runs []Sample) (Line, bool) {
	runs = shortest(runs)
	if len(runs) < 2 {
		return Line{}, false
	}
	t0, t1 := runs[0].Took.Seconds(), runs[1].Took.Seconds()
	n0, n1 := float64(runs[0].Tokens), float64(runs[1].Tokens)
	base := within((t0*n1-t1*n0)/(n1-n0), 0, t0)
	var above, squares float64 // sums of T·(seconds − Base) and T², each over seconds²
	for _, r := range runs {
		tokens, seconds := float64(r.Tokens), r.Took.Seconds()
		above += tokens * (seconds - base) / (seconds * seconds)
		squares += tokens * tokens / (seconds * seconds)
	}
	return Line{Base: base, PerToken: max(0, above/squares)}, true
}

// shortest returns the shortest run of every size, by size. Runs that took no
// time say nothing.
func shortest(runs []Sample) []Sample {
	runs = slices.DeleteFunc(slices.Clone(runs), func(r Sample) bool { return r.Took <= 0 })
	slices.SortFunc(runs, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Tokens, b.Tokens), cmp.Compare(a.Took, b.Took))
	})
	return slices.CompactFunc(runs, func(a, b Sample) bool { return a.Tokens == b.Tokens })
}
