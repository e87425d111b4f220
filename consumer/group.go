package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// prepare waits for a broker, and learns the cluster's id. A dead-letter topic
// that does not exist is an error: the first poison message would find out.
func (k *Kafka) prepare(ctx context.Context) error {
	letters := k.intake.DLQ.Topics()
	if len(letters) == 0 {
		k.log.WarnContext(ctx, "poison messages will be lost: SWEET_DLQ=drop")
	}
	c, err := k.describe(ctx, append(letters, k.cfg.Topics...))
	if err != nil {
		return nil //nolint:nilerr // only the end of ctx stops the asking
	}
	if k.cfg.Cluster == "" {
		k.identify(cmp.Or(c.id, "kafka")) // brokers before 0.10.1 have no id
	}
	for _, t := range k.intake.DLQ.Topics() {
		if err := c.missing[t]; err != nil {
			return fmt.Errorf("SWEET_DLQ=%s: topic %s cannot be written: %w; create it, or name another one", k.intake.DLQ, t, err)
		}
	}
	return nil
}

// describe asks for the cluster and the given topics until a broker answers.
// Its only error is the end of ctx.
func (k *Kafka) describe(ctx context.Context, topics []string) (cluster, error) {
	for {
		c, err := k.net.describe(ctx, topics)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		k.setConnected(false)
		if k.lines.allow("describe") {
			k.log.WarnContext(ctx, "no broker answers, trying again", slog.Any("brokers", k.cfg.Brokers), slog.Any("error", err))
		}
		pause(ctx, k.tuning.joinBackoff)
	}
}

// awaitTopics waits until at least one topic can be read, and returns those
// that can. Joining for a topic that does not exist would make kafka-go rejoin
// without a rest, and no other topic would be assigned to anybody.
func (k *Kafka) awaitTopics(ctx context.Context) []string {
	for {
		c, err := k.describe(ctx, k.cfg.Topics)
		if err != nil {
			return nil
		}
		if there := k.readable(ctx, c); len(there) > 0 {
			return there
		}
		pause(ctx, k.tuning.topicEvery)
	}
}

// readable returns the topics that can be read, and complains about the rest.
func (k *Kafka) readable(ctx context.Context, c cluster) []string {
	var there []string
	for _, t := range k.cfg.Topics {
		err := c.missing[t]
		if err == nil {
			there = append(there, t)
			continue
		}
		if k.lines.allow("topic/" + t) {
			k.log.ErrorContext(ctx, "topic cannot be read, waiting for it", slog.String("topic", t), slog.Any("error", err),
				slog.String("hint", "create the topic, allow this worker's user to describe it, or correct SWEET_KAFKA_TOPICS"))
		}
	}
	k.complete.Store(len(there) == len(k.cfg.Topics))
	return there
}

// watchTopics calls changed when other topics than these can be read: a
// missing one has appeared, or one of ours is gone.
func (k *Kafka) watchTopics(ctx context.Context, topics []string, changed func()) {
	if len(topics) == len(k.cfg.Topics) {
		return // one that goes away ends the generation by itself
	}
	for ctx.Err() == nil {
		pause(ctx, k.tuning.topicEvery)
		c, err := k.net.describe(ctx, k.cfg.Topics)
		if err == nil && !slices.Equal(k.readable(ctx, c), topics) {
			changed()
			return
		}
	}
}

// join is a member of the group, for the given topics, until ctx ends or other
// topics can be read.
func (k *Kafka) join(ctx context.Context, topics []string) error {
	conns := &connSet{}
	group, err := kafka.NewConsumerGroup(k.groupConfig(topics, conns))
	if err != nil {
		return fmt.Errorf("joining the group: %w", err)
	}
	member := ""
	defer func() { k.leave(context.WithoutCancel(ctx), group, conns, member) }()
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if err := k.notJoined(ctx, err); err != nil {
				return err
			}
			continue
		}
		member = gen.MemberID
		k.lines.forget("join")
		began := time.Now()
		served := make(chan struct{})
		gen.Start(func(revoked context.Context) {
			defer close(served)
			k.newAssignment(gen).serve(ctx, revoked, topics)
			k.rest(ctx, began)
		})
		<-served
		if k.otherTopics(ctx, topics) {
			return nil
		}
	}
}

// rest slows down generations that end at once: kafka-go rejoins without a
// pause where the watch for new partitions fails.
func (k *Kafka) rest(ctx context.Context, began time.Time) {
	if time.Since(began) < k.cfg.Heartbeat/2 {
		pause(ctx, min(k.tuning.joinBackoff, k.cfg.SessionTimeout/3))
	}
}

// otherTopics reports whether the topics that can be read have changed.
func (k *Kafka) otherTopics(ctx context.Context, topics []string) bool {
	ctx, cancel := context.WithTimeout(ctx, k.tuning.topicEvery) // not worth a long wait
	defer cancel()
	c, err := k.net.describe(ctx, k.cfg.Topics)
	return err == nil && !slices.Equal(k.readable(ctx, c), topics)
}

// notJoined deals with a failure to become a member. It returns an error only
// where trying again does not help.
func (k *Kafka) notJoined(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, kafka.RebalanceInProgress):
		return nil // others are joining too; kafka-go tries again at once
	case errors.Is(err, kafka.InvalidSessionTimeout):
		return fmt.Errorf("joining the group: SWEET_KAFKA_SESSION_TIMEOUT=%v is outside what the brokers allow (group.min.session.timeout.ms, group.max.session.timeout.ms): %w", k.cfg.SessionTimeout, err)
	case errors.Is(err, kafka.InvalidGroupId):
		return fmt.Errorf("joining the group: SWEET_KAFKA_GROUP=%q: %w", k.cfg.Group, err)
	}
	k.setConnected(false)
	if k.lines.allow("join") {
		k.log.WarnContext(ctx, "joining the group failed, trying again", slog.String("group", k.cfg.Group), slog.Any("error", err))
	}
	return nil
}

func (k *Kafka) groupConfig(topics []string, conns *connSet) kafka.ConsumerGroupConfig {
	start := kafka.FirstOffset
	if k.cfg.Start == Latest {
		start = kafka.LastOffset
	}
	balancers := []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}}
	if k.cfg.Rack != "" {
		balancers = append([]kafka.GroupBalancer{kafka.RackAffinityGroupBalancer{Rack: k.cfg.Rack}}, balancers...)
	}
	return kafka.ConsumerGroupConfig{
		ID: k.cfg.Group, Brokers: k.cfg.Brokers, Topics: topics, Dialer: k.net.dialer(conns),
		GroupBalancers:         balancers,
		HeartbeatInterval:      k.cfg.Heartbeat,
		SessionTimeout:         k.cfg.SessionTimeout,
		RebalanceTimeout:       k.cfg.RebalanceTimeout,
		JoinGroupBackoff:       k.tuning.joinBackoff,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: k.tuning.watchEvery,
		StartOffset:            start,
		Timeout:                k.tuning.request,
		ErrorLogger:            kafka.LoggerFunc(k.debug),
	}
}

// debug takes kafka-go's own lines. What matters in them comes as an error too.
func (k *Kafka) debug(format string, args ...any) {
	k.log.Debug("kafka client", slog.String("text", fmt.Sprintf(format, args...)))
}

// leave leaves the group. Where kafka-go waits for an answer, as in a JoinGroup
// that waits for a slow member, its connections are cut, and the leaving is
// said on another one: a member that goes without a word is waited for.
func (k *Kafka) leave(ctx context.Context, group *kafka.ConsumerGroup, conns *connSet, member string) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = group.Close() // it has no errors
	}()
	grace := time.NewTimer(k.tuning.leaveGrace)
	defer grace.Stop()
	select {
	case <-closed:
		return
	case <-grace.C:
	}
	conns.cutAll()
	<-closed
	if member == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, k.tuning.leaveGrace)
	defer cancel()
	_, err := k.net.client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{
		GroupID: k.cfg.Group, Members: []kafka.LeaveGroupRequestMember{{ID: member}},
	})
	if err != nil {
		k.log.WarnContext(ctx, "leaving the group failed: it waits for this worker until the session timeout", slog.Any("error", err))
	}
}
