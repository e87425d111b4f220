package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"sweetspot/pipeline"
)

const (
	testTopic = "in"
	testGroup = "g"
)

// newCluster starts a Kafka in this process, with testTopic.
func newCluster(t *testing.T, partitions int, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1),
		kfake.SeedTopics(int32(partitions), testTopic),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.ClusterID("cluster"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }),
	}, opts...)...)
	if err != nil {
		t.Fatalf("starting kfake: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// newClient returns a franz-go client, for what a test does to Kafka.
func newClient(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// produce appends n records to a partition of testTopic, in one batch. Their
// values are "partition/number".
func produce(t *testing.T, cl *kgo.Client, partition, n int) {
	t.Helper()
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Topic: testTopic, Partition: int32(partition), Value: fmt.Appendf(nil, "%d/%d", partition, i)})
	}
	produceRecords(t, cl, rs...)
}

func produceRecords(t *testing.T, cl *kgo.Client, rs ...*kgo.Record) {
	t.Helper()
	if err := cl.ProduceSync(limited(t), rs...).FirstErr(); err != nil {
		t.Fatalf("producing: %v", err)
	}
}

// limited returns a context for a step of a test: far longer than it takes, so
// that a hang becomes a failure.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A worker is a consumer under test, running.
type worker struct {
	*Kafka

	logs  *logbook
	stop  context.CancelFunc
	ended chan error
}

// A setting changes what startWorker starts with.
type setting func(*Config, *Intake, *Parts, *tuning)

func testSettings(c *kfake.Cluster) (Config, Intake, Parts, tuning) {
	cfg := Config{
		Brokers: c.ListenAddrs(), Topics: []string{testTopic}, Group: testGroup,
		Start: Earliest, Isolation: ReadCommitted,
		SessionTimeout: 10 * time.Second, Heartbeat: 100 * time.Millisecond, RebalanceTimeout: 20 * time.Second,
		FetchBytes: pipeline.MiB, FetchWait: 50 * time.Millisecond, ClientID: "test",
	}
	in := Intake{InFlight: 20000, InFlightBytes: 64 * pipeline.MiB, DLQ: Drop}
	tune := tuning{
		dial: (&net.Dialer{}).DialContext, request: 5 * time.Second,
		commitEvery: 20 * time.Millisecond, lagEvery: 100 * time.Millisecond, watchEvery: 100 * time.Millisecond,
		topicEvery: 50 * time.Millisecond, joinBackoff: 50 * time.Millisecond, leaveGrace: time.Second,
		stuckAfter: 200 * time.Millisecond, believeAfter: 100 * time.Millisecond, sayAgain: time.Minute,
	}
	return cfg, in, Parts{Drain: 10 * time.Second, Version: "v1"}, tune
}

func startWorker(t *testing.T, c *kfake.Cluster, settings ...setting) *worker {
	t.Helper()
	cfg, in, parts, tune := testSettings(c)
	w := &worker{logs: newLogbook(t), ended: make(chan error, 1)}
	parts.Metrics = NewMetrics(prometheus.NewRegistry())
	parts.Logger = slog.New(w.logs)
	for _, s := range settings {
		s(&cfg, &in, &parts, &tune)
	}
	k, err := open(cfg, in, parts, tune)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	w.Kafka = k
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	go func() { w.ended <- k.Run(ctx) }()
	t.Cleanup(w.kill)
	return w
}

// kill ends the worker without waiting for what is out. It is safe to call
// again.
func (w *worker) kill() {
	w.stop()
	if err := w.Close(context.Background()); err != nil {
		w.logs.t.Errorf("closing: %v", err)
	}
}

// quit ends the worker as a stop does, and waits until it has left.
func (w *worker) quit(t *testing.T) {
	t.Helper()
	w.stop()
	select {
	case err := <-w.ended:
		if err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	case <-limited(t).Done():
		t.Fatal("the worker does not end")
	}
}

// take fetches until it has n messages.
func (w *worker) take(t *testing.T, n int) []*pipeline.Message {
	t.Helper()
	ctx := limited(t)
	var all []*pipeline.Message
	for len(all) < n {
		ms, err := w.Fetch(ctx)
		if err != nil {
			t.Fatalf("fetching: %v, with %d of %d messages", err, len(all), n)
		}
		all = append(all, ms...)
	}
	return all
}

// settleAll settles every message that comes, until the worker stops.
func (w *worker) settleAll(t *testing.T, seen func(*pipeline.Message)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			ms, err := w.Fetch(context.Background())
			if errors.Is(err, ErrStopped) {
				return
			}
			for _, m := range ms {
				seen(m)
				m.Settle()
			}
		}
	}()
	t.Cleanup(func() { w.kill(); <-done })
}

func settle(ms ...*pipeline.Message) {
	for _, m := range ms {
		m.Settle()
	}
}

// values returns the messages' values.
func values(ms []*pipeline.Message) []string {
	var vs []string
	for _, m := range ms {
		vs = append(vs, string(m.Value))
	}
	return vs
}

// awaitCommit waits until the group's offset of a partition is want.
func awaitCommit(t *testing.T, c *kfake.Cluster, partition int, want int64) {
	t.Helper()
	_, err := c.WaitGroupInfo(limited(t), testGroup, func(*kfake.GroupInfo) bool { return committed(c, partition) == want })
	if err != nil {
		t.Fatalf("partition %d is committed at %d, want %d", partition, committed(c, partition), want)
	}
}

// committed returns the group's offset of a partition, -1 where it has none.
func committed(c *kfake.Cluster, partition int) int64 {
	if g := c.GroupInfo(testGroup); g != nil {
		if o, ok := g.Commits[testTopic][int32(partition)]; ok {
			return o.Offset
		}
	}
	return -1
}

func awaitMembers(t *testing.T, c *kfake.Cluster, n int) *kfake.GroupInfo {
	t.Helper()
	g, err := c.WaitGroupStable(limited(t), testGroup, n)
	if err != nil {
		t.Fatalf("waiting for %d members: %v", n, err)
	}
	return g
}

// value returns what a metric stands at.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatalf("reading a metric: %v", err)
	}
	if c := out.GetCounter(); c != nil {
		return c.GetValue()
	}
	return out.GetGauge().GetValue()
}

// A logbook keeps log lines, for tests that wait for one.
type logbook struct {
	t *testing.T

	mu    sync.Mutex
	lines []string
	added chan struct{} // closed and replaced with every line
}

func newLogbook(t *testing.T) *logbook {
	t.Helper()
	return &logbook{t: t, added: make(chan struct{})}
}

func (l *logbook) Enabled(_ context.Context, level slog.Level) bool { return level > slog.LevelDebug }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	close(l.added)
	l.added = make(chan struct{})
	return nil
}

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logbook) WithGroup(string) slog.Handler { return l }

// wait returns the first line that holds every part, once there is one.
func (l *logbook) wait(t *testing.T, parts ...string) string {
	t.Helper()
	ctx := limited(t)
	for {
		l.mu.Lock()
		for _, line := range l.lines {
			if holds(line, parts) {
				l.mu.Unlock()
				return line
			}
		}
		added := l.added
		l.mu.Unlock()
		select {
		case <-added:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			t.Fatalf("no log line with %q in:\n%s", parts, strings.Join(l.lines, "\n"))
		}
	}
}

// count returns how many lines hold part.
func (l *logbook) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func holds(line string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(line, p) {
			return false
		}
	}
	return true
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func equal[T comparable](t *testing.T, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
