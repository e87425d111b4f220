package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// results is how many the stream holds. It asks until there is an answer: a server
// that has just started recovers its streams first.
func (c *churn) results(ctx context.Context) (int, error) {
	var last error
	for range every(ctx, 50*time.Millisecond) {
		try, cancel := context.WithTimeout(ctx, 2*time.Second) // an answer may be lost with a connection
		stream, err := c.js.Stream(try, churnGroup)
		cancel()
		if err == nil {
			return int(stream.CachedInfo().State.Msgs), nil
		}
		last = err
	}
	return 0, fmt.Errorf("asking for the stream's state: %w; %w", context.Cause(ctx), last)
}

// awaitResults waits until the stream holds so many results.
func (c *churn) awaitResults(ctx context.Context, want int) error {
	have := 0
	for range every(ctx, 50*time.Millisecond) {
		var err error
		if have, err = c.results(ctx); err != nil {
			return err
		}
		if have >= want {
			return nil
		}
		for _, m := range c.live {
			select {
			case <-m.child.ended:
				return fmt.Errorf("%s ended by itself: %w%s", m.name, m.child.err, m.child.out.tail())
			default:
			}
		}
	}
	return fmt.Errorf("%d results, want %d: %w%s", have, want, context.Cause(ctx), c.tails())
}

// check waits until every message has its result and all is committed, stops the
// workers and counts what is left.
func (c *churn) check(ctx context.Context) error {
	ends, err := c.s.ends(ctx, churnTopic, c.partitions)
	if err != nil {
		return err
	}
	var messages int
	for _, end := range ends {
		messages += int(end) // what was sent twice, when the broker went, stands twice
	}
	if err := c.awaitResults(ctx, messages); err != nil {
		return err
	}
	for _, m := range c.live {
		if err := c.stop(m); err != nil {
			return err
		}
	}
	c.live = nil
	if err := c.s.checkCommitted(ctx, churnGroup, churnTopic, c.partitions); err != nil {
		return err
	}
	if err := c.s.checkEmpty(ctx, deadTopic(churnTopic)); err != nil {
		return err
	}
	looked, err := c.offsets.end()
	if err != nil {
		return err
	}
	if err := c.checkStream(ctx, ends); err != nil {
		return err
	}
	var counts []string
	for _, name := range slices.Sorted(maps.Keys(c.happened)) {
		counts = append(counts, fmt.Sprintf("%d × %s", c.happened[name], name))
	}
	say("churn: %d messages in %d partitions, %d results, one for each; %d workers started, of which none took more than %d MiB; "+
		"committed offsets never went back in %d looks; %s",
		messages, c.partitions, messages, c.started, c.heaviest>>20, looked, strings.Join(counts, "; "))
	return nil
}

// checkStream reads the stream: there must be one result for every offset of every
// partition.
func (c *churn) checkStream(ctx context.Context, ends []int64) error {
	missing := make([][]bool, len(ends)) // by partition and offset
	left := 0
	for p, end := range ends {
		missing[p] = slices.Repeat([]bool{true}, int(end))
		left += int(end)
	}
	return eachResult(ctx, c.js, churnGroup, left, func(m jetstream.Msg) error {
		var r result
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return fmt.Errorf("it is not as promised: %w", err)
		}
		at := r.at()
		if at.partition < 0 || at.partition >= len(missing) || at.offset < 0 || at.offset >= int64(len(missing[at.partition])) || !missing[at.partition][at.offset] {
			return fmt.Errorf("it names partition %d, offset %d, which is no message or was answered before", at.partition, at.offset)
		}
		if r.Label == "" || r.Rung != c.o.last {
			return fmt.Errorf("it is not that of rung %d", c.o.last)
		}
		missing[at.partition][at.offset] = false
		return nil
	})
}

// metric returns what a worker says of itself under a name without labels.
func (m *member) metric(ctx context.Context, name string) (float64, error) {
	text, err := page(ctx, m.http, "/metrics")
	if err != nil {
		return 0, fmt.Errorf("%s: %w", m.name, err)
	}
	figures, err := metrics(text, name)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", m.name, err)
	}
	return figures[0], nil
}

// awaitMetric waits until a metric is at least so much.
func (m *member) awaitMetric(ctx context.Context, name string, least float64) error {
	var have float64
	for range every(ctx, 50*time.Millisecond) {
		var err error
		if have, err = m.metric(ctx, name); err != nil {
			return err
		}
		if have >= least {
			return nil
		}
		select {
		case <-m.child.ended:
			return errors.Join(fmt.Errorf("%s ended by itself%s", m.name, m.child.out.tail()), m.child.err)
		default:
		}
	}
	return fmt.Errorf("waiting until %s of %s is %v: %w; it is %v", name, m.name, least, context.Cause(ctx), have)
}
