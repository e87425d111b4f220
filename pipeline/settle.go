package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// publishers is how many calls of the publisher may be under way at once, beside
// the one that tries again. One waits for acknowledgements while the next is
// being written.
const publishers = 8

// ErrClosed is what a [Publisher] or [DeadLetters] returns that can never make
// anything durable again. The pipeline ends with it.
var ErrClosed = errors.New("closed for good")

// results is how results become durable and their messages settled. Those that
// are refused go to letters.
func (p *Pipeline) results(ctx context.Context, letters chan<- []DeadLetter) *delivery[Result] {
	return &delivery[Result]{
		try:  p.parts.Publisher.Publish,
		done: p.published,
		refused: func(r Result, err error) {
			// Where ctx ends before, the message stays unsettled.
			send(ctx, letters, []DeadLetter{{Message: r.Message, Reason: refusal(err), Err: err}})
		},
		pause: firstRetry, // publish has just tried
		log:   p.parts.Logger.With(slog.String("what", "results")),
	}
}

// publish tries once to make the results durable that come from in, and passes
// on those that are to be tried again: a result that is stuck must not keep
// others waiting.
func (p *Pipeline) publish(ctx context.Context, d *delivery[Result], in <-chan []Result, again chan<- []Result) error {
	for results := range receive(ctx, in) {
		err := d.try(ctx, results)
		failed := d.sort(results, err)
		switch {
		case len(failed) == 0:
		case errors.Is(err, ErrClosed) && ctx.Err() == nil:
			return err
		case !send(ctx, again, failed):
			return context.Cause(ctx)
		}
	}
	return ended(ctx)
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
	p.traffic.out()
	age := time.Since(r.Message.Origin.Time)
	if !p.settle(r.Message) {
		return
	}
	m := p.parts.Metrics
	if r.Message.Origin.timed() {
		m.messageAge.Observe(max(age, 0).Seconds())
	}
	if r.Duplicate {
		m.duplicates.Inc()
		return
	}
	m.published.WithLabelValues(r.Message.Origin.Topic).Inc()
}

// letters is how dead letters become durable and their messages settled.
func (p *Pipeline) letters() *delivery[DeadLetter] {
	return &delivery[DeadLetter]{
		try: p.parts.DeadLetters.Write,
		done: func(l DeadLetter) {
			p.traffic.out()
			switch ours := p.settle(l.Message); {
			case ours && l.Reason == Shed:
				p.parts.Metrics.shed.Inc()
			case ours:
				p.parts.Metrics.deadLetters.WithLabelValues(l.Message.Origin.Topic, string(l.Reason)).Inc()
			}
		},
		log: p.parts.Logger.With(slog.String("what", "dead letters")),
	}
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
