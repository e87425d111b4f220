package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sweetspot/cmd/sweet/sandbox"
)

// A tally reads every result from the stream and counts it by its message id,
// as somebody would who does not believe the worker.
type tally struct {
	samples chan sample // some results of the staged act, for the checker

	conn     *nats.Conn
	messages jetstream.MessagesContext
	ended    chan struct{}

	mu   sync.Mutex
	seen map[string]struct{}
	ages []time.Duration // from the record's time to the result's in the stream, since they were last taken
	counts
	last time.Time // when counts changed
	err  error
}

// counts is what a tally has found so far.
type counts struct {
	stored   int // results in the stream
	distinct int // message ids among them
	dead     int // dead letters
}

// A sample is one staged answer, to be compared with full depth's.
type sample struct {
	key   string // the number of its text
	label string
}

// sampleEvery is the share of staged results that may be compared: one in so
// many, as long as there is room for them.
const sampleEvery = 8

func newTally(ctx context.Context, s *sandbox.Sandbox) (*tally, error) {
	nc, js, err := s.JetStream()
	if err != nil {
		return nil, err
	}
	t := &tally{conn: nc, samples: make(chan sample, 2000), ended: make(chan struct{}), seen: make(map[string]struct{}), last: time.Now()}
	consumer, err := js.OrderedConsumer(ctx, sandbox.Stream, jetstream.OrderedConsumerConfig{})
	if err == nil {
		t.messages, err = consumer.Messages()
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("reading the results: %w", err)
	}
	go t.read()
	return t, nil
}

func (t *tally) read() {
	defer close(t.ended)
	for {
		m, err := t.messages.Next()
		if errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return
		}
		var meta *jetstream.MsgMetadata
		if err == nil {
			meta, err = m.Metadata()
		}
		if err == nil {
			err = t.add(m.Headers().Get(nats.MsgIdHdr), m.Data(), meta.Timestamp)
		}
		if err != nil {
			t.mu.Lock()
			t.err = errors.Join(t.err, fmt.Errorf("reading the results: %w", err))
			t.mu.Unlock()
			return
		}
	}
}

// add counts a result that the stream took at the given time.
func (t *tally) add(id string, data []byte, at time.Time) error {
	var r struct {
		Label  string `json:"label"`
		Rung   int    `json:"rung"`
		Source struct {
			Key       string    `json:"key"`
			Timestamp time.Time `json:"timestamp"`
		} `json:"source"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("result %s: %w", id, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored++
	t.last = time.Now()
	if _, ok := t.seen[id]; !ok {
		t.seen[id] = struct{}{}
		t.ages = append(t.ages, at.Sub(r.Source.Timestamp))
		t.distinct++
	}
	if r.Rung > 0 && t.stored%sampleEvery == 0 {
		select {
		case t.samples <- sample{r.Source.Key, r.Label}:
		default: // enough are waiting
		}
	}
	return nil
}

// snapshot returns what was counted so far, and what went wrong.
func (t *tally) snapshot() (counts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts, t.err
}

// takeAges returns how old messages were when their results came, since it was
// last asked, ascending.
func (t *tally) takeAges() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	ages := t.ages
	t.ages = nil
	slices.Sort(ages)
	return ages
}

// setDead notes how many dead letters there are.
func (t *tally) setDead(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n != t.dead {
		t.dead, t.last = n, time.Now()
	}
}

// accounted is how many texts the worker is done with.
func (t *tally) accounted() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.distinct + t.dead
}

// quiet is how long nothing was counted.
func (t *tally) quiet(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Sub(t.last)
}

func (t *tally) close() {
	t.messages.Stop()
	<-t.ended
	t.conn.Close()
}
