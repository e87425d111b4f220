// Package sandboxtest holds what the tests of the whole worker share: servers
// from package sandbox that end with the test, a model of a few kilobytes,
// messages put in, and results and dead letters read back.
//
// It knows the formats that a user sees, and nothing of the worker's code.
package sandboxtest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/cmd/sweet/sandbox"
)

// Patience bounds the wait for anything that must happen. It is far longer than
// it takes, so that a hang becomes a failure and a slow machine does not.
const Patience = 2 * time.Minute

// Start starts the servers, which end with the test.
func Start(tb testing.TB, o sandbox.Options) *sandbox.Sandbox {
	tb.Helper()
	s, err := sandbox.Start(tb.Context(), o)
	if err != nil {
		tb.Fatalf("starting the servers: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("stopping the servers: %v", err)
		}
	})
	return s
}

// Limited returns a context of the test that ends after [Patience].
func Limited(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	tb.Cleanup(cancel)
	return ctx
}

// A Producer puts messages into the sandbox's topic.
type Producer struct {
	tb testing.TB
	w  *kafka.Writer
}

// NewProducer returns a producer that ends with the test. Messages go to the
// partitions in turn.
func NewProducer(tb testing.TB, s *sandbox.Sandbox) *Producer {
	tb.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(s.Brokers()...), Topic: sandbox.Topic, RequiredAcks: kafka.RequireAll,
		BatchSize: 1000, BatchTimeout: time.Millisecond, Balancer: &kafka.RoundRobin{},
		Transport: &kafka.Transport{},
	}
	tb.Cleanup(func() { _ = w.Close() }) // everything was acknowledged, or has failed the test
	return &Producer{tb: tb, w: w}
}

// Send returns when every message is in the topic.
func (p *Producer) Send(ms ...kafka.Message) {
	p.tb.Helper()
	if err := p.w.WriteMessages(Limited(p.tb), ms...); err != nil {
		p.tb.Fatalf("producing: %v", err)
	}
}

// SendTexts sends messages without keys or headers.
func (p *Producer) SendTexts(texts ...string) {
	p.tb.Helper()
	ms := make([]kafka.Message, len(texts))
	for i, text := range texts {
		ms[i].Value = []byte(text)
	}
	p.Send(ms...)
}

// Refresh makes the producer look for the partitions' leaders before it sends
// again. By itself it may take some seconds to see that they have moved.
func (p *Producer) Refresh() {
	if t, ok := p.w.Transport.(*kafka.Transport); ok {
		t.CloseIdleConnections()
	}
}

// AwaitSettled waits until the group has committed all of the sandbox's topic.
// Where it does not come to that, the test fails with what explain returns.
func AwaitSettled(tb testing.TB, s *sandbox.Sandbox, group string, explain func() string) {
	tb.Helper()
	_, err := s.Kafka.WaitGroupInfo(Limited(tb), group, func(*kfake.GroupInfo) bool { return s.Lag(group) == 0 })
	if err != nil {
		tb.Fatalf("%d messages are not committed: %v\n%s", s.Lag(group), err, explain())
	}
}

// AwaitHeartbeats waits for n more heartbeats of the members of groups: time as
// Kafka sees it.
func AwaitHeartbeats(tb testing.TB, s *sandbox.Sandbox, n int) {
	tb.Helper()
	beats := make(chan struct{}, n)
	s.Kafka.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case beats <- struct{}{}:
			s.Kafka.KeepControl()
		default: // there were enough
		}
		return nil, nil, false
	})
	ctx := Limited(tb)
	for i := range n {
		select {
		case <-beats:
		case <-ctx.Done():
			tb.Fatalf("%d heartbeats, want %d", i, n)
		}
	}
}

// DeadLetters reads the dead-letter topic from its first message to its end.
func DeadLetters(tb testing.TB, s *sandbox.Sandbox) []kafka.Message {
	tb.Helper()
	c := &kafka.Client{Addr: kafka.TCP(s.Brokers()...)}
	ctx, n := Limited(tb), s.DeadLettered()
	var letters []kafka.Message
	for len(letters) < n {
		res, err := c.Fetch(ctx, &kafka.FetchRequest{
			Topic: sandbox.DeadLetters, Offset: int64(len(letters)), MinBytes: 1, MaxBytes: 64 << 20, MaxWait: time.Second,
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			tb.Fatalf("reading dead letter %d of %d: %v", len(letters)+1, n, err)
		}
		for _, m := range records(tb, res.Records) {
			if m.Offset == int64(len(letters)) { // a batch comes whole
				letters = append(letters, m)
			}
		}
	}
	return letters
}

func records(tb testing.TB, from kafka.RecordReader) []kafka.Message {
	tb.Helper()
	var ms []kafka.Message
	for {
		r, err := from.ReadRecord()
		if errors.Is(err, io.EOF) {
			return ms
		}
		if err != nil {
			tb.Fatalf("reading a record: %v", err)
		}
		ms = append(ms, kafka.Message{Offset: r.Offset, Key: content(tb, r.Key), Value: content(tb, r.Value), Headers: r.Headers, Time: r.Time})
	}
}

func content(tb testing.TB, b kafka.Bytes) []byte {
	tb.Helper()
	all, err := kafka.ReadAll(b)
	if err != nil {
		tb.Fatalf("reading a record: %v", err)
	}
	return all
}

// Results reads every message of the stream, oldest first.
func Results(tb testing.TB, s *sandbox.Sandbox) []*nats.Msg {
	tb.Helper()
	nc, js, err := s.JetStream()
	if err != nil {
		tb.Fatal(err)
	}
	defer nc.Close()
	ctx := Limited(tb)
	stream, err := js.Stream(ctx, sandbox.Stream)
	if err != nil {
		tb.Fatalf("opening the stream: %v", err)
	}
	n := int(stream.CachedInfo().State.Msgs)
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		tb.Fatalf("reading the stream: %v", err)
	}
	var all []*nats.Msg
	for len(all) < n {
		batch, err := c.Fetch(min(n-len(all), 5000), jetstream.FetchContext(ctx))
		if err != nil {
			tb.Fatalf("reading the stream: %v", err)
		}
		for m := range batch.Messages() {
			all = append(all, &nats.Msg{Subject: m.Subject(), Header: m.Headers(), Data: m.Data()})
		}
		if err := batch.Error(); err != nil {
			tb.Fatalf("reading the stream after %d of %d results: %v", len(all), n, err)
		}
	}
	return all
}
