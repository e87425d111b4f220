package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// longChurn, set to a number of messages, makes TestChurn long.
const longChurn = "SWEETSPOT_CHURN"

// An event is something that happens to the workers while messages flow.
type event string

// The events.
const (
	kill            event = "kill -9 a worker"
	quit            event = "SIGTERM a worker"
	join            event = "a worker joins"
	joinKill        event = "a worker joins and another is killed while partitions move"
	joinQuit        event = "a worker joins and another is stopped while partitions move"
	outageKill      event = "a worker is killed with its hands full while NATS is down"
	restartNATS     event = "NATS restarts"
	moveLeaders     event = "partition leaders move"
	moveCoordinator event = "the group's coordinator moves"
)

// Workers come and go in every way while messages flow, and NATS and Kafka's
// leaders do, too. In the end every message has exactly one result, everything
// is committed, and every worker that was asked to stop has ended with code 0.
func TestChurn(t *testing.T) {
	messages, events := 3000, []event{kill, join, outageKill, join, moveLeaders, joinKill, joinQuit, quit}
	if long := os.Getenv(longChurn); long != "" {
		n, err := strconv.Atoi(long)
		if err != nil || n < 1000 {
			t.Fatalf("%s=%s: want a number of messages, at least 1000", longChurn, long)
		}
		messages, events = n, nil // chosen as it goes
	}
	c := newChurn(t)
	c.run(messages, events)
	c.check(messages)
}

// A churn is one run of the test.
type churn struct {
	t       *testing.T
	s       *sandbox.Sandbox
	env     []string
	produce *sandboxtest.Producer
	results *watcher
	random  *rand.Rand
	began   time.Time

	live    []*child
	started int
	sent    int
	count   map[event]int
	kills   int
	quits   int
}

// Kafka's embedded stand-in begins the rebalance timeout anew at every join and
// leave, and drops, without an answer, a member that waits in JoinGroup for
// longer than its session. So a session lasts longer than several rebalances.
const (
	session   = 10 * time.Second
	rebalance = 3 * time.Second
	heartbeat = 200 * time.Millisecond
)

func newChurn(t *testing.T) *churn {
	t.Helper()
	s := sandboxtest.Start(t, sandbox.Options{Partitions: 12, Brokers: 3})
	return &churn{
		t: t, s: s,
		env: environment(t, s, "SWEET_KAFKA_SESSION_TIMEOUT="+session.String(), "SWEET_KAFKA_REBALANCE_TIMEOUT="+rebalance.String(),
			"SWEET_KAFKA_HEARTBEAT="+heartbeat.String(), "SWEET_DRAIN=2500ms", "SWEET_IN_FLIGHT=100", "SWEET_NATS_ACK_TIMEOUT=2s"),
		produce: sandboxtest.NewProducer(t, s),
		results: watch(t, s),
		random:  rand.New(rand.NewPCG(1, 2)),
		began:   time.Now(),
		count:   make(map[event]int),
	}
}

// piece is how many messages there are for each event of a long run.
const piece = 800

// run sends n messages, a piece for each event and one for the end. Each event
// happens while its piece is being answered: after a quarter of it, which comes
// also while the partitions of workers that were killed stand still.
func (c *churn) run(n int, events []event) {
	c.join()
	c.join()
	pieces := len(events)
	if pieces == 0 {
		pieces = n / piece
	}
	for i := range pieces {
		size := (n - c.sent) / (pieces - i + 1)
		seen := c.results.total()
		c.send(size)
		c.results.await(c.t, seen+size/4)
		c.awaitStable()
		e := c.choose()
		if len(events) > 0 {
			e = events[i]
		}
		c.t.Logf("%6.1f s: %d results of %d, %d workers; %s", time.Since(c.began).Seconds(), c.results.distinct(), n, len(c.live), e)
		c.count[e]++
		c.do(e, n)
	}
	c.send(n - c.sent)
	sandboxtest.AwaitSettled(c.t, c.s, sandbox.Group, func() string { return fmt.Sprint(len(c.live), " workers are alive") })
}

// choose picks an event that leaves at least one worker.
func (c *churn) choose() event {
	all := []event{
		kill, kill, kill, quit, quit, quit, join, join, join, joinKill, joinKill, joinQuit, joinQuit,
		restartNATS, outageKill, moveLeaders, moveCoordinator,
	}
	many := slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e == join })
	switch {
	case len(c.live) < 2:
		return join
	case len(c.live) > 4:
		all = many
	}
	return all[c.random.IntN(len(all))]
}

// do makes e happen. It sends no more than n messages in all.
func (c *churn) do(e event, n int) {
	switch e {
	case kill:
		c.kill()
	case quit:
		c.quit()
	case join:
		c.join()
	case joinKill:
		c.join()
		c.kill()
	case joinQuit:
		c.join()
		c.quit()
	case restartNATS:
		c.outage(n, func() {})
	case outageKill:
		c.outage(n, c.kill)
	case moveLeaders:
		c.s.Kafka.ShufflePartitionLeaders()
		c.produce.Refresh()
	case moveCoordinator:
		c.s.Kafka.RehashCoordinators()
	}
}

// outage stops NATS, lets the workers read what they cannot publish, for longer
// than from one commit to the next, does meanwhile, and starts NATS again.
func (c *churn) outage(n int, meanwhile func()) {
	c.s.StopNATS()
	c.send(min(120, n-c.sent))
	sandboxtest.AwaitHeartbeats(c.t, c.s, len(c.live)*int(time.Second/heartbeat))
	meanwhile()
	if err := c.s.StartNATS(); err != nil {
		c.t.Fatal(err)
	}
	c.results.awaitServer(c.t)
}

func (c *churn) send(n int) {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = "my parcel number " + strconv.Itoa(c.sent+i)
	}
	c.produce.SendTexts(texts...)
	c.sent += n
}

// join starts a worker and returns when it is about to become a member.
func (c *churn) join() {
	c.started++
	w := startChild(c.t, strconv.Itoa(c.started), c.env...)
	w.log.Await(c.t, `"msg":"serving"`)
	c.live = append(c.live, w)
}

// leave takes a worker out of those that are alive: the one that has been there
// for longest in half of the cases, else any.
func (c *churn) leave() *child {
	i := max(0, c.random.IntN(2*len(c.live))-len(c.live))
	w := c.live[i]
	c.live = slices.Delete(c.live, i, i+1)
	if w.over() {
		c.t.Errorf("worker %s ended by itself, with %v", w.name, w.cmd.ProcessState)
	}
	return w
}

func (c *churn) kill() {
	c.leave().kill()
	c.kills++
}

func (c *churn) quit() {
	w := c.leave()
	if code := w.terminate(); code != 0 {
		c.t.Errorf("worker %s ended with code %d after SIGTERM, want 0", w.name, code)
	}
	c.quits++
}

// awaitStable waits until the group has no rebalance under way.
func (c *churn) awaitStable() {
	c.t.Helper()
	if _, err := c.s.Kafka.WaitGroupStable(sandboxtest.Limited(c.t), sandbox.Group, -1); err != nil {
		c.t.Fatalf("the group does not become stable: %v; it is %+v", err, c.s.Kafka.GroupInfo(sandbox.Group))
	}
}

// check stops everything and compares what is left with what was sent.
func (c *churn) check(want int) {
	generations := c.s.Kafka.GroupInfo(sandbox.Group).Epoch
	for len(c.live) > 0 {
		c.quit()
	}
	type place struct{ partition, offset int }
	places := make(map[place]bool)
	all := sandboxtest.Results(c.t, c.s)
	for _, m := range all {
		places[place(parseID(c.t, m.Header.Get(nats.MsgIdHdr)))] = true
	}
	if len(all) != want || len(places) != want || c.sent != want {
		c.t.Errorf("%d messages have %d results, of %d different messages; want %d", c.sent, len(all), len(places), want)
	}
	if lag := c.s.Lag(sandbox.Group); lag != 0 {
		c.t.Errorf("%d messages are not committed", lag)
	}
	if n := c.s.DeadLettered(); n != 0 {
		c.t.Errorf("%d dead letters, want none", n)
	}
	c.t.Logf("churn: %d messages in %.1f s, %d results, %d different; at least %d duplicates suppressed, %d workers started, "+
		"%d kill -9, %d SIGTERM, %d NATS restarts, %d moves of leaders, %d of the coordinator, %d generations",
		want, time.Since(c.began).Seconds(), len(all), len(places), c.results.total()-c.results.distinct(), c.started,
		c.kills, c.quits, c.count[restartNATS]+c.count[outageKill], c.count[moveLeaders], c.count[moveCoordinator], generations)
}

// parseID reads the partition and the offset of a message id.
func parseID(t *testing.T, id string) struct{ partition, offset int } {
	t.Helper()
	parts := strings.Split(id, "/")
	if len(parts) != 6 {
		t.Fatalf("message id %q has %d parts, want 6", id, len(parts))
	}
	partition, err1 := strconv.Atoi(parts[3])
	offset, err2 := strconv.Atoi(parts[4])
	if err1 != nil || err2 != nil {
		t.Fatalf("message id %q does not name a partition and an offset", id)
	}
	return struct{ partition, offset int }{partition, offset}
}

// A watcher sees every result on its way to the stream, also those that the
// stream drops as duplicates. While NATS is down, or the watcher is on its way
// back, results pass unseen.
type watcher struct {
	nc   *nats.Conn
	back chan struct{} // receives after a reconnect

	mu sync.Mutex
	// mu protects what follows.
	ids   map[string]bool
	seen  int
	added chan struct{} // closed at the next result
}

func watch(t *testing.T, s *sandbox.Sandbox) *watcher {
	t.Helper()
	w := &watcher{back: make(chan struct{}, 1), ids: make(map[string]bool), added: make(chan struct{})}
	nc, err := nats.Connect(s.NATSURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { w.back <- struct{}{} }))
	if err != nil {
		t.Fatalf("connecting to NATS: %v", err)
	}
	t.Cleanup(nc.Close)
	w.nc = nc
	if _, err := nc.Subscribe("sweet.>", w.see); err != nil {
		t.Fatalf("subscribing: %v", err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatalf("subscribing: %v", err)
	}
	return w
}

func (w *watcher) see(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids[m.Header.Get(nats.MsgIdHdr)] = true
	w.seen++
	close(w.added)
	w.added = make(chan struct{})
}

func (w *watcher) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *watcher) distinct() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ids)
}

// await waits until n results were seen in all.
func (w *watcher) await(t *testing.T, n int) {
	t.Helper()
	ctx := sandboxtest.Limited(t)
	for {
		w.mu.Lock()
		seen, added := w.seen, w.added
		w.mu.Unlock()
		if seen >= n {
			return
		}
		select {
		case <-added:
		case <-ctx.Done():
			t.Fatalf("%d results seen, want %d", seen, n)
		}
	}
}

// awaitServer waits until the watcher sees results again, after NATS was down.
func (w *watcher) awaitServer(t *testing.T) {
	t.Helper()
	select {
	case <-w.back:
	case <-sandboxtest.Limited(t).Done():
		t.Fatal("the connection to NATS does not come back")
	}
	if err := w.nc.Flush(); err != nil {
		t.Fatalf("subscribing again: %v", err)
	}
}
