package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A churn is a group of workers of which some come, go, are killed or stand
// still, and servers that do, while messages flow.
type churn struct {
	o       options
	dir     string
	s       *servers
	nc      *nats.Conn
	js      jetstream.JetStream
	sender  *sender
	offsets *offsets

	partitions int
	live       []*member
	frozen     *member // stands still since SIGSTOP, and is not among live
	started    int
	happened   map[string]int
	heaviest   uint64 // resident bytes of a worker, the most that was seen
}

// A member is a worker of the group.
type member struct {
	name  string
	child *child
	http  string
}

const (
	churnTopic = "churn"
	churnMode  = "fixed"
	churnGroup = churnTopic + "-" + churnMode // and the stream: what a worker calls them
)

// An event is something that happens, by the words in which it is told.
type event struct {
	name string
	do   func(*churn, context.Context) error
}

// A round is what happens, one thing after the other. It begins and ends with two
// workers.
var round = []event{
	{"a worker joins", (*churn).join},
	{"three workers join", times(3, (*churn).join)},
	{"kill -9 a worker", (*churn).kill},
	{"a worker joins and another is killed while partitions move", both((*churn).start, (*churn).kill)},
	{"kill -9 a worker", (*churn).kill},
	{"SIGTERM a worker", (*churn).quit},
	{"SIGTERM a worker", (*churn).quit},
	{"a worker stands still until the group goes on without it", (*churn).freeze},
	{"it goes on", (*churn).thaw},
	{"the topic gets more partitions", (*churn).grow},
	{"all workers are replaced, one by one", (*churn).roll},
	{"kill -9 Kafka", (*churn).killKafka},
	{"SIGTERM NATS", (*churn).restartNATS},
	{"kill -9 a worker with its hands full while NATS is down", (*churn).killInOutage},
	{"kill -9 NATS, which syncs always", (*churn).killNATS},
	{"kill -9 Kafka and NATS", (*churn).killBoth},
}

// times does something n times.
func times(n int, do func(*churn, context.Context) error) func(*churn, context.Context) error {
	return func(c *churn, ctx context.Context) error {
		for range n {
			if err := do(c, ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// both does one thing after the other.
func both(first, second func(*churn, context.Context) error) func(*churn, context.Context) error {
	return func(c *churn, ctx context.Context) error {
		if err := first(c, ctx); err != nil {
			return err
		}
		return second(c, ctx)
	}
}

// runChurn sends messages while everything happens, in so many rounds, and checks
// that each has exactly one result.
func runChurn(ctx context.Context, dir string, o options) (err error) {
	dir = filepath.Join(dir, "churn")
	c := &churn{o: o, dir: dir, partitions: 12, happened: make(map[string]int)}
	if c.s, err = startServers(ctx, dir, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.s.stop()) }()
	defer c.end()
	if err := c.prepare(ctx); err != nil {
		return err
	}
	events := slices.Repeat(round, o.rounds)
	for i, e := range events {
		if err := c.piece(ctx, (o.churn-c.sender.sent)/(len(events)-i+1)); err != nil {
			return fmt.Errorf("before %s: %w", e.name, err)
		}
		c.happened[e.name]++
		done, err := c.results(ctx)
		if err != nil {
			return err
		}
		say("churn: %d results of %d, %d workers; %s", done, o.churn, len(c.live), e.name)
		if err := e.do(c, ctx); err != nil {
			return fmt.Errorf("%s: %w%s", e.name, err, c.tails())
		}
		if err := c.settled(ctx); err != nil {
			return fmt.Errorf("after %s: %w%s", e.name, err, c.tails())
		}
	}
	if err := c.sender.send(ctx, o.churn-c.sender.sent); err != nil {
		return err
	}
	return c.check(ctx)
}

// prepare makes topic, stream and the first two workers.
func (c *churn) prepare(ctx context.Context) error {
	if err := c.s.createTopics(ctx, churnTopic, c.partitions); err != nil {
		return err
	}
	c.sender = newSender(c.s.brokers, churnTopic, supportTexts(pool))
	var err error
	if c.nc, err = nats.Connect(c.s.nats, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		return fmt.Errorf("opening JetStream: %w", err)
	}
	c.offsets = watchOffsets(ctx, c.s, churnGroup, churnTopic)
	if err := c.join(ctx); err != nil {
		return err
	}
	return c.join(ctx)
}

// piece sends so many messages and returns when a quarter of them has results,
// so that what happens next happens while the others are on their way.
func (c *churn) piece(ctx context.Context, n int) error {
	before := c.sender.sent
	if err := c.sender.send(ctx, n); err != nil {
		return err
	}
	return c.awaitResults(ctx, before+n/4)
}

// settled waits until the group is what it should be, and notes what its workers
// take of the memory.
func (c *churn) settled(ctx context.Context) error {
	if err := c.s.awaitGroup(ctx, churnGroup, len(c.live)); err != nil {
		return err
	}
	for _, m := range c.live {
		bytes, err := m.metric(ctx, "process_resident_memory_bytes")
		if err != nil {
			return err
		}
		c.heaviest = max(c.heaviest, uint64(bytes))
	}
	return nil
}

// end leaves no process behind.
func (c *churn) end() {
	if c.offsets != nil {
		_, _ = c.offsets.end() // asked for before, where it matters
	}
	for _, m := range append(slices.Clone(c.live), c.frozen) {
		if m != nil {
			m.child.kill()
		}
	}
	if c.sender != nil {
		c.sender.close()
	}
	if c.nc != nil {
		c.nc.Close()
	}
}

// tails are the last lines of all workers.
func (c *churn) tails() string {
	var all strings.Builder
	for _, m := range c.live {
		fmt.Fprintf(&all, "\n%s%s", m.name, m.child.out.tail())
	}
	return all.String()
}

// start starts a worker and returns when it is about to join.
func (c *churn) start(ctx context.Context) error {
	c.started++
	name := fmt.Sprintf("worker-%d", c.started)
	w := worker{load: load{name: churnTopic, model: "bundled"}, mode: churnMode, rung: c.o.last, path: filepath.Join(c.o.bin, "worker")}
	env := append(w.env(c.s),
		"SWEET_KAFKA_SESSION_TIMEOUT=4s", "SWEET_KAFKA_HEARTBEAT=500ms", "SWEET_KAFKA_REBALANCE_TIMEOUT=12s", "SWEET_DRAIN=6s",
		"SWEET_IN_FLIGHT=4000",
	)
	child, err := start(ctx, c.dir, name, env, workerReady, w.path)
	if err != nil {
		return err
	}
	groups, err := child.ready(ctx)
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	c.live = append(c.live, &member{name: name, child: child, http: "http://" + groups[0]})
	return nil
}

// join starts a worker, and returns when the group has taken it in and all others
// have counted that.
func (c *churn) join(ctx context.Context) error {
	return c.moves(ctx, c.start)
}

// kill kills the worker that has been there for longest, and returns when the
// group goes on without it.
func (c *churn) kill(ctx context.Context) error {
	return c.moves(ctx, func(context.Context) error {
		c.take().child.kill()
		return nil
	})
}

// quit asks the worker that has been there for longest to stop.
func (c *churn) quit(ctx context.Context) error {
	return c.moves(ctx, func(context.Context) error { return c.stop(c.take()) })
}

// take takes the worker out of those that are alive that has been for longest.
func (c *churn) take() *member {
	m := c.live[0]
	c.live = c.live[1:]
	return m
}

// stop stops a worker as Kubernetes would.
func (c *churn) stop(m *member) error {
	code, err := m.child.terminate()
	if err == nil && code != 0 {
		err = fmt.Errorf("the exit code of %s after SIGTERM is %d, want 0%s", m.name, code, m.child.out.tail())
	}
	return err
}

// moves does what changes the members of the group, waits until it is stable
// again, and checks that every worker that was there all the time has counted the
// rebalance.
func (c *churn) moves(ctx context.Context, do func(context.Context) error) error {
	before := make(map[*member]float64)
	for _, m := range c.live {
		n, err := m.metric(ctx, "sweet_rebalances_total")
		if err != nil {
			return err
		}
		before[m] = n
	}
	if err := do(ctx); err != nil {
		return err
	}
	if err := c.s.awaitGroup(ctx, churnGroup, len(c.live)); err != nil {
		return err
	}
	for _, m := range c.live {
		n, there := before[m]
		if !there {
			continue
		}
		if err := m.awaitMetric(ctx, "sweet_rebalances_total", n+1); err != nil {
			return fmt.Errorf("the group has changed, and %s has not counted it: %w", m.name, err)
		}
	}
	return nil
}

// freeze stops the oldest worker in its tracks until its session has run out and
// others have its partitions.
func (c *churn) freeze(ctx context.Context) error {
	return c.moves(ctx, func(context.Context) error {
		c.frozen = c.take()
		return c.frozen.child.cmd.Process.Signal(syscall.SIGSTOP)
	})
}

// thaw lets it go on. What it holds is not its own any more: it must give that up,
// and join again.
func (c *churn) thaw(ctx context.Context) error {
	m := c.frozen
	if err := m.child.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	c.live, c.frozen = append(c.live, m), nil
	if err := c.s.awaitGroup(ctx, churnGroup, len(c.live)); err != nil {
		return err
	}
	refused, err := m.metric(ctx, "sweet_commit_errors_total")
	if err != nil {
		return err
	}
	abandoned, err := m.metric(ctx, "sweet_abandoned_total")
	if err != nil {
		return err
	}
	say("churn: of the worker that stood still Kafka refused %.0f commits, and it gave up %.0f messages", refused, abandoned)
	if refused+abandoned == 0 {
		return errors.New("the worker that stood still gave nothing up")
	}
	return nil
}

// grow adds partitions, and messages to them.
func (c *churn) grow(ctx context.Context) error {
	c.partitions += 4
	if err := c.s.growTopic(ctx, churnTopic, c.partitions); err != nil {
		return err
	}
	sent := c.sender.sent
	c.sender.close()
	c.sender = newSender(c.s.brokers, churnTopic, c.sender.pool) // it knows them
	c.sender.sent = sent
	return nil
}

// roll replaces every worker by a new one, as a deployment does.
func (c *churn) roll(ctx context.Context) error {
	for range len(c.live) {
		if err := c.join(ctx); err != nil {
			return err
		}
		if err := c.quit(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *churn) killKafka(ctx context.Context) error {
	c.s.kafka.kill()
	return c.s.againKafka(ctx)
}

func (c *churn) restartNATS(ctx context.Context) error {
	if _, err := c.s.natsd.terminate(); err != nil {
		return err
	}
	return c.againNATS(ctx, sometimes)
}

// killInOutage has a worker read what it cannot publish, and kills it.
func (c *churn) killInOutage(ctx context.Context) error {
	if _, err := c.s.natsd.terminate(); err != nil {
		return err
	}
	if err := c.sender.send(ctx, 1000); err != nil {
		return err
	}
	if err := c.live[0].awaitMetric(ctx, "sweet_in_flight_messages", 1); err != nil {
		return err
	}
	c.take().child.kill()
	if err := c.againNATS(ctx, always); err != nil {
		return err
	}
	return c.join(ctx)
}

func (c *churn) killNATS(ctx context.Context) error {
	c.s.natsd.kill()
	return c.againNATS(ctx, always)
}

func (c *churn) killBoth(ctx context.Context) error {
	c.s.natsd.kill()
	c.s.kafka.kill()
	if err := c.s.againKafka(ctx); err != nil {
		return err
	}
	return c.againNATS(ctx, sometimes)
}

// againNATS starts NATS again on its port and its data.
func (c *churn) againNATS(ctx context.Context, sync string) error {
	if err := c.s.againNATS(ctx, sync); err != nil {
		return err
	}
	_, err := c.results(ctx)
	return err
}
