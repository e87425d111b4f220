package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"sweetspot/consumer"
	"sweetspot/pipeline"
)

// A producer writes messages in batches, at no more than its rate.
type producer struct {
	writer  *kafka.Writer
	access  *consumer.Access
	rate    float64
	headers []kafka.Header // of every message
	batch   []kafka.Message
	bytes   int64 // of the batch, and
	largest int64 // of its largest message
	start   time.Time
	sent    int
}

const (
	// batchTime is how long a paced producer collects messages before it sends.
	batchTime = 20 * time.Millisecond
	// batchBytes is the most that Kafka is given at once: what its topics take if
	// nobody has set max.message.bytes. A larger message is given alone.
	batchBytes = 1 << 20
	// heldBytes is the most that is collected before it is written.
	heldBytes = 16 << 20
)

func newProducer(brokers []string, access *consumer.Access, o produceOptions) *producer {
	p := &producer{
		writer: &kafka.Writer{
			Addr: kafka.TCP(brokers...), Transport: access.Transport(), Topic: o.topic, Balancer: &kafka.RoundRobin{},
			RequiredAcks: kafka.RequireAll, BatchSize: 1000, BatchTimeout: 5 * time.Millisecond,
		},
		access: access,
		rate:   o.rate,
		start:  time.Now(),
	}
	if o.tier != "" {
		p.headers = []kafka.Header{{Key: pipeline.TierHeader, Value: []byte(o.tier)}}
	}
	return p
}

// send adds one message and writes the batch when it is full or due.
func (p *producer) send(ctx context.Context, value []byte) error {
	p.add(kafka.Message{Value: value, Headers: p.headers})
	if !p.full() {
		return nil
	}
	return p.flush(ctx)
}

func (p *producer) add(m kafka.Message) {
	const record = 64 // what is around it, and more
	size := int64(record + len(m.Key) + len(m.Value))
	for _, h := range m.Headers {
		size += int64(record + len(h.Key) + len(h.Value))
	}
	p.batch, p.bytes, p.largest = append(p.batch, m), p.bytes+size, max(p.largest, size)
}

func (p *producer) full() bool { return len(p.batch) >= p.size() || p.bytes >= heldBytes }

// drop forgets the batch.
func (p *producer) drop() { p.batch, p.bytes, p.largest = p.batch[:0], 0, 0 }

// size is how many messages are sent together.
func (p *producer) size() int {
	const most = 1000
	if p.rate > 0 {
		return min(most, max(1, int(p.rate*batchTime.Seconds())))
	}
	return most
}

func (p *producer) flush(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	if p.rate > 0 {
		due := p.start.Add(time.Duration(float64(p.sent) / p.rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.writer.BatchBytes = max(batchBytes, p.largest) // nothing is under way that reads it
	if err := p.writer.WriteMessages(ctx, p.batch...); err != nil {
		return fmt.Errorf("producing to %s: %w", cmp.Or(p.writer.Topic, "Kafka"), p.access.ExplainWrite(err, p.writer.Topic))
	}
	p.sent += len(p.batch)
	p.drop()
	return nil
}

// closeTime bounds the sending of what was read when the command is stopped.
const closeTime = 10 * time.Second

// close sends what was read, also after Ctrl-C, and ends the producer.
func (p *producer) close(ctx context.Context) error {
	p.rate = 0
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	return errors.Join(p.flush(ctx), p.writer.Close())
}
