package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// offsets watches what a group commits. What was committed must never be taken
// back, by a worker that was taken for dead, say.
type offsets struct {
	stop   context.CancelFunc
	ended  chan struct{} // closed when it is over; what follows is valid then
	looked int
	err    error
}

// watchOffsets watches until the end is asked for.
func watchOffsets(ctx context.Context, s *servers, group, topic string) *offsets {
	ctx, stop := context.WithCancel(ctx)
	o := &offsets{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		var last []int64
		for range every(ctx, 100*time.Millisecond) {
			now, err := s.committed(ctx, group, topic, max(1, len(last)))
			if err != nil {
				continue // the broker is down
			}
			o.looked++
			if o.err = errors.Join(o.err, fallen(topic, last, now)); len(now) == len(last) || len(last) == 0 {
				last = now
			}
			if n, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}}); err == nil && len(n.Topics) == 1 {
				last = append(last, make([]int64, max(0, len(n.Topics[0].Partitions)-len(last)))...)
			}
		}
	}()
	return o
}

// fallen returns an error for every partition where less is committed now than
// was before.
func fallen(topic string, before, now []int64) error {
	var errs []error
	for p := range before {
		if now[p] < before[p] {
			errs = append(errs, fmt.Errorf("%s, partition %d: offset %d is committed, and %d was before", topic, p, now[p], before[p]))
		}
	}
	return errors.Join(errs...)
}

// end ends the watch, and returns how often it looked and what it saw go back.
func (o *offsets) end() (looked int, err error) {
	o.stop()
	<-o.ended
	return o.looked, o.err
}
