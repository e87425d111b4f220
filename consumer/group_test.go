package consumer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/pipeline"
)

// drains sets how long a worker may wait for what is out, and how often it
// says that it is alive meanwhile.
func drains(d, alive time.Duration) setting {
	return func(c *Config, _ *Intake, p *Parts, t *tuning) {
		c.SessionTimeout, p.Drain, t.commitEvery = 2*time.Second, d, alive
	}
}

// owned returns the messages of one partition.
func owned(ms []*pipeline.Message, partition int) []*pipeline.Message {
	var of []*pipeline.Message
	for _, m := range ms {
		if m.Origin.Partition == partition {
			of = append(of, m)
		}
	}
	return of
}

// memberWith returns the member that owns a partition.
func memberWith(t *testing.T, g *kfake.GroupInfo, partition int32) string {
	t.Helper()
	for _, m := range g.Members {
		if slices.Contains(m.Assignment[testTopic], partition) {
			return m.MemberID
		}
	}
	t.Fatalf("nobody owns partition %d in %+v", partition, g)
	return ""
}

// TestMessagesOfALostPartitionDoNotMoveItsOffset is what happens with
// kafka-go's group Reader: a member that held an old message moved the offset
// of a partition back that another member had read to its end.
func TestMessagesOfALostPartitionDoNotMoveItsOffset(t *testing.T) {
	c := newCluster(t, 2)
	cl := newClient(t, c)
	produce(t, cl, 0, 100)
	produce(t, cl, 1, 100)
	a := startWorker(t, c, drains(100*time.Millisecond, 20*time.Millisecond))
	held := a.take(t, 200)

	b := startWorker(t, c)
	awaitMembers(t, c, 2)
	got := b.take(t, 100)
	lost := got[0].Origin.Partition
	settle(got...)
	a.logs.wait(t, "given up with messages unsettled", "messages=200")
	if got := value(t, a.metrics.abandoned); got != 200 {
		t.Errorf("abandoned %v, want 200", got)
	}

	awaitCommit(t, c, lost, 100)
	for _, m := range owned(held, lost)[:50] {
		if m.Settle() {
			t.Fatalf("message %s counts, though its partition is another member's", m.ID)
		}
	}
	a.quit(t)
	if got := committed(c, lost); got != 100 {
		t.Errorf("partition %d is committed at %d, want 100", lost, got)
	}
}

func TestDrainLongerThanASessionKeepsTheMember(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	produce(t, cl, 1, 10)
	a := startWorker(t, c, drains(15*time.Second, 400*time.Millisecond))
	held := a.take(t, 20)
	before := awaitMembers(t, c, 1)
	member := before.Members[0].MemberID

	joined := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	b := startWorker(t, c)
	if err := joined.Wait(limited(t), 1); err != nil {
		t.Fatal(err)
	}
	// kafka-go stops its heartbeat here. Eight signs of life take longer than a
	// session.
	alive := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: testGroup, Observe: true, Count: -1})
	if err := alive.Wait(limited(t), 8); err != nil {
		t.Fatal(err)
	}
	for _, m := range held {
		if !m.Settle() {
			t.Fatalf("message %s does not count: the member was evicted", m.ID)
		}
	}
	g := awaitMembers(t, c, 2)
	if id := memberWith(t, g, 0); id != member && memberWith(t, g, 1) != member {
		t.Errorf("member %s is gone from %+v", member, g)
	}
	for p := range 2 {
		awaitCommit(t, c, p, 10)
	}
	if got := value(t, a.metrics.abandoned) + value(t, b.metrics.abandoned); got != 0 {
		t.Errorf("abandoned %v, want 0", got)
	}
}

func TestDrainBeyondItsBoundGivesUpAndStays(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	cl := newClient(t, c)
	produce(t, cl, 0, 10)
	produce(t, cl, 1, 10)
	a := startWorker(t, c, func(cfg *Config, _ *Intake, p *Parts, _ *tuning) {
		cfg.SessionTimeout, cfg.RebalanceTimeout, p.Drain = 3*time.Second, 4*time.Second, time.Second
	})
	held := a.take(t, 20)
	settle(held[0])
	awaitCommit(t, c, held[0].Origin.Partition, 1)
	member := awaitMembers(t, c, 1).Members[0].MemberID
	startWorker(t, c)
	a.logs.wait(t, "given up with messages unsettled", "messages=19")
	g := awaitMembers(t, c, 2)
	if memberWith(t, g, 0) != member && memberWith(t, g, 1) != member {
		t.Errorf("member %s was evicted", member)
	}
	if got := committed(c, held[0].Origin.Partition); got != 1 {
		t.Errorf("committed at %d, want 1: nothing after it is settled", got)
	}
}

func TestJoiningSurvivesWhatBrokersAnswer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault kfake.Fault
	}{
		{"others join too", kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress, Count: 3}},
		{"the coordinator is loading", kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: 2}},
		{"the coordinator is not available", kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 2}},
		{"the coordinator has moved", kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.NotCoordinator, Count: 2}},
		{"the first heartbeat times out", kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RequestTimedOut, Count: 1}},
		{"the member is forgotten", kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			produce(t, newClient(t, c), 0, 10)
			fault := c.Fault(tt.fault)
			w := startWorker(t, c)
			w.settleAll(t, func(*pipeline.Message) {})
			if err := fault.Wait(limited(t), max(tt.fault.Count, 1)); err != nil {
				t.Fatalf("the fault was not met: %v", err)
			}
			awaitCommit(t, c, 0, 10)
		})
	}
}

func TestSessionTimeoutThatBrokersRefuse(t *testing.T) {
	c := newCluster(t, 1, kfake.GroupMinSessionTimeout(20*time.Second))
	w := startWorker(t, c)
	select {
	case err := <-w.ended:
		if err == nil || !strings.Contains(err.Error(), "SWEET_KAFKA_SESSION_TIMEOUT=10s") {
			t.Errorf("got %v, want an error that names SWEET_KAFKA_SESSION_TIMEOUT", err)
		}
	case <-limited(t).Done():
		t.Fatal("Run does not return")
	}
	if _, err := w.Fetch(t.Context()); err == nil {
		t.Error("Fetch has no error after Run has returned")
	}
}

func TestCommitsThatFail(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    *kerr.Error
		fenced bool
	}{
		{"the coordinator has moved", kerr.NotCoordinator, false},
		{"the coordinator is loading", kerr.CoordinatorLoadInProgress, false},
		{"the generation is over", kerr.IllegalGeneration, true},
		{"the member is unknown", kerr.UnknownMemberID, true},
		{"the group is rebalancing", kerr.RebalanceInProgress, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			produce(t, newClient(t, c), 0, 10)
			w := startWorker(t, c)
			ms := w.take(t, 10)
			awaitCommit(t, c, 0, 0) // where it began
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: tt.err, Count: 1})
			settle(ms[0])
			if err := fault.Wait(limited(t), 1); err != nil {
				t.Fatal(err)
			}
			if tt.fenced {
				w.logs.wait(t, "given up with messages unsettled", "messages=9")
				if ms[1].Settle() {
					t.Error("a message counts after the generation was over")
				}
				again := w.take(t, 10)
				equal(t, values(again), values(ms))
				settle(again...)
			} else {
				settle(ms[1:]...)
			}
			awaitCommit(t, c, 0, 10)
			if got := value(t, w.metrics.commitErrors); got != 1 {
				t.Errorf("%v commits failed, want 1", got)
			}
		})
	}
}

func addPartitions(t *testing.T, cl *kgo.Client, count int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: testTopic, Count: count}}
	req.TimeoutMillis = 5000
	if _, err := req.RequestWith(limited(t), cl); err != nil {
		t.Fatalf("adding partitions: %v", err)
	}
}

func TestNewPartitionsAreRead(t *testing.T) {
	for _, start := range []Start{Earliest, Latest} {
		t.Run(string(start), func(t *testing.T) {
			c := newCluster(t, 2)
			cl := newClient(t, c)
			w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, tune *tuning) {
				cfg.Start, tune.watchEvery = start, time.Second // so that messages come first
			})
			w.logs.wait(t, "partitions assigned", "in/1")
			addPartitions(t, cl, 5)
			produce(t, newClient(t, c), 4, 3)
			settle(w.take(t, 3)...)
			awaitCommit(t, c, 4, 3)
		})
	}
}

func latest(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Start = Latest }

// TestATopicMadeAgainIsReadFromItsBeginning has Kafka forget the group's offset
// with the topic.
func TestATopicMadeAgainIsReadFromItsBeginning(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 5)
	w := startWorker(t, c, latest)
	awaitCommit(t, c, 0, 5)
	deleteTopic(t, cl, testTopic)
	w.logs.wait(t, "topic cannot be read", "topic=in")
	createTopic(t, cl, testTopic)
	produce(t, newClient(t, c), 0, 7) // beyond the old end
	settle(w.take(t, 7)...)
	awaitCommit(t, c, 0, 7)
}

func createTopic(t *testing.T, cl *kgo.Client, topic string, configs ...kmsg.CreateTopicsRequestTopicConfig) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor, rt.Configs = topic, 1, 1, configs
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(limited(t), cl); err != nil {
		t.Fatalf("creating %s: %v", topic, err)
	}
}

func deleteTopic(t *testing.T, cl *kgo.Client, topic string) {
	t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &topic
	req.Topics, req.TopicNames = append(req.Topics, rt), []string{topic}
	if _, err := req.RequestWith(limited(t), cl); err != nil {
		t.Fatalf("deleting %s: %v", topic, err)
	}
}

func reads(topics ...string) setting {
	return func(c *Config, _ *Intake, _ *Parts, _ *tuning) { c.Topics = topics }
}

func TestUnknownTopicIsWaitedFor(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	looks := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "later", Observe: true, Count: -1})
	w := startWorker(t, c, reads("later"))
	w.logs.wait(t, "ERROR topic cannot be read", "topic=later", "create the topic")
	if err := looks.Wait(limited(t), 3); err != nil {
		t.Fatal(err)
	}
	if w.Ready() {
		t.Error("ready without its topic")
	}
	if joins.Hits() != 0 {
		t.Errorf("joined %d times for a topic that does not exist", joins.Hits())
	}
	if n := w.logs.count("topic cannot be read"); n != 1 {
		t.Errorf("complained %d times, want once a minute", n)
	}
	createTopic(t, cl, "later")
	w.logs.wait(t, "partitions assigned", "later/0")
	if !w.Ready() {
		t.Error("not ready with its topic")
	}
}

func TestOneOfTwoTopicsIsMissing(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 5)
	w := startWorker(t, c, reads(testTopic, "later"))
	settle(w.take(t, 5)...)
	awaitCommit(t, c, 0, 5)
	if w.Ready() {
		t.Error("ready with a topic missing")
	}
	createTopic(t, cl, "later")
	w.logs.wait(t, "partitions assigned", "in/0", "later/0")
	if !w.Ready() {
		t.Error("not ready with both topics")
	}
}

func TestDeletedTopicIsWaitedFor(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 5)
	w := startWorker(t, c)
	settle(w.take(t, 5)...)
	awaitCommit(t, c, 0, 5)
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	deleteTopic(t, cl, testTopic)
	w.logs.wait(t, "topic cannot be read", "topic=in")
	if w.Ready() {
		t.Error("ready without its topic")
	}
	createTopic(t, cl, testTopic)
	produce(t, newClient(t, c), 0, 3)
	// The group's offset lies beyond the end of the new log, if Kafka kept it.
	settle(w.take(t, 3)...)
	awaitCommit(t, c, 0, 3)
	if n := joins.Hits(); n > 5 {
		t.Errorf("joined %d times over one deletion", n)
	}
}

// TestATopicThatIsMissingForOneLookIsKept has a broker not know a topic once, as
// after its start.
func TestATopicThatIsMissingForOneLookIsKept(t *testing.T) {
	c := newCluster(t, 1)
	w := startWorker(t, c)
	awaitMembers(t, c, 1)
	w.logs.wait(t, "partitions assigned")
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: testTopic, Err: kerr.UnknownTopicOrPartition, Count: 1})
	if err := fault.Wait(limited(t), 1); err != nil {
		t.Fatal(err)
	}
	looks := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: testTopic, Observe: true, Count: -1})
	if err := looks.Wait(limited(t), 3); err != nil {
		t.Fatal(err)
	}
	if n := joins.Hits(); n != 0 {
		t.Errorf("joined again %d times, want none", n)
	}
	if !w.Ready() {
		t.Error("not ready, with every topic")
	}
}

func TestADeadLetterTopicThatIsNotReadyIsWaitedFor(t *testing.T) {
	c := newCluster(t, 1, kfake.SeedTopics(1, deadTopic))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: deadTopic, Err: kerr.LeaderNotAvailable, Count: 2})
	w := startWorker(t, c, deadLetters)
	w.logs.wait(t, "WARN dead-letter topic is not ready", "topic "+deadTopic)
	w.logs.wait(t, "partitions assigned")
}

func TestAStartAtTheEndIsCommittedAtOnce(t *testing.T) {
	c := newCluster(t, 1)
	cl := newClient(t, c)
	produce(t, cl, 0, 7)
	w := startWorker(t, c, latest)
	awaitCommit(t, c, 0, 7)
	w.quit(t)
	produce(t, cl, 0, 2) // while nobody reads
	again := startWorker(t, c, latest)
	ms := again.take(t, 2)
	if ms[0].Origin.Offset != 7 {
		t.Errorf("the first message is at %d, want 7", ms[0].Origin.Offset)
	}
}

// TestAnOffsetThatIsNotToldIsAskedForAgain has the offsets of a group fail the
// way that kafka-go takes for "there are none": starting at the end would lose
// five messages.
func TestAnOffsetThatIsNotToldIsAskedForAgain(t *testing.T) {
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	first := startWorker(t, c)
	settle(first.take(t, 10)[:5]...)
	awaitCommit(t, c, 0, 5)
	first.kill()
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.CoordinatorLoadInProgress, Count: 2})
	w := startWorker(t, c, func(cfg *Config, _ *Intake, _ *Parts, _ *tuning) { cfg.Start = Latest })
	if got := w.take(t, 5)[0].Origin.Offset; got != 5 {
		t.Errorf("started at %d, want 5", got)
	}
	if fault.Hits() != 2 {
		t.Errorf("the fault was met %d times, want 2", fault.Hits())
	}
}

func TestNotFetchingIsBackPressure(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 100)
	beats := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Observe: true, Count: -1})
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	w := startWorker(t, c, func(cfg *Config, in *Intake, _ *Parts, _ *tuning) {
		cfg.SessionTimeout, in.InFlight = 2*time.Second, 10
	})
	ms := w.take(t, 10)
	// Longer than a session without a fetch.
	if err := beats.Wait(limited(t), 25); err != nil {
		t.Fatal(err)
	}
	if got := value(t, w.metrics.messages); got != 10 {
		t.Errorf("%v messages are held, want 10", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if more, err := w.Fetch(ctx); err == nil {
		t.Errorf("%d more messages while 10 are unsettled", len(more))
	}
	settle(ms...)
	w.settleAll(t, func(*pipeline.Message) {})
	awaitCommit(t, c, 0, 100)
	if joins.Hits() != 1 {
		t.Errorf("joined %d times, want once", joins.Hits())
	}
}

// TestLeavingDoesNotWaitForOthers stops a member whose JoinGroup waits for a
// slow one.
func TestLeavingDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	produce(t, newClient(t, c), 0, 10)
	a := startWorker(t, c, drains(15*time.Second, 100*time.Millisecond))
	held := a.take(t, 10)
	joins := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true, Count: -1})
	b := startWorker(t, c, func(_ *Config, _ *Intake, _ *Parts, tune *tuning) { tune.leaveGrace = 50 * time.Millisecond })
	if err := joins.Wait(limited(t), 1); err != nil {
		t.Fatal(err)
	}
	b.quit(t)
	if got := a.current.Load().out(); got != 10 {
		t.Errorf("%d messages are out, want 10: the slow member was not slow", got)
	}
	settle(held...)
	awaitCommit(t, c, 0, 10)
}

// TestLeavingEndsDials leaves the group while its coordinator is being dialed,
// which takes until somebody ends it.
func TestLeavingEndsDials(t *testing.T) {
	c := newCluster(t, 1)
	cfg, in, parts, tune := testSettings(c)
	parts.Metrics, parts.Logger = NewMetrics(prometheus.NewRegistry()), slog.New(newLogbook(t))
	began := make(chan struct{}, 100)
	tune.request, tune.leaveGrace = time.Hour, time.Millisecond
	tune.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		began <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	k, err := open(cfg, in, parts, tune)
	if err != nil {
		t.Fatal(err)
	}
	conns := &connSet{}
	group, err := kafka.NewConsumerGroup(k.groupConfig([]string{testTopic}, conns))
	if err != nil {
		t.Fatal(err)
	}
	<-began
	left := make(chan struct{})
	go func() {
		defer close(left)
		k.leave(t.Context(), group, conns, "")
	}()
	select {
	case <-left:
	case <-limited(t).Done():
		t.Fatal("leaving waits for a dial")
	}
	before := len(began)
	if _, err := conns.dial(tune.dial)(t.Context(), "tcp", "anywhere"); !errors.Is(err, errCutOff) || len(began) != before {
		t.Errorf("a dial after the cut: got %v, want %v before anything is dialed", err, errCutOff)
	}
}
