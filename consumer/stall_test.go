package consumer

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hold makes a cluster take every request of a kind, and answer none before
// release is called. Each receives from taken.
func hold(c *kfake.Cluster, key kmsg.Key) (taken <-chan struct{}, release func()) {
	requests, released := make(chan struct{}, 1000), make(chan struct{})
	c.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-released:
			c.DropControl()
			return nil, nil, false
		default:
		}
		c.KeepControl()
		requests <- struct{}{}
		c.SleepControl(func() { <-released })
		return nil, nil, false
	})
	return requests, sync.OnceFunc(func() { close(released) })
}

// receive waits for something to happen.
func receive(t *testing.T, happened <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-happened:
	case <-limited(t).Done():
		t.Fatalf("no %s", what)
	}
}

// TestACommitThatIsNeverAnswered gives up each after half a session, and keeps
// the partitions: the heartbeats go on.
func TestACommitThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := newClient(t, c)
	w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.SessionTimeout = time.Second })
	produce(t, cl, 0, 10)
	held := w.take(t, 10)
	taken, release := hold(c, kmsg.OffsetCommit)
	defer release()
	settle(held[:4]...)
	receive(t, taken, "commit")
	w.logs.wait(t, "commit was not accepted")
	receive(t, taken, "second commit")
	if value(t, w.metrics.commitErrors) == 0 {
		t.Error("no commit error is counted")
	}
	settle(held[4:]...)
	release()
	awaitCommit(t, c, 0, 10)
	if got := value(t, w.metrics.rebalances); got != 1 {
		t.Errorf("%v generations, want 1: the membership was lost", got)
	}
}

// TestACommitThatArrivesLate is one that was given up and is carried out after
// the next: a connection that is given up still delivers what was sent on it. The
// group's offset is set back, and put right again, though nothing new settles.
func TestACommitThatArrivesLate(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := newClient(t, c)
	w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.SessionTimeout = time.Second })
	produce(t, cl, 0, 10)
	held := w.take(t, 10)
	awaitMembers(t, c, 1)
	caught, late, again := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var holding atomic.Bool
	first := true
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		switch {
		case first:
			first = false
			close(caught)
			c.SleepControl(func() { <-late })
		case holding.Load():
			c.SleepControl(func() { <-again })
		}
		return nil, nil, false
	})
	settle(held[:4]...)
	receive(t, caught, "commit")
	settle(held[4:]...)
	awaitCommit(t, c, 0, 10)
	holding.Store(true)
	close(late)
	awaitCommit(t, c, 0, 4)
	close(again)
	awaitCommit(t, c, 0, 10)
}

// TestAJoinThatIsNeverAnswered is said, and makes the worker not ready, long
// before the time that a rebalance may take.
func TestAJoinThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := newClient(t, c)
	w := startWorker(t, c, func(_ *Config, _ *Intake, _ *Parts, tune *tuning) { tune.request = time.Second })
	w.logs.wait(t, "partitions assigned")
	taken, release := hold(c, kmsg.JoinGroup)
	defer release()
	c.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		res := kmsg.NewPtrHeartbeatResponse()
		res.Version, res.ErrorCode = req.GetVersion(), kerr.RebalanceInProgress.Code
		return res, nil, true
	})
	receive(t, taken, "request to join")
	w.logs.wait(t, "joining the group takes long")
	if w.Ready() || value(t, w.metrics.connected) != 0 {
		t.Error("a worker that is no member says that it is ready")
	}
	release()
	produce(t, cl, 0, 5)
	settle(w.take(t, 5)...)
	awaitCommit(t, c, 0, 5)
	if !w.Ready() {
		t.Error("a member that reads says that it is not ready")
	}
}

// TestALinkThatIsTooSlowForAFetch carries less, in the time for one request,
// than a partition may ask for at once.
func TestALinkThatIsTooSlowForAFetch(t *testing.T) {
	t.Parallel()
	const batches, size = 24, 16 << 10
	c := newCluster(t, 1)
	cl := newClient(t, c, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for range batches {
		produceRecords(t, cl, &kgo.Record{Topic: testTopic, Value: make([]byte, size)})
	}
	h := newHole(t, c)
	for _, p := range h.proxies {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(`{"type":"bandwidth","stream":"downstream","attributes":{"rate":200}}`)); err != nil {
			t.Fatal(err)
		}
	}
	w := startWorker(t, c, func(_ *Config, _ *Intake, _ *Parts, tune *tuning) {
		tune.dial, tune.request = h.dial, time.Second
	})
	settle(w.take(t, batches)...)
	awaitCommit(t, c, 0, batches)
	w.logs.wait(t, "fetching failed, trying again")
}

// TestABrokerThatAcceptsAndNeverAnswers is there at the start, and again when
// everything runs. Each request is given up; nothing needs a restart.
func TestABrokerThatAcceptsAndNeverAnswers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	h := newHole(t, c)
	h.open()
	w := startWorker(t, c, func(cfg *Config, _ *Intake, p *Parts, tune *tuning) {
		cfg.SessionTimeout, p.Drain = 2*time.Second, 100*time.Millisecond
		tune.dial, tune.request = h.dial, time.Second
	})
	w.logs.wait(t, "no broker answers, trying again")
	h.close(limited(t))
	held := w.take(t, 10)
	settle(held[:5]...)
	awaitCommit(t, c, 0, 5)

	h.open()
	settle(held[5:]...) // and cannot be committed
	w.logs.wait(t, "commit was not accepted")
	w.logs.wait(t, "joining the group failed")
	if w.Ready() || value(t, w.metrics.connected) != 0 || value(t, w.metrics.commitErrors) == 0 {
		t.Errorf("ready %v, connected %v, %v commit errors; want false, 0 and some",
			w.Ready(), value(t, w.metrics.connected), value(t, w.metrics.commitErrors))
	}
	h.close(limited(t))
	produce(t, cl, 0, 5)
	seen := make(map[string]bool)
	for len(seen) < 5 {
		for _, m := range w.take(t, 1) {
			if m.Settle(); m.Origin.Offset >= 10 {
				seen[m.ID] = true
			}
		}
	}
	awaitCommit(t, c, 0, 15)
}

// TestAStopWhileNoBrokerAnswers ends soon: nothing that Kafka owes an answer to
// is waited for any longer than Close allows.
func TestAStopWhileNoBrokerAnswers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	h := newHole(t, c)
	w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, tune *tuning) {
		cfg.SessionTimeout, tune.dial = 2*time.Second, h.dial
	})
	held := w.take(t, 10)
	h.open()
	settle(held...)
	w.quit(t)
}

// TestALookUpThatNeverEnds is a resolver that does not answer.
func TestALookUpThatNeverEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	asked := make(chan struct{}, 1000)
	var mu sync.Mutex
	deaf := true
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}
	w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, tune *tuning) {
		cfg.Brokers, tune.request = []string{"kafka.test:9092"}, time.Second
		tune.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			ask := deaf
			mu.Unlock()
			if d := (net.Dialer{Resolver: resolver}); ask {
				return d.DialContext(ctx, network, address)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, c.ListenAddrs()[0])
		}
	})
	receive(t, asked, "question about a name")
	w.logs.wait(t, "no broker answers, trying again")
	mu.Lock()
	deaf = false
	mu.Unlock()
	produce(t, newClient(t, c), 0, 3)
	settle(w.take(t, 3)...)
	awaitCommit(t, c, 0, 3)
}
