package publish

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"sweetspot/pipeline"
)

// A sighting receives when what it waits for was logged.
type sighting chan struct{}

func (s sighting) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s:
	case <-time.After(patience):
		t.Fatal("it was not logged")
	}
}

// line returns what a log is written to, one line at a time.
func (s sighting) line(part string) lineWriter { return lineWriter{s, []byte(part)} }

type lineWriter struct {
	found sighting
	part  []byte
}

// Write implements [io.Writer].
func (w lineWriter) Write(line []byte) (int, error) {
	if bytes.Contains(line, w.part) {
		select {
		case w.found <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// newProxy returns a proxy before the server.
func newProxy(t *testing.T, h *host) *toxiproxy.Proxy {
	t.Helper()
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		"nats", "127.0.0.1:0", strings.TrimPrefix(h.url(), "nats://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// poison adds a toxic to p.
func poison(t *testing.T, p *toxiproxy.Proxy, toxic string) {
	t.Helper()
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatalf("adding the toxic %s: %v", toxic, err)
	}
}

// A stopToxic reads nothing, so that who sends has to wait in the end. When it
// is taken away, everything goes on as if nothing had been.
type stopToxic struct{}

// Pipe implements [toxics.Toxic].
func (*stopToxic) Pipe(stub *toxics.ToxicStub) { <-stub.Interrupt }

// errorsBy returns the count of errors with a cause.
func errorsBy(t *testing.T, j *JetStream, c cause) float64 {
	t.Helper()
	var m dto.Metric
	if err := j.metrics.errors.WithLabelValues(string(c)).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// bulky returns n results that are more than the system buffers for a
// connection, all together.
func bulky(n int) []pipeline.Result {
	rs := results(n)
	for i := range rs {
		m := *rs[i].Message
		m.Headers = slices.Concat(m.Headers, []pipeline.Header{{Key: "tracestate", Value: bytes.Repeat([]byte("x"), 32<<10)}})
		rs[i].Message = pipeline.NewMessage(m, nil)
	}
	return rs
}

// TestAServerThatDoesNotRead has more to send than fits on the way, and a server
// that takes none of it and never closes the connection. What is on the way
// arrives late, when the same results have been published on another connection.
func TestAServerThatDoesNotRead(t *testing.T) {
	toxics.Register("stop", new(stopToxic))
	h := newHost(t, nil)
	s := h.stream(t, nil)
	p := newProxy(t, h)
	lost := make(sighting, 1)
	j := openLogging(t, config("nats://"+p.Listen), lost.line("state=lost"))
	poison(t, p, `{"name":"stop","type":"stop","stream":"upstream"}`)
	const n = 1000
	delivered := make(chan error, 1)
	go func() {
		_, err := deliver(t.Context(), j, bulky(n))
		delivered <- err
	}()
	lost.wait(t)
	if got := errorsBy(t, j, disconnected); got == 0 {
		t.Error("no error of the connection is counted")
	}
	if err := p.Toxics.RemoveToxic(t.Context(), "stop"); err != nil {
		t.Fatal(err)
	}
	if err := <-delivered; err != nil {
		t.Fatal(err)
	}
	if got := count(t, s); got != n {
		t.Errorf("the stream holds %d results, want %d", got, n)
	}
}

// TestAConnectionThatIsDeadWithoutASign swallows what the server says, its
// farewell included: the connection looks alive. It is given up after a few
// pings, long before the system would notice.
func TestAConnectionThatIsDeadWithoutASign(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	p := newProxy(t, h)
	cfg := config("nats://" + p.Listen)
	cfg.AckTimeout = 200 * time.Millisecond
	lost := make(sighting, 1)
	j := openLogging(t, cfg, lost.line("stale connection"))
	poison(t, p, `{"name":"deaf","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)
	const n = 100
	type outcome struct {
		duplicates int
		err        error
	}
	delivered := make(chan outcome, 1)
	go func() {
		duplicates, err := deliver(t.Context(), j, results(n))
		delivered <- outcome{duplicates, err}
	}()
	lost.wait(t)
	if got := errorsBy(t, j, overdue); got == 0 {
		t.Error("no acknowledgement that is overdue is counted")
	}
	if err := p.Toxics.RemoveToxic(t.Context(), "deaf"); err != nil {
		t.Fatal(err)
	}
	got := <-delivered
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.duplicates != n {
		t.Errorf("%d duplicates, want all %d: every result had arrived", got.duplicates, n)
	}
	if got := count(t, s); got != n {
		t.Errorf("the stream holds %d results, want %d", got, n)
	}
}

// TestAProbeIsAnsweredWhileNATSIsDialed asks while nats.go waits for the first
// word of a server that accepts and says nothing, with its lock taken.
func TestAProbeIsAnsweredWhileNATSIsDialed(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	lost := make(sighting, 1)
	j := openLogging(t, config(h.url()), lost.line("state=lost"))
	h.stop()
	lost.wait(t)
	silent, err := net.Listen("tcp", strings.TrimPrefix(h.url(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for began := time.Now(); ; {
		c, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		given := make(chan struct{}) // up, by nats.go
		go func() {
			_, _ = io.Copy(io.Discard, c)
			close(given)
		}()
		if j.Connected() {
			t.Error("connected to a server that has not said a word")
		}
		if err := j.Publish(t.Context(), results(3)); !errors.Is(err, errNoServer) {
			t.Errorf("got %v, want that there is no server", err)
		}
		select {
		case <-given: // this machine is slow, or the answers had to wait for it
			if time.Since(began) > patience {
				t.Fatal("every answer came after nats.go had let go")
			}
		default:
			c.Close()
			return
		}
	}
}
