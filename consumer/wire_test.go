package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answer returns the bytes of a response, without their length, as a broker
// writes them.
func answer(version int16, res *kmsg.FetchResponse) []byte {
	res.Version = version
	header := binary.BigEndian.AppendUint32(nil, correlationID)
	if res.IsFlexible() {
		header = append(header, 0) // no tags
	}
	return res.AppendTo(header)
}

// fetchVersions are those that the worker speaks.
var fetchVersions = []int16{4, 5, 6, 7, 8, 9, 10, 11, 13}

// anID is the id of a topic.
var anID = topicID{1, 2, 3, 15: 16}

func onePartition(edit func(*kmsg.FetchResponseTopicPartition)) *kmsg.FetchResponse {
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = 9, 8, 1
	p.RecordBatches = []byte{}
	edit(&p)
	res := kmsg.NewPtrFetchResponse()
	res.ThrottleMillis = 5
	res.Topics = []kmsg.FetchResponseTopic{{Topic: testTopic, TopicID: anID, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
	return res
}

func TestFetchResponses(t *testing.T) {
	for _, version := range fetchVersions {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			got, err := parseFetch(answer(version, onePartition(func(p *kmsg.FetchResponseTopicPartition) {
				p.RecordBatches = []byte("batches")
				p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 3, FirstOffset: 4}}
			})), version)
			if err != nil {
				t.Fatalf("parsing: %v", err)
			}
			if got.throttleMS != 5 || got.code != 0 || got.end != 9 || got.stable != 8 || string(got.batches) != "batches" {
				t.Errorf("got %+v, want throttle 5, no code, end 9, stable 8 and the batches", got)
			}
			equal(t, got.aborted, []abortedTransaction{{producer: 3, first: 4}})
		})
	}
}

func TestWhatMayBeReadEnds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		isolation Isolation
		stable    int64
		want      int64
	}{
		{"where open transactions begin", ReadCommitted, 8, 8},
		{"with the log, whatever is open", ReadUncommitted, 8, 9},
		{"with the log of a broker without transactions", ReadCommitted, -1, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fetchResponse{end: 9, stable: tt.stable}
			if got := r.readable(tt.isolation); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestFetchErrorCodes(t *testing.T) {
	for _, version := range []int16{11, 13} {
		got, err := parseFetch(answer(version, onePartition(func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = 1 })), version)
		if err != nil || got.code != 1 {
			t.Errorf("a partition's code, version %d: got %+v %v, want code 1", version, got, err)
		}
		whole := kmsg.NewPtrFetchResponse()
		whole.ErrorCode = 71
		if got, err := parseFetch(answer(version, whole), version); err != nil || got.code != 71 {
			t.Errorf("a code for the whole request, version %d: got %+v %v, want code 71", version, got, err)
		}
	}
}

func TestDamagedFetchResponses(t *testing.T) {
	for _, version := range []int16{11, 13} {
		good := answer(version, onePartition(func(p *kmsg.FetchResponseTopicPartition) { p.RecordBatches = []byte("batches") }))
		needed := len(good)
		if version >= fetchByID {
			needed -= 2 // tags of the topic and of the whole, which nobody reads
		}
		for n := range needed {
			if res, err := parseFetch(good[:n], version); err == nil {
				t.Fatalf("version %d, %d of %d bytes: got %+v, want an error", version, n, len(good), res)
			}
		}
		other := bytes.Clone(good)
		other[3] = 9
		if _, err := parseFetch(other, version); err == nil || !strings.Contains(err.Error(), "another request") {
			t.Errorf("got %v, want an error about another request", err)
		}
		if _, err := parseFetch(answer(version, kmsg.NewPtrFetchResponse()), version); err == nil || !strings.Contains(err.Error(), "0 topics") {
			t.Errorf("got %v, want an error about 0 topics", err)
		}
	}
}

func TestFetchRequests(t *testing.T) {
	for _, version := range fetchVersions {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			r := fetchRequest{clientID: "me", topic: testTopic, id: anID, partition: 3, offset: 77, maxBytes: 1000, waitMS: 250, isolation: 1}
			r.Required(map[protocol.ApiKey]int16{kept(protocol.Fetch): version})
			if err := r.settle(nil); err != nil {
				t.Fatal(err)
			}
			raw := r.encode()
			header := 2 + 2 + 4 + 2 + len("me")
			name := testTopic
			if version >= fetchByID {
				header, name = header+1, ""
			}
			got := kmsg.NewPtrFetchRequest()
			got.Version = version
			if err := got.ReadFrom(raw[header:]); err != nil {
				t.Fatalf("a broker would not understand it: %v", err)
			}
			p := got.Topics[0].Partitions[0]
			if got.IsolationLevel != 1 || got.MaxBytes != 1000 || got.MaxWaitMillis != 250 || got.Topics[0].Topic != name ||
				name == "" && got.Topics[0].TopicID != anID ||
				p.Partition != 3 || p.FetchOffset != 77 || p.PartitionMaxBytes != 1000 || p.CurrentLeaderEpoch != -1 {
				t.Errorf("a broker would read %+v", got)
			}
		})
	}
}

// A wire is a connection that gives fixed bytes.
type wire struct {
	io.Reader
	io.Writer
}

func TestFetchExchange(t *testing.T) {
	body := answer(11, onePartition(func(*kmsg.FetchResponseTopicPartition) {}))
	framed := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	for _, tt := range []struct {
		name    string
		version int16
		bytes   []byte
		want    string // of the error
	}{
		{"an answer", 11, framed, ""},
		{"an old broker", 3, framed, errTooOld.Error()},
		{"a connection that ends", 11, framed[:20], "EOF"},
		{"a length that cannot be", 11, []byte{0xff, 0xff, 0xff, 0xff}, "-1 bytes"},
		{"a length that is too much", 11, []byte{0x7f, 0xff, 0xff, 0xff}, "2147483647 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fetchRequest{versions: map[protocol.ApiKey]int16{kept(protocol.Fetch): tt.version}}
			_, err := r.RawExchange(wire{bytes.NewReader(tt.bytes), io.Discard})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	broken := errors.New("broken")
	r := fetchRequest{versions: map[protocol.ApiKey]int16{kept(protocol.Fetch): 11}}
	if _, err := r.RawExchange(wire{nil, failing{broken}}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the write", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzFetchResponse parses any bytes as any version.
func FuzzFetchResponse(f *testing.F) {
	for _, version := range fetchVersions {
		f.Add(version, answer(version, onePartition(func(p *kmsg.FetchResponseTopicPartition) { p.RecordBatches = []byte("batches") })))
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		res, err := parseFetch(body, version)
		if err == nil && len(res.batches) > len(body) {
			t.Errorf("%d bytes of batches in a response of %d", len(res.batches), len(body))
		}
	})
}
