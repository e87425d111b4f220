package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// aLetter is a record as a worker writes it to the topic of dead letters.
func aLetter(reason, offset, value string, headers ...kafka.Header) kafka.Message {
	m := kafka.Message{Key: []byte("key " + offset), Value: []byte(value), Headers: slices.Clone(headers)}
	added := [][2]string{
		{"sweet-reason", reason},
		{"sweet-error", "what is wrong"},
		{"sweet-source-topic", sandbox.Topic},
		{"sweet-source-partition", "0"},
		{"sweet-source-offset", offset},
		{"sweet-source-timestamp", "1700000000123"},
		{"sweet-worker", "v1"},
	}
	for _, h := range added {
		m.Headers = append(m.Headers, kafka.Header{Key: h[0], Value: []byte(h[1])})
	}
	return m
}

// write puts records into a topic.
func write(t *testing.T, s *sandbox.Sandbox, topic string, ms ...kafka.Message) {
	t.Helper()
	w := &kafka.Writer{
		Addr: kafka.TCP(s.Brokers()...), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, Transport: &kafka.Transport{},
	}
	if err := errors.Join(w.WriteMessages(sandboxtest.Limited(t), ms...), w.Close()); err != nil {
		t.Fatalf("writing to %s: %v", topic, err)
	}
}

// read returns the records of a topic, all there are. Unlike kafka-go's its
// reader tells an empty value from none.
func read(t *testing.T, s *sandbox.Sandbox, topic string) []*kgo.Record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers()...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []*kgo.Record
	for int64(len(all)) < s.Kafka.PartitionInfo(topic, 0).HighWatermark {
		fetched := c.PollFetches(sandboxtest.Limited(t))
		if err := fetched.Err(); err != nil {
			t.Fatalf("reading %s: %v", topic, err)
		}
		all = append(all, fetched.Records()...)
	}
	return all
}

// restore runs `sweet produce --from-dlq` with --json.
func restore(t *testing.T, args ...string) restored {
	t.Helper()
	var out bytes.Buffer
	if err := sweet(sandboxtest.Limited(t), "", &out, append([]string{"produce", "--json"}, args...)...); err != nil {
		t.Fatalf("sweet produce %q: %v", args, err)
	}
	var r restored
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%q is no JSON: %v", out.String(), err)
	}
	return r
}

func TestDeadLettersGoBackWhereTheyWereRead(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	t.Setenv("SWEET_KAFKA_BROKERS", strings.Join(s.Brokers(), ","))
	t.Setenv("SWEET_DLQ", "kafka:"+sandbox.DeadLetters)
	c := &kafka.Client{Addr: kafka.TCP(s.Brokers()...), Transport: &kafka.Transport{}}
	if _, err := c.CreateTopics(sandboxtest.Limited(t), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: "other", NumPartitions: 1, ReplicationFactor: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	own := kafka.Header{Key: "tenant", Value: []byte{0xff}}
	bare := aLetter("too_large", "5", "")
	bare.Value = nil
	for i := range bare.Headers {
		if bare.Headers[i].Key == "sweet-error" {
			bare.Headers[i].Value = []byte("(its value of 9 bytes is left out: too large for this topic) the value has 9 bytes")
		}
	}
	write(t, s, sandbox.DeadLetters,
		aLetter("model_panic", "1", "\xffa text", own, kafka.Header{Key: "sweet-error", Value: []byte("of another life")}),
		aLetter("shed", "2", "shed"),
		aLetter("model_panic", "1", "\xffa text"), // written twice
		kafka.Message{Value: []byte("no letter")},
		aLetter("corrupt_batch", "4", "bytes"),
		bare,
		aLetter("shed", "6", ""),
	)

	got := restore(t, "--from-dlq", "--dry-run")
	if want := map[string]int{sandbox.Topic: 3}; !maps.Equal(got.Put, want) || len(read(t, s, sandbox.Topic)) != 0 {
		t.Errorf("a dry run puts back %v, want %v and nothing written", got.Put, want)
	}

	got = restore(t, "--from-dlq", "--reason", "shed", "--limit", "1")
	if want := map[string]int{sandbox.Topic: 1}; !maps.Equal(got.Put, want) || got.After != "0:6" {
		t.Errorf("with a reason and a limit: put back %v up to %s, want %v up to 0:6", got.Put, got.After, want)
	}
	// The rest of that reason.
	got = restore(t, "--from-dlq", "--reason", "shed,empty", "--after", got.After)
	if want := map[string]int{sandbox.Topic: 1}; !maps.Equal(got.Put, want) || got.After != "0:7" {
		t.Errorf("after that: put back %v up to %s, want %v up to 0:7", got.Put, got.After, want)
	}
	got = restore(t, "--from-dlq="+sandbox.DeadLetters, "--after", got.After)
	if len(got.Put) != 0 || got.After != "0:7" {
		t.Errorf("after everything: put back %v, want nothing", got.Put)
	}

	got = restore(t, "--from-dlq", "--to", "other", "--reason", "model_panic,corrupt_batch,too_large")
	if want := map[string]int{"other": 1}; !maps.Equal(got.Put, want) {
		t.Errorf("put back %v, want %v", got.Put, want)
	}
	if want := map[string]int{otherReason: 2, twice: 1, notWhole: 2, noLetter: 1}; !maps.Equal(got.Left, want) {
		t.Errorf("left %v, want %v", got.Left, want)
	}

	var values []string
	for _, m := range read(t, s, sandbox.Topic) {
		values = append(values, string(m.Key)+": "+string(m.Value))
		if m.Value == nil || len(m.Headers) != 0 {
			t.Errorf("got value %v and headers %v, want the original ones", m.Value, m.Headers)
		}
	}
	if want := []string{"key 2: shed", "key 6: "}; !slices.Equal(values, want) {
		t.Errorf("got %q, want %q", values, want)
	}
	other := read(t, s, "other")
	if len(other) != 1 || string(other[0].Value) != "\xffa text" || len(other[0].Headers) != 2 || string(other[0].Headers[0].Value) != "\xff" {
		t.Errorf("got %v, want the text with its own headers", other)
	}
	if got := s.DeadLettered(); got != 7 {
		t.Errorf("%d records in the topic of dead letters, want 7 as before", got)
	}
}

// TestLettersOfAWorkerGoBackAndAreAnswered has a worker set messages aside, and
// one with other settings answer them.
func TestLettersOfAWorkerGoBackAndAreAnswered(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 2})
	for _, line := range s.Env() {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
	environ := append(s.Env(), "SWEET_MODEL="+sandboxtest.Model(t), "SWEET_THREADS=1", "SWEET_HTTP_ADDR=127.0.0.1:0", "SWEET_KAFKA_HEARTBEAT=200ms")
	p := sandboxtest.NewProducer(t, s)
	p.SendTexts("where is my parcel", "", "refund", "where is my other parcel")
	answer := func(more ...string) {
		t.Helper()
		stop, ended := background(t, func(ctx context.Context) error { return work(ctx, append(slices.Clone(environ), more...)) })
		sandboxtest.AwaitSettled(t, s, sandbox.Group, func() string { return "" })
		stop()
		if err := <-ended; err != nil {
			t.Fatalf("the worker ended with %v", err)
		}
	}
	answer("SWEET_MAX_MESSAGE_BYTES=10")
	if results, letters := len(sandboxtest.Results(t, s)), s.DeadLettered(); results != 1 || letters != 3 {
		t.Fatalf("%d results and %d dead letters, want 1 and 3", results, letters)
	}
	got := restore(t, "--from-dlq", "--reason", "too_large")
	if want := map[string]int{sandbox.Topic: 2}; !maps.Equal(got.Put, want) {
		t.Errorf("put back %v, want %v", got.Put, want)
	}
	answer()
	if results, letters := len(sandboxtest.Results(t, s)), s.DeadLettered(); results != 3 || letters != 3 {
		t.Errorf("%d results and %d dead letters, want 3 and 3", results, letters)
	}
}

func TestWhatFromDLQRefuses(t *testing.T) {
	t.Setenv("SWEET_KAFKA_BROKERS", "127.0.0.1:1")
	t.Setenv("SWEET_KAFKA_TOPICS", "texts")
	for _, tt := range []struct {
		name, dlq string
		args      []string
		want      string
	}{
		{"no topic", "drop", []string{"--from-dlq"}, "name it: --from-dlq=TOPIC"},
		{"a topic without =", "kafka:dead", []string{"--from-dlq", "dead"}, "--from-dlq=dead"},
		{"back into the dead letters", "kafka:dead", []string{"--from-dlq", "--to", "dead"}, "that is where the dead letters are"},
		{"a reason that is none", "kafka:dead", []string{"--from-dlq", "--reason", "shed,bored"}, "--reason bored"},
		{"a place that is none", "kafka:dead", []string{"--from-dlq", "--after", "7"}, "want partition:offset"},
		{"a tier", "kafka:dead", []string{"--from-dlq", "--tier", "strict"}, "--tier means nothing"},
		{"a filter of files", "kafka:dead", []string{"--reason", "shed"}, "--reason is for --from-dlq"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SWEET_DLQ", tt.dlq)
			err := sweet(t.Context(), "", io.Discard, append([]string{"produce"}, tt.args...)...)
			if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a mistake in the call: %s", err, tt.want)
			}
		})
	}
}

// TestFromDLQSaysHowToGoOn reads what a person reads.
func TestFromDLQSaysHowToGoOn(t *testing.T) {
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	write(t, s, sandbox.DeadLetters, aLetter("shed", "1", "a"), aLetter("empty", "2", "b"))
	var talk bytes.Buffer
	_, err := runSweet(sandboxtest.Limited(t), newCommand(), &talk,
		"produce", "--brokers", strings.Join(s.Brokers(), ","), "--from-dlq="+sandbox.DeadLetters, "--reason", "shed")
	if err != nil {
		t.Fatal(err)
	}
	want := `put back 1 messages of the dead letters in texts-dead
  1 to texts
  1 left where they are: other reasons
the letters stay in the topic; to put back only what comes after them:
  --after 0:2
`
	if got := talk.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
