package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sweetspot/cmd/service"
	"sweetspot/cmd/sweet/sandboxtest"
	"sweetspot/config"
)

// The README's walk through sandbox, worker, produce and tail.
func TestSandboxWorkerProduceTail(t *testing.T) {
	var lines sandboxtest.Log
	stop, ended := background(t, func(ctx context.Context) error { return sweet(ctx, "", &lines, "sandbox", "--partitions", "2") })
	lines.Await(t, "SWEET_NATS_STREAM=")
	environ := []string{"SWEET_HTTP_ADDR=127.0.0.1:0"}
	for line := range strings.Lines(lines.String()) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
		name, value, _ := strings.Cut(line, "=")
		value = strings.Trim(value, "'")
		t.Setenv(name, value)
		environ = append(environ, name+"="+value)
	}

	stopWorker, workerEnded := background(t, func(ctx context.Context) error { return work(ctx, environ) })
	const text = "where is my parcel\n\nthe refund never came\n"
	if err := sweet(t.Context(), text, io.Discard, "produce"); err != nil {
		t.Fatalf("sweet produce: %v", err)
	}
	if err := sweet(t.Context(), "do you open on sunday\n", io.Discard, "produce", "--tier", "strict"); err != nil {
		t.Fatalf("sweet produce --tier strict: %v", err)
	}
	var human, raw bytes.Buffer
	if err := sweet(sandboxtest.Limited(t), "", &raw, "tail", "--all", "--count", "3", "--json"); err != nil {
		t.Fatalf("sweet tail --json: %v", err)
	}
	if err := sweet(sandboxtest.Limited(t), "", &human, "tail", "--all", "--count", "3"); err != nil {
		t.Fatalf("sweet tail: %v", err)
	}
	var labels, tiers []string
	for d := json.NewDecoder(&raw); d.More(); {
		var r struct{ Label, Tier string }
		if err := d.Decode(&r); err != nil {
			t.Fatalf("sweet tail --json prints no JSON: %v", err)
		}
		labels, tiers = append(labels, r.Label), append(tiers, r.Tier)
	}
	shown := slices.Collect(strings.Lines(human.String()))
	if len(labels) != 3 || len(shown) != 3 {
		t.Fatalf("sweet tail shows %q, and with --json labels %q; want three results", shown, labels)
	}
	for i, l := range labels {
		if !strings.HasPrefix(shown[i], l) {
			t.Errorf("sweet tail shows %q, and with --json label %q", shown[i], l)
		}
	}
	slices.Sort(tiers)
	if want := []string{"standard", "standard", "strict"}; !slices.Equal(tiers, want) {
		t.Errorf("got the tiers %q, want %q", tiers, want)
	}

	stopWorker()
	if err := <-workerEnded; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("sweet sandbox ended with %v", err)
	}
}

func TestProduceRefusesWhatIsNoTier(t *testing.T) {
	for _, tier := range []string{"best", "Strict", "best_effort"} {
		err := sweet(t.Context(), "a text\n", io.Discard, "produce", "--brokers", "127.0.0.1:1", "--topic", "texts", "--tier", tier)
		if want := "--tier " + tier + ": want strict, standard or best-effort"; !errors.As(err, new(usageError)) || err.Error() != want {
			t.Errorf("--tier %s: got error %v, want a usage error that says %q", tier, err, want)
		}
	}
}

// sweet runs the toolbox as its command line would.
func sweet(ctx context.Context, stdin string, stdout io.Writer, args ...string) error {
	c := newCommand() //nolint:contextcheck // it gets its context below
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(stdout)
	c.SetErr(io.Discard)
	return c.ExecuteContext(ctx)
}

// work runs a worker until ctx ends.
func work(ctx context.Context, environ []string) error {
	cfg, _, err := config.Load(ctx, environ)
	if err != nil {
		return err
	}
	w, err := service.Open(ctx, cfg, service.Options{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// background runs f until it is stopped, at the latest when the test ends.
func background(t *testing.T, f func(ctx context.Context) error) (stop func(), ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(cancel)
	return cancel, done
}
