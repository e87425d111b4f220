package simulate

import (
	"context"
	"fmt"
	"time"
)

// A Throughput is how many messages a second a rung answers while there are
// always more, by grouping.
type Throughput struct {
	Rung                     int
	Ideal                    float64 // 1 / (Σ reach × stage time), in full runs
	Regrouped, Apart, Single float64
}

// waiting is how many messages the throughput is measured with.
const waiting = 20_000

// Throughputs measures every rung. Nothing is audited or strict.
func (w *Worker) Throughputs(ctx context.Context) ([]Throughput, error) {
	own := *w
	own.Shares = Shares{}
	all := make([]Throughput, len(w.Ladder.Rungs))
	err := parallel(len(all), func(k int) error {
		t := Throughput{Rung: k, Ideal: 1 / w.Cost.Message(w.Ladder.Rungs[k].Reach)}
		for _, g := range []struct {
			grouping Grouping
			rate     *float64
		}{{Regrouped, &t.Regrouped}, {Apart, &t.Apart}, {Single, &t.Single}} {
			a := Fixed(k)
			a.Grouping = g.grouping
			rate, err := own.throughput(ctx, a)
			if err != nil {
				return fmt.Errorf("measuring the throughput of rung %d: %w", k, err)
			}
			*g.rate = rate
		}
		all[k] = t
		return nil
	})
	return all, err
}

// throughput is that of messages which arrive in the first millisecond.
func (w *Worker) throughput(ctx context.Context, a *Alternative) (float64, error) {
	var l Load
	l.hold(time.Millisecond, waiting*1e3)
	r, err := w.run(ctx, l, 1, a)
	if err != nil {
		return 0, err
	}
	return float64(r.Messages()) / r.Span.Seconds(), nil
}
