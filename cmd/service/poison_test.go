package service_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	bomb := slices.Repeat([]kafka.Header{{Key: "x", Value: []byte("y")}}, 20_000)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
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
				{"a tier that is long", "refund", header("sweet-tier", strings.Repeat("g", 300<<10)), "bad_header"},
				{"empty, with many headers", "", bomb, "empty"},
			},
		},
		{
			name: "json", env: []string{"SWEET_INPUT=json", "SWEET_INPUT_TEXT=body.text", "SWEET_INPUT_PAIR=title"},
			good: []string{
				`{"title":"parcel","body":{"text":"where is my parcel"}}`,
				`{"more":` + deep(5000) + `,"title":"parcel","body":{"text":"where is my parcel"}}`,
			},
			poison: []poison{
				{"not JSON", `{"title":`, nil, "invalid_json"},
				{"an array", `["refund"]`, nil, "missing_text"},
				{"without the field", `{"title":"parcel","body":{}}`, nil, "missing_text"},
				{"without the second text", `{"body":{"text":"refund"}}`, nil, "missing_text"},
				{"a number for a text", `{"title":"parcel","body":{"text":7}}`, nil, "missing_text"},
				{"a blank text", `{"title":"parcel","body":{"text":" "}}`, nil, "empty"},
				{"deeper than any JSON", deep(100_000), nil, "invalid_json"},
				{"deeper than any JSON beside the text", `{"more":` + deep(20_000) + `,"title":"parcel","body":{"text":"refund"}}`, nil, "invalid_json"},
				{"deep and without an end", strings.Repeat(`{"body":`, 100_000), nil, "invalid_json"},
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

// TestHeadersBombNobody has a message with more headers than anybody reads, and
// one with a header as large as a message may be. Both texts are answered.
func TestHeadersBombNobody(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	w := start(t, environment(t, s, "SWEET_COPY_HEADERS=tenant"))
	many := append(slices.Repeat([]kafka.Header{{Key: "x", Value: []byte("y")}}, 50_000), kafka.Header{Key: "tenant", Value: []byte("a")})
	sandboxtest.NewProducer(t, s).Send(
		kafka.Message{Value: []byte("where is my parcel"), Headers: many},
		kafka.Message{Value: []byte("where is my parcel"), Headers: []kafka.Header{{Key: "large", Value: make([]byte, 900<<10)}}},
	)
	w.awaitSettled(s)
	w.quit()
	w.check(sums{read: 2, published: 2})
	var tenants []string
	for _, m := range sandboxtest.Results(t, s) { // in any order
		tenants = append(tenants, m.Header["tenant"]...)
	}
	if !slices.Equal(tenants, []string{"a"}) {
		t.Errorf("headers that were copied: got %q, want one", tenants)
	}
}

// TestABatchThatCannotBeReadIsADeadLetter has three messages in a batch that is
// not what it says, between two that are.
func TestABatchThatCannotBeReadIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 1})
	p := sandboxtest.NewProducer(t, s)
	p.SendTexts("refund")
	batch := kmsg.RecordBatch{
		Magic: 2, Attributes: 1, LastOffsetDelta: 2, NumRecords: 3, FirstTimestamp: 1_700_000_000_123,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, Records: []byte("this is not gzip"),
	}
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	appendRaw(t, s, raw)
	p.SendTexts("refund")

	w := start(t, environment(t, s))
	w.awaitSettled(s)
	w.quit()
	w.check(sums{read: 3, published: 2, dead: 1})
	letters := sandboxtest.DeadLetters(t, s)
	if len(letters) != 1 || !bytes.Contains(letters[0].Value, []byte("this is not gzip")) {
		t.Fatalf("got dead letters %v, want one with the batch", letters)
	}
	got := map[string]string{}
	for _, h := range letters[0].Headers {
		got[h.Key] = string(h.Value)
	}
	if got["sweet-reason"] != "corrupt_batch" || got["sweet-source-offset"] != "1" || !strings.Contains(got["sweet-error"], "3 records at offsets 1 to 3") {
		t.Errorf("got headers %v, want the reason, where it stands and what it covers", got)
	}
}

// appendRaw appends a batch to partition 0 of the sandbox's topic as it is.
func appendRaw(t *testing.T, s *sandbox.Sandbox, raw []byte) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = sandbox.Topic, s.Kafka.TopicInfo(sandbox.Topic).TopicID
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	res, err := cl.Broker(0).Request(sandboxtest.Limited(t), req)
	if err != nil {
		t.Fatalf("appending: %v", err)
	}
	if pr, ok := res.(*kmsg.ProduceResponse); !ok || pr.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("appending: %+v", res)
	}
}

// TestDeadLettersDownPauseTheIntake has no letter written for longer than a
// session: what is poison waits, and with it, once there is no more room, the
// rest. Nothing is dropped, and nothing is committed over it.
func TestDeadLettersDownPauseTheIntake(t *testing.T) {
	t.Parallel()
	const messages, held = 200, 20
	const session, beat = 4 * time.Second, 200 * time.Millisecond
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 2})
	down := s.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: sandbox.DeadLetters, Err: kerr.NotEnoughReplicas, Count: -1})
	w := start(t, environment(t, s, "SWEET_IN_FLIGHT="+strconv.Itoa(held),
		"SWEET_KAFKA_SESSION_TIMEOUT="+session.String(), "SWEET_KAFKA_HEARTBEAT="+beat.String()))
	texts := make([]string, messages)
	for i := range texts {
		if texts[i] = "refund"; i%4 == 0 || i%4 == 1 { // of each partition every other one
			texts[i] = ""
		}
	}
	sandboxtest.NewProducer(t, s).SendTexts(texts...)
	w.logs.Await(t, "not durable yet", "dead letters")
	sandboxtest.AwaitHeartbeats(t, s, int(session/beat)+5)
	if got := w.count("sweet_messages_read_total"); got >= messages/2 {
		t.Errorf("%v of %d messages read: intake does not pause", got, messages)
	}
	if got := w.count("sweet_in_flight_messages"); got != held {
		t.Errorf("%v messages are held, want %d", got, held)
	}
	if got := s.Lag(sandbox.Group); got != messages {
		t.Errorf("%d messages are not committed, want %d: the first of each partition has no letter", got, messages)
	}

	down.Remove()
	w.awaitSettled(s)
	w.quit()
	if got := w.count("sweet_rebalances_total"); got != 1 {
		t.Errorf("%v generations, want 1: the membership was lost", got)
	}
	w.check(sums{read: messages, published: messages / 2, dead: messages / 2})
	checkDistinct(t, s, messages/2)
	if got := len(sandboxtest.DeadLetters(t, s)); got != messages/2 {
		t.Errorf("%d dead letters, want %d", got, messages/2)
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
