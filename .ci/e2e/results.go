package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// idHeader carries the id by which JetStream drops duplicates.
const idHeader = "Nats-Msg-Id"

// A tally counts different results as they are published.
type tally struct {
	seen chan struct{} // closed when all have been seen

	mu          sync.Mutex
	want        int // -1 while that is not known
	ids         map[string]bool
	audited     int // of those
	first, last time.Time
}

func newTally() *tally {
	return &tally{seen: make(chan struct{}), want: -1, ids: make(map[string]bool)}
}

// countResults begins to count what is published on a subject, whether or not a
// stream keeps it.
func countResults(nc *nats.Conn, subject string) (*tally, error) {
	t := newTally()
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) { t.add(m.Header.Get(idHeader), m.Data, time.Now()) })
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	// Nothing may be dropped for a slow reader: the end would never come.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, err)
	}
	return t, nil
}

func (t *tally) add(id string, data []byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == "" || t.ids[id] {
		return
	}
	if len(t.ids) == 0 {
		t.first = now
	}
	t.last = now
	t.ids[id] = true
	if bytes.Contains(data, []byte(`"audited":true`)) {
		t.audited++
	}
	if len(t.ids) == t.want {
		close(t.seen)
	}
}

// expect says how many results there will be, and returns what is closed when
// all have been seen. It is called once.
func (t *tally) expect(results int) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.want = results
	if len(t.ids) >= t.want {
		close(t.seen)
	}
	return t.seen
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ids)
}

// audits is how many of the results are of messages that are audited.
func (t *tally) audits() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.audited
}

// perSecond is how many results there were a second, from the first to the last.
func (t *tally) perSecond() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(len(t.ids)-1) / t.last.Sub(t.first).Seconds()
}

// A result is what the worker publishes, as far as it is checked here.
type result struct {
	answer
	Layers  int  `json:"layers"`
	Audited bool `json:"audited"`
	Source  struct {
		Topic     string    `json:"topic"`
		Partition int       `json:"partition"`
		Offset    int64     `json:"offset"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"source"`

	stored time.Time // when the stream got it
}

// at is where its message stands.
func (r *result) at() place { return place{r.Source.Partition, r.Source.Offset} }

// readStream returns all of a stream, which must be exactly want results with
// different ids, in a stream as the worker promises to create it.
func readStream(ctx context.Context, js jetstream.JetStream, name string, want int) ([]result, error) {
	ids := make(map[string]bool, want)
	results := make([]result, 0, want)
	err := eachResult(ctx, js, name, want, func(m jetstream.Msg) error {
		var r result
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return fmt.Errorf("it is not as promised: %w", err)
		}
		id := m.Headers().Get(idHeader)
		if id == "" || ids[id] {
			return fmt.Errorf("it has the id %q, which is missing or was there before", id)
		}
		ids[id] = true
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		r.stored = meta.Timestamp
		results = append(results, r)
		return nil
	})
	return results, err
}

// eachResult calls do with all that a stream holds, which must be exactly want
// results, in a stream as the worker promises to create it. What do says of one
// is an error that shows it.
func eachResult(ctx context.Context, js jetstream.JetStream, name string, want int, do func(jetstream.Msg) error) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("opening stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	if info.State.Msgs != uint64(want) {
		return fmt.Errorf("stream %s holds %d results, want %d", name, info.State.Msgs, want)
	}
	if c := info.Config; c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew || c.Duplicates != 10*time.Minute {
		return fmt.Errorf("stream %s has storage %v, discard %v, duplicate window %v; want file, new, 10m", name, c.Storage, c.Discard, c.Duplicates)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", name, err)
	}
	defer messages.Stop()
	for i := range want {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading stream %s after %d results: %w", name, i, err)
		}
		if err := do(m); err != nil {
			return fmt.Errorf("result %d of stream %s: %w: %s", i, name, err, m.Data())
		}
	}
	return nil
}

// compare returns an error unless there is one result for every message and each
// is the answer to its text that is wanted at its rung.
func compare(results []result, messages map[place]string, want map[int]answers) error {
	missing := maps.Clone(messages)
	for _, r := range results {
		at := r.at()
		text, ok := missing[at]
		if !ok {
			return fmt.Errorf("a result names partition %d, offset %d, which is no message or was answered before", at.partition, at.offset)
		}
		delete(missing, at)
		all, ok := want[r.Rung]
		if !ok {
			return fmt.Errorf("partition %d, offset %d was answered at rung %d, want one of %v", at.partition, at.offset, r.Rung, slices.Sorted(maps.Keys(want)))
		}
		if w := all.byText[text]; r.answer != w {
			return fmt.Errorf("partition %d, offset %d, text %q: the worker says %+v, sweet classify %+v", at.partition, at.offset, text, r.answer, w)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d of %d messages have no result", len(missing), len(messages))
	}
	return nil
}

// exitShares says how many results left at each exit: "1 61%, 2 30%, 4 9%".
func exitShares(results []result) string {
	counts := make(map[int]int)
	for _, r := range results {
		counts[r.Exit]++
	}
	var shares []string
	for _, exit := range slices.Sorted(maps.Keys(counts)) {
		shares = append(shares, fmt.Sprintf("%d %.0f %%", exit, 100*float64(counts[exit])/float64(len(results))))
	}
	return strings.Join(shares, ", ")
}
