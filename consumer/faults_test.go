package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"sweetspot/pipeline"
)

// A hole is a network between one worker and the brokers that can swallow
// everything.
type hole struct {
	t       *testing.T
	server  *toxiproxy.ApiServer
	proxies map[string]*toxiproxy.Proxy // by broker address
}

func newHole(t *testing.T, c *kfake.Cluster) *hole {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a log of their own
	h := &hole{t: t, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), proxies: make(map[string]*toxiproxy.Proxy)}
	for _, addr := range c.ListenAddrs() {
		p := toxiproxy.NewProxy(h.server, addr, "127.0.0.1:0", addr)
		if err := p.Start(); err != nil {
			t.Fatalf("starting a proxy: %v", err)
		}
		t.Cleanup(p.Stop)
		h.proxies[addr] = p
	}
	return h
}

// dial connects to a broker through its proxy: brokers tell their own address.
func (h *hole) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, h.proxies[address].Listen)
}

// open lets nothing through any more, in both directions, without a sign.
func (h *hole) open() {
	for _, p := range h.proxies {
		for _, stream := range []string{"upstream", "downstream"} {
			toxic := fmt.Sprintf(`{"name":%q,"type":"timeout","stream":%q,"attributes":{"timeout":0}}`, stream, stream)
			if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
				h.t.Errorf("opening the hole: %v", err)
			}
		}
	}
}

// close lets everything through again.
func (h *hole) close(ctx context.Context) {
	for _, p := range h.proxies {
		p.Toxics.ResetToxics(ctx)
	}
}

// TestAWorkerThatKafkaCannotHear loses its partitions to another member while
// it holds messages, and comes back. Nothing that it does in between counts.
func TestAWorkerThatKafkaCannotHear(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	h := newHole(t, c)
	a := startWorker(t, c, func(cfg *Config, _ *Intake, p *Parts, tune *tuning) {
		cfg.SessionTimeout, p.Drain = 3*time.Second, 100*time.Millisecond
		tune.dial, tune.request = h.dial, 1500*time.Millisecond
	})
	held := a.take(t, 10)
	settle(held[:4]...)
	awaitCommit(t, c, 0, 4)
	h.open()
	a.logs.wait(t, "given up with messages unsettled", "messages=6")
	a.logs.wait(t, "joining the group failed")
	if a.Ready() || value(t, a.metrics.connected) != 0 {
		t.Error("ready without a broker")
	}

	b := startWorker(t, c)
	again := b.take(t, 6)
	equal(t, values(again), values(held[4:]))
	settle(again...)
	awaitCommit(t, c, 0, 10)
	for _, m := range held[4:] {
		if m.Settle() {
			t.Fatal("a message counts, though its partition was lost")
		}
	}
	h.close(limited(t))
	awaitMembers(t, c, 2)
	b.quit(t)
	produce(t, cl, 0, 5)
	settle(a.take(t, 5)...)
	awaitCommit(t, c, 0, 15)
}

// TestAWorkerThatDies is a kill -9 as Kafka sees it: the member is silent, and
// what it had settled since its last commit is read again.
func TestAWorkerThatDies(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	h := newHole(t, c)
	a := startWorker(t, c, func(cfg *Config, _ *Intake, p *Parts, tune *tuning) {
		cfg.SessionTimeout, p.Drain = 3*time.Second, 100*time.Millisecond
		tune.dial, tune.request = h.dial, 1500*time.Millisecond
	})
	held := a.take(t, 10)
	settle(held[:4]...)
	awaitCommit(t, c, 0, 4)
	h.open()
	settle(held[4:7]...) // never committed
	a.kill()
	b := startWorker(t, c)
	again := b.take(t, 6)
	equal(t, values(again), values(held[4:]))
	if again[0].ID != held[4].ID {
		t.Errorf("read again as %s, was %s: JetStream would not see the duplicate", again[0].ID, held[4].ID)
	}
	settle(again...)
	awaitCommit(t, c, 0, 10)
}

func TestTwoMembersShareTheWork(t *testing.T) {
	c := newCluster(t, 4)
	cl := newClient(t, c)
	a, b := startWorker(t, c), startWorker(t, c)
	awaitMembers(t, c, 2)
	for p := range 4 {
		produce(t, cl, p, 100)
	}
	first, second := a.take(t, 200), b.take(t, 200)
	settle(first...)
	settle(second...)
	seen := make(map[string]int)
	for _, m := range append(first, second...) {
		seen[m.ID]++
	}
	if len(seen) != 400 {
		t.Errorf("%d different messages, want 400", len(seen))
	}
	for p := range 4 {
		awaitCommit(t, c, p, 100)
	}
}

func TestWorkersWithRacksShareEveryPartition(t *testing.T) {
	c := newCluster(t, 4)
	cl := newClient(t, c)
	in := func(rack string) setting {
		return func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Rack = rack }
	}
	// One worker without a rack speaks to both.
	workers := []*worker{startWorker(t, c, in("a")), startWorker(t, c, in("b")), startWorker(t, c)}
	g := awaitMembers(t, c, 3)
	for p := range int32(4) {
		memberWith(t, g, p)
	}
	for _, w := range workers {
		w.settleAll(t, func(*pipeline.Message) {})
	}
	for p := range 4 {
		produce(t, cl, p, 10)
		awaitCommit(t, c, p, 10)
	}
}

// A crew settles messages out of order, for several workers at once, and
// remembers which counted.
type crew struct {
	mu      sync.Mutex
	counted map[string]int
	left    int
	all     chan struct{} // closed when every message has counted
}

func (cr *crew) settle(m *pipeline.Message) {
	if !m.Settle() {
		return
	}
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if cr.counted[m.ID]++; cr.counted[m.ID] == 1 {
		if cr.left--; cr.left == 0 {
			close(cr.all)
		}
	}
}

// work settles what w fetches, shuffled within each fetch, until w stops, and
// returns how many counted.
func (cr *crew) work(w *worker, rng *rand.Rand) {
	for {
		ms, err := w.Fetch(context.Background())
		if err != nil {
			return
		}
		rng.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
		for _, m := range ms {
			cr.settle(m)
		}
	}
}

// TestMembersComeAndGo has workers join, stop and die while they read. At the
// end every message has counted at least once and everything is committed.
func TestMembersComeAndGo(t *testing.T) {
	const partitions, each = 6, 500
	c := newCluster(t, partitions)
	cl := newClient(t, c)
	cr := &crew{counted: make(map[string]int), left: partitions * each, all: make(chan struct{})}
	rng := rand.New(rand.NewPCG(1, 1))
	var working sync.WaitGroup
	start := func() *worker {
		w := startWorker(t, c, func(_ *Config, in *Intake, p *Parts, _ *tuning) {
			in.InFlight, p.Drain = 50, time.Second
		})
		seed := rng.Uint64()
		working.Go(func() { cr.work(w, rand.New(rand.NewPCG(seed, 2))) })
		return w
	}
	produceSome := func(from, to int) {
		for p := range partitions {
			for i := from; i < to; i += 50 {
				produce(t, cl, p, 50)
			}
		}
	}
	members := []*worker{start(), start()}
	awaitMembers(t, c, 2)
	for step := range 5 {
		produceSome(step*100, step*100+100)
		members = append(members, start())
		awaitMembers(t, c, len(members))
		gone := rng.IntN(len(members))
		if step%2 == 0 {
			members[gone].quit(t)
		} else {
			members[gone].kill()
		}
		members = append(members[:gone], members[gone+1:]...)
		awaitMembers(t, c, len(members))
	}
	select {
	case <-cr.all:
	case <-limited(t).Done():
		cr.mu.Lock()
		t.Fatalf("%d messages never counted", cr.left)
	}
	for p := range partitions {
		awaitCommit(t, c, p, each)
	}
	for _, m := range members {
		m.quit(t)
	}
	working.Wait()
	again := 0
	for _, n := range cr.counted {
		again += n - 1
	}
	t.Logf("%d of %d messages counted again after a member was gone", again, partitions*each)
}

// TestFiftyJoinsLeaveNothingBehind looks for goroutines that stay.
func TestFiftyJoinsLeaveNothingBehind(t *testing.T) {
	c := newCluster(t, 2)
	once := func() {
		w := startWorker(t, c)
		w.logs.wait(t, "partitions assigned")
		w.quit(t)
	}
	once()
	before := runtime.NumGoroutine()
	for range 50 {
		once()
	}
	// kafka-go's connections end by themselves once they are let go.
	ctx := limited(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before+5 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d goroutines, %d before 50 joins", runtime.NumGoroutine(), before)
		}
	}
}
