package service_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/segmentio/kafka-go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// answers are the results of one partition by their offset.
func answers(t *testing.T, s *sandbox.Sandbox) map[int]*nats.Msg {
	t.Helper()
	byOffset := make(map[int]*nats.Msg)
	for _, m := range sandboxtest.Results(t, s) {
		var r struct{ Source struct{ Offset int } }
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Fatalf("a result is not JSON: %v: %s", err, m.Data)
		}
		if byOffset[r.Source.Offset] != nil {
			t.Errorf("offset %d has two results", r.Source.Offset)
		}
		byOffset[r.Source.Offset] = m
	}
	return byOffset
}

func object(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return o
}

// digests are those that the worker says it serves with.
func digests(t *testing.T, w *worker) (model, ladder string) {
	t.Helper()
	line := object(t, []byte(w.logs.Await(t, "model loaded")))
	model, _ = line["digest"].(string)
	ladder, _ = line["ladder"].(string)
	if len(model) != 64 || len(ladder) != 64 {
		t.Fatalf("the worker logs digests %q and %q, want 64 hex digits each", model, ladder)
	}
	return model, ladder
}

func TestResultIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_700_000_000_123)
	for _, tt := range []struct {
		name    string
		env     []string
		message kafka.Message
		want    map[string]any // beside those that all results share
		source  map[string]any // the same, of source
	}{
		{
			name:    "a text alone",
			message: kafka.Message{Value: []byte("where is my parcel")},
			want:    map[string]any{"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "standard", "truncated": false, "tokens": 6.0},
			source:  map[string]any{"key": nil},
		},
		{
			name:    "a key that is text",
			message: kafka.Message{Key: []byte("kunde-ä"), Value: []byte("refund")},
			want:    map[string]any{"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "standard", "truncated": false, "tokens": 3.0},
			source:  map[string]any{"key": "kunde-ä"},
		},
		{
			name:    "a key that is not",
			message: kafka.Message{Key: []byte{0xff, 0x00, 0x01}, Value: []byte("refund")},
			want:    map[string]any{"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "standard", "truncated": false, "tokens": 3.0},
			source:  map[string]any{"key": "/wAB", "key_encoding": "base64"},
		},
		{
			name:    "a strict message runs at full depth",
			message: kafka.Message{Value: []byte("refund"), Headers: []kafka.Header{{Key: "sweet-tier", Value: []byte("strict")}}},
			want:    map[string]any{"exit": 2.0, "layers": 2.0, "rung": 0.0, "tier": "strict", "truncated": false, "tokens": 3.0},
			source:  map[string]any{"key": nil},
		},
		{
			name: "a best-effort message with a deadline",
			message: kafka.Message{Value: []byte("refund"), Headers: []kafka.Header{
				{Key: "sweet-tier", Value: []byte("best-effort")}, {Key: "sweet-deadline", Value: []byte("2023-11-14T22:13:21Z")},
			}},
			want:   map[string]any{"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "best-effort", "truncated": false, "tokens": 3.0},
			source: map[string]any{"key": nil},
		},
		{
			name:    "a deadline that is none loses nothing",
			message: kafka.Message{Value: []byte("refund"), Headers: []kafka.Header{{Key: "sweet-deadline", Value: []byte("tomorrow")}}},
			want:    map[string]any{"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "standard", "truncated": false, "tokens": 3.0},
			source:  map[string]any{"key": nil},
		},
		{
			name:    "the mode full",
			env:     []string{"SWEET_MODE=full"},
			message: kafka.Message{Value: []byte("refund")},
			want:    map[string]any{"exit": 2.0, "layers": 2.0, "rung": 0.0, "tier": "standard", "truncated": false, "tokens": 3.0},
			source:  map[string]any{"key": nil},
		},
		{
			name:    "nothing but unknown words, and too many of them",
			message: kafka.Message{Value: []byte(strings.Repeat("qq ", 100))},
			want: map[string]any{
				"exit": 1.0, "layers": 1.0, "rung": 1.0, "tier": "standard", "truncated": true, "tokens": float64(sandboxtest.MaxTokens),
			},
			source: map[string]any{"key": nil},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
			env := append(tt.env, "SWEET_KAFKA_CLUSTER=c/1")
			if !slices.Contains(env, "SWEET_MODE=full") {
				env = append(env, "SWEET_MODE=fixed", "SWEET_RUNG=1")
			}
			w := start(t, environment(t, s, env...))
			tt.message.Time = at
			sandboxtest.NewProducer(t, s).Send(tt.message)
			w.awaitSettled(s)
			m := answers(t, s)[0]
			if m == nil {
				t.Fatalf("no result; the worker's log:\n%s", w.logs)
			}
			model, ladder := digests(t, w)

			got := object(t, m.Data)
			checkScore(t, got["score"])
			checkTiming(t, got["timing"])
			delete(got, "score")
			delete(got, "timing")
			if name, _ := got["model"].(map[string]any)["name"].(string); name == "" {
				t.Errorf("model is %v, want one with a name", got["model"])
			} else {
				tt.want["model"] = map[string]any{"name": name, "digest": model}
			}
			maps.Copy(tt.source, map[string]any{
				"cluster": "c/1", "topic": sandbox.Topic, "partition": 0.0, "offset": 0.0, "timestamp": "2023-11-14T22:13:20.123Z",
			})
			maps.Copy(tt.want, map[string]any{"label": sandboxtest.Labels[0], "audited": false, "ladder": ladder, "source": tt.source})
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
			if want := "sweet.texts." + sandboxtest.Labels[0]; m.Subject != want {
				t.Errorf("subject %q, want %q", m.Subject, want)
			}
			id := s.Kafka.TopicInfo(sandbox.Topic).TopicID
			topic := sandbox.Topic + ":" + base64.RawURLEncoding.EncodeToString(id[:])
			if got, want := m.Header.Get("Nats-Msg-Id"), "c%2F1/sweet/"+topic+"/0/0/1700000000123"; got != want {
				t.Errorf("message id %q, want %q", got, want)
			}
		})
	}
}

func checkScore(t *testing.T, score any) {
	t.Helper()
	if s, ok := score.(float64); !ok || s <= 1/float64(len(sandboxtest.Labels)) || s > 1 {
		t.Errorf("score %v, want a share of more than one label's", score)
	}
}

func checkTiming(t *testing.T, timing any) {
	t.Helper()
	times, _ := timing.(map[string]any)
	if got, want := slices.Sorted(maps.Keys(times)), []string{"compute_ms", "queue_ms", "total_ms"}; !slices.Equal(got, want) {
		t.Fatalf("timing has %v, want %v", got, want)
	}
	queue, _ := times["queue_ms"].(float64)
	compute, _ := times["compute_ms"].(float64)
	total, ok := times["total_ms"].(float64)
	if !ok || queue < 0 || compute <= 0 || total < queue || total < compute {
		t.Errorf("timing %v does not add up", times)
	}
}

func TestScoresOfAllLabels(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s, "SWEET_RESULT_SCORES=true"))
	sandboxtest.NewProducer(t, s).SendTexts("where is my parcel")
	w.awaitSettled(s)

	var r struct {
		Label  string
		Score  float64
		Scores []struct {
			Label string
			Score float64
		}
	}
	if err := json.Unmarshal(answers(t, s)[0].Data, &r); err != nil {
		t.Fatal(err)
	}
	var labels []string
	sum := 0.0
	for i, each := range r.Scores {
		labels = append(labels, each.Label)
		sum += each.Score
		if i > 0 && each.Score > r.Scores[i-1].Score {
			t.Errorf("scores %v are not best first", r.Scores)
		}
	}
	if !slices.Equal(labels, sandboxtest.Labels) || r.Scores[0].Label != r.Label || r.Scores[0].Score != r.Score || sum < 0.999 || sum > 1.001 {
		t.Errorf("label %s %v with scores %v; want those of %v, best first, with sum 1", r.Label, r.Score, r.Scores, sandboxtest.Labels)
	}
}

func TestHeadersAreCarriedOver(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s, "SWEET_COPY_HEADERS=x-tenant,x-shop"))
	sandboxtest.NewProducer(t, s).Send(kafka.Message{Value: []byte("refund"), Headers: []kafka.Header{
		{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
		{Key: "tracestate", Value: []byte("a=1")},
		{Key: "x-tenant", Value: []byte("t1")},
		{Key: "x-other", Value: []byte("stays")},
		{Key: "sweet-tier", Value: []byte("standard")},
	}})
	w.awaitSettled(s)
	h := answers(t, s)[0].Header
	got := make(map[string][]string)
	for key, values := range h {
		if key != "Nats-Msg-Id" && key != "Nats-Expected-Stream" {
			got[key] = values
		}
	}
	want := map[string][]string{
		"traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "tracestate": {"a=1"}, "x-tenant": {"t1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got headers %v, want %v", got, want)
	}
}

func TestMessageIDSuffixAsksForASecondResult(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	sandboxtest.NewProducer(t, s).SendTexts("where is my parcel")
	env := environment(t, s)
	for run, suffix := range []string{"", "", "-v2"} {
		w := start(t, append(slices.Clone(env), "SWEET_NATS_ID_SUFFIX="+suffix))
		w.awaitSettled(s)
		w.quit()
		rewind(t, s)
		if got, want := len(sandboxtest.Results(t, s)), []int{1, 1, 2}[run]; got != want {
			t.Errorf("after run %d there are %d results, want %d", run+1, got, want)
		}
	}
}

// rewind makes the group, which has no members, start anew.
func rewind(t *testing.T, s *sandbox.Sandbox) {
	t.Helper()
	c := &kafka.Client{Addr: kafka.TCP(s.Brokers()...)}
	commits := make([]kafka.OffsetCommit, len(s.Kafka.PartitionInfos(sandbox.Topic)))
	for i := range commits {
		commits[i].Partition = i
	}
	res, err := c.OffsetCommit(sandboxtest.Limited(t), &kafka.OffsetCommitRequest{
		GroupID: sandbox.Group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{sandbox.Topic: commits},
	})
	if err != nil {
		t.Fatalf("rewinding the group: %v", err)
	}
	for _, p := range res.Topics[sandbox.Topic] {
		if p.Error != nil {
			t.Fatalf("rewinding partition %d: %v", p.Partition, p.Error)
		}
	}
}

// numbered returns n different texts.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "my parcel number " + strconv.Itoa(i)
	}
	return all
}
