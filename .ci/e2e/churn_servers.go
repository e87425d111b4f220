package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// againKafka starts the broker again, on its ports and its data.
func (s *servers) againKafka(ctx context.Context) error {
	s.starts++
	var err error
	s.kafka, err = start(ctx, s.dir, fmt.Sprintf("kafka-%d", s.starts), environment(), kafkaReady,
		s.script, filepath.Join(s.dir, "kafka"), strconv.Itoa(s.ports[0]), strconv.Itoa(s.ports[1]))
	if err != nil {
		return err
	}
	_, err = s.kafka.ready(ctx)
	return err
}

// againNATS starts the nats-server again, on its port and its data, with its
// sync_interval.
func (s *servers) againNATS(ctx context.Context, sync string) error {
	s.starts++
	config := filepath.Join(s.dir, fmt.Sprintf("nats-%d.conf", s.starts))
	text := fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: %s }\n", s.nats[len("nats://"):], filepath.Join(s.dir, "nats"), sync)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	var err error
	if s.natsd, err = start(ctx, s.dir, fmt.Sprintf("nats-server-%d", s.starts), environment(), natsReady, s.natsPath, "-c", config); err != nil {
		return err
	}
	_, err = s.natsd.ready(ctx)
	return err
}

// growTopic gives a topic more partitions, and waits until they have leaders.
func (s *servers) growTopic(ctx context.Context, topic string, partitions int) error {
	resp, err := s.client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(partitions)}},
	})
	if err == nil {
		err = resp.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("adding partitions to %s: %w", topic, err)
	}
	return s.awaitLeaders(ctx, topic, partitions)
}

// awaitGroup waits until a group is stable with so many members. Nobody is told
// of that, so it asks.
func (s *servers) awaitGroup(ctx context.Context, group string, members int) error {
	var last error
	for range every(ctx, 50*time.Millisecond) {
		resp, err := s.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		switch {
		case err != nil:
			last = err
		case len(resp.Groups) != 1 || resp.Groups[0].Error != nil:
			last = fmt.Errorf("%+v", resp.Groups)
		case resp.Groups[0].GroupState == "Stable" && len(resp.Groups[0].Members) == members:
			return nil
		default:
			last = fmt.Errorf("it is %s with %d", resp.Groups[0].GroupState, len(resp.Groups[0].Members))
		}
	}
	return fmt.Errorf("waiting until group %s is stable with %d members: %w; %w", group, members, context.Cause(ctx), last)
}

// every yields, again and again, until ctx ends.
func every(ctx context.Context, d time.Duration) func(yield func() bool) {
	return func(yield func() bool) {
		again := time.NewTicker(d)
		defer again.Stop()
		for yield() {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// committed returns the offset that a group has committed in each partition, 0
// where it has none.
func (s *servers) committed(ctx context.Context, group, topic string, partitions int) ([]int64, error) {
	var ask []int
	for p := range partitions {
		ask = append(ask, p)
	}
	resp, err := s.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: ask}})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", group, err)
	}
	committed := make([]int64, partitions)
	for _, p := range resp.Topics[topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("asking for the offset of group %s, partition %d: %w", group, p.Partition, p.Error)
		}
		committed[p.Partition] = max(0, p.CommittedOffset) // -1: nothing committed
	}
	return committed, nil
}

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
