package consumer

import (
	"context"
	"sync"

	"sweetspot/pipeline"
)

// A queue holds what has been read and not been handed out yet, in order of
// arrival. It needs no bound of its own: everything in it is within the budget.
type queue struct {
	ready chan struct{} // poked when there is something, or the end

	mu sync.Mutex
	// mu protects what follows.
	items []delivery
	end   error // why there will be no more
}

// A delivery is a message on its way to whoever fetches.
type delivery struct {
	message *pipeline.Message
	part    *partition
	tracker *Tracker
	number  uint64 // the tracker's
	size    int    // held in the budget
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put appends d, and reports false after the end.
func (q *queue) put(d delivery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return false
	}
	q.items = append(q.items, d)
	poke(q.ready)
	return true
}

// take waits for at least one delivery and returns at most n.
func (q *queue) take(ctx context.Context, n int) ([]delivery, error) {
	for {
		if ds, err := q.try(n); len(ds) > 0 || err != nil {
			return ds, err
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (q *queue) try(n int) ([]delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		poke(q.ready) // for the next who asks
		return nil, q.end
	}
	n = min(n, len(q.items))
	ds := append([]delivery(nil), q.items[:n]...)
	clear(q.items[:n])
	if q.items = q.items[n:]; len(q.items) > 0 {
		poke(q.ready)
	}
	return ds, nil
}

// purge removes and returns the deliveries that drop names.
func (q *queue) purge(drop func(delivery) bool) []delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	var kept, gone []delivery
	for _, d := range q.items {
		if drop(d) {
			gone = append(gone, d)
		} else {
			kept = append(kept, d)
		}
	}
	q.items = kept
	return gone
}

// close ends the queue. What is in it stays for purge.
func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = err
	}
	poke(q.ready)
}
