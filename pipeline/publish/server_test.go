package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/pipeline"
)

// patience bounds what should come at once, so that a test that fails ends.
const patience = 30 * time.Second

// A host is a nats-server that can be stopped and started at the same address
// with the same store.
type host struct {
	opts server.Options
	srv  *server.Server
	user string // "name:password@" of those who connect from now on; "" where anybody may
}

func newHost(t *testing.T, change func(*server.Options)) *host {
	t.Helper()
	h := &host{opts: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	if change != nil {
		change(&h.opts)
	}
	h.start(t)
	t.Cleanup(h.stop)
	return h
}

func (h *host) start(t *testing.T) {
	t.Helper()
	opts := h.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	h.opts.Port = opts.Port
	h.srv = srv
}

func (h *host) stop() {
	h.srv.Shutdown()
	h.srv.WaitForShutdown()
}

func (h *host) url() string { return fmt.Sprintf("nats://%s127.0.0.1:%d", h.user, h.opts.Port) }

// admin returns a client of the test's own.
func (h *host) admin(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(h.url(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// stream creates the stream RESULTS, changed as told.
func (h *host) stream(t *testing.T, change func(*jetstream.StreamConfig)) jetstream.Stream {
	t.Helper()
	_, js := h.admin(t)
	cfg := jetstream.StreamConfig{Name: "RESULTS", Subjects: []string{"sweet.>"}, Duplicates: 10 * time.Minute, Discard: jetstream.DiscardNew}
	if change != nil {
		change(&cfg)
	}
	s, err := js.CreateStream(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// count returns how many results the stream holds. A server that is just back
// may not answer the first question.
func count(t *testing.T, s jetstream.Stream) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		question, over := context.WithTimeout(ctx, time.Second)
		info, err := s.Info(question)
		over()
		if err == nil {
			return int(info.State.Msgs)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("asking about the stream: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// config is for a server at url.
func config(url string) Config {
	return Config{
		URL: url, Stream: "RESULTS", Subject: "sweet.{topic}.{label}",
		Window: 10 * time.Minute, Pending: 4000, AckTimeout: 10 * time.Second,
	}
}

// open opens a publisher that is closed at the end of the test.
func open(t *testing.T, cfg Config) *JetStream {
	t.Helper()
	return openLogging(t, cfg, io.Discard)
}

// openLogging is open with a log.
func openLogging(t *testing.T, cfg Config, log io.Writer) *JetStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	j, err := Open(ctx, cfg, stamp, NewMetrics(prometheus.NewRegistry()), logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.nc.Close() })
	return j
}

// results returns n results with ids of their own.
func results(n int) []pipeline.Result {
	rs := make([]pipeline.Result, n)
	for i := range rs {
		rs[i] = *goldenResult()
		m := pipeline.Message{ID: fmt.Sprintf("kfk/desk/tickets/0/%d/1", i), Origin: rs[i].Message.Origin}
		rs[i].Message = pipeline.NewMessage(m, nil)
		rs[i].Label = "billing"
	}
	return rs
}

// deliver publishes results until all are durable, as the pipeline does, and
// returns how many of them were duplicates.
func deliver(ctx context.Context, j *JetStream, rs []pipeline.Result) (duplicates int, err error) {
	for len(rs) > 0 {
		err := j.Publish(ctx, rs)
		partial, ok := errors.AsType[*pipeline.PartialError](err)
		if err != nil && (!ok || ctx.Err() != nil) {
			return duplicates, err
		}
		var again []pipeline.Result
		next := 0
		for i := range rs {
			if ok && next < len(partial.Failed) && partial.Failed[next] == i {
				again = append(again, rs[i])
				next++
			} else if rs[i].Duplicate {
				duplicates++
			}
		}
		rs = again
		if len(rs) > 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
	return duplicates, nil
}

func TestPublishedResults(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	j := open(t, config(h.url()))
	j.carried["tenant"] = true
	r := *goldenResult()
	r.Message.Headers = []pipeline.Header{
		{Key: "traceparent", Value: []byte("00-1-2-01")},
		{Key: "tenant", Value: []byte("a\nb")},
		{Key: "secret", Value: []byte("x")},
	}
	if err := j.Publish(t.Context(), []pipeline.Result{r}); err != nil {
		t.Fatal(err)
	}
	got, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "sweet.tickets.R&D_<urgent_" {
		t.Errorf("subject: got %q", got.Subject)
	}
	for name, want := range map[string]string{
		"Nats-Msg-Id": r.Message.ID, "traceparent": "00-1-2-01", "tenant": "a b", "secret": "",
	} {
		if got := got.Header.Get(name); got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
	if want, _ := encode(&r, &stamp); string(got.Data) != string(want) {
		t.Errorf("got %s, want %s", got.Data, want)
	}
}

func TestTheSameResultIsStoredOnce(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	j := open(t, config(h.url()))
	for round := range 2 {
		rs := results(100)
		if err := j.Publish(t.Context(), rs); err != nil {
			t.Fatal(err)
		}
		for i := range rs {
			if want := round == 1; rs[i].Duplicate != want {
				t.Fatalf("round %d: result %d: duplicate is %v, want %v", round, i, rs[i].Duplicate, want)
			}
		}
	}
	if got := count(t, s); got != 100 {
		t.Errorf("the stream holds %d results, want 100", got)
	}
}

// TestExactlyOnceThroughRestarts stops and starts the server while results are
// on their way.
func TestExactlyOnceThroughRestarts(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	j := open(t, config(h.url()))
	const n, calls = 4000, 4
	rs := results(n)
	var wg sync.WaitGroup
	for c := range calls {
		wg.Go(func() {
			mine := rs[c*n/calls : (c+1)*n/calls]
			for len(mine) > 0 {
				k := min(50, len(mine))
				if _, err := deliver(t.Context(), j, mine[:k]); err != nil {
					t.Error(err)
					return
				}
				mine = mine[k:]
			}
		})
	}
	for _, part := range []int{n / 10, n / 2} {
		whenStored(t, s, part)
		h.stop()
		h.start(t)
	}
	wg.Wait()
	if got := count(t, s); got != n {
		t.Errorf("the stream holds %d results, want %d", got, n)
	}
}

// whenStored waits until the stream holds n results.
func whenStored(t *testing.T, s jetstream.Stream, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for count(t, s) < n {
		select {
		case <-ctx.Done():
			t.Fatalf("the stream holds %d results, want %d", count(t, s), n)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestAFullStreamTakesTheRestLater(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, func(c *jetstream.StreamConfig) { c.MaxMsgs = 3 })
	j := open(t, config(h.url()))
	rs := results(5)
	partial, ok := errors.AsType[*pipeline.PartialError](j.Publish(t.Context(), rs))
	if !ok || len(partial.Failed) != 2 || len(partial.Refused) != 0 {
		t.Fatalf("got %+v, want two results to try again", partial)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := []pipeline.Result{rs[partial.Failed[0]], rs[partial.Failed[1]]}
	if err := j.Publish(t.Context(), again); err != nil || again[0].Duplicate {
		t.Errorf("got %v, duplicate %v", err, again[0].Duplicate)
	}
	if got := count(t, s); got != 2 {
		t.Errorf("the stream holds %d results, want 2", got)
	}
}

func TestResultsOverALimitAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(*server.Options)
		stream func(*jetstream.StreamConfig)
		header int // bytes
	}{
		{"the server's", func(o *server.Options) { o.MaxPayload = 4096 }, nil, 5000},
		{"the stream's", nil, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4096 }, 5000},
		{"that on headers", nil, nil, 70_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, tt.server)
			s := h.stream(t, tt.stream)
			j := open(t, config(h.url()))
			rs := results(3)
			rs[1].Message.Headers = []pipeline.Header{{Key: "tracestate", Value: []byte(strings.Repeat("x", tt.header))}}
			partial, ok := errors.AsType[*pipeline.PartialError](j.Publish(t.Context(), rs))
			if !ok || len(partial.Failed) != 1 || !errors.Is(partial.Refused[1], pipeline.ErrTooLarge) {
				t.Fatalf("got %+v, want result 1 refused as too large", partial)
			}
			if got := count(t, s); got != 2 {
				t.Errorf("the stream holds %d results, want 2", got)
			}
		})
	}
}

// TestResultsThatTheClientDoesNotSendAreRefused makes messages that the client
// itself refuses: tried again, they would be refused for ever.
func TestResultsThatTheClientDoesNotSendAreRefused(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	for _, tt := range []struct {
		name   string
		change func(*JetStream)
		want   error
	}{
		{"the name of a header", func(j *JetStream) { j.carried["a/b"] = true }, nats.ErrBadHeaderMsg},
		{"the subject", func(j *JetStream) { j.subject = template{literals: []string{"sweet. x"}} }, nats.ErrBadSubject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := open(t, config(h.url()))
			tt.change(j)
			rs := results(1)
			rs[0].Message.Headers = []pipeline.Header{{Key: "a/b", Value: []byte("x")}}
			partial, ok := errors.AsType[*pipeline.PartialError](j.Publish(t.Context(), rs))
			if !ok || !errors.Is(partial.Refused[0], tt.want) || errors.Is(partial.Refused[0], pipeline.ErrTooLarge) {
				t.Fatalf("got %+v, want the result refused with %v", partial, tt.want)
			}
		})
	}
	if got := count(t, s); got != 0 {
		t.Errorf("the stream holds %d results, want none", got)
	}
}

// silence takes the stream away and puts a subscriber in its place that never
// acknowledges. It passes on when it was sent something.
func silence(t *testing.T, h *host) <-chan *nats.Msg {
	t.Helper()
	nc, js := h.admin(t)
	if err := js.DeleteStream(t.Context(), "RESULTS"); err != nil {
		t.Fatal(err)
	}
	sent := make(chan *nats.Msg, 1000)
	if _, err := nc.ChanSubscribe("sweet.>", sent); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestAResultWithoutAnAcknowledgementFails(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	cfg := config(h.url())
	cfg.AckTimeout = 50 * time.Millisecond
	j := open(t, cfg)
	silence(t, h)
	err := j.Publish(t.Context(), results(2))
	partial, ok := errors.AsType[*pipeline.PartialError](err)
	if !ok || len(partial.Failed) != 2 || !errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
		t.Errorf("got %v, want both to time out", err)
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	cfg := config(h.url())
	cfg.Pending = 3
	j := open(t, cfg)
	sent := silence(t, h)
	over := errors.New("the time is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-sent
		cancel(over)
	}()
	err := j.Publish(ctx, results(10))
	partial, ok := errors.AsType[*pipeline.PartialError](err)
	if !ok || len(partial.Failed) != 10 || !errors.Is(err, over) {
		t.Errorf("got %v, want all 10 to fail because the time is over", err)
	}
	if len(j.slots) != 0 {
		t.Errorf("%d slots are still taken", len(j.slots))
	}
}

func TestPendingResultsAreBounded(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	cfg := config(h.url())
	cfg.Pending = 5
	j := open(t, cfg)
	sent := silence(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { _ = j.Publish(ctx, results(20)) })
	}
	for range cfg.Pending {
		<-sent
	}
	// Nothing was acknowledged, so nothing more may come: a message of our own
	// on the publisher's connection is next.
	if err := j.nc.Publish("sweet.marker", nil); err != nil {
		t.Fatal(err)
	}
	if m := <-sent; m.Subject != "sweet.marker" {
		t.Errorf("with %d results under way, another was sent", cfg.Pending)
	}
	cancel()
	wg.Wait()
}

// TestManyCallsShareFewSlots would hang if calls waited for each other's slots.
func TestManyCallsShareFewSlots(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	cfg := config(h.url())
	cfg.Pending = 2
	j := open(t, cfg)
	rs := results(400)
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			if err := j.Publish(t.Context(), rs[c*50:(c+1)*50]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := count(t, s); got != 400 {
		t.Errorf("the stream holds %d results, want 400", got)
	}
}

func TestAClosedPublisherSaysSo(t *testing.T) {
	h := newHost(t, nil)
	h.stream(t, nil)
	j := open(t, config(h.url()))
	if err := j.Publish(t.Context(), results(1)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := j.Publish(t.Context(), results(1)); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if j.Connected() {
		t.Error("a closed publisher says that it is connected")
	}
}

func TestNothingIsBufferedWhileTheServerIsDown(t *testing.T) {
	h := newHost(t, nil)
	s := h.stream(t, nil)
	lost := make(sighting, 1)
	j := openLogging(t, config(h.url()), lost.line("state=lost"))
	h.stop()
	lost.wait(t)
	if j.Connected() {
		t.Error("connected to a server that is down")
	}
	partial, ok := errors.AsType[*pipeline.PartialError](j.Publish(t.Context(), results(3)))
	if !ok || len(partial.Failed) != 3 {
		t.Errorf("got %+v, want all to fail", partial)
	}
	h.start(t)
	if duplicates, err := deliver(t.Context(), j, results(3)); err != nil || duplicates != 0 {
		t.Errorf("got %d duplicates, %v: results were buffered", duplicates, err)
	}
	if got := count(t, s); got != 3 {
		t.Errorf("the stream holds %d results, want 3", got)
	}
}
