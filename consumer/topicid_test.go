package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"sweetspot/pipeline"
)

// before28 are brokers that give topics no ids.
var before28 = kfake.MaxVersions(kversion.V2_7_0())

func metadataAnswer(edit func(*kmsg.MetadataResponse)) []byte {
	res := kmsg.NewPtrMetadataResponse()
	res.Version = metadataWithIDs
	host, name := "rack", testTopic
	b := kmsg.NewMetadataResponseBroker()
	b.Host, b.Rack = "kafka-1", &host
	res.Brokers = []kmsg.MetadataResponseBroker{b, kmsg.NewMetadataResponseBroker()}
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID = &name, anID
	topic.Partitions = []kmsg.MetadataResponseTopicPartition{kmsg.NewMetadataResponseTopicPartition()}
	res.Topics = []kmsg.MetadataResponseTopic{topic}
	edit(res)
	return res.AppendTo(append(binary.BigEndian.AppendUint32(nil, correlationID), 0))
}

func TestMetadataResponses(t *testing.T) {
	whole := metadataAnswer(func(*kmsg.MetadataResponse) {})
	for _, tt := range []struct {
		name string
		body []byte
		code int16
		want string // of the error
	}{
		{"an id", whole, 0, ""},
		{"a code", metadataAnswer(func(r *kmsg.MetadataResponse) { r.Topics[0].ErrorCode = 3 }), 3, ""},
		{"no topic", metadataAnswer(func(r *kmsg.MetadataResponse) { r.Topics = nil }), 0, "0 topics"},
		{"another answer", append([]byte{0, 0, 0, 9}, whole[4:]...), 0, "another request"},
		{"half of it", whole[:40], 0, errShort.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseMetadata(tt.body)
			switch {
			case tt.want != "":
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			case err != nil:
				t.Errorf("got %v, want no error", err)
			case got.code != tt.code || got.id != anID:
				t.Errorf("got %+v, want code %d and the id", got, tt.code)
			}
		})
	}
}

func TestMetadataRequests(t *testing.T) {
	r := metadataRequest{clientID: "me", topic: testTopic}
	got := kmsg.NewPtrMetadataRequest()
	got.Version = metadataWithIDs
	if err := got.ReadFrom(r.encode()[2+2+4+2+len("me")+1:]); err != nil {
		t.Fatalf("a broker would not understand it: %v", err)
	}
	if len(got.Topics) != 1 || got.Topics[0].Topic == nil || *got.Topics[0].Topic != testTopic || got.AllowAutoTopicCreation {
		t.Errorf("a broker would read %+v", got)
	}
}

// A keeper is a connection that gives fixed bytes and keeps versions.
type keeper struct {
	wire

	versions map[protocol.ApiKey]int16
}

func (k *keeper) SetVersions(v map[protocol.ApiKey]int16) { k.versions = v }

// TestABrokerIsAskedOnceWhatItTakes has the second request find what the first
// was told, and kafka-go what it knew before.
func TestABrokerIsAskedOnceWhatItTakes(t *testing.T) {
	res := kmsg.NewPtrApiVersionsResponse()
	for _, key := range []protocol.ApiKey{protocol.Fetch, protocol.Metadata} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = int16(key), 1, 10+int16(key)
		res.ApiKeys = append(res.ApiKeys, k)
	}
	body := res.AppendTo(binary.BigEndian.AppendUint32(nil, correlationID))
	conn := &keeper{wire: wire{bytes.NewReader(framed(body)), io.Discard}, versions: map[protocol.ApiKey]int16{protocol.Fetch: 7}}
	for _, tt := range []struct {
		key  protocol.ApiKey
		want int16
	}{{protocol.Fetch, 11}, {protocol.Metadata, 13}, {protocol.Fetch, 11}} {
		if got, err := offered(conn, conn.versions, tt.key); err != nil || got != tt.want {
			t.Errorf("%v: got %d %v, want %d", tt.key, got, err, tt.want)
		}
	}
	if conn.versions[protocol.Fetch] != 7 {
		t.Errorf("kafka-go finds version %d, want 7", conn.versions[protocol.Fetch])
	}
	res.ErrorCode = 35
	refused := res.AppendTo(binary.BigEndian.AppendUint32(nil, correlationID))
	for _, body := range [][]byte{body[:11], refused, {0, 0, 0, 7, 0, 0}} {
		if _, err := offered(wire{bytes.NewReader(framed(body)), io.Discard}, nil, protocol.Fetch); err == nil {
			t.Errorf("an answer of %d bytes is taken", len(body))
		}
	}
}

// remade deletes testTopic and makes it again.
func remade(t *testing.T, cl *kgo.Client) {
	t.Helper()
	deleteTopic(t, cl, testTopic)
	createTopic(t, cl, testTopic)
}

// blind has the worker not look for new partitions, so that only the reader
// finds out about its topic.
func blind(_ *Config, _ *Intake, _ *Parts, tune *tuning) { tune.watchEvery = time.Hour }

// TestTheTopicIsMadeAgainUnderUnsettledMessages fills the new topic beyond the
// offset that is read next: by name, reading would go on there. Its first
// messages lie at the same offsets as the old ones, with the same times.
func TestTheTopicIsMadeAgainUnderUnsettledMessages(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fresh  int
		opts   []kfake.Opt
		logged string
		ids    bool
	}{
		{"with more than before", 30, nil, "the topic was made again", true},
		{"with less than before", 3, nil, "the topic was made again", true},
		{"with less than before, on old brokers", 3, []kfake.Opt{before28}, "the log ends before the group's offset", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1, tt.opts...)
			cl := newClient(t, c)
			at := time.UnixMilli(1_700_000_000_000)
			write := func(n int) {
				var rs []*kgo.Record
				for i := range n {
					rs = append(rs, &kgo.Record{Topic: testTopic, Value: fmt.Append(nil, i), Timestamp: at})
				}
				produceRecords(t, newClient(t, c), rs...)
			}
			write(20)
			w := startWorker(t, c, blind)
			old := w.take(t, 20)
			remade(t, cl)
			write(tt.fresh)
			w.logs.wait(t, "WARN "+tt.logged, "topic=in", "partition=0", "offset=20", "start=0")
			fresh := w.take(t, tt.fresh)
			if got := value(t, w.metrics.abandoned); got != 20 {
				t.Errorf("abandoned %v, want 20", got)
			}
			for _, m := range old {
				if m.Settle() {
					t.Fatal("a message of the old topic counts for the new one")
				}
			}
			settle(fresh...)
			awaitCommit(t, c, 0, int64(tt.fresh))
			for i := range min(tt.fresh, 20) {
				if same := old[i].ID == fresh[i].ID; same == tt.ids {
					t.Errorf("offset %d: the old message is %s, the new one %s", i, old[i].ID, fresh[i].ID)
				}
			}
			if got := value(t, w.metrics.gaps); got != 1 {
				t.Errorf("%v gaps, want 1", got)
			}
		})
	}
}

// TestTheTopicIsMadeAgainWhileTheReaderWaits has the reader wait for room, with
// nothing asked of Kafka, from before the topic is deleted until the new one is
// full.
func TestTheTopicIsMadeAgainWhileTheReaderWaits(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 20)
	w := startWorker(t, c, blind, func(_ *Config, in *Intake, _ *Parts, _ *tuning) { in.InFlight = 5 })
	old := w.take(t, 5)
	remade(t, cl)
	produce(t, newClient(t, c), 0, 100)
	settle(old...)
	offsets := make(chan int64, 200)
	w.settleAll(t, func(m *pipeline.Message) { offsets <- m.Origin.Offset })
	w.logs.wait(t, "the topic was made again", "start=0")
	awaitCommit(t, c, 0, 100)
	seen := make(map[int64]int)
	for range len(offsets) {
		seen[<-offsets]++
	}
	for o := range int64(100) {
		if seen[o] == 0 {
			t.Errorf("offset %d of the new topic was never read", o)
		}
	}
}

// TestMessagesHaveOneIDWhoeverReadsThem has two workers, one after the other.
func TestMessagesHaveOneIDWhoeverReadsThem(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{"with ids of topics": nil, "without": {before28}} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1, opts...)
			produce(t, newClient(t, c), 0, 3)
			var ids [2][]string
			for i := range ids {
				w := startWorker(t, c)
				for _, m := range w.take(t, 3) {
					ids[i] = append(ids[i], m.ID)
				}
				w.kill()
			}
			equal(t, ids[1], ids[0])
			id := topicID(c.TopicInfo(testTopic).TopicID)
			want := "cluster/g/in:" + id.String() + "/0/0/"
			if opts != nil {
				want = "cluster/g/in/0/0/"
			}
			if !strings.HasPrefix(ids[0][0], want) {
				t.Errorf("got id %s, want it to begin with %s", ids[0][0], want)
			}
		})
	}
}

// TestBrokersThatBeginToGiveIDs are in the middle of an upgrade, and some give
// none: a topic with an id here and none there was not made again.
func TestBrokersThatBeginToGiveIDs(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  topicID
		opts []kfake.Opt
	}{
		{"an id where there was none", topicID{}, nil},
		{"none where there was an id", anID, []kfake.Opt{before28}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := startWorker(t, newCluster(t, 1, tt.opts...))
			w.logs.wait(t, "partitions assigned")
			p := &partition{k: w.Kafka, ids: newTopicIDs(w.net), topic: testTopic, log: tt.log, position: 5}
			p.restart()
			before := p.tracker.Load()
			p.unknown(limited(t), kafka.UnknownTopicOrPartition)
			if p.tracker.Load() != before || p.position != 5 || p.log != tt.log {
				t.Errorf("reading begins anew at %d with the id %v", p.position, p.log)
			}
		})
	}
}

func TestATopicThatCannotBeNamedIsAskedForAgain(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 3)
	w := startWorker(t, c)
	settle(w.take(t, 3)...)
	ids := newTopicIDs(w.net)
	if _, err := ids.get(limited(t), "nowhere"); !errors.Is(err, kafka.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v, want that the topic is unknown", err)
	}
	first, err := ids.get(limited(t), testTopic)
	if err != nil || first != topicID(c.TopicInfo(testTopic).TopicID) {
		t.Errorf("got %v %v, want the topic's id", first, err)
	}
}

// FuzzMetadata parses any bytes.
func FuzzMetadata(f *testing.F) {
	f.Add(metadataAnswer(func(*kmsg.MetadataResponse) {}))
	f.Fuzz(func(t *testing.T, body []byte) {
		if res, err := parseMetadata(body); (res == nil) == (err == nil) {
			t.Errorf("got %+v and %v", res, err)
		}
		if all, err := parseVersions(body); err == nil && len(all) > len(body) {
			t.Errorf("%d versions in %d bytes", len(all), len(body))
		}
	})
}
