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
func newCluster(tb testing.TB, partitions int, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1),
		kfake.SeedTopics(int32(partitions), testTopic),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.ClusterID("cluster"),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }),
	}, opts...)...)
	if err != nil {
		tb.Fatalf("starting kfake: %v", err)
	}
	tb.Cleanup(c.Close)
	return c
}

// newClient returns a franz-go client, for what a test does to Kafka.
func newClient(tb testing.TB, c *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		tb.Fatalf("connecting: %v", err)
	}
	tb.Cleanup(cl.Close)
	return cl
}

// produce appends n records to a partition of testTopic, in one batch. Their
// values are "partition/number".
func produce(tb testing.TB, cl *kgo.Client, partition, n int) {
	tb.Helper()
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Topic: testTopic, Partition: int32(partition), Value: fmt.Appendf(nil, "%d/%d", partition, i)})
	}
	produceRecords(tb, cl, rs...)
}

func produceRecords(tb testing.TB, cl *kgo.Client, rs ...*kgo.Record) {
	tb.Helper()
	if err := cl.ProduceSync(limited(tb), rs...).FirstErr(); err != nil {
		tb.Fatalf("producing: %v", err)
	}
}

// limited returns a context for a step of a test: far longer than it takes, so
// that a hang becomes a failure.
func limited(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	tb.Cleanup(cancel)
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
		commitEvery: 20 * time.Millisecond, lateCommit: time.Minute, lagEvery: 100 * time.Millisecond, watchEvery: 100 * time.Millisecond,
		topicEvery: 50 * time.Millisecond, joinBackoff: 50 * time.Millisecond, leaveGrace: time.Second,
		stuckAfter: 200 * time.Millisecond, believeAfter: 100 * time.Millisecond, sayAgain: time.Minute,
	}
	return cfg, in, Parts{Drain: 10 * time.Second, Version: "v1"}, tune
}

func startWorker(tb testing.TB, c *kfake.Cluster, settings ...setting) *worker {
	tb.Helper()
	cfg, in, parts, tune := testSettings(c)
	w := &worker{logs: newLogbook(tb), ended: make(chan error, 1)}
	parts.Metrics = NewMetrics(prometheus.NewRegistry())
	parts.Logger = slog.New(w.logs)
	for _, s := range settings {
		s(&cfg, &in, &parts, &tune)
	}
	k, err := open(cfg, in, parts, tune)
	if err != nil {
		tb.Fatalf("opening: %v", err)
	}
	w.Kafka = k
	ctx, cancel := context.WithCancel(tb.Context())
	w.stop = cancel
	go func() { w.ended <- k.Run(ctx) }()
	tb.Cleanup(w.kill)
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
func (w *worker) quit(tb testing.TB) {
	tb.Helper()
	w.stop()
	select {
	case err := <-w.ended:
		if err != nil {
			tb.Errorf("Run returned %v, want nil", err)
		}
	case <-limited(tb).Done():
		tb.Fatal("the worker does not end")
	}
}

// take fetches until it has n messages.
func (w *worker) take(tb testing.TB, n int) []*pipeline.Message {
	tb.Helper()
	ctx := limited(tb)
	var all []*pipeline.Message
	for len(all) < n {
		ms, err := w.Fetch(ctx)
		if err != nil {
			tb.Fatalf("fetching: %v, with %d of %d messages", err, len(all), n)
		}
		all = append(all, ms...)
	}
	return all
}

// settleAll settles every message that comes, until the worker stops.
func (w *worker) settleAll(tb testing.TB, seen func(*pipeline.Message)) {
	tb.Helper()
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
	tb.Cleanup(func() { w.kill(); <-done })
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
func awaitCommit(tb testing.TB, c *kfake.Cluster, partition int, want int64) {
	tb.Helper()
	_, err := c.WaitGroupInfo(limited(tb), testGroup, func(*kfake.GroupInfo) bool { return committed(c, partition) == want })
	if err != nil {
		tb.Fatalf("partition %d is committed at %d, want %d", partition, committed(c, partition), want)
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

func awaitMembers(tb testing.TB, c *kfake.Cluster, n int) *kfake.GroupInfo {
	tb.Helper()
	g, err := c.WaitGroupStable(limited(tb), testGroup, n)
	if err != nil {
		tb.Fatalf("waiting for %d members: %v", n, err)
	}
	return g
}

// value returns what a metric stands at.
func value(tb testing.TB, m prometheus.Metric) float64 {
	tb.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		tb.Fatalf("reading a metric: %v", err)
	}
	if c := out.GetCounter(); c != nil {
		return c.GetValue()
	}
	return out.GetGauge().GetValue()
}

// A logbook keeps log lines, for tests that wait for one.
type logbook struct {
	t testing.TB

	mu    sync.Mutex
	lines []string
	added chan struct{} // closed and replaced with every line
}

func newLogbook(tb testing.TB) *logbook {
	tb.Helper()
	return &logbook{t: tb, added: make(chan struct{})}
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
func (l *logbook) wait(tb testing.TB, parts ...string) string {
	tb.Helper()
	ctx := limited(tb)
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
			tb.Fatalf("no log line with %q in:\n%s", parts, strings.Join(l.lines, "\n"))
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

func equal[T comparable](tb testing.TB, got, want []T) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("got %v, want %v", got, want)
	}
}
