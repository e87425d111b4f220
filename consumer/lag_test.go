package consumer

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

// awaitLag waits until lag_messages of a partition is want.
func (w *worker) awaitLag(t *testing.T, partition int, want float64) {
	t.Helper()
	ctx := limited(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := value(t, w.metrics.lag.WithLabelValues(testTopic, strconv.Itoa(partition)))
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("lag %v, want %v", got, want)
		}
	}
}

func TestLagIsEndMinusCommitted(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 100)
	w := startWorker(t, c)
	ms := w.take(t, 100)
	w.awaitLag(t, 0, 100)
	settle(ms[50:]...)
	w.awaitLag(t, 0, 100)
	settle(ms[:30]...)
	w.awaitLag(t, 0, 70)
	// The lag is what would be read again. The backlog is what is left to do.
	if got := w.Backlog().Messages; got != 20 {
		t.Errorf("backlog %d, want 20", got)
	}
	settle(ms[30:50]...)
	w.awaitLag(t, 0, 0)
}

// TestLagGrowsWhileIntakePauses cannot learn the end from fetches: there are
// none.
func TestLagGrowsWhileIntakePauses(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	w := startWorker(t, c, func(_ *Config, in *Intake, _ *Parts, _ *tuning) { in.InFlight = 5 })
	ms := w.take(t, 5)
	w.awaitLag(t, 0, 10)
	produce(t, cl, 0, 90)
	w.awaitLag(t, 0, 100)
	settle(ms...)
	w.awaitLag(t, 0, 95)
}

// awaitBacklog waits until the backlog is as want says.
func (w *worker) awaitBacklog(t *testing.T, want func(pipeline.Backlog) bool) pipeline.Backlog {
	t.Helper()
	ctx := limited(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		b := w.Backlog()
		if want(b) {
			return b
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("backlog %+v is not what is wanted", b)
		}
	}
}

// TestArrivalsAreWhatComesAfterTheAssignment has 101 records in the logs before
// the worker comes: they are backlog and not arrivals.
func TestArrivalsAreWhatComesAfterTheAssignment(t *testing.T) {
	c := newCluster(t, 2)
	cl := newClient(t, c)
	produce(t, cl, 0, 100)
	produce(t, cl, 1, 1)
	w := startWorker(t, c, func(_ *Config, in *Intake, _ *Parts, _ *tuning) { in.InFlight = 5 })
	w.take(t, 5) // no more is fetched, so the ends are asked for
	b := w.awaitBacklog(t, func(b pipeline.Backlog) bool { return b.Messages == 101 })
	if b.Arrived != 0 || b.Stalled || b.Epoch == 0 || b.Heard.IsZero() {
		t.Errorf("got %+v, want nothing arrived, heard at some time, in an epoch, and no stall", b)
	}
	produce(t, cl, 0, 30)
	produce(t, cl, 1, 12)
	w.awaitBacklog(t, func(later pipeline.Backlog) bool {
		return later.Arrived == 42 && later.Messages == 143 && later.Heard.After(b.Heard)
	})
}

// openTransaction writes n records to partition 0 and leaves their transaction
// open until the returned function commits it.
func openTransaction(t *testing.T, c *kfake.Cluster, n int) (commit func()) {
	t.Helper()
	cl := newClient(t, c, kgo.TransactionalID("x"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, 0, n)
	return func() {
		t.Helper()
		if err := cl.EndTransaction(limited(t), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnOpenTransactionIsBacklogWhereItIsRead has 10 records before an open
// transaction of 5 and 10 more after its begin: with read_committed none of the
// 15 may be read, so they are no backlog, no lag, and have not arrived.
func TestAnOpenTransactionIsBacklogWhereItIsRead(t *testing.T) {
	const before, inside, after, marker = 10, 5, 10, 1
	for isolation, want := range map[Isolation]struct{ waiting, arrives int64 }{
		ReadCommitted:   {before, inside + after + marker},
		ReadUncommitted: {before + inside + after, marker},
	} {
		for _, tt := range []struct {
			name  string
			holds int // messages, beyond which nothing is fetched and the ends are asked for
		}{
			{"heard by fetching", 1000},
			{"asked for", 5},
		} {
			t.Run(fmt.Sprintf("%s, ends are %s", isolation, tt.name), func(t *testing.T) {
				c := newCluster(t, 1)
				produce(t, newClient(t, c), 0, before)
				commit := openTransaction(t, c, inside)
				produce(t, newClient(t, c), 0, after)
				w := startWorker(t, c, func(cfg *Config, in *Intake, _ *Parts, _ *tuning) { cfg.Isolation, in.InFlight = isolation, tt.holds })
				w.take(t, 5)
				first := w.awaitBacklog(t, func(b pipeline.Backlog) bool { return !b.Heard.IsZero() })
				b := w.awaitBacklog(t, func(b pipeline.Backlog) bool { return b.Heard.After(first.Heard) })
				if b.Messages != want.waiting || b.Arrived != 0 {
					t.Errorf("backlog %d, arrived %d; want %d and 0", b.Messages, b.Arrived, want.waiting)
				}
				w.awaitLag(t, 0, float64(want.waiting))
				commit()
				w.awaitBacklog(t, func(b pipeline.Backlog) bool { return b.Arrived == want.arrives })
			})
		}
	}
}

// TestAnOpenTransactionBehindTheLastMessageIsNoLoad settles all that may be
// read.
func TestAnOpenTransactionBehindTheLastMessageIsNoLoad(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	openTransaction(t, c, 5)
	w := startWorker(t, c)
	settle(w.take(t, 10)...)
	w.awaitLag(t, 0, 0)
	if b := w.Backlog(); b.Messages != 0 || !b.Oldest.IsZero() || b.Stalled {
		t.Errorf("got %+v, want no messages, no oldest and no stall", b)
	}
}

// TestAStartAtTheEndReadsTheOpenTransaction as any consumer does that has
// auto.offset.reset=latest.
func TestAStartAtTheEndReadsTheOpenTransaction(t *testing.T) {
	for isolation, want := range map[Isolation]int64{ReadCommitted: 10, ReadUncommitted: 15} {
		t.Run(string(isolation), func(t *testing.T) {
			c := newCluster(t, 1)
			produce(t, newClient(t, c), 0, 10)
			openTransaction(t, c, 5)
			startWorker(t, c, latest, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Isolation = isolation })
			awaitCommit(t, c, 0, want)
		})
	}
}

func TestABrokerThatRefusesToBeReadStallsTheBacklog(t *testing.T) {
	c := newCluster(t, 2)
	produce(t, newClient(t, c), 0, 10)
	w := startWorker(t, c)
	settle(w.take(t, 10)...)
	refusal := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError, Count: -1})
	w.awaitBacklog(t, func(b pipeline.Backlog) bool { return b.Stalled })
	refusal.Remove()
	w.awaitBacklog(t, func(b pipeline.Backlog) bool { return !b.Stalled })
}

func TestHearingOfAnOlderEndIsNoArrival(t *testing.T) {
	p := &partition{}
	p.highest.Store(-1)
	for _, end := range []int64{100, 110, 105, 110, 120} {
		p.hear(end)
	}
	if got := p.arrived.Load(); got != 20 {
		t.Errorf("%d records arrived, want 20", got)
	}
}

func TestAWorkerExportsOnlyTheLagOfItsPartitions(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	w := startWorker(t, c)
	settle(w.take(t, 10)...)
	w.awaitLag(t, 0, 0)
	w.quit(t)
	if w.metrics.lag.DeleteLabelValues(testTopic, "0") {
		t.Error("lag is still exported after the partition was given up")
	}
	if got := value(t, w.metrics.assigned); got != 0 {
		t.Errorf("%v partitions assigned, want 0", got)
	}
}

func TestTheOldestMessageKeepsGettingOlder(t *testing.T) {
	c := newCluster(t, 2)
	cl := newClient(t, c)
	old, older := time.Now().Add(-time.Minute).Truncate(time.Millisecond), time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	produceRecords(t, cl,
		&kgo.Record{Topic: testTopic, Partition: 0, Timestamp: old, Value: []byte("a")},
		&kgo.Record{Topic: testTopic, Partition: 1, Timestamp: older, Value: []byte("b")})
	w := startWorker(t, c)
	ms := w.take(t, 2)
	if got := w.Backlog().Oldest; !got.Equal(older) {
		t.Errorf("oldest %v, want %v", got, older)
	}
	first := w.metrics.oldestAge()
	if first < 3600 || w.metrics.oldestAge() <= first {
		t.Errorf("age %v, and then %v: want at least an hour, and more", first, w.metrics.oldestAge())
	}
	settle(owned(ms, 1)...)
	if got := w.Backlog().Oldest; !got.Equal(old) {
		t.Errorf("oldest %v, want %v", got, old)
	}
	settle(owned(ms, 0)...)
	if got := w.Backlog().Oldest; !got.IsZero() || w.metrics.oldestAge() != 0 {
		t.Errorf("oldest %v, age %v, want none", got, w.metrics.oldestAge())
	}
}

// TestAStuckPartitionGetsOlder has everything before a damaged batch settled.
func TestAStuckPartitionGetsOlder(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	w := startWorker(t, c)
	settle(w.take(t, 10)...)
	tries := spoil(c, 10)
	produce(t, cl, 0, 2)
	w.logs.wait(t, "ERROR partition is stuck")
	since := w.oldest()
	if since.IsZero() || w.metrics.oldestAge() <= 0 {
		t.Fatalf("oldest %v, want the time since when nothing moves", since)
	}
	for range 3 { // one of them may be from before
		select {
		case <-tries:
		case <-limited(t).Done():
			t.Fatal("it is not tried again")
		}
	}
	if got := w.oldest(); !got.Equal(since) {
		t.Errorf("oldest %v after more tries, want still %v", got, since)
	}
}

func TestTheOldestMessageIsKeptBetweenAssignments(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	old := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	produceRecords(t, cl, &kgo.Record{Topic: testTopic, Timestamp: old, Value: []byte("a")})
	w := startWorker(t, c, drains(time.Millisecond, 20*time.Millisecond))
	w.take(t, 1)
	// Nobody joins any more.
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
	w.logs.wait(t, "joining the group failed")
	if got := w.oldest(); !got.Equal(old) {
		t.Errorf("oldest %v, want still %v", got, old)
	}
	w.quit(t)
	if got := w.oldest(); !got.IsZero() {
		t.Errorf("oldest %v after the end, want none", got)
	}
}

func TestWhatIsReadIsCountedWhenItIsHandedOut(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	w := startWorker(t, c, func(_ *Config, in *Intake, p *Parts, _ *tuning) { in.InFlight, p.Drain = 4, time.Millisecond })
	ms := w.take(t, 4)
	settle(ms[:3]...)
	w.take(t, 3)
	w.quit(t)
	read, abandoned := value(t, w.metrics.read.WithLabelValues(testTopic)), value(t, w.metrics.abandoned)
	if read != 7 || abandoned != 4 {
		t.Errorf("read %v, abandoned %v, want 7 and 4: three were settled", read, abandoned)
	}
}

func TestUnchangedOffsetsAreNotCommittedAgain(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	w := startWorker(t, c)
	settle(w.take(t, 10)...)
	awaitCommit(t, c, 0, 10)
	w.awaitLag(t, 0, 0)
	commits := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1})
	beats := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1})
	if err := beats.Wait(limited(t), 3); err != nil { // a dozen commit periods
		t.Fatal(err)
	}
	if n := commits.Hits(); n != 0 {
		t.Errorf("%d commits of nothing new", n)
	}
}
