// Package consumer is the worker's Kafka side: it joins a consumer group, reads
// the partitions it is given, remembers which messages are settled, commits
// offsets, and sets poison messages aside as dead letters.
//
// It knows what a message is (package pipeline) but not what is done with one.
//
//	group ─► generation ─► one partition reader each ─► budget ─► queue ─► Fetch
//	              │                    │                             │
//	              │                 Tracker ◄──────── Settle ◄───────┘
//	              └── commits the mark of every tracker, and at a revoke:
//	                  stop fetching, wait for what is out, commit, fence
//
// What is not obvious:
//
//   - kafka-go's Reader with a group commits old messages under a new generation;
//     its Generation stops its heartbeat the moment a rebalance begins. So
//     commits go through Client.OffsetCommit with the generation they belong to,
//     and while a revoke waits for what is out they are repeated: that keeps the
//     member alive.
//   - kafka-go's Reader of one partition hands out control records and the
//     messages of aborted transactions, also with ReadCommitted; it steps over
//     deleted offsets without a word and tries a batch that it cannot read for
//     ever in silence. So partitions are read here, through kafka-go's Transport.
//   - A topic may be deleted and made again under its name. What tells the two
//     apart is the topic's id: partitions are read by it, and message ids hold it.
//   - Kafka checks the member and the generation of a commit, never whether the
//     member owns the partition. So a tracker belongs to one partition in one
//     generation, and after a failed commit nothing is tried again under a later
//     one.
//   - Everything that ends early (a crash, a fence, an abandoned message) is read
//     again by the next owner. Message ids make the second result a duplicate
//     that JetStream drops.
package consumer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sweetspot/pipeline"
)

// Parts is what a consumer needs beyond its settings.
type Parts struct {
	Drain    time.Duration // SWEET_DRAIN: time to settle what is in flight, at a stop or a revoke
	IDSuffix string        // SWEET_NATS_ID_SUFFIX: ends every message id
	Version  string        // of the worker, for the header sweet-worker of dead letters
	Metrics  *Metrics
	Logger   *slog.Logger
}

// ErrStopped is what Fetch returns when the consumer takes in no more. The
// caller settles what it has and ends.
var ErrStopped = errors.New("the consumer has stopped")

// Kafka is a member of a consumer group. It is the pipeline's Source and its
// DeadLetters. Its methods may be called from several goroutines.
//
// A stop goes in this order: the context of Run ends, and Fetch returns
// [ErrStopped]; the pipeline settles what it has, while Run commits; Run makes
// the last commit, leaves the group and returns. Close cuts the wait short
// when the pipeline has ended and nothing more will be settled.
type Kafka struct {
	cfg     Config
	intake  Intake
	parts   Parts
	tuning  tuning
	log     *slog.Logger
	lines   *throttle
	metrics *Metrics
	net     *network
	budget  *budget
	queue   *queue
	letters letters

	finish      chan struct{} // closed by Close: nothing more will be settled
	finishOnce  sync.Once
	ended       chan struct{} // closed when Run has returned
	started     atomic.Bool
	identity    atomic.Pointer[identity]
	connected   atomic.Bool // a member of the group, as last heard
	complete    atomic.Bool // every topic exists
	current     atomic.Pointer[assignment]
	assignments atomic.Int64              // that there have been
	waiting     atomic.Pointer[time.Time] // the oldest unsettled message of the last assignment
	founding    layout                    // as first joined, without topics that went missing; Run writes it while nobody reads partitions
}

// An identity is what message ids begin with.
type identity struct{ cluster, prefix string }

// tuning holds what no user needs to know, and tests change.
type tuning struct {
	dial         dialFunc
	request      time.Duration // for one request and its answer
	commitEvery  time.Duration
	lateCommit   time.Duration // how long a commit that was given up may still arrive
	lagEvery     time.Duration // between two looks at the end offsets of paused partitions
	watchEvery   time.Duration // between two looks at the number of partitions
	topicEvery   time.Duration // between two looks for missing topics
	joinBackoff  time.Duration
	leaveGrace   time.Duration // to leave the group, before its connections are cut
	stuckAfter   time.Duration
	believeAfter time.Duration // that the log ends before our offset
	sayAgain     time.Duration // between two log lines of one kind
}

func defaultTuning() tuning {
	d := &net.Dialer{KeepAlive: 30 * time.Second}
	return tuning{
		dial:         d.DialContext,
		request:      10 * time.Second,
		commitEvery:  500 * time.Millisecond,
		lateCommit:   time.Minute,
		lagEvery:     time.Second,
		watchEvery:   10 * time.Second,
		topicEvery:   2 * time.Second,
		joinBackoff:  time.Second,
		leaveGrace:   time.Second,
		stuckAfter:   30 * time.Second,
		believeAfter: 5 * time.Second,
		sayAgain:     time.Minute,
	}
}

// Open returns a consumer that has not joined its group yet: Run does. Its
// errors are configuration errors.
func Open(cfg Config, in Intake, parts Parts) (*Kafka, error) {
	return open(cfg, in, parts, defaultTuning())
}

func open(cfg Config, in Intake, parts Parts, t tuning) (*Kafka, error) {
	if err := errors.Join(cfg.Validate(), in.Validate(), cfg.ValidateWith(in, parts.Drain)); err != nil {
		return nil, err
	}
	k := &Kafka{
		cfg: cfg, intake: in, parts: parts, tuning: t,
		log: parts.Logger, lines: newThrottle(t.sayAgain), metrics: parts.Metrics,
		budget: newBudget(in.InFlight, int64(in.InFlightBytes), parts.Metrics.inFlight),
		queue:  newQueue(),
		finish: make(chan struct{}), ended: make(chan struct{}),
	}
	k.net = newNetwork(cfg, t, append(slices.Clone(cfg.Topics), in.DLQ.Topics()...))
	k.letters = newLetters(k)
	parts.Metrics.watchOldest(k.oldest)
	if cfg.Cluster != "" {
		k.identify(cfg.Cluster)
	}
	return k, nil
}

// identify settles what message ids begin with.
func (k *Kafka) identify(cluster string) {
	k.identity.Store(&identity{cluster: cluster, prefix: escape(cluster) + "/" + escape(k.cfg.Group) + "/"})
}

// escape keeps a part of an id from running into the next.
func escape(part string) string {
	return strings.NewReplacer("%", "%25", "/", "%2F", " ", "%20").Replace(part)
}

func (k *Kafka) clusterID() string { return k.identity.Load().cluster }

// messageID returns cluster/group/topic:id/partition/offset/timestamp_ms and the
// suffix: the same for every reading of one record, another for a second group,
// and another for a topic that was made again, whatever is put in it. The topic
// has no id where the brokers are older than Kafka 2.8.
func (k *Kafka) messageID(o pipeline.Origin, id topicID) string {
	prefix := k.identity.Load().prefix
	b := make([]byte, 0, len(prefix)+len(o.Topic)+len(k.parts.IDSuffix)+80)
	b = append(append(b, prefix...), o.Topic...)
	if id != (topicID{}) {
		b = base64.RawURLEncoding.AppendEncode(append(b, ':'), id[:])
	}
	b = strconv.AppendInt(append(b, '/'), int64(o.Partition), 10)
	b = strconv.AppendInt(append(b, '/'), o.Offset, 10)
	b = strconv.AppendInt(append(b, '/'), o.Time.UnixMilli(), 10)
	return string(append(b, k.parts.IDSuffix...))
}

// Run joins the group and reads until ctx ends, then waits for what is in
// flight, commits and leaves; see [Kafka]. It waits for brokers and topics that
// are not there, and returns an error only where waiting does not help. It is
// called once.
func (k *Kafka) Run(ctx context.Context) error {
	if !k.started.CompareAndSwap(false, true) {
		return errors.New("the consumer was started before")
	}
	defer close(k.ended)
	defer k.net.close()
	defer k.setConnected(false)
	defer k.waiting.Store(nil)
	defer k.queue.close(ErrStopped)
	defer context.AfterFunc(ctx, func() { k.queue.close(ErrStopped) })()
	if err := k.prepare(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		topics := k.awaitTopics(ctx)
		if len(topics) == 0 {
			break
		}
		if err := k.join(ctx, topics); err != nil {
			return err
		}
	}
	return nil
}

// most is how many messages one Fetch returns at most.
const most = 1024

// Fetch blocks until there is at least one message. It returns [ErrStopped]
// after the end of Run's context. See [pipeline.Source].
func (k *Kafka) Fetch(ctx context.Context) ([]*pipeline.Message, error) {
	for {
		ds, err := k.queue.take(ctx, most)
		if err != nil {
			return nil, err
		}
		messages := make([]*pipeline.Message, 0, len(ds))
		for _, d := range ds {
			if !d.tracker.Hand(d.number) {
				k.budget.release(d.size) // its partition was revoked meanwhile
				continue
			}
			k.metrics.read.WithLabelValues(d.part.topic).Inc()
			messages = append(messages, d.message)
		}
		if len(messages) > 0 {
			return messages, nil
		}
	}
}

// Backlog reports what is waiting upstream, in the partitions that are ours.
func (k *Kafka) Backlog() pipeline.Backlog {
	a := k.current.Load()
	if a == nil {
		return pipeline.Backlog{Oldest: k.oldest(), Stalled: true}
	}
	b := pipeline.Backlog{Oldest: a.oldest(), Epoch: a.number}
	for _, p := range a.parts {
		b.Messages += p.unsettled()
		b.Arrived += p.arrived.Load()
	}
	// A partition that cannot be read must not hide what arrives in the others.
	readable := a.readable()
	b.Stalled = len(readable) == 0 && len(a.parts) > 0
	b.Heard = heard(readable)
	if b.Stalled {
		b.Heard = heard(a.parts)
	}
	return b
}

// oldest returns the record time of the oldest unsettled message. Between two
// assignments it is still that of the one before: what it left is waiting.
func (k *Kafka) oldest() time.Time {
	if a := k.current.Load(); a != nil {
		return a.oldest()
	}
	if at := k.waiting.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// Ready reports whether the worker is a member of its group and every topic
// exists.
func (k *Kafka) Ready() bool { return k.connected.Load() && k.complete.Load() }

func (k *Kafka) setConnected(yes bool) {
	k.connected.Store(yes)
	k.metrics.connected.Set(map[bool]float64{true: 1}[yes])
}

// Write sets letters aside. See [pipeline.DeadLetters].
func (k *Kafka) Write(ctx context.Context, letters []pipeline.DeadLetter) error {
	return k.letters.write(ctx, letters)
}

// Close says that nothing more will be settled, and waits until Run has made
// the last commit, left the group and returned. Run's context must have ended,
// or end soon. It closes the writer of dead letters.
func (k *Kafka) Close(ctx context.Context) error {
	k.finishOnce.Do(func() { close(k.finish) })
	if k.started.Load() {
		select {
		case <-k.ended:
		case <-ctx.Done():
			return fmt.Errorf("leaving the group: %w", context.Cause(ctx))
		}
	}
	defer k.net.close()
	return k.letters.close(ctx)
}
