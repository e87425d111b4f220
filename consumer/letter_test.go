package consumer

import (
	"errors"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"sweetspot/pipeline"
)

// TestLettersAreReadAsTheyWereWritten writes every form of a letter and reads
// its headers back.
func TestLettersAreReadAsTheyWereWritten(t *testing.T) {
	m := pipeline.NewMessage(pipeline.Message{
		Key: []byte("k"), Value: []byte("v"), Headers: []pipeline.Header{{Key: "sweet-reason", Value: []byte("of another life")}},
		Origin: pipeline.Origin{Topic: "t", Partition: 3, Offset: 77, Time: time.UnixMilli(5)},
	}, nil)
	l := letters{version: "v1"}
	for _, tt := range []struct {
		name    string
		letter  func(pipeline.DeadLetter) kafka.Message
		dead    pipeline.DeadLetter
		whole   bool
		headers int
	}{
		{"a whole one", l.letter, letterTo(m, pipeline.Shed, errors.New("too much to do")), true, 1},
		{"one without its value", l.shortLetter, letterTo(m, pipeline.TooLarge, errors.New("large")), false, 1},
		{"one of headers alone", l.bareLetter, letterTo(m, pipeline.TooLarge, errors.New("large")), false, 0},
		{"one of a batch", l.letter, letterTo(m, pipeline.CorruptBatch, errors.New("broken")), false, 1},
		{"one of a record with too many headers", l.letter, letterTo(m, pipeline.TooLarge, tooLarge("its headers are "+leftOut).Err), false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadLetter(tt.letter(tt.dead).Headers)
			if err != nil {
				t.Fatal(err)
			}
			if got.Reason != tt.dead.Reason || got.Source != (Source{"t", 3, 77, 5}) || got.Whole != tt.whole || len(got.Headers) != tt.headers {
				t.Errorf("got %+v, want whole %v and %d headers", got, tt.whole, tt.headers)
			}
		})
	}
}

func TestWhatIsNoLetter(t *testing.T) {
	l := letters{version: "v1"}
	good := func() []kafka.Header {
		return l.letter(letterTo(pipeline.NewMessage(pipeline.Message{}, nil), pipeline.Empty, nil)).Headers
	}
	for _, tt := range []struct {
		name   string
		change func([]kafka.Header) []kafka.Header
		want   string
	}{
		{"no headers", func([]kafka.Header) []kafka.Header { return nil }, "too few"},
		{"one more at the end", func(hs []kafka.Header) []kafka.Header { return append(hs, kafka.Header{Key: "x"}) }, "sweet-reason should"},
		{"an offset that is none", func(hs []kafka.Header) []kafka.Header { hs[4].Value = []byte("x"); return hs }, "invalid syntax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ReadLetter(tt.change(good())); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// FuzzReadLetter takes what anybody may have written to the topic.
func FuzzReadLetter(f *testing.F) {
	f.Add("sweet-reason", "sweet-source-offset", "12", "left out")
	f.Fuzz(func(t *testing.T, first, fifth, number, text string) {
		hs := make([]kafka.Header, len(letterHeaders))
		for i, name := range letterHeaders {
			hs[i] = kafka.Header{Key: name, Value: []byte(number)}
		}
		hs[0].Key, hs[1].Value, hs[4].Key = first, []byte(text), fifth
		l, err := ReadLetter(append([]kafka.Header{{Key: "own"}}, hs...))
		if err == nil && (first != reasonHeader || fifth != offsetHeader || len(l.Headers) != 1 || l.Error != text) {
			t.Errorf("got %+v of %v", l, hs)
		}
	})
}
