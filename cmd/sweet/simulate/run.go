package simulate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A Result is what replicas did with a load.
type Result struct {
	Replicas int     // that the load was shared by
	Weight   float64 // replicas that each simulated one stands for

	// The following are of the simulated replicas.
	Ages     Ages
	Late     int64         // messages answered later than the target age
	Shed     int64         // best-effort messages that became dead letters
	Layers   int64         // run, over all messages
	Admitted []int64       // by rung
	Exits    []int64       // by the stage after which the answer came
	Moves    int64         // of the rung
	Busy     time.Duration // of the devices
	Span     time.Duration // until the last answer of the replica that was last
	Series   []Second      // of the first replica
}

// Messages returns how many messages were simulated.
func (r *Result) Messages() int64 { return r.Ages.n + r.Shed }

// LateShare returns the share of messages over the target age. Those that were
// shed never get an answer, so they are.
func (r *Result) LateShare() float64 { return share(r.Late+r.Shed, r.Messages()) }

// MeanLayers returns the layers that a message ran on average, audits included.
func (r *Result) MeanLayers() float64 { return share(r.Layers, r.Ages.n) }

// BelowFull returns the share of messages that were admitted under a rung below
// full depth, which may have answers other than full depth's.
func (r *Result) BelowFull() float64 {
	var below, all int64
	for k, n := range r.Admitted {
		all += n
		if k > 0 {
			below += n
		}
	}
	return share(below, all)
}

// Utilization returns the share of time that the devices were busy.
func (r *Result) Utilization() float64 {
	n := float64(r.Replicas) / r.Weight
	return r.Busy.Seconds() / r.Span.Seconds() / n
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// mostReplicas is how many replicas are simulated: they differ by chance alone,
// so more of them teach nothing new.
const mostReplicas = 8

// Run simulates so many replicas of w that share a load evenly, with the worker's
// own controller. At most eight are simulated, each of which stands for its part
// of them.
func (w *Worker) Run(ctx context.Context, load Load, replicas int) (*Result, error) {
	return w.run(ctx, load, replicas, Ours())
}

func (w *Worker) run(ctx context.Context, load Load, replicas int, a *Alternative) (*Result, error) {
	if replicas < 1 {
		return nil, fmt.Errorf("%d replicas, want at least 1", replicas)
	}
	n := min(replicas, mostReplicas)
	simulated := make([]*replica, n)
	for i := range simulated {
		r, err := newReplica(w, &load, 1/float64(replicas), uint64(i), a)
		if err != nil {
			return nil, err
		}
		simulated[i] = r
	}
	if err := parallel(n, func(i int) error { return simulated[i].run(ctx) }); err != nil {
		return nil, err
	}
	total := &simulated[0].result
	for _, r := range simulated[1:] {
		total.merge(&r.result)
	}
	total.Replicas, total.Weight = replicas, float64(replicas)/float64(n)
	return total, nil
}

// parallel calls f for 0 to n-1, as many at a time as there are processors.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wait sync.WaitGroup
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		wait.Go(func() {
			room <- struct{}{}
			errs[i] = f(i)
			<-room
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// merge adds what another replica did.
func (r *Result) merge(o *Result) {
	r.Ages.merge(&o.Ages)
	r.Late += o.Late
	r.Shed += o.Shed
	r.Layers += o.Layers
	r.Moves += o.Moves
	r.Busy += o.Busy
	r.Span = max(r.Span, o.Span)
	for k, n := range o.Admitted {
		r.Admitted[k] += n
	}
	for i, n := range o.Exits {
		r.Exits[i] += n
	}
}
