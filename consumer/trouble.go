package consumer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	kafka "github.com/segmentio/kafka-go"
)

// A trouble is a row of failures of one partition without any progress.
type trouble struct {
	since    time.Time
	failures int
	stuck    bool
}

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// surelyStuck is how often the same batch must fail to decode: what is damaged
// in the log stays damaged, what was damaged on the way does not.
const surelyStuck = 3

// failed notes a failure, says so when the partition has been stuck for long
// enough, and waits before the next try.
func (p *partition) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // we are the cause
	}
	p.failing.Store(true)
	t := &p.trouble
	if t.failures == 0 {
		t.since = time.Now()
	}
	t.failures++
	var d *damage
	damaged := errors.As(err, &d)
	if mayHaveMoved(err) && t.failures&(t.failures-1) == 0 {
		p.k.net.refresh() // ever more rarely: it costs every partition its connections
	}
	if !t.stuck && (time.Since(t.since) >= p.k.tuning.stuckAfter || damaged && t.failures >= surelyStuck) {
		t.stuck = true
		p.k.metrics.stuck.Inc()
	}
	p.complain(ctx, err)
	pause(ctx, min(firstBackoff<<min(t.failures-1, 10), lastBackoff))
}

// mayHaveMoved reports whether err may mean that the partition has another
// leader, or its leader another address.
func mayHaveMoved(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		var d *damage
		return !errors.As(err, &d) && !errors.Is(err, errNothing) && !errors.Is(err, errTooOld)
	}
	return slices.Contains([]kafka.Error{
		kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.ReplicaNotAvailable, kafka.BrokerNotAvailable,
		kafka.UnknownTopicOrPartition, kafka.UnknownTopicID, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch,
		kafka.NetworkException, kafka.KafkaStorageError, kafka.NotCoordinatorForGroup, kafka.GroupCoordinatorNotAvailable,
	}, code)
}

func (p *partition) complain(ctx context.Context, err error) {
	err = p.k.cfg.explain(err, readTopic(p.topic), right{})
	where := []any{slog.String("topic", p.topic), slog.Int("partition", p.id), slog.Int64("offset", p.position), slog.Any("error", err)}
	switch {
	case p.trouble.stuck && p.k.lines.allow("stuck/"+p.String()):
		p.k.log.ErrorContext(ctx, "partition is stuck", append(where, slog.String("hint", hint(err)))...)
	case !p.trouble.stuck && p.k.lines.allow("failed/"+p.String()):
		p.k.log.WarnContext(ctx, "fetching failed, trying again", where...)
	}
}

const stepOver = "to step over it stop the workers and move the group past it with kafka-consumer-groups --reset-offsets --to-offset"

// hint says what a person can do about a stuck partition.
func hint(err error) string {
	var d *damage
	var code kafka.Error
	switch {
	case errors.As(err, &d):
		return "this batch cannot be read; " + stepOver
	case errors.As(err, &code) && code == kafka.TopicAuthorizationFailed:
		return "allow this worker's user to READ the topic"
	case errors.Is(err, errTooOld):
		return "upgrade the brokers"
	}
	return "look at the partition's leader: kafka-topics --describe"
}

// end notes progress.
func (t *trouble) end(p *partition) {
	if t.stuck {
		p.k.metrics.stuck.Dec()
		p.k.lines.forget("stuck/" + p.String())
		p.k.lines.forget("failed/" + p.String())
	}
	*t = trouble{}
}

// refused deals with an error code in the answer to a fetch.
func (p *partition) refused(ctx context.Context, code kafka.Error) {
	if slices.Contains([]kafka.Error{kafka.UnknownTopicID, kafka.InconsistentTopicID, kafka.UnknownTopicOrPartition}, code) {
		p.unknown(ctx, code)
		return
	}
	if code != kafka.OffsetOutOfRange {
		p.failed(ctx, code)
		return
	}
	first, end, err := p.k.net.bounds(ctx, p.topic, p.id, ReadUncommitted) // whatever may be read of it
	switch {
	case err != nil:
		p.failed(ctx, err)
	case p.position < first:
		p.truncated(ctx, first)
	case p.position > end:
		p.hear(end)
		p.beyond(ctx, first, end)
	default: // the log has grown meanwhile
		p.failed(ctx, code)
	}
}

// unknown deals with a topic that a broker does not know under its id. It may
// not have heard of it yet; or the topic was deleted, and perhaps made again, and
// then another id is found under its name. The new log is read from its beginning,
// see [partition.beyond].
func (p *partition) unknown(ctx context.Context, code kafka.Error) {
	p.ids.doubt(p.topic, p.log)
	p.failed(ctx, code)
	id, err := p.ids.get(ctx, p.topic)
	if err != nil {
		p.failed(ctx, err)
		return
	}
	if none := (topicID{}); id == p.log || id == none || p.log == none {
		return // brokers that begin to give ids, one after the other, have not made the topic again
	}
	first, end, err := p.k.net.bounds(ctx, p.topic, p.id, ReadUncommitted)
	if err != nil {
		p.failed(ctx, err)
		return
	}
	p.k.log.WarnContext(ctx, "the topic was made again",
		slog.String("topic", p.topic), slog.Int("partition", p.id), slog.String("id", id.String()), slog.String("old_id", p.log.String()),
		slog.Int64("offset", p.position), slog.Int64("end", end), slog.Int64("start", first))
	p.log = id
	p.anew(first)
}

// truncated goes on where the log begins, after it was cut before we read it.
// kafka-go's Reader does the same without a word.
func (p *partition) truncated(ctx context.Context, first int64) {
	p.k.metrics.gaps.Inc()
	p.k.log.WarnContext(ctx, "messages were deleted before they were read: retention is shorter than the lag",
		slog.String("topic", p.topic), slog.Int("partition", p.id),
		slog.Int64("from", p.position), slog.Int64("to", first), slog.Int64("offsets", first-p.position))
	p.position = first
	p.tracker.Load().Skip(first)
}

// beyond deals with a log that ends before our offset: the topic was deleted
// and made again, or its end was lost with its leader. A new leader may know
// its end late, so it must stay so for a while before we believe it. Whatever
// SWEET_KAFKA_START says, the new log is read from its beginning: the group was
// reading when it was written.
func (p *partition) beyond(ctx context.Context, first, end int64) {
	if p.behind.IsZero() {
		p.behind = time.Now()
	}
	if time.Since(p.behind) < p.k.tuning.believeAfter {
		p.failed(ctx, kafka.OffsetOutOfRange)
		return
	}
	p.k.log.WarnContext(ctx, "the log ends before the group's offset: the topic was made again or lost its end",
		slog.String("topic", p.topic), slog.Int("partition", p.id),
		slog.Int64("offset", p.position), slog.Int64("end", end),
		slog.Int64("start", first))
	p.anew(first)
}

// anew begins with another log, of which nothing is known yet.
func (p *partition) anew(first int64) {
	p.k.metrics.gaps.Inc()
	p.behind = time.Time{}
	p.highest.Store(-1) // growth counts from the first end that is heard of the new log
	p.position = first
	p.restart()
	poke(p.found)
}
