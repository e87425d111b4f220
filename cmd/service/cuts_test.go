package service_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"sweetspot/cmd/sweet/sandbox"
)

// longCuts, set to a number of faults, makes TestCuts long.
const longCuts = "SWEETSPOT_CUTS"

// A fault is what happens to the wires to a server while messages flow. Its
// toxics are drawn anew each time.
type fault struct {
	name   string
	cuts   bool // ends connections
	toxics func(r *rand.Rand) []toxic
	act    func(x *wire) // beyond the toxics, once they are there; nil for nothing
	kafka  bool          // only there
}

var (
	both = []string{up, down}

	millis  = func(r *rand.Rand, from, to int) int { return from + r.IntN(to-from) }
	swallow = func(ms int, directions ...string) toxic {
		return toxic{"timeout", directions, map[string]any{"timeout": ms}}
	}
	afterSent = func(bytes int, direction string) toxic {
		return toxic{"limit_data", []string{direction}, map[string]any{"bytes": bytes}}
	}
)

// faults are all that may happen to a wire. Those that swallow what is sent
// close the connection after a while, so that a run does not take as long as the
// worker's own time-outs: these have tests of their own.
var faults = []fault{
	{name: "latency", toxics: func(r *rand.Rand) []toxic {
		return []toxic{{"latency", both, map[string]any{"latency": millis(r, 10, 60), "jitter": 10}}}
	}},
	{name: "bandwidth", toxics: func(r *rand.Rand) []toxic {
		return []toxic{{"bandwidth", both, map[string]any{"rate": millis(r, 20, 200)}}}
	}},
	{name: "slices", toxics: func(r *rand.Rand) []toxic {
		size := 16 + r.IntN(100)
		return []toxic{{"slicer", both, map[string]any{"average_size": size, "size_variation": size / 2, "delay": 10}}}
	}},
	{name: "reset", cuts: true, toxics: func(*rand.Rand) []toxic {
		return []toxic{{"reset_peer", both, map[string]any{"timeout": 0}}}
	}},
	{name: "cut between two answers", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{afterSent(r.IntN(600), down)}
	}},
	{name: "cut between two requests", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{afterSent(r.IntN(1500), up)}
	}},
	{name: "cut, and closed slowly", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{afterSent(r.IntN(600), down), {"slow_close", both, map[string]any{"delay": millis(r, 50, 300)}}}
	}},
	{name: "black hole", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{swallow(millis(r, 20, 300), both...)}
	}},
	{name: "half open: no answers", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{swallow(millis(r, 20, 300), down)}
	}},
	{name: "half open: no requests", cuts: true, toxics: func(r *rand.Rand) []toxic {
		return []toxic{swallow(millis(r, 20, 300), up)}
	}},
	{name: "half open: the server is gone without a word", cuts: true, kafka: true, toxics: func(*rand.Rand) []toxic {
		return []toxic{{"silence", []string{down}, nil}}
	}, act: func(x *wire) { x.front.drop() }},
	{name: "refused", cuts: true, toxics: func(*rand.Rand) []toxic { return nil }, act: (*wire).refuse},
}

// TestCuts makes the way to Kafka, to NATS, or to both worse, again and again in
// an order that a seed gives, while messages flow through a whole worker. In the
// end every message has exactly one result and everything is committed.
func TestCuts(t *testing.T) {
	n := 63 // three decks
	if long := os.Getenv(longCuts); long != "" {
		var err error
		if n, err = strconv.Atoi(long); err != nil || n < 1 {
			t.Fatalf("%s=%s: want a number of faults", longCuts, long)
		}
	} else if testing.Short() {
		n = 15
	}
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed+1), func(t *testing.T) {
			t.Parallel()
			newCutting(t, seed+1).run(n)
		})
	}
}

// A cutting is one run of the test.
type cutting struct {
	*network

	t       *testing.T
	worker  *worker
	results *watcher
	random  *rand.Rand
	deck    []fault // what comes next
	tally   map[string]*tally
}

// A tally is how often a fault happened, and how many connections it ended.
type tally struct{ times, cut int }

// A session lasts longer than several rebalances of Kafka's embedded stand-in:
// a member that was cut off is waited for until the rebalance timeout.
func newCutting(t *testing.T, seed uint64) *cutting {
	t.Helper()
	n := newNetwork(t, sandbox.Options{Partitions: 6, Brokers: 2})
	return &cutting{
		network: n, t: t,
		results: watch(t, n.Sandbox),
		worker: start(t, n.environment("SWEET_KAFKA_SESSION_TIMEOUT=3s", "SWEET_KAFKA_REBALANCE_TIMEOUT=1s", "SWEET_KAFKA_HEARTBEAT=100ms",
			"SWEET_DRAIN=700ms", "SWEET_IN_FLIGHT=200", "SWEET_NATS_ACK_TIMEOUT=2s")),
		random: rand.New(rand.NewPCG(seed, 1)),
		tally:  make(map[string]*tally),
	}
}

// aPiece is how many messages there are for each fault: half of them are on
// their way when it comes.
const aPiece = 40

// run makes n faults happen, one after the other, and compares what comes of it.
func (c *cutting) run(n int) {
	began := time.Now()
	for range n {
		before := c.results.total()
		c.send(aPiece / 2)
		c.happen(c.draw())
		c.results.await(c.t, before+aPiece/4, c.worker.logs.String)
	}
	c.finish(c.worker)
	cuts, connections := 0, 0
	for _, name := range slices.Sorted(maps.Keys(c.tally)) {
		c.t.Logf("%-60s %3d times, %4d connections ended", name, c.tally[name].times, c.tally[name].cut)
		if c.tally[name].cut > 0 {
			cuts += c.tally[name].times
			connections += c.tally[name].cut
		}
	}
	if cuts == 0 {
		c.t.Error("no connection was cut: the test has tested nothing")
	}
	got := c.worker.sums()
	c.t.Logf("%d messages, %d faults in %.1f s, %d of them cuts that ended %d connections; %v results published, %v duplicates dropped, %v messages left to be read again, %v generations",
		c.sent, n, time.Since(began).Seconds(), cuts, connections, got.published, got.duplicates, got.abandoned, c.worker.count("sweet_rebalances_total"))
}

// draw returns a fault: each as often as any other, those that cut twice.
func (c *cutting) draw() fault {
	if len(c.deck) == 0 {
		for _, f := range faults {
			if c.deck = append(c.deck, f); f.cuts {
				c.deck = append(c.deck, f)
			}
		}
		c.random.Shuffle(len(c.deck), func(i, j int) { c.deck[i], c.deck[j] = c.deck[j], c.deck[i] })
	}
	f := c.deck[0]
	c.deck = c.deck[1:]
	return f
}

// happen makes f happen to Kafka, to NATS, or to both, until it has shown: until
// it has ended a connection, or results have come through in spite of it.
func (c *cutting) happen(f fault) {
	var wires []*wire
	where := c.random.IntN(4)
	name := f.name + ", "
	switch {
	case where == 0 && !f.kafka:
		wires, name = []*wire{c.nats}, name+"NATS"
	case where == 1 && !f.kafka:
		wires, name = append(slices.Clone(c.kafka), c.nats), name+"Kafka and NATS"
	case where == 2:
		wires, name = []*wire{c.broker()}, name+"one broker"
	default:
		wires, name = c.kafka, name+"Kafka"
	}
	if c.tally[name] == nil {
		c.tally[name] = &tally{}
	}
	c.tally[name].times++

	shown := c.watchFor(f, wires)
	for _, x := range wires {
		x.add(f.toxics(c.random)...)
		if f.act != nil {
			f.act(x)
		}
	}
	c.send(aPiece / 2)
	c.tally[name].cut += shown()
	for _, x := range wires {
		x.heal()
	}
}

// broker returns the wire to one that the worker needs: the group's coordinator,
// or a leader.
func (c *cutting) broker() *wire {
	if c.random.IntN(2) == 0 {
		return c.kafka[c.Kafka.CoordinatorFor(sandbox.Group)]
	}
	return c.kafka[c.Kafka.LeaderFor(sandbox.Topic, 0)]
}

// watchFor notes what f is about to change. What it returns waits until f has
// shown: it has ended a connection to a broker, or to NATS where it is not about
// brokers, or results have come through in spite of it. It returns how many
// connections have ended.
func (c *cutting) watchFor(f fault, wires []*wire) (shown func() int) {
	if !f.cuts {
		seen := c.results.total()
		return func() int {
			c.results.await(c.t, seen+5, c.worker.logs.String)
			return 0
		}
	}
	lost := c.worker.logs.Count(`"state":"lost"`)
	c.worker.logs.AwaitTimes(c.t, lost, `"state":"reconnected"`)
	var fronts []*front
	for _, x := range wires {
		if x.front != nil {
			fronts = append(fronts, x.front)
		}
	}
	if len(fronts) == 0 {
		return func() int {
			c.worker.logs.AwaitTimes(c.t, lost+1, `"state":"lost"`)
			return 1
		}
	}
	before := c.gate.await(c.t, fronts, func(open, _ int) bool { return open > 0 })
	return func() int {
		n := c.gate.await(c.t, fronts, func(_, ended int) bool { return ended > before }) - before
		return n + c.worker.logs.Count(`"state":"lost"`) - lost
	}
}
