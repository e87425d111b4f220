package main

import (
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

	mu   sync.Mutex
	want int
	ids  map[string]bool
}

// countResults begins to count what is published on a subject, whether or not a
// stream keeps it.
func countResults(nc *nats.Conn, subject string, want int) (*tally, error) {
	t := &tally{seen: make(chan struct{}), want: want, ids: make(map[string]bool)}
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) { t.add(m.Header.Get(idHeader)) })
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

func (t *tally) add(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == "" || t.ids[id] {
		return
	}
	t.ids[id] = true
	if len(t.ids) == t.want {
		close(t.seen)
	}
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ids)
}

// A result is what the worker publishes, as far as it is checked here.
type result struct {
	answer
	Layers int `json:"layers"`
	Source struct {
		Topic     string `json:"topic"`
		Partition int    `json:"partition"`
		Offset    int64  `json:"offset"`
	} `json:"source"`
}

// readStream returns all of a stream, which must be exactly want results with
// different ids, in a stream as the worker promises to create it.
func readStream(ctx context.Context, js jetstream.JetStream, name string, want int) ([]result, error) {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening stream %s: %w", name, err)
	}
	info := stream.CachedInfo()
	if info.State.Msgs != uint64(want) {
		return nil, fmt.Errorf("stream %s holds %d results, want %d", name, info.State.Msgs, want)
	}
	if c := info.Config; c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew || c.Duplicates != 10*time.Minute {
		return nil, fmt.Errorf("stream %s has storage %v, discard %v, duplicate window %v; want file, new, 10m", name, c.Storage, c.Discard, c.Duplicates)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", name, err)
	}
	defer messages.Stop()
	ids := make(map[string]bool, want)
	results := make([]result, want)
	for i := range results {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading stream %s after %d results: %w", name, i, err)
		}
		if err := json.Unmarshal(m.Data(), &results[i]); err != nil {
			return nil, fmt.Errorf("result %d of stream %s is not as promised: %w: %s", i, name, err, m.Data())
		}
		id := m.Headers().Get(idHeader)
		if id == "" || ids[id] {
			return nil, fmt.Errorf("result %d of stream %s has the id %q, which is missing or was there before: %s", i, name, id, m.Data())
		}
		ids[id] = true
	}
	return results, nil
}

// compare returns an error unless there is one result for every message and each
// is the wanted answer to its text.
func compare(results []result, messages map[place]string, want answers) error {
	missing := maps.Clone(messages)
	for _, r := range results {
		at := place{r.Source.Partition, r.Source.Offset}
		text, ok := missing[at]
		if !ok {
			return fmt.Errorf("a result names partition %d, offset %d, which is no message or was answered before", at.partition, at.offset)
		}
		delete(missing, at)
		if w := want.byText[text]; r.answer != w {
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
