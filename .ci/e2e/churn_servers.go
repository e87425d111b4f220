package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

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
