package simulate

import (
	"time"

	"sweetspot/pipeline/control"
)

// traffic is what a worker counts for its readings, as package pipeline does.
type traffic struct {
	all, strict, bestEffort, audited counter
	rows, tokens                     counter
	runs, runTokens                  []counter // (stages)
}

func newTraffic(stages int) traffic {
	return traffic{runs: make([]counter, stages), runTokens: make([]counter, stages)}
}

// count counts a message that is taken in.
func (t *traffic) count(m *message) {
	t.all.n++
	switch {
	case m.audited:
		t.audited.n++
	case m.tier == strict:
		t.strict.n++
	case m.tier == bestEffort:
		t.bestEffort.n++
	}
}

// run counts a batch that is run.
func (t *traffic) run(b *bin) {
	t.runs[b.stage].n++
	t.runTokens[b.stage].n += int64(b.tokens)
	if b.stage == 0 {
		t.rows.n += int64(len(b.rows))
		t.tokens.n += int64(b.tokens)
	}
}

// A counter is a count, with its faded growth from reading to reading.
type counter struct {
	n      int64
	fading control.Fading
}

// take returns the growth.
func (c *counter) take() float64 { return c.fading.Add(c.n) }

// born is for how long the worker has run when the load begins. Heard at 0 would
// mean that nothing has been heard.
const born = time.Second

// read takes a reading as the worker does.
func (r *replica) read() control.Reading {
	t := &r.traffic
	length := control.Ratio(t.tokens.take(), t.rows.take())
	for i := range r.lines {
		r.costs[i] = length * r.token(i)
	}
	all, now := t.all.take(), born+r.now
	return control.Reading{
		At: now, Heard: now, Arrived: r.arrived, Settled: r.durable, Backlog: r.arrived - r.durable,
		Age: r.now - r.oldest(), Dated: true, Costs: r.costs,
		Strict: control.Ratio(t.strict.take(), all), Audited: control.Ratio(t.audited.take(), all), BestEffort: control.Ratio(t.bestEffort.take(), all),
		Usable: len(r.reach) - 1,
	}
}

// token is what a token takes at stage i under load. Batches that are not
// regrouped do not get fuller under load, and count as they are.
func (r *replica) token(i int) float64 {
	t, line := &r.traffic, r.lines[i]
	run := control.Ratio(t.runTokens[i].take(), t.runs[i].take())
	if r.grouping != Regrouped && run > 0 {
		return line.Token(run)
	}
	return line.TokenUnderLoad(run, r.budget)
}
