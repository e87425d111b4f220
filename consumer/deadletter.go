package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/pipeline"
)

// letters writes dead letters to a topic, or drops them where topic is empty.
// The writer is not idempotent: a letter may be there twice after an attempt
// that failed halfway.
type letters struct {
	topic   string
	version string
	access  *Access
	log     *slog.Logger
	lines   *throttle
	bulk    *kafka.Writer
	single  *kafka.Writer // one letter a request
}

const (
	bulkBytes   = 512 << 10 // of a request, below any sensible limit of a topic
	smallLetter = 256 << 10
	maxErrText  = 1 << 10
)

func newLetters(k *Kafka) letters {
	l := letters{version: k.parts.Version, access: &k.cfg.Access, log: k.log, lines: k.lines}
	for _, l.topic = range k.intake.DLQ.Topics() {
		l.bulk, l.single = k.newWriter(l.topic, 200, bulkBytes), k.newWriter(l.topic, 1, maxResponse)
	}
	return l
}

func (k *Kafka) newWriter(topic string, letters int, bytes int64) *kafka.Writer {
	return &kafka.Writer{
		Addr: k.net.client.Addr, Transport: k.net.client.Transport, Topic: topic,
		Balancer:     kafka.Murmur2Balancer{}, // as Java's producers: equal keys stay together
		RequiredAcks: kafka.RequireAll,        // kafka-go's default is none at all
		BatchSize:    letters, BatchBytes: bytes, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 3, // the pipeline tries again by itself
		ReadTimeout: k.tuning.request, WriteTimeout: k.tuning.request,
		ErrorLogger: kafka.LoggerFunc(k.debug),
	}
}

// write returns when every letter is durable: in every replica in sync.
func (l *letters) write(ctx context.Context, ds []pipeline.DeadLetter) error {
	if l.topic == "" {
		return nil
	}
	failed := l.post(ctx, ds)
	if len(failed) == 0 {
		return nil
	}
	p := &pipeline.PartialError{}
	for i := range failed {
		p.Failed = append(p.Failed, i)
	}
	slices.Sort(p.Failed)
	p.Err = fmt.Errorf("writing dead letters to %s: %w", l.topic, l.access.explain(failed[p.Failed[0]], writeTopic(l.topic), right{}))
	return p
}

// post writes ds and returns what failed, by index. Small letters go together,
// large ones and those of a batch that the topic refuses as too large go one
// by one. A letter that is too large by itself goes without its value, and if
// that does not help without its key and the original headers too: the source's
// offset in it says where they are.
func (l *letters) post(ctx context.Context, ds []pipeline.DeadLetter) map[int]error {
	failed := make(map[int]error)
	var small, large []int
	for i, d := range ds {
		if d.Message.Size() <= smallLetter {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	pack := func(at []int, letter func(pipeline.DeadLetter) kafka.Message) []kafka.Message {
		ms := make([]kafka.Message, len(at))
		for j, i := range at {
			ms[j] = letter(ds[i])
		}
		return ms
	}
	refused := send(ctx, l.bulk, small, pack(small, l.letter), failed)
	large = append(large, refused...)
	refused = send(ctx, l.single, large, pack(large, l.letter), failed)
	for _, i := range refused {
		if l.lines.allow("letter") {
			o := ds[i].Message.Origin
			l.log.WarnContext(ctx, "dead letter is too large for its topic and goes without its value",
				slog.String("topic", o.Topic), slog.Int("partition", o.Partition), slog.Int64("offset", o.Offset),
				slog.Int("bytes", ds[i].Message.Size()))
		}
	}
	refused = send(ctx, l.single, refused, pack(refused, l.shortLetter), failed)
	for _, i := range send(ctx, l.single, refused, pack(refused, l.bareLetter), failed) {
		failed[i] = fmt.Errorf("even a letter of headers alone is refused, raise max.message.bytes of topic %s: %w", l.topic, kafka.MessageSizeTooLarge)
	}
	return failed
}

// send writes ms, which stand for the indexes at. It returns the indexes of
// those that were refused as too large, and notes other failures in failed.
func send(ctx context.Context, w *kafka.Writer, at []int, ms []kafka.Message, failed map[int]error) (tooLarge []int) {
	if len(ms) == 0 {
		return nil
	}
	err := w.WriteMessages(ctx, ms...)
	if err == nil {
		return nil
	}
	var each kafka.WriteErrors
	if !errors.As(err, &each) || len(each) != len(ms) {
		each = slices.Repeat(kafka.WriteErrors{err}, len(ms))
	}
	for j, err := range each {
		var here kafka.MessageTooLargeError
		switch {
		case err == nil:
		case errors.Is(err, kafka.MessageSizeTooLarge), errors.As(err, &here):
			tooLarge = append(tooLarge, at[j])
		default:
			failed[at[j]] = err
		}
	}
	return tooLarge
}

// letter returns d as it stands in the topic: what was read, unchanged, and
// what became of it in headers after the original ones.
func (l *letters) letter(d pipeline.DeadLetter) kafka.Message {
	m := kafka.Message{Key: d.Message.Key, Value: d.Message.Value}
	for _, h := range d.Message.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	add := func(key, value string) {
		m.Headers = append(m.Headers, kafka.Header{Key: key, Value: []byte(value)})
	}
	o := d.Message.Origin
	add(reasonHeader, string(d.Reason))
	add(errorHeader, errText(d.Err))
	add(topicHeader, o.Topic)
	add(partitionHeader, strconv.Itoa(o.Partition))
	add(offsetHeader, strconv.FormatInt(o.Offset, 10))
	add(timestampHeader, strconv.FormatInt(o.Time.UnixMilli(), 10))
	add(workerHeader, l.version)
	return m
}

// shortLetter returns d without its value, and says so in its error.
func (l *letters) shortLetter(d pipeline.DeadLetter) kafka.Message {
	d.Err = fmt.Errorf("(its value of %d bytes is "+leftOut+": too large for this topic) %s", len(d.Message.Value), errText(d.Err))
	m := l.letter(d)
	m.Value = nil
	return m
}

// bareLetter returns d with nothing of what was read, and says so in its error.
func (l *letters) bareLetter(d pipeline.DeadLetter) kafka.Message {
	read := d.Message
	d.Err = fmt.Errorf("(its value of %d bytes, key of %d bytes and %d headers are "+leftOut+": too large for this topic) %s",
		len(read.Value), len(read.Key), len(read.Headers), errText(d.Err))
	m := l.letter(d)
	m.Key, m.Value, m.Headers = nil, nil, m.Headers[len(read.Headers):]
	return m
}

// errText returns err's text, cut to what a header should hold.
func errText(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	return strings.ToValidUTF8(s[:min(len(s), maxErrText)], "\uFFFD")
}

// close waits for what an abandoned call of write may still be sending, or
// until ctx ends.
func (l *letters) close(ctx context.Context) error {
	if l.topic == "" {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- errors.Join(l.bulk.Close(), l.single.Close()) }()
	var err error
	select {
	case err = <-closed:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("closing the writer of dead letters: %w", err)
	}
	return nil
}
