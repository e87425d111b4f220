package consumer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

const deadTopic = "dead"

func deadLetters(_ *Config, in *Intake, _ *Parts, _ *tuning) { in.DLQ = "kafka:" + deadTopic }

// letterTo returns a dead letter of m.
func letterTo(m *pipeline.Message, reason pipeline.Reason, err error) pipeline.DeadLetter {
	return pipeline.DeadLetter{Message: m, Reason: reason, Err: err}
}

// headersOf returns a record's headers, the last of each name.
func headersOf(r *kgo.Record) map[string]string {
	hs := make(map[string]string)
	for _, h := range r.Headers {
		hs[h.Key] = string(h.Value)
	}
	return hs
}

// readLetters returns the first n records of deadTopic.
func readLetters(t *testing.T, c *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	cl := newClient(t, c, kgo.ConsumeTopics(deadTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var rs []*kgo.Record
	for len(rs) < n {
		fs := cl.PollFetches(limited(t))
		if err := fs.Err(); err != nil {
			t.Fatalf("reading dead letters: %v, with %d of %d", err, len(rs), n)
		}
		rs = append(rs, fs.Records()...)
	}
	return rs
}

func TestDeadLettersKeepEverything(t *testing.T) {
	c := newCluster(t, 1, kfake.SeedTopics(2, deadTopic))
	produceRecords(t, newClient(t, c), &kgo.Record{
		Topic: testTopic, Key: []byte("k"), Value: []byte("\xff\xfe"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}},
	})
	acks := make(chan int16, 10)
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if p, ok := r.(*kmsg.ProduceRequest); ok {
			acks <- p.Acks
		}
		return nil, nil, false
	})
	w := startWorker(t, c, deadLetters)
	m := w.take(t, 1)[0]
	if err := w.Write(limited(t), []pipeline.DeadLetter{letterTo(m, pipeline.InvalidUTF8, errors.New("byte 0 is \xff"))}); err != nil {
		t.Fatalf("writing: %v", err)
	}
	if got := <-acks; got != -1 {
		t.Errorf("written with acks=%d, want -1 (all)", got)
	}
	r := readLetters(t, c, 1)[0]
	if string(r.Key) != "k" || string(r.Value) != "\xff\xfe" {
		t.Errorf("got key %q and value %q, want the original ones", r.Key, r.Value)
	}
	for key, want := range map[string]string{
		"h": "v", "sweet-reason": "invalid_utf8", "sweet-error": "byte 0 is \uFFFD", "sweet-worker": "v1",
		"sweet-source-topic": testTopic, "sweet-source-partition": "0", "sweet-source-offset": "0",
		"sweet-source-timestamp": itoa(m.Origin.Time.UnixMilli()),
	} {
		if got := headersOf(r)[key]; got != want {
			t.Errorf("header %s: got %q, want %q", key, got, want)
		}
	}
}

func TestDeadLettersThatFail(t *testing.T) {
	c := newCluster(t, 1, kfake.SeedTopics(2, deadTopic))
	const letters = 10
	for i := range letters {
		produceRecords(t, newClient(t, c), &kgo.Record{Topic: testTopic, Key: []byte(itoa(int64(i)))})
	}
	w := startWorker(t, c, deadLetters)
	var ds []pipeline.DeadLetter
	for _, m := range w.take(t, letters) {
		ds = append(ds, letterTo(m, pipeline.Empty, nil))
	}
	// Partition 1 refuses for good; which letters go there is the balancer's.
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: deadTopic, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	err := w.Write(limited(t), ds)
	var partial *pipeline.PartialError
	if !errors.As(err, &partial) || !errors.Is(err, partial.Err) || !strings.Contains(err.Error(), deadTopic) {
		t.Fatalf("got %v, want a PartialError that names the topic", err)
	}
	fault.Remove()
	written := make(map[string]bool)
	for _, r := range readLetters(t, c, letters-len(partial.Failed)) {
		written[string(r.Key)] = true
	}
	for _, i := range partial.Failed {
		if written[string(ds[i].Message.Key)] {
			t.Errorf("letter %d failed, but it is there", i)
		}
	}
	if n := len(partial.Failed); n == 0 || n == letters {
		t.Errorf("%d of %d letters failed, want some", n, letters)
	}
}

func TestDeadLettersEndWithTheirContext(t *testing.T) {
	c := newCluster(t, 1, kfake.SeedTopics(1, deadTopic))
	produce(t, newClient(t, c), 0, 1)
	w := startWorker(t, c, deadLetters)
	m := w.take(t, 1)[0]
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: deadTopic, Err: kerr.NotEnoughReplicas, Count: -1})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = fault.Wait(ctx, 1)
		cancel()
	}()
	err := w.Write(ctx, []pipeline.DeadLetter{letterTo(m, pipeline.Empty, nil)})
	if err == nil {
		t.Fatal("written, though no replica took it")
	}
	fault.Remove()
}

// TestDeadLettersLargerThanTheirTopicTakes covers a batch that is too large
// together, and a letter that is too large alone.
func TestDeadLettersLargerThanTheirTopicTakes(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	limit := "3000"
	createTopic(t, cl, deadTopic, kmsg.CreateTopicsRequestTopicConfig{Name: "max.message.bytes", Value: &limit})
	sizes := []int{2000, 2000, 4000, 300 << 10, 10}
	var rs []*kgo.Record
	for _, n := range sizes {
		rs = append(rs, &kgo.Record{Topic: testTopic, Value: []byte(strings.Repeat("x", n))})
	}
	produceRecords(t, cl, rs...)
	w := startWorker(t, c, deadLetters)
	var ds []pipeline.DeadLetter
	for _, m := range w.take(t, len(sizes)) {
		ds = append(ds, letterTo(m, pipeline.TooLarge, errors.New("too many bytes")))
	}
	if err := w.Write(limited(t), ds); err != nil {
		t.Fatalf("writing: %v", err)
	}
	got := make(map[string]*kgo.Record)
	for _, r := range readLetters(t, c, len(sizes)) {
		got[headersOf(r)["sweet-source-offset"]] = r
	}
	for i, n := range sizes {
		r := got[itoa(int64(i))]
		if r == nil {
			t.Errorf("letter %d is missing", i)
			continue
		}
		short := strings.Contains(headersOf(r)["sweet-error"], "left out")
		if n > 3000 && (len(r.Value) != 0 || !short) || n < 3000 && (len(r.Value) != n || short) {
			t.Errorf("letter %d of %d bytes came with %d, error %q", i, n, len(r.Value), headersOf(r)["sweet-error"])
		}
	}
}

// TestDeadLettersWithALargeKeyOrHeaders cannot be written without their value
// alone.
func TestDeadLettersWithALargeKeyOrHeaders(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	limit := "3000"
	createTopic(t, cl, deadTopic, kmsg.CreateTopicsRequestTopicConfig{Name: "max.message.bytes", Value: &limit})
	long := bytes.Repeat([]byte("x"), 4000)
	produceRecords(t, cl,
		&kgo.Record{Topic: testTopic, Key: long, Value: []byte("a"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}},
		&kgo.Record{Topic: testTopic, Key: []byte("k"), Value: []byte("b"), Headers: []kgo.RecordHeader{{Key: "h", Value: long}}})
	w := startWorker(t, c, deadLetters)
	var ds []pipeline.DeadLetter
	for _, m := range w.take(t, 2) {
		ds = append(ds, letterTo(m, pipeline.Empty, errors.New(strings.Repeat("a long error ", 200))))
	}
	if err := w.Write(limited(t), ds); err != nil {
		t.Fatalf("writing: %v", err)
	}
	for _, r := range readLetters(t, c, 2) {
		hs := headersOf(r)
		if r.Key != nil || r.Value != nil || hs["h"] != "" || hs["sweet-reason"] != "empty" || hs["sweet-source-offset"] == "" {
			t.Errorf("got key %q, value %q, headers %q, want the worker's own headers alone", r.Key, r.Value, hs)
		}
		if got := hs["sweet-error"]; !strings.Contains(got, "1 headers are left out") || !strings.Contains(got, "a long error") {
			t.Errorf("error %q, want what is left out, and why it is a dead letter", got)
		}
	}
}

func TestADeadLetterTopicThatTakesNothing(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	limit := "100"
	createTopic(t, cl, deadTopic, kmsg.CreateTopicsRequestTopicConfig{Name: "max.message.bytes", Value: &limit})
	produce(t, cl, 0, 1)
	w := startWorker(t, c, deadLetters)
	err := w.Write(limited(t), []pipeline.DeadLetter{letterTo(w.take(t, 1)[0], pipeline.Empty, nil)})
	if err == nil || !strings.Contains(err.Error(), "max.message.bytes of topic "+deadTopic) {
		t.Errorf("got %v, want an error that names the topic's max.message.bytes", err)
	}
}

func TestDroppedLettersAreSaidAloud(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 1)
	w := startWorker(t, c)
	w.logs.wait(t, "WARN poison messages will be lost", "SWEET_DLQ=drop")
	if err := w.Write(limited(t), []pipeline.DeadLetter{letterTo(w.take(t, 1)[0], pipeline.Empty, nil)}); err != nil {
		t.Errorf("dropping: %v", err)
	}
}

func TestAMissingDeadLetterTopicStopsTheStart(t *testing.T) {
	c := newCluster(t, 1)
	w := startWorker(t, c, deadLetters)
	select {
	case err := <-w.ended:
		if err == nil || !strings.Contains(err.Error(), "SWEET_DLQ=kafka:dead") {
			t.Errorf("got %v, want an error that names SWEET_DLQ=kafka:dead", err)
		}
	case <-limited(t).Done():
		t.Fatal("Run does not return")
	}
}
