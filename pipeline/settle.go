package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"time"
)

// publishers is how many calls of the publisher may be under way at once. One
// waits for acknowledgements while the next is being written.
const publishers = 8

// The wait before something is tried again doubles from firstRetry to
// lastRetry; a random part of it keeps workers from trying in step.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// ErrClosed is what a [Publisher] or [DeadLetters] returns that can never make
// anything durable again. The pipeline ends with it.
var ErrClosed = errors.New("closed for good")

// publish makes results durable and settles their messages.
func (p *Pipeline) publish(ctx context.Context, in <-chan []Result) error {
	for results := range receive(ctx, in) {
		letters, err := p.publishAll(ctx, results)
		if err == nil && len(letters) > 0 {
			err = p.buryAll(ctx, letters)
		}
		if err != nil {
			return err
		}
	}
	return ended(ctx)
}

// publishAll returns when every result is durable or refused, with the dead
// letters of those that were refused.
func (p *Pipeline) publishAll(ctx context.Context, results []Result) (letters []DeadLetter, err error) {
	d := delivery[Result]{
		try:  p.parts.Publisher.Publish,
		done: p.published,
		refused: func(r Result, err error) {
			letters = append(letters, DeadLetter{Message: r.Message, Reason: refusal(err), Err: err})
		},
		log: p.parts.Logger.With(slog.String("what", "results")),
	}
	err = d.run(ctx, results)
	return letters, err
}

// refusal is the reason of a result that was refused with err.
func refusal(err error) Reason {
	if errors.Is(err, ErrTooLarge) {
		return ResultTooLarge
	}
	return ResultRefused
}

// published settles the message of a result that is durable.
func (p *Pipeline) published(r Result) {
	age := time.Since(r.Message.Origin.Time)
	if !p.settle(r.Message) {
		return
	}
	m := p.parts.Metrics
	m.messageAge.Observe(max(age, 0).Seconds())
	if r.Duplicate {
		m.duplicates.Inc()
		return
	}
	m.published.WithLabelValues(r.Message.Origin.Topic).Inc()
}

// bury makes dead letters durable and settles their messages.
func (p *Pipeline) bury(ctx context.Context, in <-chan []DeadLetter) error {
	for letters := range receive(ctx, in) {
		if err := p.buryAll(ctx, letters); err != nil {
			return err
		}
	}
	return ended(ctx)
}

func (p *Pipeline) buryAll(ctx context.Context, letters []DeadLetter) error {
	d := delivery[DeadLetter]{
		try: p.parts.DeadLetters.Write,
		done: func(l DeadLetter) {
			if p.settle(l.Message) {
				p.parts.Metrics.deadLetters.WithLabelValues(l.Message.Origin.Topic, string(l.Reason)).Inc()
			}
		},
		log: p.parts.Logger.With(slog.String("what", "dead letters")),
	}
	return d.run(ctx, letters)
}

// A delivery makes items durable, however often it takes.
type delivery[T any] struct {
	try     func(ctx context.Context, items []T) error // nil, a *PartialError, or none is durable
	done    func(item T)                               // called once for each that became durable
	refused func(item T, err error)                    // called once for each that never can; nil where nothing is given up
	log     *slog.Logger
}

// run returns nil when every item is durable or refused, and an error when ctx
// ends before, or nothing can become durable any more.
func (d *delivery[T]) run(ctx context.Context, items []T) error {
	start := time.Now()
	for attempt, wait := uint(1), firstRetry; ; attempt, wait = attempt+1, min(2*wait, lastRetry) {
		err := d.try(ctx, items)
		items = d.sort(items, err)
		switch {
		case len(items) == 0:
			if attempt > 1 {
				d.log.InfoContext(ctx, "durable after trying again", slog.Uint64("attempts", uint64(attempt)), slog.Duration("after", time.Since(start)))
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrClosed):
			return err
		}
		if bits.OnesCount(attempt) == 1 { // attempts 1, 2, 4, 8 …: an outage must not fill the log
			d.log.WarnContext(ctx, "not durable yet", slog.Int("messages", len(items)), slog.Uint64("attempts", uint64(attempt)), slog.Any("error", err))
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sort returns the items that are to be tried again after an attempt ended with
// err. It settles nothing that err may mean: an error that names no item, or
// one that is not there, says that none is durable.
func (d *delivery[T]) sort(items []T, err error) (again []T) {
	failed := make([]bool, len(items))
	var refused map[int]error
	if err != nil {
		partial, ok := errors.AsType[*PartialError](err)
		if !ok || len(partial.Failed) == 0 {
			return items
		}
		refused = partial.Refused
		for _, i := range partial.Failed {
			if i < 0 || i >= len(items) {
				return items
			}
			failed[i] = true
		}
	}
	for i, item := range items {
		why, never := refused[i]
		switch {
		case !failed[i]:
			d.done(item)
		case never && d.refused != nil:
			d.refused(item, why)
		default:
			again = append(again, item)
		}
	}
	return again
}

// receive yields what comes from in until it is closed or ctx ends.
func receive[T any](ctx context.Context, in <-chan T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for {
			select {
			case v, ok := <-in:
				if !ok || !yield(v) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// ended returns why ctx ended, and nil where it has not.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
