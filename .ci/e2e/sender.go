package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// A sender writes the same texts into a topic, again and again.
type sender struct {
	writer *kafka.Writer
	pool   []string
	sent   int
}

func newSender(broker, topic string, pool []string) *sender {
	return &sender{
		writer: &kafka.Writer{
			Addr: kafka.TCP(broker), Topic: topic, Balancer: &kafka.RoundRobin{}, RequiredAcks: kafka.RequireAll,
			BatchSize: 1000, BatchTimeout: 5 * time.Millisecond,
			// What takes longer is sent again and may stand in the topic twice.
			ReadTimeout: patience, WriteTimeout: patience,
		},
		pool: pool,
	}
}

// send writes the next n texts; none where n is not positive.
func (s *sender) send(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	batch := make([]kafka.Message, n)
	now := time.Now()
	for i := range batch {
		batch[i] = kafka.Message{Value: []byte(s.pool[(s.sent+i)%len(s.pool)]), Time: now}
	}
	if err := s.writer.WriteMessages(ctx, batch...); err != nil {
		return fmt.Errorf("producing to %s: %w", s.writer.Topic, err)
	}
	s.sent += n
	return nil
}

// texts returns all that was sent.
func (s *sender) texts() []string {
	texts := make([]string, s.sent)
	for i := range texts {
		texts[i] = s.pool[i%len(s.pool)]
	}
	return texts
}

func (s *sender) close() { _ = s.writer.Close() } // every batch was waited for
