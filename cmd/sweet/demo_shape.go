package main

import (
	"context"
	"log/slog"
	"time"

	"sweetspot/cmd/sweet/simulate"
)

// quiet is how many times full depth the lowest rate of a load is: little enough
// that depth returns also where the load's own texts are made and sent on the
// cores that the worker has.
const quiet = 0.4

// bursts is how much of the load of that name there is in a demo: four bursts, in
// a minute closer than the ten seconds for which a worker minds a peak, so that
// depth returns after the last one and not in between.
const bursts = 4 * time.Minute

// calm is the share of a load at its end in which it stays at its lowest: of a
// minute as long as a worker needs to be sure that the load has fallen.
const calm = 1.0 / 3

// changing is a load by name, for a worker that carries so many texts a second at
// full depth.
func changing(name string, carried float64, lasts time.Duration) (simulate.Load, error) {
	l, err := simulate.Shape(name)
	if err != nil {
		return l, err
	}
	if name == "burst" {
		l = l.First(bursts)
	}
	l = l.Between(quiet*carried, peak*carried)
	return calming(l, lasts), nil
}

// calming is l in the length lasts, played so fast that it is at its lowest rate
// in the calm at the end.
func calming(l simulate.Load, lasts time.Duration) simulate.Load {
	lowest, fallen := l.Spans[0].Rate, time.Duration(0)
	for _, s := range l.Spans {
		lowest = min(lowest, s.Rate)
	}
	for i, s := range l.Spans {
		if s.Rate == lowest && l.Spans[max(i-1, 0)].Rate > lowest {
			fallen = s.From
		}
	}
	if l.Spans[len(l.Spans)-1].Rate > lowest {
		fallen = l.End
	}
	played := min(1, (1-calm)*l.End.Seconds()/fallen.Seconds())
	l = l.Lasting(time.Duration(played * float64(lasts)))
	if l.End < lasts {
		l.Spans = append(l.Spans, simulate.Span{From: l.End, Rate: lowest})
		l.End = lasts
	}
	return l
}

// steady is a load of so many texts a second; nil for 0.
func steady(rate float64) func(time.Duration) float64 {
	if rate == 0 {
		return nil
	}
	return func(time.Duration) float64 { return rate }
}

// at is the load of an act after a while; 0 where it follows the worker, or is
// over.
func (a act) at(elapsed time.Duration) float64 {
	if a.rate == nil || elapsed >= a.duration {
		return 0
	}
	return a.rate(elapsed)
}

// moves is a log handler that also shows the moves of the rung, as the worker
// logs them.
type moves struct {
	slog.Handler
	view *view
}

// Enabled implements [slog.Handler].
func (h *moves) Enabled(ctx context.Context, level slog.Level) bool {
	return level == slog.LevelInfo || h.Handler.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *moves) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "rung" {
		var from, to, reason string
		r.Attrs(func(a slog.Attr) bool {
			switch a.Key {
			case "from":
				from = a.Value.String()
			case "to":
				to = a.Value.String()
			case "reason":
				reason = a.Value.String()
			}
			return true
		})
		h.view.move(from, to, reason)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *moves) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &moves{h.Handler.WithAttrs(attrs), h.view}
}

// WithGroup implements [slog.Handler].
func (h *moves) WithGroup(name string) slog.Handler { return &moves{h.Handler.WithGroup(name), h.view} }
