package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"sweetspot/pipeline/control"
)

// traffic counts what the controller is told of. All goroutines of the pipeline
// write to it.
type traffic struct {
	born time.Time // from which times are counted

	settled    atomic.Int64 // messages, whatever became of them
	strict     atomic.Int64 // rows of the tier
	bestEffort atomic.Int64 // rows of the tier that are not audited; shed ones too
	audited    atomic.Int64 // rows
	all        atomic.Int64 // rows, of whatever tier

	answered atomic.Int64 // results and dead letters that are not durable yet
	moved    atomic.Int64 // when one became durable, or there was none; in ns from born on

	rows   atomic.Int64 // admitted
	tokens atomic.Int64 // of those
	stages []stageTraffic
}

// stageTraffic counts the runs of a stage.
type stageTraffic struct{ runs, tokens atomic.Int64 }

// answer counts results or dead letters on their way out.
func (t *traffic) answer(n int) {
	if n > 0 && t.answered.Add(int64(n)) == int64(n) {
		t.moved.Store(int64(time.Since(t.born)))
	}
}

// out counts one that is durable.
func (t *traffic) out() {
	t.answered.Add(-1)
	t.moved.Store(int64(time.Since(t.born)))
}

// stalled reports whether results wait and none has become durable for longer
// than the given time.
func (t *traffic) stalled(after time.Duration) bool {
	return t.answered.Load() > 0 && time.Since(t.born)-time.Duration(t.moved.Load()) > after
}

// count counts a row that was made of a message.
func (t *traffic) count(r *row) {
	t.all.Add(1)
	switch {
	case r.audited:
		t.audited.Add(1)
	case r.tier == Strict:
		t.strict.Add(1)
	case r.tier == BestEffort:
		t.bestEffort.Add(1)
	}
}

// A steering is the goroutine that asks the controller, again and again, which
// rung the load wants.
type steering struct {
	p          *Pipeline
	controller *control.Controller
	recorder   *control.Recorder // nil where nothing is recorded
	last       control.Decision
	begun      bool

	// What was counted so far, the older part less.
	strict, bestEffort, audited, all control.Fading
	rows, tokens                     control.Fading
	runs, runTokens                  []control.Fading // (stages)
}

// newSteering returns what steers p. A worker that does not choose its rung is
// steered all the same: the controller of a ladder of one rung says whether it
// is saturated.
func newSteering(p *Pipeline) (*steering, error) {
	stages := p.parts.Encoder.Stages()
	s := &steering{p: p, runs: make([]control.Fading, stages), runTokens: make([]control.Fading, stages)}
	full := make([]float64, stages)
	for i := range full {
		full[i] = 1
	}
	reach := [][]float64{full}
	if p.cfg.Mode == Auto {
		for _, r := range p.parts.Rungs[min(1, len(p.parts.Rungs)):] {
			reach = append(reach, r.Reach)
		}
	}
	var err error
	if s.controller, err = control.New(p.parts.Control, reach); err != nil {
		return nil, err
	}
	if p.parts.Trace != nil {
		s.recorder, err = control.NewRecorder(p.parts.Trace, control.Header{Config: p.parts.Control, Reach: reach, Ladder: p.parts.LadderDigest})
		if err != nil {
			return nil, fmt.Errorf("SWEET_TRACE: %w", err)
		}
	}
	return s, nil
}

// run steps the controller until ctx ends.
func (s *steering) run(ctx context.Context) {
	s.p.audits.await(ctx)
	tick := time.NewTicker(s.p.parts.Control.ControlEvery)
	defer tick.Stop()
	for {
		s.step(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *steering) step(ctx context.Context) {
	r := s.read()
	d := s.controller.Step(r)
	s.p.choice.chosen.Store(int32(d.Rung))
	s.p.shedding.Store(d.Shed)
	s.tell(ctx, d)
	s.p.parts.Metrics.decide(d, int(s.p.choice.admit(Standard)))
	if s.recorder != nil {
		if err := s.recorder.Record(r, d); err != nil {
			s.p.parts.Logger.ErrorContext(ctx, "the trace ends here", slog.Any("error", err))
			s.recorder = nil
		}
	}
	s.last, s.begun = d, true
}

// tell logs a decision that changed something.
func (s *steering) tell(ctx context.Context, d control.Decision) {
	figures := func(what ...any) []any {
		return append(what, slog.String("reason", string(d.Reason)), slog.Float64("rate", brief(d.Rate)), slog.Float64("load", brief(d.Load)),
			slog.Float64("utilization", brief(d.Utilization)), slog.Duration("delay", d.Delay))
	}
	log := s.p.parts.Logger
	if s.begun && d.Rung != s.last.Rung {
		log.InfoContext(ctx, "rung", figures(slog.Int("from", s.last.Rung), slog.Int("to", d.Rung))...)
	}
	// Of a worker that does not choose its rung, the controller's is always 0.
	rung := slog.Int("rung", int(s.p.choice.admit(Standard)))
	switch {
	case d.Saturated && !s.last.Saturated:
		log.WarnContext(ctx, "saturated: messages are late and no cheaper rung may be used; more replicas are needed", figures(rung)...)
	case !d.Saturated && s.last.Saturated:
		log.InfoContext(ctx, "no longer saturated", figures(rung)...)
	}
	switch {
	case d.Shed && !s.last.Shed:
		log.WarnContext(ctx, "messages of the tier best-effort are shed from now on")
	case !d.Shed && s.last.Shed:
		log.InfoContext(ctx, "messages of the tier best-effort are shed no more")
	}
}

// brief rounds a figure to four digits, for a log that people read; metrics and
// trace have all of them.
func brief(figure float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(figure, 'g', 4, 64), 64)
	if err != nil {
		return figure
	}
	return rounded
}

// read takes a reading.
func (s *steering) read() control.Reading {
	t := &s.p.traffic
	b := s.p.parts.Source.Backlog()
	now := time.Since(t.born)
	r := control.Reading{
		At: now, Epoch: b.Epoch, Arrived: b.Arrived, Settled: t.settled.Load(), Backlog: b.Messages,
		FetchStalled: b.Stalled, PublishStalled: t.stalled(min(max(s.p.parts.Control.TargetAge/2, shortestStall), longestStall)), Usable: int(s.p.choice.usable.Load()),
	}
	if !b.Heard.IsZero() {
		r.Heard = b.Heard.Sub(t.born)
	}
	if !b.Oldest.IsZero() {
		r.Age, r.Dated = time.Since(b.Oldest), true
	}
	if s.p.cfg.Mode != Auto {
		r.Usable = 0 // of the controller's one rung
	}
	r.Costs = s.costs()
	all := s.all.Add(t.all.Load())
	r.Strict, r.BestEffort, r.Audited = control.Ratio(s.strict.Add(t.strict.Load()), all), control.Ratio(s.bestEffort.Add(t.bestEffort.Load()), all), control.Ratio(s.audited.Add(t.audited.Load()), all)
	return r
}

// costs returns the seconds that a message takes at each stage that it runs,
// ℓ·(a/T + b): its tokens times what one takes under load. 0 is not known.
func (s *steering) costs() []float64 {
	t := &s.p.traffic
	lines := s.p.Costs()
	costs := make([]float64, len(lines))
	length := control.Ratio(s.tokens.Add(t.tokens.Load()), s.rows.Add(t.rows.Load()))
	share := s.share()
	for i, line := range lines {
		run := control.Ratio(s.runTokens[i].Add(t.stages[i].tokens.Load()), s.runs[i].Add(t.stages[i].runs.Load()))
		costs[i] = length * line.TokenUnderLoad(run, s.p.cfg.BatchTokens)
		if share != nil && costs[i] > 0 {
			costs[i] = max(costs[i]*share[i], least)
		}
	}
	return costs
}

// share is of how many messages run each stage (stages) of a worker on a fixed
// rung, which the evidence may have made deeper; nil where all do, and where the
// controller knows the rung.
func (s *steering) share() []float64 {
	if s.p.cfg.Mode != Fixed || len(s.p.parts.Rungs) == 0 {
		return nil
	}
	return s.p.parts.Rungs[s.p.choice.admit(Standard)].Reach
}

// least is what a stage costs that hardly any message runs: it must not look
// like a figure that is not known.
const least = 1e-12

// longestStall is how long results may wait for the first of them to become
// durable. With a target age below twice that it is half of it: what is late
// because the stream takes nothing must not be taken for load. But no stream
// acknowledges at once: less than shortestStall is no sign of anything.
const (
	longestStall  = time.Second
	shortestStall = 100 * time.Millisecond
)
