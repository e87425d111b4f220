// Package publish makes results durable in a NATS JetStream stream.
//
// Every result is published with a message id, and counts as durable when the
// server has acknowledged it. One without an acknowledgement is reported as
// failed, and the pipeline publishes it again under the same id: where the
// first attempt did arrive, the server drops the second. The package knows
// subjects, headers and JSON; it knows neither Kafka nor how results come about.
//
// # What is not obvious
//
//   - While no server is reachable nothing is buffered: publishing fails at once.
//   - On a disconnect every acknowledgement under way is lost, though the
//     results may have been stored.
//   - The server remembers ids for the stream's duplicate window only. A result
//     published again after that is stored twice.
//   - A result that the server or the stream will never take, because it is too
//     large, or that the client will not send, is reported as refused; the
//     pipeline makes a dead letter of it.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/pipeline"
)

// JetStream publishes results to a stream. It implements [pipeline.Publisher].
type JetStream struct {
	cfg      Config
	stamp    Stamp
	carried  map[string]bool // headers that go over to the result
	subject  template
	metrics  *Metrics
	link     *link
	nc       *nats.Conn
	js       jetstream.JetStream
	opts     []jetstream.PublishOpt
	slots    chan struct{} // holds one for every result under way
	refusals refusals
}

// Open connects to the servers and checks that the stream is there and takes
// the results. It waits for a server that is down until ctx ends.
func Open(ctx context.Context, cfg Config, stamp Stamp, m *Metrics, log *slog.Logger) (*JetStream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	subject, err := parseTemplate(cfg.Subject)
	if err != nil {
		return nil, fmt.Errorf("SWEET_NATS_SUBJECT=%s: %w", cfg.Subject, err)
	}
	j := &JetStream{
		cfg: cfg, stamp: stamp, subject: subject, metrics: m,
		carried: map[string]bool{"traceparent": true, "tracestate": true},
		slots:   make(chan struct{}, cfg.Pending),
		link:    newLink(),
	}
	for _, h := range stamp.CopyHeaders {
		j.carried[h] = true
	}
	// The pipeline tries again by itself, and the slots keep us from stalling.
	j.opts = []jetstream.PublishOpt{jetstream.WithRetryAttempts(0)}
	if !subject.has(partitionPart) {
		// Else the subjects may be shared out among streams.
		j.opts = append(j.opts, jetstream.WithExpectStream(cfg.Stream))
	}
	if err := j.connect(ctx, log); err != nil {
		return nil, err
	}
	if err := j.checkStream(ctx, log); err != nil {
		j.nc.Close()
		return nil, err
	}
	return j, nil
}

// Publish implements [pipeline.Publisher]. At most Config.Pending results are
// under way at once, over all calls.
func (j *JetStream) Publish(ctx context.Context, results []pipeline.Result) error {
	c := call{j: j, results: results}
	for i := range results {
		c.send(ctx, i)
	}
	for len(c.flying) > 0 {
		c.land(ctx)
	}
	return c.err()
}

// A call is one call of Publish.
type call struct {
	j       *JetStream
	results []pipeline.Result
	flying  []flight // oldest first
	failed  []int
	refused map[int]error
	first   error
}

// A flight is a result that was sent and not acknowledged yet.
type flight struct {
	result int
	sent   time.Time
	ack    jetstream.PubAckFuture
}

// send sends a result as soon as a slot is free.
func (c *call) send(ctx context.Context, i int) {
	if err := c.acquire(ctx); err != nil {
		c.note(i, err)
		return
	}
	if !c.j.link.up.Load() {
		c.release()
		c.fail(i, errNoServer)
		return
	}
	msg, err := c.j.message(&c.results[i])
	if err != nil {
		c.release()
		c.refuse(i, err)
		return
	}
	sent := time.Now() // a refusal may be back before the call is
	ack, err := c.j.js.PublishMsgAsync(msg, c.j.opts...)
	if err != nil {
		c.release()
		c.judge(i, err)
		return
	}
	c.flying = append(c.flying, flight{i, sent, ack})
}

// acquire takes a slot. While none is free it waits for the call's own results
// first: were every call to wait for the others' slots, none would ever free
// its own.
func (c *call) acquire(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case c.j.slots <- struct{}{}:
			c.j.metrics.pending.Inc()
			return nil
		default:
		}
		if len(c.flying) > 0 {
			c.land(ctx)
			continue
		}
		select {
		case c.j.slots <- struct{}{}:
			c.j.metrics.pending.Inc()
			return nil
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

func (c *call) release() {
	<-c.j.slots
	c.j.metrics.pending.Dec()
}

// land waits for what becomes of the oldest result under way. What is known
// already counts even after ctx has ended.
func (c *call) land(ctx context.Context) {
	f := c.flying[0]
	c.flying = c.flying[1:]
	defer c.release()
	select {
	case ack := <-f.ack.Ok():
		c.acknowledged(f, ack)
		return
	case err := <-f.ack.Err():
		c.judge(f.result, c.explain(f, err))
		return
	default:
	}
	select {
	case ack := <-f.ack.Ok():
		c.acknowledged(f, ack)
	case err := <-f.ack.Err():
		c.judge(f.result, c.explain(f, err))
	case <-ctx.Done():
		c.note(f.result, context.Cause(ctx))
	}
}

func (c *call) acknowledged(f flight, ack *jetstream.PubAck) {
	c.results[f.result].Duplicate = ack.Duplicate
	c.j.metrics.seconds.Observe(time.Since(f.sent).Seconds())
}

// explain adds to why a result was not acknowledged that its subject is not
// allowed: the server says so apart, and answers nothing.
func (c *call) explain(f flight, err error) error {
	if refusal := c.j.refusals.since(f.sent, c.j.subject.subject(&c.results[f.result])); refusal != nil {
		return fmt.Errorf("%w: %w", err, refusal)
	}
	return err
}

// judge sorts a result's failure: to be tried again, or never to be taken.
func (c *call) judge(i int, err error) {
	switch {
	case tooLarge(err):
		c.refuse(i, fmt.Errorf("%w: %w", pipeline.ErrTooLarge, err))
	case errors.Is(err, nats.ErrBadHeaderMsg), errors.Is(err, nats.ErrBadSubject):
		c.refuse(i, err)
	default:
		c.fail(i, err)
	}
}

func (c *call) fail(i int, err error) {
	c.j.metrics.errors.WithLabelValues(string(causeOf(err))).Inc()
	c.note(i, err)
}

// note is fail without a count: nothing went wrong, the caller waits no longer.
func (c *call) note(i int, err error) {
	c.failed = append(c.failed, i)
	if c.first == nil {
		c.first = err
	}
}

func (c *call) refuse(i int, err error) {
	if c.refused == nil {
		c.refused = map[int]error{}
	}
	c.refused[i] = err
	c.j.metrics.errors.WithLabelValues(string(refused)).Inc()
	c.note(i, err)
}

// err is what Publish returns.
func (c *call) err() error {
	if len(c.failed) == 0 {
		return nil
	}
	slices.Sort(c.failed)
	first := c.first
	if c.j.link.isClosed() || errors.Is(first, nats.ErrConnectionClosed) {
		first = fmt.Errorf("%w: %w", pipeline.ErrClosed, first)
	}
	return &pipeline.PartialError{Failed: c.failed, Refused: c.refused, Err: first}
}

// headersTooLarge is the server's error code for headers over 64 KiB.
const headersTooLarge jetstream.ErrorCode = 10097

// tooLarge reports whether err says that a message is over the limit of the
// server or the stream.
func tooLarge(err error) bool {
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum) {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == headersTooLarge
}

// message is r as it is sent.
func (j *JetStream) message(r *pipeline.Result) (*nats.Msg, error) {
	data, err := encode(r, &j.stamp)
	if err != nil {
		return nil, err
	}
	header := nats.Header{jetstream.MsgIDHeader: {r.Message.ID}}
	for _, h := range r.Message.Headers {
		if j.carried[h.Key] {
			header[h.Key] = append(header[h.Key], string(h.Value))
		}
	}
	return &nats.Msg{Subject: j.subject.subject(r), Header: header, Data: data}, nil
}
