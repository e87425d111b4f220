package plumbing

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/segmentio/kafka-go"
)

// A Bare reads a topic with kafka-go's Reader in a group of its own, which
// commits once a second, and publishes for every message a result of so many
// bytes, with an id, as fast as JetStream's asynchronous publishing goes. It
// waits for no acknowledgment before it commits, does not look at what it reads,
// and repeats nothing that fails.
type Bare struct {
	Brokers []string
	Topic   string
	Group   string
	JS      jetstream.JetStream // with a bound on what is pending
	Subject string
	Bytes   int // of a result
}

// stall is how long the loop waits for room among what is pending.
const stall = time.Minute

// Run works until ctx ends, which is no error.
func (b *Bare) Run(ctx context.Context) error {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: b.Brokers, Topic: b.Topic, GroupID: b.Group, StartOffset: kafka.FirstOffset, CommitInterval: time.Second,
		MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 250 * time.Millisecond, QueueCapacity: 1000,
	})
	defer r.Close()
	result := make([]byte, b.Bytes)
	for {
		m, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		out := &nats.Msg{Subject: b.Subject, Data: result, Header: nats.Header{
			nats.MsgIdHdr: {m.Topic + "/" + strconv.Itoa(m.Partition) + "/" + strconv.FormatInt(m.Offset, 10)},
		}}
		if _, err := b.JS.PublishMsgAsync(out, jetstream.WithStallWait(stall)); err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		if err := r.CommitMessages(ctx, m); err != nil && ctx.Err() == nil {
			return fmt.Errorf("committing: %w", err)
		}
	}
}
