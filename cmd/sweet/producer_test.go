package main

import (
	"io"
	"strings"
	"testing"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// TestProduceLongLines sends more than Kafka takes at once, and a line that it
// does not take at all.
func TestProduceLongLines(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	line := func(bytes int) string { return strings.Repeat("a", bytes) + "\n" }
	send := func(text string) error {
		return sweet(t.Context(), text, io.Discard, "produce", "--brokers", strings.Join(s.Brokers(), ","), "--topic", sandbox.Topic)
	}
	const long, longest = 20_000, 1<<20 - 100
	if err := send(strings.Repeat(line(long), 200) + line(longest) + line(1)); err != nil {
		t.Errorf("lines of %d bytes, and of %d: %v", long, longest, err)
	}
	if n := s.Kafka.PartitionInfo(sandbox.Topic, 0).HighWatermark; n != 202 {
		t.Errorf("the topic holds %d messages, want 202", n)
	}
	err := send(line(1<<20 + 100))
	if err == nil || !strings.Contains(err.Error(), "max.message.bytes") {
		t.Errorf("got error %v, want one that names the topic's max.message.bytes", err)
	}
}
