package main

import (
	"context"
	"log/slog"
	"math"
	"time"
)

// The levels of a load that changes, in what full depth carries.
const (
	low  = 0.4
	high = 2.5
)

// shapes are the loads that change, in what full depth carries, by the share of
// their time that is over.
var shapes = map[string]func(over float64) float64{
	"step": func(over float64) float64 {
		if over > 0.2 && over < 0.6 {
			return high
		}
		return low
	},
	"burst": func(over float64) float64 { // three times a fifteenth of the time
		for _, from := range []float64{0.2, 0.5, 0.8} {
			if over >= from && over < from+1.0/15 {
				return high
			}
		}
		return low
	},
	"diurnal": func(over float64) float64 { return low + (high-low)*(1-math.Cos(2*math.Pi*over))/2 },
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
