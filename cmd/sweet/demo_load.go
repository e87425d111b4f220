package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
)

// A load puts texts on the sandbox's topic. Each record's key is the number of
// its text, so that a result can be traced back to it.
type load struct {
	writer *kafka.Writer
	texts  *texts

	mu   sync.Mutex
	sent []string // by number
}

// A load without a rate keeps as many texts waiting for the worker as it
// answered in the last half second: enough to keep it busy, few enough that
// what is shown is fresh.
const (
	aheadTime  = 500 * time.Millisecond
	leastAhead = 400
)

func newLoad(brokers []string, t *texts) *load {
	return &load{
		writer: &kafka.Writer{
			Addr: kafka.TCP(brokers...), Topic: sandbox.Topic, Balancer: &kafka.RoundRobin{},
			RequiredAcks: kafka.RequireAll, BatchSize: 500, BatchTimeout: 2 * time.Millisecond,
		},
		texts: t,
	}
}

// run sends texts until ctx ends: so many a second as rate says, or where that is
// nil as many as keep the worker busy. accounted is how many texts the worker is
// done with.
func (l *load) run(ctx context.Context, rate func(elapsed time.Duration) float64, accounted func() int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	start, before := time.Now(), l.count()
	marked, done, ahead := start, accounted(), leastAhead
	due, at := 0.0, start
	for {
		if time.Since(marked) >= aheadTime {
			ahead = max(leastAhead, accounted()-done)
			marked, done = time.Now(), accounted()
		}
		want := accounted() + ahead - l.count()
		if rate != nil {
			now := time.Now()
			due += rate(now.Sub(start)) * now.Sub(at).Seconds()
			at = now
			want = int(due) - (l.count() - before)
		}
		if want > 0 {
			// The write itself is not cut short: what was begun must be counted.
			if err := l.send(context.WithoutCancel(ctx), min(want, 2000)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (l *load) send(ctx context.Context, n int) error {
	batch := make([]kafka.Message, n)
	l.mu.Lock()
	for i := range batch {
		text := l.texts.at(len(l.sent))
		batch[i] = kafka.Message{Key: []byte(strconv.Itoa(len(l.sent))), Value: []byte(text)}
		l.sent = append(l.sent, text)
	}
	l.mu.Unlock()
	if err := l.writer.WriteMessages(ctx, batch...); err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	return nil
}

// count is the number of texts sent.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// text returns the text that was sent under a key.
func (l *load) text(key string) (string, error) {
	n, err := strconv.Atoi(key)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || n < 0 || n >= len(l.sent) {
		return "", errors.New("no text was sent under key " + key)
	}
	return l.sent[n], nil
}

func (l *load) close() error { return l.writer.Close() }
