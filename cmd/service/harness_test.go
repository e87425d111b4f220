package service_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sweetspot/cmd/service"
	"sweetspot/cmd/sweet/sandbox"
	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/config"
)

// A worker is one under test, running.
type worker struct {
	t        *testing.T
	addr     string
	registry *prometheus.Registry
	logs     *sandboxtest.Log
	stop     context.CancelFunc
	ended    chan error
	err      error // what Run returned, after wait
	over     bool
}

// environment is that of a worker on s with the test's model; more of it
// overrides what stands before.
func environment(t *testing.T, s *sandbox.Sandbox, more ...string) []string {
	t.Helper()
	return slices.Concat(s.Env(), []string{
		"SWEET_MODEL=" + sandboxtest.Model(t), "SWEET_THREADS=1", "SWEET_HTTP_ADDR=127.0.0.1:0",
		"SWEET_KAFKA_HEARTBEAT=200ms", "SWEET_KAFKA_FETCH_WAIT=50ms",
	}, more)
}

// start starts a worker and fails the test where it does not open.
func start(t *testing.T, environ []string) *worker {
	t.Helper()
	w := &worker{t: t, registry: prometheus.NewRegistry(), logs: &sandboxtest.Log{}, ended: make(chan error, 1)}
	cfg, _, err := config.Load(t.Context(), environ)
	if err != nil {
		t.Fatalf("loading the settings: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	s, err := service.Open(ctx, cfg, service.Options{
		Version: "v1", Logger: slog.New(slog.NewJSONHandler(w.logs, nil)), Registry: w.registry,
	})
	if err != nil {
		t.Fatalf("opening: %v\n%s", err, w.logs)
	}
	w.addr = s.Addr()
	go func() { w.ended <- s.Run(ctx) }()
	t.Cleanup(func() { _ = w.wait() })
	return w
}

// wait stops the worker and returns what Run returned. It is safe to call again.
func (w *worker) wait() error {
	w.t.Helper()
	w.stop()
	if w.over {
		return w.err
	}
	w.over = true
	ctx, cancel := context.WithTimeout(context.Background(), sandboxtest.Patience)
	defer cancel()
	select {
	case w.err = <-w.ended:
	case <-ctx.Done():
		w.t.Fatalf("the worker does not stop; its log:\n%s", w.logs)
	}
	if w.t.Failed() {
		w.t.Logf("the worker's log:\n%s", w.logs)
	}
	return w.err
}

// quit stops the worker, and fails the test unless it settled everything.
func (w *worker) quit() {
	w.t.Helper()
	if err := w.wait(); err != nil {
		w.t.Errorf("Run returned %v, want nil; the worker's log:\n%s", err, w.logs)
	}
}

// get asks the worker for a page.
func (w *worker) get(path string) (status int, body string) {
	w.t.Helper()
	return w.ask(http.MethodGet, path)
}

func (w *worker) ask(method, path string) (status int, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(sandboxtest.Limited(w.t), method, "http://"+w.addr+path, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatalf("asking for %s: %v\n%s", path, err, w.logs)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("reading %s: %v", path, err)
	}
	return resp.StatusCode, string(all)
}

// awaitSettled waits until the group has committed everything in the topic.
func (w *worker) awaitSettled(s *sandbox.Sandbox) {
	w.t.Helper()
	sandboxtest.AwaitSettled(w.t, s, sandbox.Group, w.logs.String)
}

// families are the worker's metrics by name.
func (w *worker) families() map[string]*dto.MetricFamily {
	w.t.Helper()
	all, err := w.registry.Gather()
	if err != nil {
		w.t.Fatalf("gathering the metrics: %v", err)
	}
	byName := make(map[string]*dto.MetricFamily)
	for _, f := range all {
		byName[f.GetName()] = f
	}
	return byName
}

// count is the sum of a counter or gauge over all its labels.
func (w *worker) count(name string) float64 {
	w.t.Helper()
	f, ok := w.families()[name]
	if !ok {
		w.t.Fatalf("there is no metric %s", name)
	}
	sum := 0.0
	for _, m := range f.GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// sums are the counters that conservation is about.
type sums struct{ read, published, duplicates, dead, tombstones, shed, abandoned float64 }

func (w *worker) sums() sums {
	w.t.Helper()
	return sums{
		read: w.count("sweet_messages_read_total"), published: w.optional("sweet_results_published_total"),
		duplicates: w.count("sweet_results_duplicate_total"), dead: w.optional("sweet_dead_letters_total"),
		tombstones: w.optional("sweet_tombstones_total"), shed: w.count("sweet_shed_total"),
		abandoned: w.count("sweet_abandoned_total"),
	}
}

// optional is count, and 0 where none of the labels was ever used.
func (w *worker) optional(name string) float64 {
	if _, ok := w.families()[name]; !ok {
		return 0
	}
	return w.count(name)
}

// check compares the counters of a worker that has ended with want, and want
// with itself: what was read is accounted for.
func (w *worker) check(want sums) {
	w.t.Helper()
	if got := w.sums(); got != want {
		w.t.Errorf("the worker counted %+v, want %+v", got, want)
	}
	if sum := want.published + want.duplicates + want.dead + want.tombstones + want.shed + want.abandoned; want.read != sum {
		w.t.Errorf("of %v messages read %v are accounted for", want.read, sum)
	}
}
