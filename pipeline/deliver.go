package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"time"
)

// The wait before something is tried again doubles from firstRetry to
// lastRetry; a random part of it keeps workers from trying in step.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// A delivery makes items durable, however often it takes.
type delivery[T any] struct {
	try     func(ctx context.Context, items []T) error // nil, a *PartialError, or none is durable
	done    func(item T)                               // called once for each that became durable
	refused func(item T, err error)                    // called once for each that never can; nil where nothing is given up
	pause   time.Duration                              // before what comes to run is first tried
	log     *slog.Logger
}

// run makes the items durable that come from in. It returns nil when in is
// closed and every item is durable or refused, and an error when ctx ends
// before, or nothing can become durable any more.
//
// It always takes what comes, during an attempt as well: who sends must not stop
// because one item is stuck. The source bounds how much there can be.
func (d *delivery[T]) run(ctx context.Context, in <-chan []T) error {
	var (
		waiting, trying []T
		outcome         <-chan error     // of the attempt under way; nil while there is none
		pause           <-chan time.Time // ends the pause; nil while there is none
		retries         = retries{log: d.log}
	)
	for {
		if outcome == nil && pause == nil && len(waiting) > 0 {
			trying, waiting = waiting, nil
			outcome = d.start(ctx, trying)
		}
		if in == nil && outcome == nil && pause == nil {
			return nil
		}
		select {
		case items, ok := <-in:
			if !ok {
				in = nil
				continue
			}
			if outcome == nil && pause == nil && d.pause > 0 {
				pause = time.After(d.pause)
			}
			waiting = append(waiting, items...)
		case err := <-outcome:
			outcome = nil
			again := d.sort(trying, err)
			switch {
			case len(again) == 0:
				retries.over(ctx)
			case errors.Is(err, ErrClosed) && ctx.Err() == nil:
				return err
			default:
				pause = time.After(retries.next(ctx, len(again), err))
				waiting = append(again, waiting...)
			}
		case <-pause:
			pause = nil
		case <-ctx.Done():
			if outcome != nil {
				d.sort(trying, <-outcome) // what is durable already is settled
			}
			return context.Cause(ctx)
		}
	}
}

// start makes an attempt and passes on how it ends.
func (d *delivery[T]) start(ctx context.Context, items []T) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- d.try(ctx, items) }()
	return outcome
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

// retries are the attempts in a row that left something to try again.
type retries struct {
	attempts uint
	since    time.Time // the first of them ended
	wait     time.Duration
	log      *slog.Logger
}

// next counts an attempt that left so many messages and returns how long to
// wait before the next.
func (r *retries) next(ctx context.Context, messages int, err error) time.Duration {
	if r.attempts == 0 {
		r.since, r.wait = time.Now(), firstRetry
	}
	r.attempts++
	if bits.OnesCount(r.attempts) == 1 { // attempts 1, 2, 4, 8 …: an outage must not fill the log
		r.log.WarnContext(ctx, "not durable yet", slog.Int("messages", messages), slog.Uint64("attempts", uint64(r.attempts)), slog.Any("error", err))
	}
	wait := r.wait
	r.wait = min(2*wait, lastRetry)
	return wait/2 + rand.N(wait/2)
}

// over ends them.
func (r *retries) over(ctx context.Context) {
	if r.attempts > 0 {
		r.log.InfoContext(ctx, "durable after trying again", slog.Uint64("attempts", uint64(r.attempts)+1), slog.Duration("after", time.Since(r.since)))
	}
	r.attempts = 0
}
