package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/config/access"
)

// prepare waits for a broker, and learns the cluster's id. Brokers that do not
// let the worker in are an error, and so are rights that it lacks, and a
// dead-letter topic that does not exist: the first poison message would find
// out. Anything else may pass, as while brokers start, and is asked again.
func (k *Kafka) prepare(ctx context.Context) error {
	letters := k.intake.DLQ.Topics()
	if len(letters) == 0 {
		k.log.WarnContext(ctx, "poison messages will be lost: SWEET_DLQ=drop")
	}
	for {
		c, err := k.describe(ctx, append(letters, k.cfg.Topics...), access.IsFinal)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the error is that of the stop itself
			}
			return err
		}
		if k.cfg.Cluster == "" {
			k.identify(cmp.Or(c.id, "kafka")) // brokers before 0.10.1 have no id
		}
		err = k.checkLetters(letters, c)
		if err == nil || isLasting(err) {
			return errors.Join(err, k.checkRights(ctx, letters, c))
		}
		if k.lines.allow("letters") {
			k.log.WarnContext(ctx, "dead-letter topic is not ready, trying again", slog.Any("error", err))
		}
		pause(ctx, k.tuning.topicEvery)
	}
}

// checkLetters returns what keeps the topic of dead letters from being written.
func (k *Kafka) checkLetters(letters []string, c cluster) error {
	for _, t := range letters {
		err := c.missing[t]
		if errors.Is(err, kafka.TopicAuthorizationFailed) {
			return fmt.Errorf("SWEET_DLQ=%s: %w", k.intake.DLQ, k.cfg.missing(err, writeTopic(t)))
		}
		if err != nil {
			return fmt.Errorf("SWEET_DLQ=%s: topic %s cannot be written: %w; create it, or name another one", k.intake.DLQ, t, err)
		}
	}
	return nil
}

// isLasting reports whether only a person can change what err says of a topic.
func isLasting(err error) bool {
	return errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.InvalidTopic) ||
		errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed)
}

// describe asks for the cluster and the given topics until a broker answers.
// Its only errors are the end of ctx, and those that are final.
func (k *Kafka) describe(ctx context.Context, topics []string, final func(error) bool) (cluster, error) {
	for {
		c, err := k.net.describe(ctx, topics)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if final(err) {
			return c, err
		}
		k.unanswered(ctx, err)
		pause(ctx, k.tuning.joinBackoff)
	}
}

// never is for a worker that was let in once: what keeps it out since may pass,
// as while passwords are exchanged.
func never(error) bool { return false }

// unanswered notes that no broker answers.
func (k *Kafka) unanswered(ctx context.Context, err error) {
	k.setConnected(false)
	if k.lines.allow(lineKind("describe", err)) {
		k.log.WarnContext(ctx, "no broker answers, trying again", slog.Any("brokers", k.cfg.Brokers), slog.Any("error", err))
	}
}

// awaitTopics waits until at least one topic can be read, and returns those
// that can. A group that asks for a topic that does not exist gets none at all
// assigned, and brokers may create it, with as many partitions as they like.
func (k *Kafka) awaitTopics(ctx context.Context) layout {
	for {
		c, err := k.describe(ctx, k.cfg.Topics, never)
		if err != nil {
			return nil
		}
		if k.complain(ctx, c); len(c.topics) > 0 {
			return c.topics
		}
		pause(ctx, k.tuning.topicEvery)
	}
}

// complain notes whether every topic can be read, and names those that cannot.
func (k *Kafka) complain(ctx context.Context, c cluster) {
	k.complete.Store(len(c.missing) == 0)
	for t, err := range c.missing {
		delete(k.founding, t) // what comes under this name is another topic
		err = k.cfg.explain(err, readTopic(t), right{})
		if k.lines.allow("topic/" + t) {
			k.log.ErrorContext(ctx, "topic cannot be read, waiting for it", slog.String("topic", t), slog.Any("error", err),
				slog.String("hint", "create the topic, allow this worker's user to read it, or correct SWEET_KAFKA_TOPICS"))
		}
	}
}

// watchTopics returns when the topics or their partitions are others than
// seen, or ctx ends. kafka-go can watch for new partitions too, but it would
// create a deleted topic again and rejoin without a rest while it is missing.
//
// Partitions are never taken from a topic, so more of them are believed at
// once. Less than was seen must be seen twice: a broker that has just started,
// or has lost its controller, may not know every topic for a moment.
func (k *Kafka) watchTopics(ctx context.Context, seen layout) {
	every := k.tuning.watchEvery
	if len(seen) < len(k.cfg.Topics) {
		every = k.tuning.topicEvery
	}
	var doubted layout // what the last look found, if it needs another
	for ctx.Err() == nil {
		if doubted == nil {
			pause(ctx, every)
		} else {
			pause(ctx, k.tuning.topicEvery)
		}
		c, err := k.net.describe(ctx, k.cfg.Topics)
		switch {
		case err != nil:
		case maps.Equal(c.topics, seen):
			doubted = nil
		case c.topics.covers(seen), doubted != nil && maps.Equal(c.topics, doubted):
			return
		default:
			doubted = c.topics
		}
	}
}

// covers reports whether l has every topic of other, with no fewer partitions.
func (l layout) covers(other layout) bool {
	for t, n := range other {
		if l[t] < n {
			return false
		}
	}
	return true
}

// join is a member of the group until ctx ends or other topics can be read.
func (k *Kafka) join(ctx context.Context, seen layout) error {
	if k.founding == nil {
		k.founding = maps.Clone(seen)
	}
	conns := &connSet{}
	topics := slices.Sorted(maps.Keys(seen))
	group, err := kafka.NewConsumerGroup(k.groupConfig(topics, conns))
	if err != nil {
		return fmt.Errorf("joining the group: %w", err)
	}
	member := ""
	defer func() { k.leave(context.WithoutCancel(ctx), group, conns, member) }()
	for {
		gen, err := k.next(ctx, group)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if err := k.notJoined(ctx, member, err); err != nil {
				return err
			}
			continue
		}
		member = gen.MemberID
		k.lines.forget("join")
		k.lines.forget("slow join")
		k.lines.forget("describe")
		began := time.Now()
		served := make(chan struct{})
		gen.Start(func(revoked context.Context) {
			defer close(served)
			k.newAssignment(gen).serve(ctx, revoked, seen)
			k.rest(ctx, began)
		})
		<-served
		if seen = k.look(ctx, seen); !slices.Equal(slices.Sorted(maps.Keys(seen)), topics) {
			return nil
		}
	}
}

// next returns the generation that the group begins. Kafka answers a request to
// join when every member has come, which takes up to the rebalance timeout, and
// a broker that never answers looks just like that. So it says soon that this
// worker is no member meanwhile.
func (k *Kafka) next(ctx context.Context, group *kafka.ConsumerGroup) (*kafka.Generation, error) {
	timed, cancel := context.WithTimeout(ctx, k.tuning.request)
	defer cancel()
	gen, err := group.Next(timed)
	if !errors.Is(err, context.DeadlineExceeded) || timed.Err() == nil || ctx.Err() != nil {
		return gen, err
	}
	k.setConnected(false)
	if k.lines.allow("slow join") {
		k.log.WarnContext(ctx, "joining the group takes long: another member is slow to give up partitions, or the coordinator does not answer",
			slog.String("group", k.cfg.Group), slog.Duration("so_far", k.tuning.request), slog.Duration("at_most", k.tuning.request+k.cfg.RebalanceTimeout))
	}
	return group.Next(ctx)
}

// look returns the topics that can be read now, and the old ones where no
// broker answers at once. Like watchTopics it believes in less than the old
// ones only the second time.
func (k *Kafka) look(ctx context.Context, old layout) layout {
	var doubted layout
	for ctx.Err() == nil {
		timed, cancel := context.WithTimeout(ctx, k.tuning.topicEvery)
		c, err := k.net.describe(timed, k.cfg.Topics)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				k.unanswered(ctx, err) // else it would be said only when joining fails, much later
			}
			return old
		}
		if c.topics.covers(old) || doubted != nil && maps.Equal(c.topics, doubted) {
			k.complain(ctx, c)
			return c.topics
		}
		doubted = c.topics
		pause(ctx, k.tuning.topicEvery)
	}
	return old
}

// rest slows down generations that end at once: kafka-go rejoins without a
// pause.
func (k *Kafka) rest(ctx context.Context, began time.Time) {
	if time.Since(began) < k.cfg.Heartbeat/2 {
		pause(ctx, min(k.tuning.joinBackoff, k.cfg.SessionTimeout/3))
	}
}

// notJoined deals with a failure to become a member. It returns an error only
// where trying again does not help. Rights that a member had once may come back.
func (k *Kafka) notJoined(ctx context.Context, member string, err error) error {
	switch {
	case errors.Is(err, kafka.RebalanceInProgress):
		return nil // others are joining too; kafka-go tries again at once
	case errors.Is(err, kafka.InvalidSessionTimeout):
		return fmt.Errorf("joining the group: SWEET_KAFKA_SESSION_TIMEOUT=%v is outside what the brokers allow (group.min.session.timeout.ms, group.max.session.timeout.ms): %w", k.cfg.SessionTimeout, err)
	case errors.Is(err, kafka.InvalidGroupId):
		return fmt.Errorf("joining the group: SWEET_KAFKA_GROUP=%q: %w", k.cfg.Group, err)
	}
	err = k.cfg.explain(err, describeTopic(strings.Join(k.cfg.Topics, ", ")), readGroup(k.cfg.Group))
	if member == "" && errors.Is(err, kafka.GroupAuthorizationFailed) {
		return fmt.Errorf("joining the group: SWEET_KAFKA_GROUP: %w", err)
	}
	k.setConnected(false)
	if k.lines.allow(lineKind("join", err)) {
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
		GroupBalancers:    balancers,
		HeartbeatInterval: k.cfg.Heartbeat,
		SessionTimeout:    k.cfg.SessionTimeout,
		RebalanceTimeout:  k.cfg.RebalanceTimeout,
		JoinGroupBackoff:  k.tuning.joinBackoff,
		StartOffset:       start,
		Timeout:           k.tuning.request,
		ErrorLogger:       kafka.LoggerFunc(k.debug),
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
