package consumer

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"
)

// unsettled returns how many messages of p are not settled yet. What is settled
// behind a message that is not, and so cannot be committed, is not among them.
func (p *partition) unsettled() int64 {
	t := p.tracker.Load()
	if t == nil {
		return 0
	}
	return t.Unsettled(p.end.Load())
}

// exportLag sets the lag of every partition from what is known: the end that
// the last fetch told, and the offset that Kafka has accepted.
func (a *assignment) exportLag() {
	for _, p := range a.parts {
		committed, ok := a.committed[p]
		if end := p.end.Load(); ok && end >= 0 {
			a.k.metrics.lag.WithLabelValues(p.topic, strconv.Itoa(p.id)).Set(float64(max(end-committed, 0)))
		}
	}
}

// followEnds asks for the end offsets of partitions that are not being fetched
// because the budget is spent: their lag grows unseen otherwise.
func (a *assignment) followEnds(ctx context.Context) {
	tick := time.NewTicker(a.k.tuning.lagEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		stale := a.unheard(time.Since(born) - a.k.tuning.lagEvery)
		if len(stale) == 0 {
			continue
		}
		ends, err := a.k.net.ends(ctx, stale)
		if err != nil && ctx.Err() == nil && a.k.lines.allow("ends") {
			a.k.log.WarnContext(ctx, "lag is unknown", slog.Any("error", err))
		}
		for p, end := range ends {
			p.hear(end)
		}
	}
}

// unheard returns the partitions whose end was last heard before t.
func (a *assignment) unheard(t time.Duration) []*partition {
	var stale []*partition
	for _, p := range a.parts {
		if p.heard.Load() < int64(t) {
			stale = append(stale, p)
		}
	}
	return stale
}

// readable returns the partitions of which the last try to read did not fail.
func (a *assignment) readable() []*partition {
	return slices.DeleteFunc(slices.Clone(a.parts), func(p *partition) bool { return p.failing.Load() })
}

// heard returns when the end was heard of the one of the given partitions from
// which none was heard for longest, and the zero time before all their ends are
// known. Without partitions everything is known at any time.
func heard(parts []*partition) time.Time {
	oldest := int64(time.Since(born))
	for _, p := range parts {
		oldest = min(oldest, p.heard.Load())
	}
	if oldest == 0 {
		return time.Time{}
	}
	return born.Add(time.Duration(oldest))
}
