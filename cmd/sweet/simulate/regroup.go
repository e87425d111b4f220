package simulate

import (
	"fmt"
	"slices"

	"sweetspot/pipeline/schedule"
)

// step does what package schedule says: the stage loop of the pipeline. It
// reports whether there was anything to do.
func (r *replica) step() bool {
	switch step := schedule.Next(r.state()); step.Do {
	case schedule.Run:
		r.start(step.Stage)
	case schedule.Wait:
		r.end()
	case schedule.Rest:
		return false
	}
	return true
}

// state is what the scheduler is told.
func (r *replica) state() schedule.State {
	for i := range r.stages {
		st := schedule.Stage{Cost: r.lines[i]}
		for k, b := range r.stages[i].waiting {
			st.Tokens += b.tokens
			if k == 0 {
				st.Next, st.Oldest = b.tokens, instant(b.rows[0].came)
			}
		}
		r.view[i] = st
	}
	r.view[0].Tokens, r.view[0].Next = r.queued, min(r.queued, r.budget)
	return schedule.State{Now: instant(r.now), Budget: r.budget, Stages: r.view, Running: len(r.flight), Depth: r.depth}
}

// start queues the next batch of a stage on the device.
func (r *replica) start(i int) {
	st := &r.stages[i]
	var b *bin
	if i == 0 {
		b = st.empty(0)
		r.admit(b)
	} else {
		b = st.waiting[0]
		st.waiting = slices.Delete(st.waiting, 0, 1)
	}
	b.queued = r.now
	r.measure(b)
	r.flight = append(r.flight, b)
}

// end waits for the run that was queued first, answers the rows that leave and
// passes the others on.
func (r *replica) end() {
	b := r.flight[0]
	took := r.lines[b.stage].Time(b.tokens)
	r.result.Busy += took
	r.freed = max(r.freed, b.queued) + took
	r.advance(max(r.now, r.freed))
	r.flight = slices.Delete(r.flight, 0, 1)
	r.split(b)
	for i := range b.rows {
		r.fill(b.stage+1, &b.rows[i])
	}
	b.rows, b.tokens = b.rows[:0], 0
	r.stages[b.stage].free = append(r.stages[b.stage].free, b)
}

// fill puts a row onto the batch of stage i that is being filled, or into an
// empty one where it does not fit.
func (r *replica) fill(i int, m *message) {
	st := &r.stages[i]
	if n := len(st.waiting); n == 0 || st.waiting[n-1].tokens+int(m.tokens) > r.budget {
		if n == r.depth+1 {
			panic(fmt.Sprintf("stage %d has no room for a row of %d tokens", i+1, m.tokens)) // package schedule promises that this cannot be
		}
		st.waiting = append(st.waiting, st.empty(i))
	}
	st.waiting[len(st.waiting)-1].put(*m)
}

// empty returns an empty bin of stage i.
func (st *stage) empty(i int) *bin {
	n := len(st.free)
	if n == 0 {
		return &bin{stage: i}
	}
	b := st.free[n-1]
	st.free = st.free[:n-1]
	return b
}

// straight runs a batch through all stages until its last row has left, as
// systems do that do not regroup. It reports whether there was one.
func (r *replica) straight() bool {
	if len(r.window) == 0 {
		return false
	}
	b := r.stages[0].empty(0)
	if r.grouping == Single {
		r.enter(b, r.window[0])
		r.window = slices.Delete(r.window, 0, 1)
	} else {
		r.admit(b)
	}
	r.flight = append(r.flight, b)
	for i := range r.stages {
		if len(b.rows) == 0 {
			break
		}
		b.stage = i
		r.measure(b)
		took := r.lines[i].Time(b.tokens)
		r.result.Busy += took
		r.advance(r.now + took)
		r.split(b)
	}
	b.stage = 0
	r.flight = r.flight[:0]
	r.stages[0].free = append(r.stages[0].free, b)
	return true
}
