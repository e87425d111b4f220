package consumer

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

// written is a batch as its producer sent it.
func written(records int32, attributes int16, payload []byte) []byte {
	return rawBatch(kmsg.RecordBatch{
		NumRecords: records, LastOffsetDelta: records - 1, Attributes: attributes, Records: payload,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	})
}

// zipped compresses the records, and cuts the end off.
func zipped(t *testing.T, cut int, records ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for _, r := range records {
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[:b.Len()-cut]
}

// TestABatchThatCannotBeReadIsSetAside has one between two good ones. kafka-go's
// Reader tries it again for ever, with one line in its error log.
func TestABatchThatCannotBeReadIsSetAside(t *testing.T) {
	for _, tt := range []struct {
		name    string
		batch   []byte // of three records
		read    int    // of them that are read
		defects []string
	}{
		{"gzip that is none", written(3, 1, []byte("this is not gzip")), 0, []string{"3 records at offsets 10 to 12, which is the value here, cannot be read from 10 on"}},
		{"snappy that is none", written(3, 2, []byte("this is not snappy")), 0, []string{"cannot be read from 10 on"}},
		{"lz4 that is none", written(3, 3, []byte("this is not lz4")), 0, []string{"cannot be read from 10 on"}},
		{"zstd that is none", written(3, 4, []byte("this is not zstd")), 0, []string{"cannot be read from 10 on"}},
		{"gzip that breaks off after the first record", written(3, 1, zipped(t, 40, textRecord(0, "a"), textRecord(1, "how do I return what I have never ordered, and to whom"))), 1, []string{"cannot be read from 11 on: reading a record: unexpected EOF"}},
		{"fewer records than promised", written(3, 0, append(textRecord(0, "a"), textRecord(1, "b")...)), 2, []string{"cannot be read from 12 on"}},
		{"no records", written(3, 0, nil), 0, []string{"cannot be read from 10 on"}},
		{"a record outside its batch", written(3, 0, textRecord(7, "a")), 0, []string{"does not add up"}},
		{"a giant that is not there", written(3, 0, binary.AppendVarint(nil, largestBody+1)), 0, []string{"reading over a record of 67108865 bytes: unexpected EOF"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			cl := newClient(t, c)
			produce(t, cl, 0, 10)
			appendRaw(t, c, cl, 0, tt.batch)
			produce(t, cl, 0, 10)
			for range 2 { // the second reads what was not committed again, as it was
				w := startWorker(t, c)
				ms := w.take(t, 20+tt.read+len(tt.defects))
				var got []string
				for i, m := range ms {
					if m.Defect == nil {
						continue
					}
					if want := int64(10 + tt.read); i != 10+tt.read || m.Origin.Offset != want {
						t.Errorf("message %d at offset %d is what cannot be read, want offset %d", i, m.Origin.Offset, want)
					}
					if m.Defect.Reason != pipeline.CorruptBatch || m.Key != nil || !bytes.Equal(m.Value[batchMagicAt:], tt.batch[batchMagicAt:]) {
						t.Errorf("got reason %s, key %q and %d bytes, want the batch of %d", m.Defect.Reason, m.Key, len(m.Value), len(tt.batch))
					}
					got = append(got, m.Defect.Err.Error())
				}
				if !slices.EqualFunc(got, tt.defects, strings.Contains) {
					t.Errorf("got %q, want %q", got, tt.defects)
				}
				w.logs.wait(t, "ERROR a batch cannot be read", "topic=in", "partition=0", fmt.Sprintf("offset=%d", 10+tt.read), "last=12")
				if got := value(t, w.metrics.stuck) + value(t, w.metrics.gaps); got != 0 {
					t.Errorf("%v partitions are stuck and gaps counted, want none", got)
				}
				settle(ms[:5]...)
				awaitCommit(t, c, 0, 5)
				w.kill()
				commitAt(t, c, cl, 0)
			}
			w := startWorker(t, c)
			settle(w.take(t, 20+tt.read+1)...)
			awaitCommit(t, c, 0, 23)
		})
	}
}

// TestABombIsSetAside has records that take little room in the log and more
// memory than a worker has for one. Their neighbors in the batch are read.
func TestABombIsSetAside(t *testing.T) {
	headers := make([]kmsg.Header, 2<<20) // 4 MiB in the log, 80 MiB in memory
	for _, tt := range []struct {
		name  string
		bomb  kmsg.Record
		value string
		want  string
	}{
		{"a long value", kmsg.Record{OffsetDelta: 1, Key: []byte("k"), Value: make([]byte, largestBody)}, "", "its value"},
		{"many headers", kmsg.Record{OffsetDelta: 1, Key: []byte("k"), Value: []byte("text"), Headers: headers}, "text", "its 2097152 headers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			cl := newClient(t, c)
			appendRaw(t, c, cl, 0, written(3, 1, zipped(t, 0, textRecord(0, "a"), rawRecord(tt.bomb), textRecord(2, "c"))))
			w := startWorker(t, c)
			ms := w.take(t, 3)
			equal(t, values(ms), []string{"a", tt.value, "c"})
			if d := ms[1].Defect; d == nil || d.Reason != pipeline.TooLarge || !strings.Contains(d.Err.Error(), tt.want) {
				t.Errorf("got defect %+v, want %s with %q", d, pipeline.TooLarge, tt.want)
			}
			settle(ms...)
			awaitCommit(t, c, 0, 3)
		})
	}
}

// spoil has every batch of partition 0 from an offset on come as one whose
// checksum does not hold. tries has something for every fetch of one.
func spoil(c *kfake.Cluster, from int64) (tries <-chan struct{}) {
	tried := make(chan struct{}, 1)
	damaged := plainBatch(from, 0, -1, "a", "b")
	damaged[len(damaged)-2] ^= 1
	c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req, ok := r.(*kmsg.FetchRequest)
		if !ok || len(req.Topics) != 1 || req.Topics[0].Partitions[0].Partition != 0 || req.Topics[0].Partitions[0].FetchOffset < from {
			return nil, nil, false
		}
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.RecordBatches = from+2, from+2, damaged
		res := kmsg.NewPtrFetchResponse()
		res.Version = req.Version
		res.Topics = []kmsg.FetchResponseTopic{{Topic: req.Topics[0].Topic, TopicID: req.Topics[0].TopicID, Partitions: []kmsg.FetchResponseTopicPartition{p}}}
		select {
		case tried <- struct{}{}:
		default: // nobody counts
		}
		return res, nil, true
	})
	return tried
}

// TestADamagedLogIsNotSteppedOver has a batch whose checksum does not hold: the
// disk, and not the producer, is to blame, and another replica may have it whole.
func TestADamagedLogIsNotSteppedOver(t *testing.T) {
	c := newCluster(t, 2)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	spoil(c, 0)
	w := startWorker(t, c)
	w.logs.wait(t, "ERROR partition is stuck", "topic=in", "partition=0", "offset=0", "checksum", "--reset-offsets")
	if got := value(t, w.metrics.stuck); got != 1 {
		t.Errorf("%v partitions are stuck, want 1", got)
	}
	produce(t, cl, 1, 5)
	settle(w.take(t, 5)...) // the other partition goes on
	awaitCommit(t, c, 1, 5)
	w.quit(t)
	if got := value(t, w.metrics.stuck); got != 0 {
		t.Errorf("%v partitions are stuck after the end, want 0", got)
	}
	if got := committed(c, 0); got > 0 {
		t.Errorf("partition 0 is committed at %d: it was stepped over", got)
	}
}
