package consumer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

// commitAt gives the group, which has no members, an offset.
func commitAt(t *testing.T, c *kfake.Cluster, cl *kgo.Client, offset int64) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = testGroup, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = testTopic, c.TopicInfo(testTopic).TopicID
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(limited(t), cl)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("committing %d: %v", offset, err)
	}
}

// appendRaw appends bytes to a partition as they are.
func appendRaw(t *testing.T, c *kfake.Cluster, cl *kgo.Client, partition int32, raw []byte) {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = testTopic, c.TopicInfo(testTopic).TopicID
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	res, err := cl.Broker(0).Request(limited(t), req)
	if err != nil {
		t.Fatalf("appending: %v", err)
	}
	if pr, ok := res.(*kmsg.ProduceResponse); !ok || pr.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("appending: %+v", res)
	}
}

// TestAnOffsetBelowTheLogStartIsSaidAloud is silent with kafka-go's Reader.
func TestAnOffsetBelowTheLogStartIsSaidAloud(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 100)
	commitAt(t, c, cl, 10)
	if err := c.DeleteRecords(testTopic, 0, 40); err != nil {
		t.Fatal(err)
	}
	w := startWorker(t, c)
	ms := w.take(t, 60)
	if got := ms[0].Origin.Offset; got != 40 {
		t.Errorf("the first message is at %d, want 40", got)
	}
	w.logs.wait(t, "WARN messages were deleted before they were read", "from=10", "to=40", "offsets=30")
	if got := value(t, w.metrics.gaps); got != 1 {
		t.Errorf("%v gaps, want 1", got)
	}
	settle(ms...)
	awaitCommit(t, c, 0, 100)
}

// TestTheLogIsCutUnderAReaderThatWaits has retention pass a worker whose
// budget is spent.
func TestTheLogIsCutUnderAReaderThatWaits(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	for range 10 { // ten batches, each more than one fetch asks for
		var rs []*kgo.Record
		for range 10 {
			rs = append(rs, &kgo.Record{Topic: testTopic, Value: make([]byte, 4<<10)})
		}
		produceRecords(t, cl, rs...)
	}
	w := startWorker(t, c, func(cfg *Config, in *Intake, _ *Parts, _ *tuning) {
		cfg.FetchBytes, in.InFlight = minFetchBytes, 10
	})
	ms := w.take(t, 10)
	if err := c.DeleteRecords(testTopic, 0, 95); err != nil {
		t.Fatal(err)
	}
	w.settleAll(t, func(*pipeline.Message) {})
	settle(ms...)
	w.logs.wait(t, "messages were deleted before they were read", "to=95")
	awaitCommit(t, c, 0, 100)
}

// TestAnOffsetBeyondTheEnd is retried for ever by kafka-go's Reader.
func TestAnOffsetBeyondTheEnd(t *testing.T) {
	for _, start := range []Start{Earliest, Latest} {
		t.Run(string(start), func(t *testing.T) {
			c := newCluster(t, 1)
			cl := newClient(t, c)
			produce(t, cl, 0, 20)
			commitAt(t, c, cl, 5000)
			w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Start = start })
			w.logs.wait(t, "WARN the log ends before the group's offset", "offset=5000", "end=20", "start=0")
			awaitCommit(t, c, 0, 0)
			produce(t, cl, 0, 1)
			settle(w.take(t, 21)...)
			awaitCommit(t, c, 0, 21)
		})
	}
}

func TestAPartitionThatCannotBeFetchedIsStuckUntilItCan(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Err: kerr.KafkaStorageError, Count: -1})
	w := startWorker(t, c)
	w.logs.wait(t, "WARN fetching failed", "topic=in", "partition=0", "offset=0")
	w.logs.wait(t, "ERROR partition is stuck", "Storage")
	fault.Remove()
	settle(w.take(t, 10)...)
	awaitCommit(t, c, 0, 10)
	if got := value(t, w.metrics.stuck); got != 0 {
		t.Errorf("%v partitions are stuck, want 0", got)
	}
}

// TestOneFailingPartitionKeepsTheConnections counts connections while a
// partition is refused: the others use them too.
func TestOneFailingPartitionKeepsTheConnections(t *testing.T) {
	c := newCluster(t, 2)
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Partitions: []int32{0}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	w := startWorker(t, c)
	w.logs.wait(t, "WARN fetching failed", "partition=0")
	if err := fault.Wait(limited(t), 4); err != nil {
		t.Fatal(err)
	}
	w.net.mu.Lock()
	defer w.net.mu.Unlock()
	if !w.net.refreshed.IsZero() {
		t.Error("the connections were dropped for an answer that does not depend on them")
	}
}

func TestWhichFailuresMayHaveMovedTheLeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"another leader", kafka.NotLeaderForPartition, true},
		{"a wrapped code", fmt.Errorf("asking: %w", kafka.UnknownTopicOrPartition), true},
		{"a broken connection", io.ErrUnexpectedEOF, true},
		{"a broker that does not answer", context.DeadlineExceeded, true},
		{"no permission", kafka.TopicAuthorizationFailed, false},
		{"an offset out of range", kafka.OffsetOutOfRange, false},
		{"a damaged batch", &damage{err: io.ErrUnexpectedEOF}, false},
		{"no records", errNothing, false},
		{"an old broker", errTooOld, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mayHaveMoved(tt.err); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAMessageLargerThanEveryBoundPasses(t *testing.T) {
	c := newCluster(t, 1, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}))
	cl := newClient(t, c, kgo.ProducerBatchMaxBytes(10<<20))
	giant := bytes.Repeat([]byte("x"), 5<<20)
	for _, v := range [][]byte{[]byte("before"), giant, []byte("after")} {
		produceRecords(t, cl, &kgo.Record{Topic: testTopic, Value: v})
	}
	w := startWorker(t, c, func(cfg *Config, in *Intake, _ *Parts, _ *tuning) {
		cfg.FetchBytes, in.InFlightBytes = minFetchBytes, 2*minFetchBytes
	})
	for i, want := range []int{6, 5 << 20, 5} {
		m := w.take(t, 1)[0]
		if len(m.Value) != want {
			t.Errorf("message %d has %d bytes, want %d", i, len(m.Value), want)
		}
		settle(m)
	}
	awaitCommit(t, c, 0, 3)
}

func TestBytesInFlightAreBounded(t *testing.T) {
	c := newCluster(t, 4)
	cl := newClient(t, c)
	for p := range int32(4) {
		for range 20 {
			produceRecords(t, cl, &kgo.Record{Topic: testTopic, Partition: p, Value: bytes.Repeat([]byte("x"), 10<<10)})
		}
	}
	const bound = 256 << 10
	w := startWorker(t, c, func(_ *Config, in *Intake, _ *Parts, _ *tuning) { in.InFlightBytes = bound })
	// Four readers fetch 32 KiB each ahead, which leaves 128 KiB: 12 messages.
	var held []*pipeline.Message
	for read := 0; read < 80; {
		ms := w.take(t, 1)
		read += len(ms)
		held = append(held, ms...)
		if got := value(t, w.metrics.bytes); got > bound/2 {
			t.Fatalf("%v bytes are held, want at most %d beside what is fetched ahead", got, bound/2)
		}
		if len(held) == 12 || read == 80 {
			settle(held...)
			held = nil
		}
	}
	for p := range 4 {
		awaitCommit(t, c, p, 20)
	}
	if got := value(t, w.metrics.bytes) + value(t, w.metrics.messages); got != 0 {
		t.Errorf("%v bytes and messages are held at the end, want 0", got)
	}
}

// TestTransactions reads what transactional producers wrote. kafka-go's Reader
// hands out the aborted messages and the markers, whatever its isolation level.
func TestTransactions(t *testing.T) {
	for isolation, want := range map[Isolation][]string{
		ReadCommitted:   {"0.0", "0.1", "2.0", "2.1"},
		ReadUncommitted: {"0.0", "0.1", "1.0", "1.1", "2.0", "2.1", "3.0"},
	} {
		t.Run(string(isolation), func(t *testing.T) {
			c := newCluster(t, 1)
			cl := newClient(t, c, kgo.TransactionalID("x"))
			begin := func() {
				if err := cl.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
			}
			write := func(txn, i int) {
				produceRecords(t, cl, &kgo.Record{Topic: testTopic, Value: fmt.Appendf(nil, "%d.%d", txn, i)})
			}
			for txn := range 3 {
				begin()
				write(txn, 0)
				write(txn, 1)
				if err := cl.EndTransaction(limited(t), kgo.TransactionEndTry(txn != 1)); err != nil {
					t.Fatal(err)
				}
			}
			begin()
			write(3, 0) // stays open; 9 offsets lie before it
			w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Isolation = isolation })
			ms := w.take(t, len(want))
			equal(t, values(ms), want)
			settle(ms...)
			end := map[Isolation]int64{ReadCommitted: 9, ReadUncommitted: 10}[isolation]
			awaitCommit(t, c, 0, end) // over the markers too
			if got := value(t, w.metrics.gaps); got != 0 {
				t.Errorf("%v gaps, want 0: markers and aborted messages are none", got)
			}
			if err := cl.EndTransaction(limited(t), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			if isolation == ReadCommitted {
				settle(w.take(t, 1)...)
			}
			awaitCommit(t, c, 0, 11)
		})
	}
}

func TestCompactedTopics(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	deleteTopic(t, cl, testTopic)
	policy, small := "compact", "100"
	createTopic(t, cl, testTopic,
		kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: &policy},
		kmsg.CreateTopicsRequestTopicConfig{Name: "segment.bytes", Value: &small})
	cl = newClient(t, c)
	for i := range 20 { // batches of three, with old values of keys 0 to 3 at every place
		var rs []*kgo.Record
		for j := range 3 {
			rs = append(rs, &kgo.Record{Topic: testTopic, Key: fmt.Append(nil, (i+j)%4), Value: fmt.Appendf(nil, "%d", 3*i+j)})
		}
		produceRecords(t, cl, rs...)
	}
	c.Compact()
	w := startWorker(t, c)
	var offsets []int64
	for len(offsets) == 0 || offsets[len(offsets)-1] != 59 {
		for _, m := range w.take(t, 1) {
			offsets = append(offsets, m.Origin.Offset)
			if want := itoa(m.Origin.Offset); string(m.Value) != want {
				t.Errorf("offset %d holds %q, want %s", m.Origin.Offset, m.Value, want)
			}
			m.Settle()
		}
	}
	awaitCommit(t, c, 0, 60)
	if len(offsets) == 60 {
		t.Fatal("nothing was compacted away")
	}
	if got := value(t, w.metrics.gaps); got == 0 {
		t.Error("no gap was counted")
	}
	w.logs.wait(t, "INFO offsets are missing in the log", "topic=in", "partition=0")
}

// TestLeadersMove moves a partition, and takes a broker out of the cluster.
func TestLeadersMove(t *testing.T) {
	c := newCluster(t, 2, kfake.NumBrokers(3))
	cl := newClient(t, c)
	w := startWorker(t, c)
	seen := make(chan string, 1000)
	w.settleAll(t, func(m *pipeline.Message) { seen <- string(m.Value) })
	await := func(n int) {
		t.Helper()
		ctx := limited(t)
		for range n {
			select {
			case <-seen:
			case <-ctx.Done():
				t.Fatal("messages are missing")
			}
		}
	}
	produce(t, cl, 0, 10)
	await(10)
	if err := c.MoveTopicPartition(testTopic, 0, (c.LeaderFor(testTopic, 0)+1)%3); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, 0, 10)
	await(10)
	if err := c.RemoveNode(c.CoordinatorFor(testGroup)); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, 0, 10)
	produce(t, cl, 1, 10)
	await(20)
	awaitCommit(t, c, 0, 30)
	awaitCommit(t, c, 1, 10)
}
