package service_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sweetspot/cmd/service"
	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/config"
)

// metric is the sum of a metric over the series that have all the given values
// of labels.
func (w *worker) metric(name string, values ...string) float64 {
	w.t.Helper()
	sum := 0.0
	for _, m := range w.families()[name].GetMetric() {
		has := 0
		for _, l := range m.GetLabel() {
			for _, v := range values {
				if l.GetValue() == v {
					has++
				}
			}
		}
		if has == len(values) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// acknowledge makes the stream acknowledge what it stores, or keep silent about
// it: a server that takes everything and never answers.
func acknowledge(t *testing.T, s *sandbox.Sandbox, yes bool) {
	t.Helper()
	nc, js, err := s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx := sandboxtest.Limited(t)
	stream, err := js.Stream(ctx, sandbox.Stream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.NoAck = !yes
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		t.Fatalf("changing the stream: %v", err)
	}
}

// TestAPublishThatIsNeverAcknowledged is bounded by SWEET_NATS_ACK_TIMEOUT. What
// is stored already is stored once.
func TestAPublishThatIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, sandbox.Options{Partitions: 2})
	w := start(t, n.environment("SWEET_NATS_ACK_TIMEOUT=300ms"))
	w.logs.Await(t, "partitions assigned")
	acknowledge(t, n.Sandbox, false)
	n.send(50)
	w.logs.Await(t, "not durable yet", "timeout")
	if got := w.metric("sweet_publish_errors_total", "timeout"); got == 0 {
		t.Error("no result without an acknowledgement is counted")
	}
	if n.Lag(sandbox.Group) != 50 {
		t.Errorf("%d messages are not committed, want all 50", n.Lag(sandbox.Group))
	}
	acknowledge(t, n.Sandbox, true)
	w.logs.Await(t, "durable after trying again")
	n.finish(w)
	if got := w.count("sweet_results_duplicate_total"); got == 0 {
		t.Error("no duplicate: the test has tested nothing")
	}
}

// TestACommitThatIsNeverAnswered is bounded by half of
// SWEET_KAFKA_SESSION_TIMEOUT.
func TestACommitThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, sandbox.Options{Partitions: 2})
	w := start(t, n.environment("SWEET_KAFKA_SESSION_TIMEOUT=2s"))
	w.logs.Await(t, "partitions assigned")
	released := make(chan struct{})
	n.Kafka.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-released:
			n.Kafka.DropControl()
		default:
			n.Kafka.KeepControl()
			n.Kafka.SleepControl(func() { <-released })
		}
		return nil, nil, false
	})
	release := sync.OnceFunc(func() { close(released) })
	defer release()
	n.send(50)
	w.logs.Await(t, "commit was not accepted")
	if got := w.count("sweet_commit_errors_total"); got == 0 {
		t.Error("no commit error is counted")
	}
	n.send(50)
	release()
	n.finish(w)
}

// quietly swallows everything on every wire, in both directions.
func (n *network) quietly(wires ...*wire) {
	for _, x := range wires {
		x.add(swallow(0, up, down))
	}
}

// TestServersThatAcceptAndNeverAnswer are there before the worker, which waits
// for one after the other.
func TestServersThatAcceptAndNeverAnswer(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, sandbox.Options{Partitions: 2})
	n.send(50)
	n.quietly(append(n.kafka, n.nats)...)
	w := &worker{t: t, registry: prometheus.NewRegistry(), logs: &sandboxtest.Log{}, ended: make(chan error, 1)}
	cfg, _, err := config.Load(t.Context(), n.environment())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.stop = cancel
	go func() {
		s, err := service.Open(ctx, cfg, service.Options{
			Version: "v1", Logger: slog.New(slog.NewJSONHandler(w.logs, nil)), Registry: w.registry,
		})
		if err == nil {
			err = s.Run(ctx)
		}
		w.ended <- err
	}()
	w.logs.Await(t, "no nats server is reachable; trying again")
	if got := w.count("sweet_ready") + w.count("sweet_nats_connected") + w.count("sweet_kafka_connected"); got != 0 {
		t.Error("ready or connected, without a server that says a word")
	}
	n.nats.heal()
	w.logs.Await(t, "no broker answers, trying again")
	if w.count("sweet_nats_connected") != 1 || w.count("sweet_ready") != 0 || w.count("sweet_kafka_connected") != 0 {
		t.Error("want a worker that is connected to NATS, not to Kafka, and not ready")
	}
	n.kafka[0].heal()
	n.finish(w)
}

// TestServersThatFallSilent are those of a worker at work, first NATS and then
// Kafka. Neither closes a connection, and both are gone without a word.
func TestServersThatFallSilent(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, sandbox.Options{Partitions: 2})
	w := start(t, n.environment("SWEET_NATS_ACK_TIMEOUT=500ms", "SWEET_KAFKA_SESSION_TIMEOUT=4s", "SWEET_DRAIN=2s"))
	n.send(50)
	w.awaitSettled(n.Sandbox)

	n.nats.add(toxic{"silence", both, nil})
	n.send(50)
	w.logs.Await(t, `"state":"lost"`, "stale connection")
	if status, body := w.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "nats: no server is reachable") {
		t.Errorf("ready says %d and %s, want 503 and that NATS is not reachable", status, body)
	}
	if w.metric("sweet_publish_errors_total", "timeout") == 0 || w.count("sweet_nats_connected") != 0 {
		t.Error("want results without an acknowledgement counted, and NATS said to be lost")
	}
	n.nats.heal()
	w.awaitSettled(n.Sandbox)

	n.kafka[0].add(toxic{"silence", both, nil})
	n.kafka[0].front.drop()
	n.send(50)
	w.logs.Await(t, "no broker answers, trying again")
	if status, body := w.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "kafka: ") {
		t.Errorf("ready says %d and %s, want 503 and that Kafka is not there", status, body)
	}
	if w.count("sweet_kafka_connected") != 0 {
		t.Error("a member of a group that cannot hear it")
	}
	n.kafka[0].heal()
	n.finish(w)
}

// A nameServer answers questions about the names *.test, on one goroutine for
// each, for all tests of the package.
type nameServer struct {
	asked    chan struct{} // receives when a question is not answered
	resolves atomic.Bool   // else a name is said not to exist
	answers  atomic.Bool   // at all
	listens  net.PacketConn
}

var names nameServer

// TestMain has names of this package's resolved by its own server: kafka-go and
// nats.go have no way but the default resolver. Addresses are not asked for.
func TestMain(m *testing.M) {
	var lc net.ListenConfig
	l, err := lc.ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	names.listens, names.asked = l, make(chan struct{}, 1)
	names.resolves.Store(true)
	names.answers.Store(true)
	go names.serve()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", l.LocalAddr().String())
	}}
	os.Exit(m.Run())
}

func (s *nameServer) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.listens.ReadFrom(buffer)
		if err != nil {
			return
		}
		if !s.answers.Load() {
			select {
			case s.asked <- struct{}{}:
			default:
			}
			continue
		}
		_, _ = s.listens.WriteTo(s.answer(buffer[:n]), from) // who asks will ask again
	}
}

// answer returns the answer to one question, RFC 1035: 127.0.0.1 for a type A,
// nothing for other types, or that there is no such name.
func (s *nameServer) answer(question []byte) []byte {
	const header, typeA, noSuchName = 12, 1, 3
	end := header
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the zero, the type, the class
	a := append([]byte{}, question[:end]...)
	be := binary.BigEndian
	be.PutUint16(a[2:], 0x8180)
	clear(a[6:header])
	switch {
	case !s.resolves.Load():
		a[3] |= noSuchName
	case be.Uint16(question[end-4:]) == typeA:
		be.PutUint16(a[6:], 1)
		a = append(a, 0xC0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return a
}

// TestNamesThatStopResolving are those of both servers, while the worker has to
// connect anew: first there are no such names, and then the name server does not
// answer. The worker says so on its pages meanwhile, and goes on when the names
// are back.
func TestNamesThatStopResolving(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, sandbox.Options{Partitions: 2}, "kafka.test")
	_, port, err := net.SplitHostPort(n.nats.proxy.Listen)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, n.environment("SWEET_KAFKA_BROKERS="+strings.Join(n.Brokers(), ","), "SWEET_NATS_URL=nats://nats.test:"+port))
	n.send(50)
	w.awaitSettled(n.Sandbox)

	names.resolves.Store(false)
	for _, x := range append(n.kafka, n.nats) {
		x.heal() // and cut
	}
	n.send(50)
	w.logs.Await(t, "no nats server is reachable; trying again", "no such host")
	w.logs.Await(t, "joining the group failed, trying again", "no such host")

	names.answers.Store(false)
	<-names.asked
	<-names.asked
	if status, body := w.get("/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "nats: ") || !strings.Contains(body, "kafka: ") {
		t.Errorf("ready says %d and %s, want 503 and that neither server is there", status, body)
	}
	if w.count("sweet_nats_connected") != 0 || w.count("sweet_kafka_connected") != 0 {
		t.Error("connected to servers without a name")
	}
	names.resolves.Store(true)
	names.answers.Store(true)
	n.finish(w)
}
