package service_test

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// poison is one message that can never be classified.
type poison struct {
	name, value string
	headers     []kafka.Header
	reason      string
}

func TestPoisonBecomesDeadLetters(t *testing.T) {
	t.Parallel()
	header := func(key, value string) []kafka.Header {
		return []kafka.Header{{Key: "x-first", Value: []byte{0xff}}, {Key: key, Value: []byte(value)}}
	}
	for _, tt := range []struct {
		name   string
		env    []string
		good   []string
		poison []poison
	}{
		{
			name: "texts", env: []string{"SWEET_TRUNCATE=reject", "SWEET_MAX_MESSAGE_BYTES=200"},
			good: []string{"where is my parcel", "qqq", "\u00e4", strings.Repeat("is ", sandboxtest.MaxTokens-2)},
			poison: []poison{
				{"empty", "", nil, "empty"},
				{"blank", " \t\r\n\u00a0", nil, "empty"},
				{"not UTF-8", "caf\xe9", nil, "invalid_utf8"},
				{"too many bytes", strings.Repeat("a", 201), nil, "too_large"},
				{"too many tokens", strings.Repeat("is ", sandboxtest.MaxTokens-1), nil, "too_long"},
				{"a tier that is none", "refund", header("sweet-tier", "gold"), "bad_header"},
			},
		},
		{
			name: "json", env: []string{"SWEET_INPUT=json", "SWEET_INPUT_TEXT=body.text", "SWEET_INPUT_PAIR=title"},
			good: []string{`{"title":"parcel","body":{"text":"where is my parcel"}}`},
			poison: []poison{
				{"not JSON", `{"title":`, nil, "invalid_json"},
				{"an array", `["refund"]`, nil, "missing_text"},
				{"without the field", `{"title":"parcel","body":{}}`, nil, "missing_text"},
				{"without the second text", `{"body":{"text":"refund"}}`, nil, "missing_text"},
				{"a number for a text", `{"title":"parcel","body":{"text":7}}`, nil, "missing_text"},
				{"a blank text", `{"title":"parcel","body":{"text":" "}}`, nil, "empty"},
				{"not UTF-8", "{\"title\":\"caf\xe9\"}", nil, "invalid_utf8"},
				{"empty", "", nil, "empty"},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
			w := start(t, environment(t, s, tt.env...))
			var ms []kafka.Message
			at := time.UnixMilli(1_700_000_000_123)
			for i, p := range tt.poison {
				ms = append(ms, kafka.Message{Key: []byte("key " + strconv.Itoa(i)), Value: []byte(p.value), Headers: p.headers, Time: at})
				if i < len(tt.good) {
					ms = append(ms, kafka.Message{Value: []byte(tt.good[i]), Time: at})
				}
			}
			ms = append(ms, kafka.Message{Key: []byte("gone"), Time: at}) // a tombstone
			sandboxtest.NewProducer(t, s).Send(ms...)
			w.awaitSettled(s)
			w.quit()

			if got := len(sandboxtest.Results(t, s)); got != len(tt.good) {
				t.Errorf("%d results, want %d", got, len(tt.good))
			}
			letters := sandboxtest.DeadLetters(t, s)
			if len(letters) != len(tt.poison) {
				t.Fatalf("%d dead letters, want %d", len(letters), len(tt.poison))
			}
			for i, p := range tt.poison {
				k := slices.IndexFunc(letters, func(m kafka.Message) bool { return string(m.Key) == "key "+strconv.Itoa(i) })
				if k < 0 {
					t.Errorf("%s: no dead letter", p.name)
					continue
				}
				checkLetter(t, p, letters[k], min(2*i, i+len(tt.good)))
			}
			w.check(sums{
				read: float64(len(ms)), published: float64(len(tt.good)), dead: float64(len(tt.poison)), tombstones: 1,
			})
		})
	}
}

// checkLetter compares a dead letter with the poison that stood at offset.
func checkLetter(t *testing.T, p poison, m kafka.Message, offset int) {
	t.Helper()
	if string(m.Value) != p.value {
		t.Errorf("%s: value %q, want %q", p.name, m.Value, p.value)
	}
	if len(m.Headers) < len(p.headers) || !slices.EqualFunc(m.Headers[:len(p.headers)], p.headers, func(a, b kafka.Header) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value)
	}) {
		t.Errorf("%s: headers %v do not begin with the original ones, %v", p.name, m.Headers, p.headers)
		return
	}
	added := make(map[string]string)
	for _, h := range m.Headers[len(p.headers):] {
		added[h.Key] = string(h.Value)
	}
	if e := added["sweet-error"]; e == "" || strings.Contains(e, "refund") || strings.Contains(e, "aaaa") {
		t.Errorf("%s: sweet-error %q; want what is wrong, without the text", p.name, e)
	}
	delete(added, "sweet-error")
	want := map[string]string{
		"sweet-reason": p.reason, "sweet-source-topic": sandbox.Topic, "sweet-source-partition": "0",
		"sweet-source-offset": strconv.Itoa(offset), "sweet-source-timestamp": "1700000000123", "sweet-worker": "v1",
	}
	if !maps.Equal(added, want) {
		t.Errorf("%s: got headers %v, want %v", p.name, added, want)
	}
}

func TestPoisonThatIsDroppedIsCounted(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s, "SWEET_DLQ=drop"))
	w.logs.Await(t, `"level":"WARN"`, "will be lost", "SWEET_DLQ=drop")
	sandboxtest.NewProducer(t, s).SendTexts("refund", "", "refund")
	w.awaitSettled(s)
	w.quit()
	if got := s.DeadLettered(); got != 0 {
		t.Errorf("%d dead letters were written, want none", got)
	}
	w.check(sums{read: 3, published: 2, dead: 1})
}
