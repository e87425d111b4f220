package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline/schedule"
)

// A loop is the stage loop: it owns the model and everything that waits at its
// stages or runs. Package schedule decides what it does next.
type loop struct {
	p       *Pipeline
	queue   []*row // waiting to be admitted, as they came
	queued  int    // their tokens
	stages  []stage
	running []*bin           // on the device, the one that was queued first at the front
	freed   time.Time        // when the device was last seen to end a batch
	closed  bool             // no more rows will come
	costs   *schedule.Costs  // what the stages' runs cost
	lines   []schedule.Line  // what costs says now, never changed in place
	view    []schedule.Stage // what the scheduler is told of the stages, used again
	window  []schedule.Row   // and of the queue
	spare   []*bin           // by stage: in which rows run again after a panic; made when they are needed
	panics  uint             // batches that panicked

	predictions []prometheus.Counter // by label; nil where none has been counted yet
	shown       int                  // labels with a series of their own
}

// A stage has one batch more than the device keeps in flight, so that what
// stays after the runs under way always finds room (see package schedule).
// Invariant: all batches of a stage are free, waiting or running.
type stage struct {
	free    []*bin
	waiting []*bin // with rows, the one to run next at the front, the one being filled at the end; unused for the first stage
}

// A bin is a batch with the rows in it.
type bin struct {
	stage    int
	batch    Batch
	rows     []*row
	tokens   int
	deadline time.Time // the earliest of its rows; zero where there is none
	queued   time.Time // when it was handed to the device
}

// outlets are where messages leave the stage loop to.
type outlets struct {
	results chan<- []Result
	letters chan<- []DeadLetter
}

// classify runs the model over the rows that come in. It alone touches the
// encoder. An error is the device's, and fatal.
func (p *Pipeline) classify(ctx context.Context, in <-chan []*row, to outlets) error {
	defer close(to.results)
	l, err := p.stageLoop()
	if err != nil {
		return err
	}
	for {
		l.takeIn(in)
		switch step := schedule.Next(l.state(time.Now())); step.Do {
		case schedule.Run:
			err = l.run(ctx, step.Stage, to)
		case schedule.Wait:
			err = l.finish(ctx, to)
		case schedule.Rest:
			if l.closed {
				return nil
			}
			err = l.await(ctx, in)
		}
		if err != nil {
			return err
		}
	}
}

// stageLoop returns the stage loop, which Warm may have made.
func (p *Pipeline) stageLoop() (*loop, error) {
	if p.loop != nil {
		return p.loop, nil
	}
	l, err := newLoop(p)
	if err != nil {
		return nil, err
	}
	p.loop = l
	return l, nil
}

func newLoop(p *Pipeline) (*loop, error) {
	l := &loop{
		p:           p,
		stages:      make([]stage, p.parts.Encoder.Stages()),
		costs:       schedule.NewCosts(p.parts.Encoder.Stages(), p.cfg.BatchTokens),
		view:        make([]schedule.Stage, p.parts.Encoder.Stages()),
		predictions: make([]prometheus.Counter, len(p.parts.Labels)),
	}
	for i := range l.stages {
		for range p.parts.Depth + 1 {
			b, err := l.newBin(i)
			if err != nil {
				return nil, err
			}
			l.stages[i].free = append(l.stages[i].free, b)
		}
	}
	l.tell()
	return l, nil
}

func (l *loop) newBin(stage int) (*bin, error) {
	b, err := l.p.parts.Encoder.NewBatch(stage, l.p.cfg.BatchTokens)
	if err != nil {
		return nil, fmt.Errorf("making room for stage %d: %w", stage+1, err)
	}
	if l.p.cfg.ResultScores {
		b.KeepScores()
	}
	return &bin{stage: stage, batch: b}, nil
}

// takeIn takes the rows that are ready, until there are enough to choose from.
func (l *loop) takeIn(in <-chan []*row) {
	for !l.closed && l.queued < window*l.p.cfg.BatchTokens {
		select {
		case rows, ok := <-in:
			l.enqueue(rows, ok)
		default:
			return
		}
	}
}

// await waits for rows, with nothing else to do.
func (l *loop) await(ctx context.Context, in <-chan []*row) error {
	select {
	case rows, ok := <-in:
		l.enqueue(rows, ok)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *loop) enqueue(rows []*row, open bool) {
	if l.closed = !open; l.closed {
		l.dropAudits()
	}
	now := time.Now()
	for _, r := range rows {
		r.came = now
	}
	l.queue = append(l.queue, rows...)
	n := tokens(rows)
	l.queued += n
	l.p.ready.take(n)
}

// state is what the scheduler is told.
func (l *loop) state(now time.Time) schedule.State {
	budget := l.p.cfg.BatchTokens
	s := schedule.State{
		Now: now, Budget: budget,
		Stages:  l.view,
		Running: len(l.running), Depth: l.p.parts.Depth, Draining: l.closed,
	}
	for i, cost := range l.lines {
		st := schedule.Stage{Cost: cost}
		for k, b := range l.stages[i].waiting {
			st.Tokens += b.tokens
			st.Deadline = earlier(st.Deadline, b.deadline)
			if k == 0 {
				st.Next, st.Oldest = b.tokens, b.rows[0].came
			}
		}
		s.Stages[i] = st
	}
	s.Stages[0].Tokens, s.Stages[0].Next = l.queued, min(l.queued, budget)
	return s
}

// earlier returns the earlier of two times, where zero is no time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// run hands the next batch of a stage to the device.
func (l *loop) run(ctx context.Context, i int, to outlets) error {
	now := time.Now()
	b, err := l.next(i, now)
	if err != nil {
		return err
	}
	b.queued = now
	if i == 0 {
		for _, r := range b.rows {
			r.started = b.queued
		}
	}
	err = l.forward(ctx, b.batch)
	if cause, ok := errors.AsType[*panicError](err); ok {
		return l.isolate(ctx, b, cause, to)
	}
	if err != nil {
		return fmt.Errorf("running stage %d: %w", i+1, err)
	}
	l.running = append(l.running, b)
	return nil
}

// next returns the batch that a run of stage i takes.
func (l *loop) next(i int, now time.Time) (*bin, error) {
	st := &l.stages[i]
	if i == 0 {
		b := st.free[len(st.free)-1]
		st.free = st.free[:len(st.free)-1]
		return b, l.admit(b, now)
	}
	b := st.waiting[0]
	st.waiting = slices.Delete(st.waiting, 0, 1)
	return b, nil
}

func (b *bin) put(r *row) {
	b.rows = append(b.rows, r)
	b.tokens += len(r.tokens)
	b.deadline = earlier(b.deadline, r.deadline)
}

// finish waits for the batch that was queued first, and goes on with its rows.
func (l *loop) finish(ctx context.Context, to outlets) error {
	b := l.running[0]
	err := wait(ctx, b.batch)
	cause, panicked := errors.AsType[*panicError](err)
	if err != nil && !panicked {
		return fmt.Errorf("running stage %d: %w", b.stage+1, err)
	}
	l.running = slices.Delete(l.running, 0, 1)
	if panicked {
		return l.isolate(ctx, b, cause, to)
	}
	now := time.Now()
	took := now.Sub(later(b.queued, l.freed))
	l.freed = now
	l.measure(b, took)
	if err := l.leave(ctx, b, took, now, to); err != nil {
		return err
	}
	l.free(b)
	return nil
}

// leave sends the results of the rows of b that leave, and passes the others on.
// It empties b.
func (l *loop) leave(ctx context.Context, b *bin, took time.Duration, now time.Time, to outlets) error {
	results, stay, err := l.split(ctx, b, took, now)
	if err != nil {
		return err
	}
	if err := l.pass(b, stay, now); err != nil {
		return err
	}
	l.empty(b, stay)
	if len(results) == 0 {
		return nil
	}
	l.p.traffic.answer(len(results))
	if !send(ctx, to.results, results) {
		return context.Cause(ctx)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (l *loop) measure(b *bin, took time.Duration) {
	m := l.p.parts.Metrics.stages[b.stage]
	m.seconds.Observe(took.Seconds())
	m.batchTokens.Observe(float64(b.tokens))
	m.batchRows.Observe(float64(len(b.rows)))
	l.costs.Observe(b.stage, b.tokens, took)
	l.p.traffic.stages[b.stage].runs.Add(1)
	l.p.traffic.stages[b.stage].tokens.Add(int64(b.tokens))
	l.tell()
}

// tell shows the world what runs cost now.
func (l *loop) tell() {
	lines := l.costs.Lines()
	l.lines = lines
	l.p.lines.Store(&lines)
}

// pass packs the rows that stay onto the batches of the next stage: onto the
// one being filled until a row does not fit, and then into an empty one.
func (l *loop) pass(b *bin, stay []int, now time.Time) error {
	for len(stay) > 0 {
		to, err := l.filling(b.stage+1, len(b.rows[stay[0]].tokens))
		if err != nil {
			return err
		}
		n := 0
		for n < len(stay) && to.tokens+len(b.rows[stay[n]].tokens) <= l.p.cfg.BatchTokens {
			r := b.rows[stay[n]]
			r.came = now
			to.put(r)
			n++
		}
		if err := to.batch.Take(b.batch, stay[:n]); err != nil {
			return fmt.Errorf("moving rows to stage %d: %w", to.stage+1, err)
		}
		stay = stay[n:]
	}
	return nil
}

// filling returns the batch of stage i that has room for the given tokens.
func (l *loop) filling(i, tokens int) (*bin, error) {
	st := &l.stages[i]
	if n := len(st.waiting); n > 0 && st.waiting[n-1].tokens+tokens <= l.p.cfg.BatchTokens {
		return st.waiting[n-1], nil
	}
	if len(st.free) == 0 {
		return nil, fmt.Errorf("stage %d has no room for a row of %d tokens", i+1, tokens)
	}
	b := st.free[len(st.free)-1]
	st.free = st.free[:len(st.free)-1]
	st.waiting = append(st.waiting, b)
	return b, nil
}

// empty empties b, whose rows left but for those that stay, and keeps the memory
// of the former.
func (l *loop) empty(b *bin, stay []int) {
	for i, r := range b.rows {
		if len(stay) > 0 && stay[0] == i {
			stay = stay[1:]
			continue
		}
		l.recycle(r)
	}
	l.reset(b)
}

// recycle keeps the memory of a row that has left.
func (l *loop) recycle(r *row) {
	*r = row{tokens: r.tokens[:0]}
	l.p.rows.Put(r)
}

// reset empties b of its rows, which go on elsewhere.
func (l *loop) reset(b *bin) {
	b.batch.Reset()
	clear(b.rows)
	b.rows, b.tokens, b.deadline = b.rows[:0], 0, time.Time{}
}

// free makes b, which is empty, free again.
func (l *loop) free(b *bin) { l.stages[b.stage].free = append(l.stages[b.stage].free, b) }
