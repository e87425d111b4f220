package service_test

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
)

// A network is what lies between a worker and its servers: one wire to each
// broker, whose address the broker itself gives to its clients, and one to NATS.
// The test's own clients have other ways.
type network struct {
	*sandbox.Sandbox

	t       *testing.T
	gate    *gate
	kafka   []*wire
	nats    *wire
	produce *kgo.Client
	sent    int
}

// newNetwork starts servers and lays the wires. The brokers give a name for
// their address where there is one.
func newNetwork(t *testing.T, o sandbox.Options, name ...string) *network {
	t.Helper()
	n := &network{t: t, gate: newGate()}
	o.Front = func(l net.Listener) (net.Listener, error) {
		f := &front{Listener: l, gate: n.gate}
		x := newWire(t, l.Addr().String(), f)
		n.kafka = append(n.kafka, x)
		f.addr = address(x.proxy.Listen)
		for _, host := range name {
			_, port, err := net.SplitHostPort(x.proxy.Listen)
			if err != nil {
				return nil, err
			}
			f.addr = address(net.JoinHostPort(host, port))
		}
		return f, nil
	}
	n.Sandbox = sandboxtest.Start(t, o)
	n.nats = newWire(t, strings.TrimPrefix(n.NATSURL(), "nats://"), nil)
	n.produce = n.client()
	return n
}

// client returns a Kafka client that does not use the wires.
func (n *network) client() *kgo.Client {
	n.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Brokers()...), kgo.DefaultProduceTopic(sandbox.Topic),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.Dialer(func(ctx context.Context, network, to string) (net.Conn, error) {
			i := slices.IndexFunc(n.kafka, func(x *wire) bool { return x.front.addr.String() == to })
			return n.kafka[i].front.dial(ctx, network)
		}))
	if err != nil {
		n.t.Fatalf("connecting to Kafka: %v", err)
	}
	n.t.Cleanup(cl.Close)
	return cl
}

// environment is that of a worker that uses the wires.
func (n *network) environment(more ...string) []string {
	n.t.Helper()
	return environment(n.t, n.Sandbox, append([]string{"SWEET_NATS_URL=nats://" + n.nats.proxy.Listen}, more...)...)
}

// send puts so many more messages into the topic.
func (n *network) send(messages int) {
	n.t.Helper()
	records := make([]*kgo.Record, messages)
	for i := range records {
		records[i] = &kgo.Record{Value: []byte("my parcel number " + strconv.Itoa(n.sent+i))}
	}
	if err := n.produce.ProduceSync(sandboxtest.Limited(n.t), records...).FirstErr(); err != nil {
		n.t.Fatalf("producing: %v", err)
	}
	n.sent += messages
}

// finish waits until everything that was sent is settled, stops w, and compares
// what came of it: one result each, nothing lost, nothing doubled, nothing
// uncommitted, nothing unaccounted for.
func (n *network) finish(w *worker) {
	n.t.Helper()
	w.awaitSettled(n.Sandbox)
	w.quit()
	checkDistinct(n.t, n.Sandbox, n.sent)
	if lag := n.Lag(sandbox.Group); lag != 0 {
		n.t.Errorf("%d messages are not committed", lag)
	}
	if letters := n.DeadLettered(); letters != 0 {
		n.t.Errorf("%d dead letters, want none", letters)
	}
	got := w.sums()
	w.check(sums{
		read: got.published + got.duplicates + got.abandoned, published: got.published,
		duplicates: got.duplicates, abandoned: got.abandoned,
	})
}

// A wire carries the connections to one server, through a proxy.
type wire struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
	front *front // nil for NATS
}

// quiet is a server of toxiproxy's that none of its proxies needs.
var quiet = sync.OnceValue(func() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a log of their own
	toxics.Register("silence", new(silence))
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
})

func newWire(t *testing.T, upstream string, f *front) *wire {
	t.Helper()
	w := &wire{t: t, proxy: toxiproxy.NewProxy(quiet(), upstream, "127.0.0.1:0", upstream), front: f}
	if err := w.proxy.Start(); err != nil {
		t.Fatalf("starting a proxy: %v", err)
	}
	t.Cleanup(func() { w.proxy.Stop() })
	return w
}

// The directions of a wire.
const (
	up   = "upstream"   // from the worker to the server
	down = "downstream" // from the server to the worker
)

// A toxic is one of toxiproxy's, and the directions that it acts on.
type toxic struct {
	kind       string
	directions []string
	attributes map[string]any
}

func (x *wire) add(ts ...toxic) {
	x.t.Helper()
	for _, tx := range ts {
		for _, d := range tx.directions {
			text, err := json.Marshal(map[string]any{"name": tx.kind + d, "type": tx.kind, "stream": d, "attributes": tx.attributes})
			if err != nil {
				x.t.Fatal(err)
			}
			if _, err := x.proxy.Toxics.AddToxicJson(strings.NewReader(string(text))); err != nil {
				x.t.Fatalf("adding the toxic %s: %v", text, err)
			}
		}
	}
}

// refuse closes the port until heal. What is connected is cut.
func (x *wire) refuse() { x.proxy.Stop() }

// heal makes the wire a good one again, and cuts what is connected: toxiproxy
// does not bear it to lose a toxic, and get another, while a connection ends.
func (x *wire) heal() {
	x.t.Helper()
	x.proxy.Stop()
	x.proxy = toxiproxy.NewProxy(quiet(), x.proxy.Upstream, x.proxy.Listen, x.proxy.Upstream)
	if err := x.proxy.Start(); err != nil {
		x.t.Fatalf("starting a proxy again: %v", err)
	}
}

// silence swallows everything, the end of the connection too: who sends may be
// gone, and the other side does not hear of it.
type silence struct{}

// Pipe implements [toxics.Toxic].
func (*silence) Pipe(stub *toxics.ToxicStub) {
	input := stub.Input
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-input:
			if c == nil {
				input = nil
			}
		}
	}
}

// A gate knows the workers' connections to all brokers, at the brokers' side.
type gate struct {
	mu sync.Mutex
	// mu protects what follows.
	direct  map[string]bool // the addresses of the test's own clients
	open    map[*gateConn]bool
	ends    map[*front]int // of them
	changed chan struct{}  // closed and replaced when a connection comes or goes
}

func newGate() *gate {
	return &gate{direct: make(map[string]bool), open: make(map[*gateConn]bool), ends: make(map[*front]int), changed: make(chan struct{})}
}

func (g *gate) note(c *gateConn, open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch client := c.RemoteAddr().String(); {
	case !open && g.open[c]:
		delete(g.open, c)
		g.ends[c.front]++
	case !open:
	case g.direct[client]:
		delete(g.direct, client) // another may have this address one day
	default:
		g.open[c] = true
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// exempt takes a connection out that is not a worker's.
func (g *gate) exempt(client string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.direct[client] = true
	maps.DeleteFunc(g.open, func(c *gateConn, _ bool) bool { return c.RemoteAddr().String() == client })
}

// await waits until so says yes of the connections to some brokers: how many are
// open, and how many have ended. It returns the latter.
func (g *gate) await(t *testing.T, fronts []*front, so func(open, ended int) bool) int {
	t.Helper()
	ctx := sandboxtest.Limited(t)
	for {
		open, ended, changed := g.count(fronts)
		if so(open, ended) {
			return ended
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("with %d connections to brokers, and %d ended, nothing changes any more", open, ended)
		}
	}
}

// count returns what await asks about, and what is closed when it changes.
func (g *gate) count(fronts []*front) (open, ended int, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.open {
		if slices.Contains(fronts, c.front) {
			open++
		}
	}
	for _, f := range fronts {
		ended += g.ends[f]
	}
	return open, ended, g.changed
}

// A front is what a broker accepts connections from: those of a proxy, whose
// address it gives as its own.
type front struct {
	net.Listener

	addr address // of the proxy
	gate *gate
}

// An address is host:port, where host may be a name. It implements [net.Addr].
type address string

// Network implements [net.Addr].
func (address) Network() string { return "tcp" }

func (a address) String() string { return string(a) }

// Addr implements [net.Listener].
func (f *front) Addr() net.Addr { return f.addr }

// Accept implements [net.Listener].
func (f *front) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	gc := &gateConn{Conn: c, front: f}
	f.gate.note(gc, true)
	return gc, nil
}

// dial connects without the proxy.
func (f *front) dial(ctx context.Context, network string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, f.Listener.Addr().String())
	if err == nil {
		f.gate.exempt(c.LocalAddr().String())
	}
	return c, err
}

// drop closes every connection of workers at the broker's side.
func (f *front) drop() {
	f.gate.mu.Lock()
	open := slices.Collect(maps.Keys(f.gate.open))
	f.gate.mu.Unlock()
	for _, c := range open {
		if c.front == f {
			_ = c.Close()
		}
	}
}

type gateConn struct {
	net.Conn

	front *front
}

// Close closes the connection and says so.
func (c *gateConn) Close() error {
	c.front.gate.note(c, false)
	return c.Conn.Close()
}

// A watcher sees every result that is sent to NATS, also those that the stream
// drops as duplicates.
type watcher struct {
	mu sync.Mutex
	// mu protects what follows.
	seen  int
	added chan struct{} // closed and replaced at every result
}

func watch(t *testing.T, s *sandbox.Sandbox) *watcher {
	t.Helper()
	w := &watcher{added: make(chan struct{})}
	nc, _, err := s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe("sweet.>", func(*nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen++
		close(w.added)
		w.added = make(chan struct{})
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatalf("subscribing to the results: %v", err)
	}
	return w
}

func (w *watcher) total() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// await waits until n results were seen in all.
func (w *watcher) await(t *testing.T, n int, explain func() string) {
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
			t.Fatalf("%d results seen, want %d\n%s", seen, n, explain())
		}
	}
}
