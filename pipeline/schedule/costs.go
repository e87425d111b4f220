package schedule

import "time"

// Costs are the lines of a model's stages as its runs show them.
//
// A sweep before the first message gives their shape, and from then on one
// factor for all of them follows the machine's speed: a stage that hardly ever
// runs is kept up to date by the others. Without a sweep each stage learns from
// its own runs, and how much of them is Base is a guess.
type Costs struct {
	budget int
	stages []stageCost
}

// A stageCost is a line of which the shape is given, times a factor.
type stageCost struct {
	shape Line
	scale *scale // of its own, or after a sweep that of all stages
}

// NewCosts returns the costs of a model of the given stages, of which nothing
// is known, with runs of up to budget tokens.
func NewCosts(stages, budget int) *Costs {
	c := &Costs{budget: budget, stages: make([]stageCost, stages)}
	for i := range c.stages {
		c.stages[i] = stageCost{shape: unknown(budget), scale: &scale{}}
	}
	return c
}

// Sweep takes what is known of every stage from runs of several sizes, as [Fit]
// wants them. Where they do not tell of every stage, it reports false and
// changes nothing.
func (c *Costs) Sweep(runs [][]Sample) bool {
	if len(runs) != len(c.stages) {
		return false
	}
	lines := make([]Line, len(runs))
	weight := 0.0
	for i, samples := range runs {
		l, ok := Fit(samples)
		if !ok {
			return false
		}
		lines[i] = l
		weight = max(weight, l.seconds(c.budget))
	}
	shared := &scale{took: weight, predicted: weight, bounded: true} // as after one full run as predicted
	for i, l := range lines {
		c.stages[i] = stageCost{shape: l, scale: shared}
	}
	return true
}

// Observe counts a run of stage i over so many tokens. A full run forgets a
// tenth of what came before, a smaller one as much less as it is smaller.
func (c *Costs) Observe(i, tokens int, took time.Duration) {
	if took <= 0 || tokens <= 0 {
		return
	}
	st := c.stages[i]
	share := min(1, float64(tokens)/float64(c.budget))
	st.scale.add(took.Seconds(), st.shape.seconds(tokens), share)
}

// Lines returns the stages' lines as they are now, in a slice of the caller's
// own. Those of which nothing is known are zero.
func (c *Costs) Lines() []Line {
	lines := make([]Line, len(c.stages))
	for i, st := range c.stages {
		f := st.scale.factor()
		lines[i] = Line{Base: f * st.shape.Base, PerToken: f * st.shape.PerToken}
	}
	return lines
}

// A scale is how much longer runs take than their shape predicts.
type scale struct {
	took, predicted float64 // seconds, sums over runs, recent ones counting most
	bounded         bool    // the shape was measured, so the factor is near 1
}

const (
	forget = 0.1 // of what came before, by a full run
	jump   = 2   // times longer or shorter than expected is as far as a run is believed
	far    = 16  // times longer or shorter than the sweep is as far as all runs are
)

// add counts a run that is share of a full one. A run that took much longer
// than expected tells of the machine's other business (a pause of it, say), not
// of the stage: it is believed only in part, and repeated it wins.
func (s *scale) add(took, predicted, share float64) {
	if s.predicted > 0 {
		expected := s.factor() * predicted
		took = within(took, expected/jump, expected*jump)
	}
	keep := 1 - forget*share
	s.took = keep*s.took + took
	s.predicted = keep*s.predicted + predicted
}

// factor is 0 while nothing is known.
func (s *scale) factor() float64 {
	switch {
	case s.predicted == 0:
		return 0
	case s.bounded:
		return within(s.took/s.predicted, 1.0/far, far)
	}
	return s.took / s.predicted
}

func within(v, least, most float64) float64 { return min(max(v, least), most) }
