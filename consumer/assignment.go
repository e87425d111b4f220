package consumer

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// An assignment is what this worker owns in one generation of the group. It
// commits under that generation and no other.
type assignment struct {
	k          *Kafka
	number     int64 // of the assignments of this worker, from 1
	generation int
	member     string
	parts      []*partition
	idle       chan struct{} // poked when a tracker has nothing out
	found      chan struct{} // poked when a partition's start is found

	// What follows belongs to the goroutine of serve.
	committed map[*partition]int64 // as Kafka has accepted it
	unsure    time.Time            // until then a commit that failed may yet arrive
}

func (k *Kafka) newAssignment(gen *kafka.Generation) *assignment {
	a := &assignment{
		k: k, number: k.assignments.Add(1), generation: int(gen.ID), member: gen.MemberID,
		idle: make(chan struct{}, 1), found: make(chan struct{}, 1),
		committed: make(map[*partition]int64),
	}
	n := 0
	for _, parts := range gen.Assignments {
		n += len(parts)
	}
	size, ids := fetchBytes(k.cfg, k.intake, n), newTopicIDs(k.net)
	for topic, parts := range gen.Assignments {
		for _, pa := range parts {
			p := &partition{k: k, ids: ids, topic: topic, id: pa.ID, bytes: size, idle: a.idle, found: a.found, position: pa.Offset}
			p.records.most = max(largestBody, int(k.intake.InFlightBytes))
			p.end.Store(-1)
			p.highest.Store(-1)
			p.advance()
			if pa.Offset >= 0 {
				p.restart()
				a.committed[p] = pa.Offset
			}
			a.parts = append(a.parts, p)
		}
	}
	k.budget.setAside(min(int64(size)*int64(n), int64(k.intake.InFlightBytes)/2))
	return a
}

// serve reads and commits until the generation ends, or ctx does, and then
// gives the partitions up in the only order that loses nothing: stop fetching,
// wait for what is out while staying a member, commit, fence.
func (a *assignment) serve(ctx, revoked context.Context, seen layout) {
	k := a.k
	reading, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(revoked, stop)()
	k.current.Store(a)
	k.metrics.rebalances.Inc()
	k.metrics.assigned.Set(float64(len(a.parts)))
	k.setConnected(true)
	k.log.InfoContext(ctx, "partitions assigned", slog.Int("generation", a.generation),
		slog.Int("partitions", len(a.parts)), slog.Any("names", a.names()))

	var readers sync.WaitGroup
	for _, p := range a.parts {
		readers.Go(func() { p.read(reading) })
	}
	readers.Go(func() { a.followEnds(reading) })
	readers.Go(func() {
		k.watchTopics(reading, seen)
		stop() // and join again
	})

	// Commits outlive both: what was settled is worth committing.
	committing := context.WithoutCancel(ctx)
	lost := a.commitUntil(committing, reading.Done())
	stop()
	a.stopHanding()
	readers.Wait()
	if !lost {
		lost = a.drain(committing)
	}
	if !lost {
		_ = a.commitAll(committing) // it has been counted and logged; the next owner reads again
	}
	a.fence(ctx)
}

// commitUntil commits what changes, now and then, until done. It reports
// whether Kafka says that the generation is over.
func (a *assignment) commitUntil(ctx context.Context, done <-chan struct{}) (lost bool) {
	tick := time.NewTicker(a.k.tuning.commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
		case <-a.found: // a start that nobody has committed yet
		}
		a.exportLag()
		if isFenced(a.commitChanged(ctx)) {
			return true
		}
	}
}

// drain waits until nothing is out, for as long as Kafka and SWEET_DRAIN
// allow. kafka-go has stopped the heartbeat if this is a revoke, so it commits
// again and again, changed or not: to Kafka that is a sign of life. It reports
// whether Kafka says that the generation is over.
func (a *assignment) drain(ctx context.Context) (lost bool) {
	bound := time.NewTimer(drainBound(a.k.parts.Drain, a.k.cfg.RebalanceTimeout))
	defer bound.Stop()
	alive := time.NewTicker(min(a.k.tuning.commitEvery, a.k.cfg.SessionTimeout/3))
	defer alive.Stop()
	for a.out() > 0 {
		select {
		case <-a.idle:
			continue
		case <-alive.C:
		case <-bound.C:
			return false
		case <-a.k.finish:
			return false
		}
		if isFenced(a.commitAll(ctx)) {
			return true
		}
	}
	return false
}

// stopHanding ends the handing out, and drops what is queued.
func (a *assignment) stopHanding() {
	for _, p := range a.parts {
		if t := p.tracker.Load(); t != nil {
			t.Stop()
		}
	}
	for _, d := range a.k.queue.purge(func(d delivery) bool { return d.part.idle == a.idle }) {
		a.k.budget.release(d.size)
	}
}

// fence gives the partitions up.
func (a *assignment) fence(ctx context.Context) {
	k, abandoned := a.k, 0
	oldest := a.oldest() // until the next assignment knows better
	k.waiting.Store(&oldest)
	for _, p := range a.parts {
		if t := p.tracker.Load(); t != nil {
			abandoned += t.Fence()
		}
		k.metrics.lag.DeleteLabelValues(p.topic, strconv.Itoa(p.id))
	}
	k.current.CompareAndSwap(a, nil)
	k.budget.setAside(0)
	k.metrics.assigned.Set(0)
	k.metrics.abandoned.Add(float64(abandoned))
	if abandoned > 0 {
		k.log.WarnContext(ctx, "partitions given up with messages unsettled: their next owner reads them again",
			slog.Int("generation", a.generation), slog.Int("messages", abandoned))
	} else {
		k.log.InfoContext(ctx, "partitions given up", slog.Int("generation", a.generation), slog.Int("partitions", len(a.parts)))
	}
}

// out returns how many messages are handed out and unsettled.
func (a *assignment) out() int {
	n := 0
	for _, p := range a.parts {
		if t := p.tracker.Load(); t != nil {
			n += t.Out()
		}
	}
	return n
}

// oldest returns the record time of the oldest unsettled message, and the zero
// time where there is none.
func (a *assignment) oldest() time.Time {
	var oldest int64
	found := false
	for _, p := range a.parts {
		if at, ok := p.oldest(); ok && (!found || at < oldest) {
			oldest, found = at, true
		}
	}
	if !found {
		return time.Time{}
	}
	return time.UnixMilli(oldest)
}

// oldest returns the record time, in Unix ms, of the lowest unsettled message.
// Where there are messages and none can be read, it is the time since when:
// they are at least about as old.
func (p *partition) oldest() (at int64, ok bool) {
	t := p.tracker.Load()
	if t == nil {
		return 0, false
	}
	if at, ok := t.Oldest(); ok {
		return at, true
	}
	return p.moved.Load(), p.end.Load() > t.Mark()
}

// names returns the partitions for the log, as many as fit a line.
func (a *assignment) names() []string {
	const most = 32
	var names []string
	for i, p := range a.parts {
		if i == most {
			return append(names, "...")
		}
		names = append(names, p.String())
	}
	return names
}
