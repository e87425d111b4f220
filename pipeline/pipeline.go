// Package pipeline carries messages from a source, through the model, to a
// publisher, and settles them.
//
//	Source ─► fetch ─► prepare ─► classify ─► publish ─► settle
//	                   decode     stage 1       │ results, again until durable
//	                   tokenize   …             │
//	                      │       stage n       │ refused
//	                      └───────► bury ◄──────┘
//	                        dead letters, until durable ─► settle
//
// It owns every goroutine between the two ends, decides when each stage of the
// model runs and who leaves it, and keeps the promise that no message is lost:
// one is settled only when its result, or its dead letter, is durable. It does
// not know Kafka, NATS or the arithmetic of the model.
//
// # What is not obvious
//
//   - A row keeps the rung that was in force when it was admitted, at every
//     exit. A mixture of two rungs is a policy that nobody certified.
//   - Every failure has one of three fates. Poison becomes a dead letter and is
//     settled. A message whose result or dead letter does not become durable is
//     tried again in place, unsettled, for as long as the worker lives. A
//     failure of the device is fatal: Run returns, and what is unsettled is read
//     again by the partition's next owner.
//   - A panic of the model is the fault of a text until the opposite is shown:
//     else one text would end every worker that reads it.
//   - Nothing here bounds what is in flight but the source: what does not become
//     durable waits in a list, so messages stay unsettled, and Fetch blocks.
//     Nothing else waits for it.
//   - A message may stop being ours while it is in flight. Its result is
//     published all the same (the stream drops the second one), but Settle says
//     so and it is not counted here: the source has counted it as abandoned.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sweetspot/inference"
	"sweetspot/inference/token"
	"sweetspot/pipeline/control"
	"sweetspot/pipeline/schedule"
)

// Parts is what a pipeline is put together from.
type Parts struct {
	Source      Source
	DeadLetters DeadLetters
	Tokenizer   *token.Tokenizer
	Encoder     Encoder
	Publisher   Publisher

	Labels []string // (C) by the index in an [inference.Exit]
	Layers []int    // (stages) encoder layers that a row has run when it leaves by each exit
	Depth  int      // batches that the device keeps in flight; 0 means 1

	Rungs        []inference.Rung // the certified ladder, rung 0 first; empty where there is none
	Epsilon      float64          // the share of answers that may differ from full depth's on every rung, in (0, 1]; without effect where there is none but rung 0
	LadderDigest string
	Control      control.Config
	State        State     // what workers with the same ladder share; nil where alarms end with this one
	Worker       string    // names this one in what is shared
	Trace        io.Writer // gets every reading and decision; nil for none

	Metrics *Metrics
	Logger  *slog.Logger
}

// A Pipeline is a worker that has not been started.
type Pipeline struct {
	cfg      Config
	parts    Parts
	decode   decoder
	truncate token.Truncation
	policies []inference.Thresholds // by rung
	choice   *choice
	rung     func(Tier) uint8 // under which a row is admitted now: of choice
	audits   *audits          // nil where there is nothing to watch
	steering *steering
	taking   atomic.Bool  // messages from the source
	shedding atomic.Bool  // best-effort messages become dead letters
	rows     sync.Pool    // of *row, for their buffers
	inHand   atomic.Int64 // messages fetched and not settled
	traffic  traffic
	ready    ready

	loop  *loop                           // of Warm, then of Run; nil before
	lines atomic.Pointer[[]schedule.Line] // what the stages' runs cost now; nil while there is no loop
}

// New returns a pipeline over the given parts. Its errors are configuration
// errors.
func New(cfg Config, parts Parts) (*Pipeline, error) {
	stages := parts.Encoder.Stages()
	switch {
	case cfg.MaxTokens < cfg.leastTokens():
		return nil, fmt.Errorf("SWEET_MAX_TOKENS=%d: want at least %d", cfg.MaxTokens, cfg.leastTokens())
	case cfg.BatchTokens < cfg.MaxTokens:
		return nil, fmt.Errorf("SWEET_BATCH_TOKENS=%d holds less than one text of %d tokens", cfg.BatchTokens, cfg.MaxTokens)
	case len(parts.Labels) == 0 || stages == 0 || len(parts.Layers) != stages:
		return nil, fmt.Errorf("a model of %d labels, %d stages and layers %v cannot serve", len(parts.Labels), stages, parts.Layers)
	}
	policies, err := newPolicies(parts.Rungs, stages)
	if err != nil {
		return nil, err
	}
	last, err := cfg.Admit(len(parts.Rungs))
	if err != nil {
		return nil, err
	}
	truncate, err := token.ParseTruncation(cfg.Truncate)
	if err != nil {
		return nil, fmt.Errorf("SWEET_TRUNCATE=%s: %w", cfg.Truncate, err)
	}
	decode, err := newDecoder(&cfg)
	if err != nil {
		return nil, err
	}
	parts.Depth = max(parts.Depth, 1)
	p := &Pipeline{
		cfg: cfg, parts: parts, decode: decode, truncate: truncate,
		policies: policies, choice: &choice{mode: cfg.Mode, fixed: cfg.Rung},
		traffic: traffic{born: time.Now(), stages: make([]stageTraffic, stages)}, ready: newReady(),
	}
	p.rung = p.choice.admit
	parts.Metrics.certified.Set(float64(max(len(parts.Rungs), 1) - 1))
	parts.Metrics.usable.Set(float64(last))
	p.choice.usable.Store(int32(last))
	p.choice.chosen.Store(int32(last))
	if p.audits, err = newAudits(p.choice, &parts, parts.Control.AlarmEvery); err != nil {
		return nil, err
	}
	if p.steering, err = newSteering(p); err != nil {
		return nil, err
	}
	return p, nil
}

// newPolicies returns the thresholds of every rung. Those of rung 0 never let
// a row leave early, whatever a file says: strict messages rely on it.
func newPolicies(rungs []inference.Rung, stages int) ([]inference.Thresholds, error) {
	const never = 2
	full := make(inference.Thresholds, stages-1)
	for i := range full {
		full[i] = never
	}
	policies := []inference.Thresholds{full}
	for k, r := range rungs {
		if len(r.Thresholds) != stages-1 {
			return nil, fmt.Errorf("rung %d has %d thresholds, a model of %d stages needs %d", k, len(r.Thresholds), stages, stages-1)
		}
		if k > 0 {
			policies = append(policies, r.Thresholds)
		}
	}
	return policies, nil
}

// errDrained ends the work of a pipeline whose time to drain is over.
var errDrained = errors.New("the time to drain is over")

// Run works until ctx ends, the source fails, or something fails beyond repair.
// In the first two cases it settles what is in flight, for Config.Drain at most.
// It returns nil where ctx ended and everything was settled. A Pipeline runs
// once.
//
// There are two contexts. intake ends the intake; work, which outlives it by
// Config.Drain, ends everything else. Whoever is the last to send on a channel
// closes it, so the end of the intake runs down the pipeline like the end of a
// file.
func (p *Pipeline) Run(ctx context.Context) error {
	base, abandon := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abandon(nil)
	g, work := errgroup.WithContext(base) // ends when base does, a goroutine fails, or all have ended
	intake, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	context.AfterFunc(work, func() { stop(nil) })
	context.AfterFunc(intake, func() {
		over := time.AfterFunc(p.cfg.Drain, func() { abandon(errDrained) })
		context.AfterFunc(work, func() { over.Stop() })
	})

	fetched := make(chan []*Message, 1)
	rows := make(chan []*row, readyChunks)
	letters := make(chan []DeadLetter, 1)
	results := make(chan []Result, publishers)
	again := make(chan []Result, publishers)
	published, unburied := lastCloses(publishers, again), lastCloses(3, letters)
	deliver := p.results(work, letters)
	g.Go(func() error { p.fetch(intake, work, stop, fetched); return nil })
	g.Go(func() error { defer unburied(); return p.prepare(work, fetched, rows, letters) })
	steered, arrived := context.WithCancel(work)
	sharing, giveUp := context.WithCancel(work)
	defer giveUp()
	g.Go(func() error {
		defer func() {
			arrived()
			p.audits.end()
			time.AfterFunc(lastTry, giveUp)
			unburied()
		}()
		return p.classify(work, rows, outlets{results, letters})
	})
	g.Go(func() error { p.steering.run(steered); return nil })
	if a := p.audits; a != nil {
		g.Go(func() error { a.follow(steered); return nil })
		g.Go(func() error { a.share(sharing); return nil })
	}
	for range publishers {
		g.Go(func() error { defer published(); return p.publish(work, deliver, results, again) })
	}
	g.Go(func() error { defer unburied(); return deliver.run(work, again) })
	g.Go(func() error { return p.letters().run(work, letters) })
	err := g.Wait()

	left := p.inHand.Load()
	switch {
	case errors.Is(err, errDrained) && left == 0:
		err = nil // the last was settled in the last moment
	case errors.Is(err, errDrained):
		err = fmt.Errorf("draining: %d messages left unsettled after %v", left, p.cfg.Drain)
	case err != nil:
		err = fmt.Errorf("%w; %d messages left unsettled", err, left)
	}
	if failed, ok := errors.AsType[*fetchError](context.Cause(intake)); ok {
		err = errors.Join(failed, err)
	}
	return err
}

// A fetchError is why the intake ended before its context did.
type fetchError struct{ err error }

func (e *fetchError) Error() string { return "fetching messages: " + e.err.Error() }

func (e *fetchError) Unwrap() error { return e.err }

// fetch passes on what the source has until intake ends, or ends it where the
// source fails. What it was handed it passes on even then.
func (p *Pipeline) fetch(intake, work context.Context, stop context.CancelCauseFunc, out chan<- []*Message) {
	defer close(out)
	if p.audits.await(intake); intake.Err() != nil {
		return
	}
	p.taking.Store(true)
	p.parts.Logger.InfoContext(intake, "taking messages")
	for {
		ms, err := p.parts.Source.Fetch(intake)
		p.inHand.Add(int64(len(ms)))
		if len(ms) > 0 && !send(work, out, ms) {
			return
		}
		if intake.Err() != nil {
			return
		}
		if err != nil {
			stop(&fetchError{err})
			return
		}
	}
}

// Taking reports whether Run takes messages. It first waits to hear which rungs
// other workers have withdrawn, for 10 s at most. Any goroutine may ask.
func (p *Pipeline) Taking() bool { return p.taking.Load() }

// send sends v unless ctx ends first.
func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// lastCloses returns a function whose nth call closes ch: one for each of the n
// goroutines that send on it.
func lastCloses[T any](n int32, ch chan T) func() {
	var left atomic.Int32
	left.Store(n)
	return func() {
		if left.Add(-1) == 0 {
			close(ch)
		}
	}
}

// settle marks m as safe to forget and reports whether it was still ours.
func (p *Pipeline) settle(m *Message) bool {
	p.inHand.Add(-1)
	p.traffic.settled.Add(1)
	return m.Settle()
}
