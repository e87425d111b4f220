package simulate

import (
	"time"

	"sweetspot/pipeline/control"
)

// traffic is what a worker counts for its readings, as package pipeline does.
type traffic struct {
	all, strict, bestEffort, audited faded
	rows, tokens                     faded
	runs, runTokens                  []faded // (stages)
}

func newTraffic(stages int) traffic {
	return traffic{runs: make([]faded, stages), runTokens: make([]faded, stages)}
}

// count counts a message that is taken in.
func (t *traffic) count(m *message) {
	t.all.sum++
	switch {
	case m.audited:
		t.audited.sum++
	case m.tier == strict:
		t.strict.sum++
	case m.tier == bestEffort:
		t.bestEffort.sum++
	}
}

// run counts a batch that is run.
func (t *traffic) run(b *bin) {
	t.runs[b.stage].sum++
	t.runTokens[b.stage].sum += float64(b.tokens)
	if b.stage == 0 {
		t.rows.sum += float64(len(b.rows))
		t.tokens.sum += float64(b.tokens)
	}
}

// A faded is a count of which what was long ago counts less.
type faded struct{ sum float64 }

// fade is what counts of the readings before a reading, where that counts 1, as
// in the worker.
const fade = 0.99

// take returns the count, and lets it fade.
func (f *faded) take() float64 {
	sum := f.sum
	f.sum *= fade
	return sum
}

// part is the share of a in all, where there is any.
func part(a, all float64) float64 {
	if all <= 0 {
		return 0
	}
	return a / all
}

// born is for how long the worker has run when the load begins. Heard at 0 would
// mean that nothing has been heard.
const born = time.Second

// read takes a reading as the worker does.
func (r *replica) read() control.Reading {
	t := &r.traffic
	length := part(t.tokens.take(), t.rows.take())
	for i := range r.lines {
		r.costs[i] = length * r.token(i)
	}
	all, now := t.all.take(), born+r.now
	return control.Reading{
		At: now, Heard: now, Arrived: r.arrived, Settled: r.durable, Backlog: r.arrived - r.durable,
		Age: r.now - r.oldest(), Dated: true, Costs: r.costs,
		Strict: part(t.strict.take(), all), Audited: part(t.audited.take(), all), BestEffort: part(t.bestEffort.take(), all),
		Usable: len(r.reach) - 1,
	}
}

// token is what a token costs at stage i, with its part of what a run takes
// whatever its size. While there is little to do runs are small, so they count
// as what the scheduler calls full at least. Batches that are not regrouped do
// not get fuller under load, and count as they are.
func (r *replica) token(i int) float64 {
	t, line := &r.traffic, r.lines[i]
	run := part(t.runTokens[i].take(), t.runs[i].take())
	if r.grouping == Regrouped || run == 0 {
		run = max(run, float64(line.Full(r.budget)))
	}
	return line.Base/run + line.PerToken
}
